"""The results of a compute line as rows of one copy: maps, reductions, and what is done once a result (A4)."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.checked import Reduction, Result
from rdflow.dsl.drafts import Draft, Endpoint
from rdflow.dsl.elaborate_folds import Folds
from rdflow.dsl.elaborate_systolic import Arrays
from rdflow.dsl.elaborate_unit import Read, Unit, finish
from rdflow.dsl.netlist import ALWAYS, Gate, Operand, Temp
from rdflow.dsl.rows import Rows


class Results:
    """The rows that make the results of a line. `arrays`: of a systolic one."""

    def __init__(self, unit: Unit, arrays: Arrays | None):
        self.unit, self.arrays = unit, arrays
        self.folds = Folds(unit)

    def leave(self, draft: Draft, ports: dict[int, int]) -> list[Endpoint]:
        """The rows of every result on one copy, and where it leaves."""
        rows = Rows(draft, self.unit.line.lanes)
        read = self.unit.reading(rows, ports)
        left: list[Operand] = []
        found = []
        for result in self.unit.line.results:
            gate = Gate(last=draft.mask(result.reduction.time)) if result.reduction else ALWAYS
            value = self._value(rows, result, read, left, gate)
            left.append(value)
            found.append(Endpoint(draft, gate, value.index))
        return found

    def _value(self, rows: Rows, result: Result, read: Read, left: list[Operand], gate: Gate) -> Temp:
        """A result; what is reduced over copies or sockets too is left as it is here."""
        rows.gate = ALWAYS
        reduction = result.reduction
        if reduction is None:
            value = rows.ops(result.ops, result.value, read, left.__getitem__, None, {})
            return rows.rounded(value, result.stream.dtype)
        reduced = self._reduced(rows, result, reduction, read, left, gate)
        rows.gate = gate
        if reduction.copies or reduction.sockets:
            return reduced if isinstance(reduced, Temp) else rows.add("copy", (reduced,))
        return finish(rows, result, read, left, reduced)

    def _reduced(
        self, rows: Rows, result: Result, reduction: Reduction, read: Read, left: list[Operand], gate: Gate
    ) -> Operand:
        if self.arrays is not None:
            return self._drained(self.arrays, rows, reduction)
        value = rows.ops(result.ops, reduction.value, read, left.__getitem__, None, {})
        return self.folds.reduce(rows, reduction, value, result.ops[reduction.value].kind, gate)

    def _drained(self, arrays: Arrays, rows: Rows, reduction: Reduction) -> Operand:
        """The sums of an array, added up over the reduced loops that are outside of it."""
        reduced = arrays.drained(rows.draft, rows)
        outer = tuple(d for d in reduction.time if d in rows.draft.digits)
        return self.folds.fold(rows, replace(reduction, time=outer), reduced, "f") if outer else reduced
