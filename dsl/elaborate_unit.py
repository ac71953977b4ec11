"""A compute line while its actors are made: what is known of it, and how its rows read operands."""

from __future__ import annotations

from collections.abc import Callable

from rdflow.dsl.axes import Digit, renames, size, without
from rdflow.dsl.checked import Compute, Result
from rdflow.dsl.drafts import Source
from rdflow.dsl.formulas import line_flops
from rdflow.dsl.netlist import ALWAYS, Operand, Temp, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import PACKET_BYTES, PMU_BYTES, packets
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import chips

QUEUE_PACKETS = 16  # accumulators that fit the unit's own queue; more are charged to PMUs

Read = Callable[[int], Operand]
"""the token of an input, by number"""


class Unit:
    """The unit of a compute line.

    `space`: the digits of its copies; `tree`, `across`: those digits of copies and sockets over which it reduces.
    """

    def __init__(self, nets: Nets, line: Compute):
        self.nets, self.line, self.name = nets, line, line.stream.name
        self.order, self.reduced = line.order, line.reduced
        self.space = line.copies + line.sockets
        self.tree = tuple(d for r in line.reductions for d in r.copies)
        self.across = tuple(dict.fromkeys(d for r in line.reductions for d in r.sockets))
        self.number = nets.unit(self._info())

    def inside(self) -> tuple[Digit, ...]:
        """Kept loops inside the outermost reduced one: each has an accumulator."""
        if not self.reduced:
            return ()
        first = min(self.line.nest.index(d) for d in self.reduced)
        return without(self.line.nest[first:], self.reduced)

    def source(self, number: int) -> Source:
        """An operand's stream in the digits of the line."""
        operand = self.line.inputs[number]
        source = self.nets.sources[operand.stream.name]
        return source.renamed(renames(operand.stream.order.digits, operand.order.digits))

    def reading(self, rows: Rows, ports: dict[int, int]) -> Read:
        """How these rows read the operands, whose input ports are given: each once, in every firing."""
        seen: dict[int, Operand] = {}

        def operand(number: int) -> Operand:
            if number not in seen:
                gate, rows.gate = rows.gate, ALWAYS
                have = self.source(number).lanes
                if number == self.line.narrow and self.line.outer:
                    seen[number] = rows.narrow(ports[number], have, self.line.nest)
                else:
                    seen[number] = rows.operand(ports[number], have)
                rows.gate = gate
            return seen[number]

        return operand

    # -- the unit table ------------------------------------------------------------------------------------------------

    def _info(self) -> UnitInfo:
        line, over = self.line, chips(self.line)
        kept = self._kept()
        return UnitInfo(
            self.name,
            "pcu",
            "pcu",
            line.span,
            self.nets.kernel.writer.order(line.results[-1].stream.order),
            size(without(self.space, over)),
            line.chain,
            -(-kept // PMU_BYTES),
            0,
            kept,
            line_flops(self.nets.kernel, line) * (1 if over else self.nets.sockets),
            line.systolic,
        )

    def _kept(self) -> int:
        """Bytes of accumulators, where they are too many for the unit's own queue."""
        if not self.reduced or self.line.systolic:
            return 0
        held = size(self.inside()) * packets(size(self.line.lanes), "f32")
        return held * PACKET_BYTES if held > QUEUE_PACKETS else 0


def finish(rows: Rows, result: Result, read: Read, left: list[Operand], reduced: Operand) -> Temp:
    """What is done once a result: the factors outside of the sum, and the rounding. `left`: the results before it."""
    after = Rows(rows.draft, result.stream.order.lanes, rows.gate)
    value = after.ops(result.ops, result.value, read, left.__getitem__, reduced, {})
    return after.rounded(value, result.stream.dtype)
