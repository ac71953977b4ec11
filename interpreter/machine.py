"""A machine: every number of the model, read from a TOML file and checked.

A file has its values in the units that people use ("1.8TB/s", "64GiB", "100ns"); here they are exact: bytes, Hz and
bytes a second as ints, seconds as fractions. A file may name a `base` and give only what differs. Layers are merged,
then checked as one, and each mistake is reported at the line that holds it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import field, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.program import LANES
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source, Span
from rdflow.interpreter.machine_files import SHIPPED, Layer, find_file, literal, merged, nested, read_layers, read_value
from rdflow.interpreter.machine_mistakes import at_fault, contradiction, only_modelled, sets_nothing
from rdflow.interpreter.machine_parts import Agcu, Launch, Links, Network, Node, Pcu, Pmu, Socket, Tier, Tile
from rdflow.interpreter.machine_sections import Fault, hints, keys, read
from rdflow.interpreter.quantities import Words

BURST = 64  # bytes that a memory channel moves at once, and of a packet
LARGEST_DENOMINATOR = 16  # of cycles a burst: with larger ones the phase of a busy channel hardly ever recurs
LARGEST_ROUNDING = Fraction(1, 16)  # how far cycles a burst may be from what the bandwidth asks for


@dataclass(frozen=True)
class Machine:
    """A node of equal sockets. Counts and capacities are those of one socket."""

    name: Words
    about: Words
    node: Node
    socket: Socket
    tile: Tile
    pcu: Pcu
    pmu: Pmu
    agcu: Agcu
    network: Network
    hbm: Tier
    ddr: Tier
    links: Links
    launch: Launch
    _layers: tuple[Layer, ...] = field(default=(), repr=False, compare=False)

    @property
    def pcus(self) -> int:
        return self.socket.tiles * self.tile.pairs

    @property
    def pmus(self) -> int:
        return self.socket.tiles * self.tile.pairs

    @property
    def agcus(self) -> int:
        return self.socket.tiles * self.tile.agcus

    @property
    def tiers(self) -> dict[str, Tier]:
        """The memories by the name that a program gives them; their channels are servers in this order."""
        return {"hbm": self.hbm, "ddr": self.ddr}

    def cycles(self, seconds: Fraction) -> int:
        """Cycles until that time is over."""
        return ceil(seconds * self.socket.clock)

    def asked(self, tier: Tier) -> Fraction:
        """Cycles that a channel may take for a burst of a long stream, exactly."""
        return Fraction(BURST * tier.channels * self.socket.clock, tier.bandwidth) / tier.efficiency

    def sustained(self, tier: Tier) -> float:
        """Bytes a second that the tier's channels give together."""
        return float(BURST * tier.channels * self.socket.clock / self.cycles_per_burst(tier))

    def cycles_per_burst(self, tier: Tier) -> Fraction:
        """The nearest fraction to `asked` with a denominator that lets a busy channel's state recur."""
        return max(self.asked(tier).limit_denominator(LARGEST_DENOMINATOR), Fraction(1, LARGEST_DENOMINATOR))

    def boundary_cycles(self, configured: int) -> int:
        """Cycles from the end of one kernel to the start of the next, which configures so many PCUs and PMUs."""
        share = Fraction(configured, self.pcus + self.pmus)
        return self.cycles(self.launch.boundary + share * self.launch.load) + self.cycles(self.launch.arguments)

    def replace(self, **changes: object) -> Machine:
        """The machine with other values: `replace(hbm_bandwidth="3.6TB/s")`; section and key joined by `_`."""
        dotted = {key.replace("_", ".", 1): value for key, value in changes.items()}
        text = "\n".join(f"{key} = {literal(value)}" for key, value in dotted.items())
        data: dict[str, Any] = {}
        for key, value in dotted.items():
            data = merged(data, nested(key, value))
        return _build((*self._layers, Layer(Source("replace", text), data)))

    def with_setting(self, setting: str) -> Machine:
        """The machine with `SECTION.KEY=VALUE`, as it is typed at the command line (quotes may be left out)."""
        key, equals, value = setting.partition("=")
        if not equals:
            span = Span(0, len(setting))
            raise CompileError([sets_nothing(span)], Source("machine setting", setting))
        layer = Layer(Source("machine setting", setting), nested(key.strip(), read_value(value.strip())))
        return _build((*self._layers, layer))


def load_machine(name_or_path: str) -> Machine:
    """A machine that ships with rdflow, by name, or a TOML file, by path. Raises CompileError, RDF307 for a roofline model."""
    layers = tuple(read_layers(find_file(name_or_path, Path()), ()))
    if any("model" in layer.data for layer in layers):
        raise CompileError([only_modelled(name_or_path, layers)], layers[-1].source)
    return _build(layers)


def machines() -> list[tuple[str, str]]:
    """The machines that ship: name and one line."""
    return [(path.stem, tomllib.loads(path.read_text())["about"]) for path in sorted(SHIPPED.glob("*.toml"))]


def _build(layers: tuple[Layer, ...]) -> Machine:
    data: dict[str, Any] = {}
    for layer in layers:
        data = merged(data, layer.data)
    faults: list[Fault] = []
    machine = read(Machine, data, faults)
    if machine is None:
        raise CompileError([at_fault(fault, layers, _keys) for fault in faults], layers[-1].source)
    mistakes = [contradiction(path, why, layers) for path, why in _contradictions(machine)]
    if mistakes:
        raise CompileError(mistakes, layers[-1].source)
    return replace(machine, _layers=layers)


def _contradictions(machine: Machine) -> Iterator[tuple[str, str]]:
    """Values that are possible alone and not together, or with the language: the key and why."""
    if machine.pcu.lanes != LANES:
        yield "pcu.lanes", f"must be {LANES}: the tokens of the language have that many lanes"
    for name, tier in machine.tiers.items():
        asked = machine.asked(tier)
        if abs(machine.cycles_per_burst(tier) - asked) > LARGEST_ROUNDING * asked:
            most = BURST * machine.socket.clock * LARGEST_DENOMINATOR // 10**9
            yield f"{name}.bandwidth", f"is more than its channels can give: {tier.channels} of at most {most}GB/s"


def _keys(section: str) -> list[str]:
    """The keys of a section, or, of none, the sections."""
    if not section:
        return ["base", *keys(Machine)]
    return keys(hints(Machine)[section])
