"""What a run says about a program: cycles by unit and cause, bytes by tier, the limiter, the roofline point.

Every figure is counted from what ran, or estimated from that where a program asks for it (`modelled`). A unit's cycles add up: busy + starved + blocked + memory + link + idle =
cycles x copies.
"""

from __future__ import annotations

from collections.abc import Collection

from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.records import dataclass
from rdflow.interpreter.agenda import Agenda
from rdflow.interpreter.bandwidth import Carrier
from rdflow.interpreter.limiter import Wait
from rdflow.interpreter.reconcile import Compared


@dataclass(frozen=True)
class UnitProfile:
    """A unit: cycles over all its copies by what it did or waited for."""

    name: str
    kind: str
    verb: str
    order: str
    copies: int
    firings: int
    busy: int
    starved: int
    blocked: int
    memory: int
    link: int
    idle: int
    flops: int

    @property
    def total(self) -> int:
        return self.busy + self.starved + self.blocked + self.memory + self.link + self.idle

    @property
    def utilization(self) -> float:
        return self.busy / self.total if self.total else 0.0


@dataclass(frozen=True)
class TierProfile:
    """A memory tier: bytes moved, bytes a second at peak, of a long stream, and achieved over the kernel."""

    read: int
    written: int
    peak: float
    sustained: float
    achieved: float

    @staticmethod
    def over(seconds: float, read: int, written: int, peak: float, sustained: float) -> TierProfile:
        """Of so many bytes in a time."""
        return TierProfile(read, written, peak, sustained, (read + written) / seconds if seconds else 0.0)

    @property
    def utilization(self) -> float:
        return self.achieved / self.peak if self.peak else 0.0

    @property
    def busy(self) -> float:
        """The share of the time in which its channels are at work."""
        return self.achieved / self.sustained if self.sustained else 0.0


@dataclass(frozen=True)
class KernelProfile:
    """A kernel over all its launches with the same sizes."""

    name: str
    launches: int
    cycles: int
    seconds: float
    flops: int
    tiers: dict[str, TierProfile]
    sram_bytes: int
    units: tuple[UnitProfile, ...]
    resources: dict[str, int]
    limiter: str
    bound: str
    why: str
    waits: tuple[Wait, ...]
    peak_flops: float
    tensor_bytes: dict[str, int]
    """bytes read and written in HBM and DDR, by tensor"""
    compared: tuple[Compared, ...]
    """bytes and FLOPs of each line by formula and as measured"""
    link_bytes: int
    """bytes over the links between switches, 64 for a packet and each link that it crosses"""
    carriers: tuple[Carrier, ...]
    """memory channels, ports and links, the busiest first"""

    @property
    def bytes(self) -> int:
        """Bytes to and from HBM and DDR."""
        return sum(t.read + t.written for t in self.tiers.values())

    @property
    def intensity(self) -> float:
        """FLOP per byte of HBM and DDR traffic."""
        return self.flops / self.bytes if self.bytes else 0.0

    def bytes_without(self, tensors: Collection[str]) -> int:
        """The same traffic with some tensors left out, for comparison with who counts so."""
        return sum(size for name, size in self.tensor_bytes.items() if name not in tensors)


@dataclass(frozen=True)
class Profile:
    """A program on a machine."""

    kernels: tuple[KernelProfile, ...]
    tiers: dict[str, TierProfile]
    cycles: int
    seconds: float
    flops: int
    firings: int
    firings_simulated: int
    fast_forwarded_cycles: int
    launches_repeated: int
    host_seconds: float
    schedule: tuple[dict[str, object], ...]
    agenda: Agenda
    """when everything was done: launches with their program and argument loads, copies, the host"""
    warnings: tuple[Diagnostic, ...] = ()
    """of memory, places and routes, which are known when a kernel runs"""
    modelled: tuple[str, ...] = ()
    """what is a model of how long launches execute and what they count, kernel by kernel"""
    launches_modelled: int = 0
    sockets_alike: int = 1
    """so many sockets did the same in every cycle of a kernel, and one of them was simulated"""
    cached: str = ""
    """when it was simulated, where it comes from the cache"""

    @property
    def intensity(self) -> float:
        return self.intensity_without(())

    def intensity_without(self, tensors: Collection[str]) -> float:
        """FLOP per byte of all kernels together, the traffic of some tensors left out."""
        moved = sum(k.bytes_without(tensors) for k in self.kernels)
        return self.flops / moved if moved else 0.0
