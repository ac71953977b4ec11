"""Values of compute lines: expressions element by element, reductions in the order of the hardware (A4, A11)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from rdflow.dsl.axes import size
from rdflow.dsl.checked import Compute, Op, Reduction, Result
from rdflow.dsl.evaluate_arrays import Array, affine, arranged, below, constant, every, shape
from rdflow.dsl.evaluate_frame import Frame
from rdflow.dsl.evaluate_operations import OPERATIONS, monoid, rounded
from rdflow.dsl.evaluate_reduce import Nest, reduced


def compute(frame: Frame, line: Compute) -> None:
    inputs = [_input(frame, line, i) for i in range(len(line.inputs))]
    results: list[Array] = []
    for result in line.results:
        results.append(_Result(frame, line, result, inputs, results).array())
        frame.define(result.stream, results[-1])


def _input(frame: Frame, line: Compute, number: int) -> Array:
    """An operand under the line's names of its digits."""
    operand = line.inputs[number]
    return frame.read(replace(operand.stream, order=operand.order))


class _Result:
    """One result of a line while it is evaluated."""

    def __init__(self, frame: Frame, line: Compute, result: Result, inputs: list[Array], earlier: list[Array]):
        self.frame = frame
        self.line = line
        self.result = result
        self.inputs = inputs
        self.earlier = earlier
        self.bounds = line.order.bounds

    def array(self) -> Array:
        reduction = self.result.reduction
        value = None if reduction is None else self.reduce(reduction)
        array = self.evaluate(self.result.value, value)
        return Array(array.digits, np.asarray(rounded(array.numbers, self.result.stream.dtype)))

    def leaf(self, op: Op, value: Array | None) -> Array:
        match op.name:
            case "stream":
                return self.inputs[op.source]
            case "result":
                return self.earlier[op.source]
            case "index":
                assert op.linear is not None
                index = affine(op.linear, self.frame.fixed)
                return Array(index.digits, index.numbers.astype(np.int32))
            case "const":
                return constant(np.float32(op.number) if op.kind == "f" else np.int32(op.number))
        assert op.name == "reduced" and value is not None, op.name
        return value

    def evaluate(self, wanted: int, value: Array | None) -> Array:
        """An operation's value over all digits at once."""
        needed = needs(self.result.ops, wanted)
        leaves = {i: self.leaf(self.result.ops[i], value) for i in needed if not self.result.ops[i].args}
        digits = arranged(d for a in leaves.values() for d in a.digits)
        done = {i: a.along(digits) for i, a in leaves.items()}
        for i in needed:
            op = self.result.ops[i]
            if op.args:
                done[i] = np.asarray(OPERATIONS[op.name](*(done[a] for a in op.args)))
        return Array(digits, np.broadcast_to(done[wanted], shape(digits)))

    # -- reductions ----------------------------------------------------------------------------------------------------

    def reduce(self, reduction: Reduction) -> Array:
        assert reduction.op != "last" or not (reduction.lanes or reduction.copies or reduction.sockets)
        ops = list(self.result.ops)
        wanted = reduction.value
        if reduction.op == "argmax" and ops[wanted].kind != "f":
            ops.append(Op("tofloat", "f", (wanted,)))
            wanted = len(ops) - 1
        needed = needs(ops, wanted)
        leaves = {i: self.leaf(ops[i], None) for i in needed if not ops[i].args}
        rule = monoid(reduction.op, ops[wanted].kind)
        nest = Nest(
            [(i, ops[i]) for i in needed if ops[i].args],
            leaves,
            wanted,
            self.mask(reduction) if reduction.op != "last" else None,
            self.beside(reduction),
            rule.identity,
            reduction,
        )
        return reduced(nest, rule, self.inner(reduction), self.line, reduction)

    def inner(self, reduction: Reduction) -> int:
        """Iterations that a systolic array adds up before it drains: those of the innermost loops that are reduced."""
        if not self.line.systolic:
            return size(reduction.time)
        count = 1
        for digit in reversed(self.line.nest):
            if digit not in reduction.time:
                break
            count *= digit.extent
        return count

    def beside(self, reduction: Reduction) -> Array | None:
        """What goes along with the value: the index of an argmax; for `last`, whether the iteration runs."""
        if reduction.op == "argmax":
            assert reduction.index is not None
            return affine(reduction.index, self.frame.fixed)
        return self.runs(reduction) if reduction.op == "last" else None

    def mask(self, reduction: Reduction) -> Array | None:
        """Which elements take part: those within the lengths and bounds that the reduced digits have to do with."""
        line, frame = self.line, self.frame
        digits = {
            *line.nest,
            *line.lanes,
            *line.copies,
            *line.sockets,
            *(d for i in line.inputs for d in i.order.digits),
        }
        gone = {*reduction.time, *reduction.lanes, *reduction.copies, *reduction.sockets}
        roots = {d.root for d in gone}
        bounds = [(r, b) for r, b in self.bounds if r in roots or gone & set(b.digits)]
        return frame.defined(digits, bounds, roots)

    def runs(self, reduction: Reduction) -> Array | None:
        """Which iterations of the reduced loops run: counters stop at the bound, in whole rounds of the copies."""
        line, masks = self.line, []
        outside = {*line.nest, *line.copies, *line.sockets, *self.frame.fixed}
        for root in dict.fromkeys(d.root for d in reduction.time):
            granule = self.frame.kernel.granule(root)
            limits = [constant(self.frame.lengths[root])]
            limits += [self.frame.limit(b) for r, b in self.bounds if r == root and set(b.digits) <= outside]
            for limit in limits:
                rounds = Array(limit.digits, -(-limit.numbers // granule) * granule)
                masks.append(below(self.line.nest, root, rounds, self.frame.fixed))
        return every(masks)


def needs(ops: Iterable[Op], wanted: int) -> list[int]:
    """The operations that one depends on, itself included, in order."""
    ops = list(ops)
    found = {wanted}
    for i in range(wanted, -1, -1):
        if i in found:
            found.update(ops[i].args)
    return sorted(found)
