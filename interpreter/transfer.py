"""How long a copy between tiers takes: simulated, as a kernel that loads here and stores there, on one socket.

All sockets copy their own parts side by side, and no unit computes. The kernel is the program `ddr_to_hbm` for one
socket: as many AGCUs as fill the slower tier.
"""

from __future__ import annotations

from dataclasses import field, replace
from fractions import Fraction

from rdflow.dsl.check import checked
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.interpreter.image import advance, build, counters
from rdflow.interpreter.machine import BURST, LARGEST_DENOMINATOR, Machine
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.mapping import map_netlist

KERNEL = """param N = 1, P = 1
axis n = 32*N
tensor X: bf16[n] in {source} input
tensor Y: bf16[n] in {target} output
kernel move {{
    x = load X as [n/L @P | n%L]
    store x -> Y
}}
"""
FEW, MANY = 4, 16  # AGCUs that copy side by side: enough for DDR, and for a copy inside of HBM
LONG = 2**26  # bytes of a copy that is long enough to show its rate
GRANULE = 1024  # bytes that a copy moves at least, and whole ones of: a burst for each of these AGCUs


@dataclass(frozen=True, slots=True)
class Transfer:
    """A copy: its cycles, and the bytes read and written on each socket."""

    cycles: int
    read: int
    written: int


@dataclass
class Transfers:
    """Copies on a machine, each size simulated once."""

    machine: Machine
    _known: dict[tuple[int, str, str], Transfer] = field(default_factory=dict)

    def of(self, size: int, source: str, target: str) -> Transfer:
        """A copy of so many bytes on each socket, in granules."""
        bursts = -(-size // GRANULE) * GRANULE // BURST
        if not bursts:
            return Transfer(0, 0, 0)
        if (bursts, source, target) not in self._known:
            self._known[bursts, source, target] = self._simulated(bursts, source, target)
        return self._known[bursts, source, target]

    def _simulated(self, bursts: int, source: str, target: str) -> Transfer:
        settings = {"N": bursts, "P": self._streams(source, target)}
        text = KERNEL.format(source=source, target=target)
        program = checked(Source("copy.rdf", text), settings, stages=self.machine.pcu.stages)
        (spec,) = program.launches
        mapped, _ = map_netlist(elaborate(program.kernels[spec]), self.machine)
        image = build(mapped)
        advance(image)
        pushes = counters(image).pushes
        moved = {"request": 0, "store": 0}
        for number, queue in enumerate(mapped.netlist.queues):
            if queue.server == "memory":
                moved[mapped.netlist.actors[queue.source].kind] += BURST * int(pushes[number])
        return Transfer(image.cycles, moved["request"], moved["store"])

    def _streams(self, source: str, target: str) -> int:
        """AGCUs enough for the slower of the two tiers."""
        beside = MANY if "ddr" not in (source, target) else FEW
        return max(1, min(beside, self.machine.agcus // 2))


def under_copy(mapped: Mapped, machine: Machine, transfers: Transfers) -> Mapped:
    """A mapped kernel whose HBM serves a copy beside it: its channels take so much longer for a burst as the copy takes
    of their time."""
    long = transfers.of(LONG, "ddr", "hbm")
    per_cycle = Fraction(long.written, long.cycles)
    whole = Fraction(BURST * machine.hbm.channels) / machine.cycles_per_burst(machine.hbm)
    factor = 1 / (1 - min(per_cycle / whole, Fraction(15, 16)))
    servers = []
    for server in mapped.servers:
        if server.name.startswith("hbm["):
            pace = (Fraction(server.numerator, server.denominator) * factor).limit_denominator(LARGEST_DENOMINATOR)
            server = replace(server, numerator=pace.numerator, denominator=pace.denominator)
        servers.append(server)
    return replace(mapped, servers=servers)
