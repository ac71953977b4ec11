"""Systolic bodies and their drains: two arrays, one summed while the other is read (A4)."""

from __future__ import annotations

from rdflow.dsl.axes import Linear, strides
from rdflow.dsl.drafts import Draft
from rdflow.dsl.elaborate_unit import Unit
from rdflow.dsl.lanes import lane_table
from rdflow.dsl.masks import conditions
from rdflow.dsl.netlist import ALWAYS, LANES, Gate, Mem, Row, Temp
from rdflow.dsl.rows import Rows


class Arrays:
    """The arrays of a systolic line, a pair for each copy."""

    def __init__(self, unit: Unit):
        self.unit, self.nets, self.line = unit, unit.nets, unit.line
        self.bank = self.nets.stages * LANES  # words of an array
        self.memories: dict[int, int] = {}  # by the number of the drain

    def drain(self, body: Draft) -> Draft:
        """Reads the array that the body has summed, one stage a firing; two arrays, so that the body goes on meanwhile."""
        line, split = self.line, self.line.outside
        body.tile_level = split
        digits = (*line.nest[:split], *line.stages)
        drain = self.nets.draft(
            f"{self.unit.name}.drain", self.unit.number, "drain", digits, self.unit.order, body.space
        )
        drain.stages, drain.tile_level = self.nets.stages, split
        self.nets.token(body, drain, body.ends(split), drain.starts(split), "array", slots=2)
        self.nets.token(drain, body, drain.ends(split), body.starts(split), "bank", slots=2, initial=2)
        return drain

    def sum(self, body: Draft, drain: Draft, ports: dict[int, int]) -> None:
        """The row of a systolic firing and the memory of its two arrays."""
        line, unit = self.line, self.unit
        memory = self.nets.memory(f"{body.name}.array", 2 * self.bank, socket=body.socket)
        self.memories[drain.number] = memory
        rows = Rows(body, line.lanes)
        wide = rows.operand(ports[line.wide], unit.source(line.wide).lanes)
        have = unit.source(line.narrow).lanes
        table = lane_table(have, line.stages, body.space)
        inside = line.nest[line.outside :]
        checks = conditions(self.nets.nests, line.nest, unit.space, (), unit.order, [d.root for d in inside])
        narrow = rows.operand(ports[line.narrow], have, have)
        if checks:
            wide = rows.masked(wide, "f", checks, 0.0)
            narrow = Rows(body, tuple(have)).masked(narrow, "f", checks, 0.0)
        bank = Mem(memory, body.affine(Linear()), tuple(range(LANES)), self.bank, 2)
        init = Gate(first=body.mask(inside))
        body.rows.append(Row("systolic", bank, (wide, narrow), rows.width, ALWAYS, init, table))

    def drained(self, drain: Draft, rows: Rows) -> Temp:
        """The sums of one stage, read from the array."""
        weights = strides(self.line.stages)
        address = drain.affine(Linear.of(0, {d: w * LANES for d, w in weights.items()}))
        return rows.add("read", (Mem(self.memories[drain.number], address, tuple(range(rows.width)), self.bank, 2),))
