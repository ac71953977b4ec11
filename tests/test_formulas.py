"""Bytes and FLOPs by formula, beside what a run counts: every difference has a cause, and the causes add up."""

from __future__ import annotations

from math import ceil

import pytest

import rdflow
from rdflow.interpreter.figures import KernelProfile
from rdflow.interpreter.reconcile import BOUND, BURSTS, MASKED, ROUND, Compared

PROGRAMS = ("hello", "attention", "attention_causal", "gemm", "transpose", "online_softmax", "monarch_fft", "rmsnorm",
            "monarch_fft_unfused", "topk_router", "softmax", "swiglu_mlp")  # fmt: skip


def kernel(text: str, **settings: int) -> KernelProfile:
    return rdflow.loads(text, "test.rdf", **settings).profile().kernels[0]


def lines(found: KernelProfile) -> dict[str, Compared]:
    return {line.unit: line for line in found.compared}


@pytest.mark.parametrize("name", PROGRAMS)
def test_causes_add_up_to_the_difference(name: str) -> None:
    for found in rdflow.load(name).profile().kernels:
        for line in found.compared:
            assert line.formula + sum(size for _, size in line.causes) == line.measured, line
        moved = sum(line.measured for line in found.compared if line.tensor is not None)
        assert moved == found.bytes


@pytest.mark.parametrize("name", PROGRAMS)
def test_work_without_masks_is_what_the_profile_counts(name: str) -> None:
    for found in rdflow.load(name).profile().kernels:
        work = [line for line in found.compared if line.tensor is None]
        masked = sum(size for line in work for cause, size in line.causes if cause == MASKED)
        assert sum(line.measured for line in work) - masked == found.flops


def test_formulas_of_attention() -> None:
    found = lines(rdflow.load("attention", S=256, D=64).profile().kernels[0])
    assert (found["kt.load"].text, found["kt.load"].formula) == ("2 x k x d B", 2 * 256 * 64)
    assert (found["s"].text, found["s"].formula) == ("2 x q x k x d + q x k", 2 * 256 * 256 * 64 + 256 * 256)
    assert found["y"].text == "q x d" and all(not line.causes for line in found.values())


def test_a_tensor_that_is_loaded_again_for_every_row() -> None:
    found = lines(
        kernel("""\
axis t = 6, n = 512
tensor W: bf16[n] in hbm input
tensor Y: bf16[t, n] in hbm output
kernel rows {
    w = load W as [t, n/L | n%L]
    store w -> Y
}
""")
    )
    assert (found["w"].text, found["w"].again, found["w"].formula) == ("2 x n x t B", ("t", 6), 2 * 512 * 6)
    assert found["w"].measured == 2 * 512 * 6 and found["store.w"].again == ("1", 1)


def test_rows_shorter_than_a_burst_and_rounds_of_copies() -> None:
    found = lines(
        kernel("""\
axis t = 13, n = 16
tensor X: bf16[t, n] in hbm input
tensor Y: bf16[t, n] in hbm output
kernel rows {
    x = load X as [t @8 | n]
    y = pcu 2 * x as bf16 [t @8 | n]
    store y -> Y
}
""")
    )
    rounds = 8 * ceil(13 / 8)
    assert found["x"].formula == 2 * 13 * 16
    assert dict(found["x"].causes) == {ROUND: 2 * (rounds - 13) * 16, BURSTS: rounds * (64 - 2 * 16)}
    assert dict(found["y"].causes) == {MASKED: (rounds - 13) * 16}


def test_a_bound_leaves_out_what_the_formula_has() -> None:
    found = lines(
        kernel("""\
axis t = 4, n = 1024
tensor X: bf16[t, n] in hbm input
tensor Y: f32[t] in hbm output
kernel sums {
    x = load X as [t, n/L < 256*(t + 1) | n%L]
    s = pcu sum(n) x as f32 [t]
    store s -> Y
}
""")
    )
    inside = 256 * (1 + 2 + 3 + 4)
    assert dict(found["x"].causes) == {BOUND: -2 * (4 * 1024 - inside)} and found["x"].measured == 2 * inside
    assert dict(found["s"].causes) == {BOUND: inside - 4 * 1024}
    assert dict(found["store.s"].causes) == {BURSTS: 4 * (64 - 4)}


def test_two_launches_count_twice() -> None:
    text = """\
axis n = 512
tensor X: bf16[n] in hbm input
tensor Y: bf16[n] in hbm output
kernel move {
    x = load X as [n/L | n%L]
    store x -> Y
}
schedule {
    for i in 0..2 {
        launch move
    }
}
"""
    found = kernel(text)
    assert found.launches == 2 and lines(found)["x"].formula == lines(found)["x"].measured == 2 * 2 * 512
