"""Rival machines as roofline models: GPUs that launch kernels one after another, with a link to the memory of a host.

They are read from TOML files as machines are, `model = "roofline"`. Nothing of them is simulated: a program's times follow
from its formulas (`interpreter/roofline.py`).
"""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path
from typing import Any

from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.interpreter.machine_files import Layer, find_file, merged, nested, read_layers, read_value
from rdflow.interpreter.machine_mistakes import at_fault
from rdflow.interpreter.machine_sections import Fault, hints, keys, read
from rdflow.interpreter.quantities import Bytes, BytesPerSecond, Count, FlopPerSecond, Seconds, Share, Words


@dataclass(frozen=True, slots=True)
class Devices:
    devices: Count


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU: FLOP a second at peak, and the part of its roofs (of memory too) that kernels reach."""

    compute: FlopPerSecond
    efficiency: Share


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Of one GPU."""

    capacity: Bytes
    bandwidth: BytesPerSecond


@dataclass(frozen=True, slots=True)
class Host:
    """The memory of the host, and the link to it, of the whole box."""

    capacity: Bytes
    bandwidth: BytesPerSecond


@dataclass(frozen=True, slots=True)
class Launches:
    """What a kernel's launch costs, and how many kernels a layer of a fused program is there: one for each step of a carry."""

    kernel: Seconds
    layer: Count


@dataclass(frozen=True)
class Rival:
    """A box of equal GPUs."""

    model: Words
    name: Words
    about: Words
    node: Devices
    device: Device
    hbm: DeviceMemory
    host: Host
    launch: Launches
    _layers: tuple[Layer, ...] = field(default=(), repr=False, compare=False)

    @property
    def memory(self) -> int:
        """Bytes of HBM in the box."""
        return self.node.devices * self.hbm.capacity

    def with_setting(self, setting: str) -> Rival:
        """The rival with `SECTION.KEY=VALUE`."""
        key, _, value = setting.partition("=")
        layer = Layer(Source("machine setting", setting), nested(key.strip(), read_value(value.strip())))
        return _build((*self._layers, layer))


def load_rival(name_or_path: str) -> Rival | None:
    """A roofline model that ships, or of a file; None where the machine is one that is simulated. Raises CompileError."""
    layers = tuple(read_layers(find_file(name_or_path, Path()), ()))
    return _build(layers) if any("model" in layer.data for layer in layers) else None


def _build(layers: tuple[Layer, ...]) -> Rival:
    data: dict[str, Any] = {}
    for layer in layers:
        data = merged(data, layer.data)
    faults: list[Fault] = []
    rival = read(Rival, data, faults)
    if rival is None:
        raise CompileError([at_fault(fault, layers, _keys) for fault in faults], layers[-1].source)
    return replace(rival, _layers=layers)


def _keys(section: str) -> list[str]:
    """The keys of a section, or, of none, the sections."""
    return keys(hints(Rival)[section]) if section else ["base", *keys(Rival)]
