"""The rows of one actor as rows of the kernel: arguments brought to their width, results where they belong."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from rdflow.dsl.netlist import Actor, Const, Gate, In, Index, Mem, Operand, Port, Row, Temp
from rdflow.interpreter.kernel import layout
from rdflow.interpreter.kernel.layout import VALUE_BATCH, VECTOR
from rdflow.interpreter.kernel.opcodes import COMBINE, NUMBER
from rdflow.interpreter.lowering import Lowering

SCRATCH = 4 * VECTOR * VALUE_BATCH  # words at the start of the store, for operations that need some
TEMPORARY = VALUE_BATCH * VECTOR  # words of a temporary
FRESH = 8  # temporaries that the lowering of one row may need
MEMORY_OUT = ("write", "fold", "systolic")  # operations whose result is in a memory
EXACT = ("read", "splat", "lanes", "pick", "index")  # operations that write their width and no whole vectors
NARROW = {"pick": (0, 1), "read": (0,)}  # arguments that need not have the row's width


class ActorRows:
    """Lowers the rows of one actor."""

    def __init__(self, lowering: Lowering, actor: Actor, first_port: int) -> None:
        self.lowering = lowering
        self.actor = actor
        self.first_port = first_port
        self.depth = max(1, len(actor.loops))
        self.widths: dict[int, int] = {}  # of the temporaries, as last written
        self.placed: dict[int, int] = {}  # temporaries that are tokens of an output port
        self.named = named(actor)
        self.fresh = 0
        self.first_row = len(lowering.rows)
        self.first_operand = len(lowering.operands)

    def temporary(self) -> Temp:
        """One more, until the row is done."""
        self.fresh += 1
        assert self.fresh <= FRESH
        return Temp(self.named + self.fresh - 1)

    def width(self, operand: Operand, wanted: int) -> int:
        """Lanes of an operand; constants and index values have as many as are wanted."""
        match operand:
            case Temp(index):
                return self.widths.get(index, wanted)
            case In(port):
                return self.lowering.netlist.queues[self.actor.inputs[port].queues[0]].width
            case Mem():
                return len(operand.lanes)
            case _:
                return wanted

    def lower(self) -> None:
        for row in self.actor.rows:
            self.row(row)
        for place, port in enumerate(self.actor.outputs, len(self.actor.inputs)):
            if port.source >= 0:
                self.result(port, self.first_port + place)

    def result(self, port: Port, place: int) -> None:
        """What a port pushes: a row writes it in the queue, or a copy is made. One lane may go into a wider queue."""
        width = self.lowering.netlist.queues[port.queues[0]].width
        narrow = self.widths.get(port.source, width) < width
        if not narrow and self.written_in_place(port, width):
            self.redirect(port.source, place)
            return
        out = self.lowering.operand(kind=layout.TOKEN, port=place)
        self.emit("splat" if narrow else "push", out, (self.simple(Temp(port.source)),), width, port.gate)

    def written_in_place(self, port: Port, width: int) -> bool:
        """Whether one row writes the port's temporary, in just the firings that push, and as many lanes as tokens have."""
        operands, rows = self.lowering.operands, self.lowering.rows[self.first_row :]
        writers = [row for row in rows if operands[row["out"]] == _temporary(port.source)]
        if len(writers) != 1 or any(writers[0][name] != bits for name, bits in _gate(port.gate).items()):
            return False
        exact = writers[0]["op"] in [NUMBER[op] for op in EXACT]
        return writers[0]["width"] == width if exact else width == VECTOR

    def redirect(self, source: int, place: int) -> None:
        """Let the rows write and read the tokens of a port instead of a temporary."""
        self.placed[source] = place
        for operand in self.lowering.operands[self.first_operand :]:
            if operand == _temporary(source):
                operand.clear()
                operand.update(kind=layout.TOKEN, port=place)

    def row(self, row: Row) -> None:
        """One row, with the rows before it that bring its arguments to its width, and the one that stores it."""
        self.fresh = 0
        args = tuple(self.argument(row, i, a) for i, a in enumerate(row.args))
        family = row.op.split(".")[0]
        out = row.out
        if isinstance(out, Mem) != (family in MEMORY_OUT) or (row.op == "lanes" and out == row.args[0]):
            out = self.temporary()
        self.emit(row.op, out, args, row.width, row.gate, row)
        if isinstance(out, Temp):
            self.widths[out.index] = 1 if family == "tree" else row.width
        if out != row.out:
            op = "write" if isinstance(row.out, Mem) else "copy"
            self.emit(op, row.out, (self.simple(out),), row.width, row.gate)
            if isinstance(row.out, Temp):
                self.widths[row.out.index] = row.width

    def argument(self, row: Row, position: int, operand: Operand) -> int:
        """The operand, brought into a temporary when it has to be read, made or broadcast first."""
        wanted = row.width
        if row.op == "read" and position == 0:
            assert isinstance(operand, Mem)
            return self.memory(operand, row.width)
        if row.op in ("lanes", "systolic") and position == (row.op == "systolic"):
            wanted = max(row.table) + 1
        if isinstance(operand, Index):
            operand = self.index(operand, row.gate, wanted)
        if isinstance(operand, Mem):
            operand = self.load(operand, row.gate)
        width = self.width(operand, wanted)
        if (width < wanted and position not in NARROW.get(row.op, ())) or (
            width == 1 < wanted and row.op == "systolic"
        ):
            if width != 1:
                raise ValueError(f"{self.actor.name}: {row.op} over {wanted} lanes of an operand of {width}")
            operand = self.spread(operand, row.gate, wanted)
        return self.simple(operand)

    def spread(self, operand: Operand, gate: Gate, width: int) -> Temp:
        out = self.temporary()
        self.emit("splat", out, (self.simple(operand),), width, gate)
        self.widths[out.index] = width
        return out

    def load(self, operand: Mem, gate: Gate) -> Temp:
        out = self.temporary()
        width = len(operand.lanes)
        self.emit("read", out, (self.memory(operand, width),), width, gate)
        self.widths[out.index] = width
        return out

    def index(self, operand: Index, gate: Gate, width: int) -> Temp:
        """The index values of each firing: an affine, plus a table by lane."""
        out = self.temporary()
        by_lane = operand.lanes * width if len(operand.lanes) == 1 else operand.lanes
        table = self.lowering.table(by_lane) if by_lane else -1
        offset = self.lowering.affines.affine(operand.affine, self.depth)
        source = self.lowering.operand(kind=layout.MEMORY, affine=offset)
        self.emit("index", out, (source,), width, gate, table=table)
        self.widths[out.index] = width
        return out

    def simple(self, operand: Operand) -> int:
        """An operand whose words are in the store: a temporary, a token, a constant."""
        match operand:
            case Temp(index) if index in self.placed:
                return self.lowering.operand(kind=layout.TOKEN, port=self.placed[index])
            case Temp(index):
                return self.lowering.operand(**_temporary(index))
            case In(port):
                return self.lowering.operand(kind=layout.TOKEN, port=self.first_port + port)
            case Const(value):
                return self.lowering.operand(kind=layout.FIXED, word=self.lowering.constant(value))
        raise AssertionError(operand)

    def memory(self, operand: Mem, width: int) -> int:
        """Words of a memory; lanes in steps of one size need no table."""
        lowering = self.lowering
        lanes = (operand.lanes * width if len(operand.lanes) == 1 else operand.lanes)[:width]
        steps = {b - a for a, b in pairwise(lanes)}
        regular = len(steps) <= 1
        base = lanes[0] if regular else 0
        offsets = [lane - base for lane in lanes]
        table = -1 if regular else lowering.table(offsets)
        dynamics = [(self.dynamic(by), stride) for by, stride in operand.dynamic]
        lowering.dynamics.extend(dynamics)
        address = operand.address._replace(const=operand.address.const + base)
        return lowering.operand(
            kind=layout.MEMORY,
            affine=lowering.affines.affine(address, self.depth),
            stride=steps.pop() if len(steps) == 1 else 1,
            lanes=table,
            low=min(offsets),
            high=max(offsets),
            bank=operand.bank,
            banks=operand.banks,
            start=lowering.memories[operand.memory],
            size=lowering.netlist.memories[operand.memory].words,
            dynamic=len(lowering.dynamics) - len(dynamics),
            dynamics=len(dynamics),
        )

    def dynamic(self, by: Operand) -> int:
        if isinstance(by, Index):
            by = self.index(by, Gate(), 1)
        return self.simple(by)

    def emit(
        self,
        op: str,
        out: int | Temp | Mem,
        args: tuple[int, ...],
        width: int,
        gate: Gate,
        row: Row | None = None,
        table: int | None = None,
    ) -> None:
        """One row of the kernel."""
        lowering = self.lowering
        if not isinstance(out, int):
            out = self.memory(out, width) if isinstance(out, Mem) else self.simple(out)
        lanes = row.table if row is not None else ()
        if table is None:
            table = lowering.table(lanes)
        count = len(lanes)
        if op == "pick" and row is not None:
            count = self.width(row.args[0], VECTOR)
        init = row.init if row is not None else Gate()
        a, b, c = (*args, -1, -1, -1)[:3]
        family, _, kind = op.partition(".")
        combine, identity = COMBINE.get(kind, ("copy", np.int32(0)))
        lowering.rows.append(
            {"op": NUMBER[family if kind in COMBINE else op], "combine": NUMBER[combine]}
            | {"identity": int(identity.view(np.int32))}
            | {"width": width, "out": out, "a": a, "b": b, "c": c, "table": table, "count": count}
            | _gate(gate)
            | {"init_first": init.first, "init_last": init.last}
            | {"init_not_first": init.not_first, "init_not_last": init.not_last}
        )


def _temporary(index: int) -> dict[str, int]:
    """The operand that is a temporary."""
    return {"kind": layout.FIXED, "word": SCRATCH + index * TEMPORARY, "step": VECTOR}


def _gate(gate: Gate) -> dict[str, int]:
    return {"first": gate.first, "last": gate.last, "not_first": gate.not_first, "not_last": gate.not_last}


def named(actor: Actor) -> int:
    """How many temporaries the actor's rows number."""
    return 1 + max((t.index for row in actor.rows for t in temporaries(row)), default=-1)


def temporaries(row: Row) -> Iterable[Temp]:
    """Temporaries that a row names."""
    memories = [m for m in (row.out, *row.args) if isinstance(m, Mem)]
    dynamic = [operand for m in memories for operand, _ in m.dynamic]
    return (t for t in (row.out, *row.args, *dynamic) if isinstance(t, Temp))
