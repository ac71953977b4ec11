"""How many PCUs a line takes, and how many operations it counts for."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.checked import Input, Op, Result
from rdflow.dsl.expressions import FLOAT_FUNCTIONS, SPECIAL

VECTOR_INPUTS, SCALAR_INPUTS, VECTOR_OUTPUTS = 4, 8, 2  # ports of a PCU (machine file)


def chained(results: Sequence[Result], inputs: Sequence[Input], depth: int) -> int:
    """PCUs of a line: one for `depth` operations (a stage each), 4 vector inputs and 2 outputs; a special function ends a PCU."""
    stages = specials = 0
    ops = [op for r in results for op in r.ops]
    for op in ops:
        if op.name in ("stream", "result", "index", "const", "reduced", "copy", "tofloat"):
            continue
        if op.name in SPECIAL:
            specials += 1
        else:
            stages += 1
    last = {r.value for r in results}
    tail = sum(1 for r in results for i, op in enumerate(r.ops) if op.name in SPECIAL and _ends(r, i, last))
    vectors = sum(1 for i in inputs if i.order.lanes)
    scalars = len(inputs) - vectors + len({bound for i in inputs for _, bound in i.order.scalars})
    by_ports = max(
        -(-max(0, vectors - 1) // (VECTOR_INPUTS - 1)), -(-scalars // SCALAR_INPUTS), -(-len(results) // VECTOR_OUTPUTS)
    )
    return max(1, -(-stages // depth), 1 + specials - min(tail, 1), by_ports)


def _ends(result: Result, op: int, last: set[int]) -> bool:
    """Whether an op is the last of its result: the tail of the PCU can do it."""
    return op == result.value and result.ops[op].name in (*FLOAT_FUNCTIONS, "div") and bool(last)


def flops(op: Op) -> int:
    """Floating-point operations that an op counts for: one for arithmetic, none for moves, comparisons and selections."""
    counted = {"add", "sub", "mul", "div", "max", "min", "exp", "log", "sqrt", "rsqrt", "sigmoid", "tanh", "neg", "abs"}
    return 1 if op.name in counted else 0
