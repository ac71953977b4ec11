"""Elements that orders visit, counted one by one: tokens that are routed are as many as there are, whatever is chosen."""

from __future__ import annotations

import numpy as np

import rdflow
from rdflow.dsl.checked import Compute
from rdflow.dsl.formulas import flops_of
from rdflow.dsl.inside import visited
from rdflow.interpreter.reconcile import MASKED, ROUTED

TOKENS, CHOICES, EXPERTS, WIDTH = 45, 2, 4, 40
BLOCK = """
use std.moe
param PLACES = 45
axis t = 45, c = 32, e = 4, v = 40, j = 2
axis n = PLACES ragged
tensor X: bf16[t, c], Wr: bf16[e, c] in hbm input
tensor Wg: bf16[e, v, c], Wu: bf16[e, v, c], Wd: bf16[e, c, v] in hbm input
tensor Y: bf16[t, c] in hbm output
kernel block {
    x = pmu load X as [t/L; c | t%L]
    y = moe(x, Wr, Wg, Wu, Wd, j, n)
    z = pmu y as [t/L; t%L, c/L | c%L]
    store z -> Y
}
schedule { launch block }
"""


def brought(places: int) -> tuple[rdflow.api.Program, int]:
    """A block of experts, and how many choices of its tokens find a place, by what it chose."""
    program = rdflow.loads(BLOCK, PLACES=places)
    inputs = program.inputs({}, seed=1)
    scores = inputs["X"].astype(np.float64) @ inputs["Wr"].astype(np.float64).T
    chosen = np.argsort(-scores, axis=1)[:, :CHOICES]
    return program, int(np.minimum(np.bincount(chosen.ravel(), minlength=EXPERTS), places).sum())


def lines(program: rdflow.api.Program) -> dict[str, Compute]:
    (kernel,) = program.checked.kernels.values()
    return {line.stream.name: line for line in kernel.lines if isinstance(line, Compute)}


def test_all_experts_together_have_as_many_places_taken_as_tokens_chose_one() -> None:
    program, taken = brought(TOKENS)
    (kernel,) = program.checked.kernels.values()
    gate = lines(program)["y.g"].stream.order
    assert taken == TOKENS * CHOICES
    assert visited(kernel, gate) == taken * WIDTH
    assert visited(kernel, gate, routed=False) == EXPERTS * TOKENS * WIDTH


def test_no_more_than_there_are_places() -> None:
    """20 in each of four experts: a formula knows that there are no more, and no less than the tokens that found one."""
    program, taken = brought(20)
    (kernel,) = program.checked.kernels.values()
    found = visited(kernel, lines(program)["y.g"].stream.order)
    assert taken * WIDTH < found == EXPERTS * 20 * WIDTH


def test_a_profile_counts_what_was_brought_to_experts() -> None:
    """Tiles of 32 places run whole; what is in them and no token is no FLOP of the block."""
    program, taken = brought(TOKENS)
    (kernel,), (checked,) = program.profile(seed=1).kernels, program.checked.kernels.values()
    flops = {unit.name: unit.flops for unit in kernel.units}
    assert flops["y.g"] == flops["y.u"] == flops["y.p"] == 2 * taken * 32 * WIDTH
    assert {name: flops[name] for name in flops_of(checked)} == flops_of(checked)
    causes = dict(next(line for line in kernel.compared if line.unit == "y.g").causes)
    assert causes[ROUTED] == 2 * (taken - EXPERTS * TOKENS) * 32 * WIDTH and causes[MASKED] > 0


def test_other_streams_leave_out_nothing() -> None:
    (kernel,) = rdflow.load("ragged_attention", B=3, S=20, D=10).checked.kernels.values()
    assert visited(kernel, kernel.stream("ql").order) == visited(kernel, kernel.stream("ql").order, routed=False) == 600
