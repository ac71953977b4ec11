"""Loops that a stream of scalars bounds (A6): the engine against the evaluator bit for bit, and that against NumPy.

Lengths are drawn from below 0 to beyond the axis: the first count as 0, the others as the whole axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import rdflow
from rdflow.dsl.check import check
from rdflow.dsl.checked import Kernel, streams_of
from rdflow.dsl.collectives import Form
from rdflow.dsl.orders import Scalar
from rdflow.dsl.scalars import tokens_apart
from rdflow.dsl.source import Source

Array = NDArray[np.float64]
Answer = Callable[[Array, NDArray[np.int64]], dict[str, Array]]

HEAD = """
param B = {b}, N = {n}, D = {d}
axis b = B, u = N, d = D
tensor X: f32[b, u, d], LEN: int32[b] in hbm input
tensor Y: f32[b, d], Z: f32[b, u, d] in hbm output
kernel k {{
{lines}}}
schedule {{ launch k }}
"""


def within(x: Array, lengths: NDArray[np.int64]) -> Array:
    """Zeros from the length of each sequence on."""
    return np.where(np.arange(x.shape[1])[None, :, None] < lengths[:, None, None], x, 0)


def sums_and_doubles(x: Array, lengths: NDArray[np.int64]) -> dict[str, Array]:
    return {"Y": within(x, lengths).sum(1), "Z": 2 * within(x, lengths)}


def weighted(x: Array, lengths: NDArray[np.int64]) -> dict[str, Array]:
    found = within(x, lengths) * x.sum(2, keepdims=True)
    return {"Y": found.sum(1), "Z": found}


def scanned(x: Array, lengths: NDArray[np.int64]) -> dict[str, Array]:
    state, states = np.zeros(x[:, 0].shape), np.zeros(x.shape)
    last = state
    for i in range(x.shape[1]):
        state = np.where(i < lengths[:, None], state / 2 + x[:, i], state)
        states[:, i] = np.where(i < lengths[:, None], state, 0)
        last = np.where(i < np.maximum(lengths, 1)[:, None], states[:, i] if i else x[:, 0], last)
    return {"Y": last, "Z": states}


PLAIN = """
    n = load LEN as [b]
    x = load X as [b, u < n, d/L | d%L]
    z = pcu x * 2
    store z -> Z
    xb = pmu x as [b; d/L, u | d%L]
    y = pcu sum(u) xb
    store y -> Y
"""
COPIES = PLAIN.replace("load X as [b, u < n,", "load X @4 as [b, u/8 @4 < n, u%8,").replace(
    "[b; d/L, u |", "[b; d/L, u/8 @4, u%8 |"
)
TREE = """
    n = load LEN as [b]
    x = load X @4 as [b, d/L, u/8 @4 < n, u%8 | d%L]
    y = pcu sum(u) x as f32 [b, d/L | d%L]
    store y -> Y
    w = load X as [b, u < n, d/L | d%L]
    z = pcu w * 2
    store z -> Z
"""
LENGTHS_KEPT = """
    n = load LEN as [b]
    w = load X @4 as [b, u < n, d/4, d%4 @]
    s = pcu sum(d) w as f32 [b, u]
    x = load X as [b, u < n, d/L | d%L]
    z = pcu x * s
    store z -> Z
    zb = pmu z as [b; d/L, u | d%L]
    y = pcu sum(u) zb
    store y -> Y
"""
DEALT = PLAIN.replace("load X as [b, u", "load X as [b @2, u").replace("as [b; d/L", "as [b @2; d/L")
GATHERED = PLAIN.replace("n = load LEN as [b]", "n0 = load LEN as [b @2]\n    n = pcu min(n0, 1000)")
ON_LANES = """
    n = load LEN as [b]
    x = load X as [b, d, u/L < n | u%L]
    y = pcu sum(u) x
    store y -> Y
    z = pcu 2 * x
    store z -> Z
"""
WHOLE = """
    n = load LEN as [b]
    x = load X as [b, u < n, d/L | d%L]
    xb = pmu x as [; b, d/L, u | d%L]
    y = pcu sum(u) xb
    w = pmu y as [; b, d/L | d%L]
    store w -> Y
    xc = pmu x as [; b, u, d/L | d%L]
    z = pcu 2 * xc
    store z -> Z
"""
SCAN = """
    n = load LEN as [b]
    x = load X as [b, u < n, d/L | d%L]
    s0 = carry s1 from 0 over u as f32 [b, u, d/L | d%L]
    s1 = pcu s0 * 0.5 + x
    store s1 -> Z
    xt = pmu x as [b; d/L, u | d%L]
    t0 = carry t1 from 0 over u as f32 [b, d/L, u | d%L]
    t1 = pcu t0 * 0.5 + xt
    y = pcu last(u) t1
    store y -> Y
"""
CASES: dict[str, tuple[str, Answer]] = {
    "plain": (PLAIN, sums_and_doubles),
    "copies": (COPIES, sums_and_doubles),
    "a tree over copies": (TREE, sums_and_doubles),
    "a tree of lengths": (LENGTHS_KEPT, weighted),
    "dealt to copies": (DEALT, sums_and_doubles),
    "gathered from copies": (GATHERED, sums_and_doubles),
    "on the lanes": (ON_LANES, sums_and_doubles),
    "whole tiles": (WHOLE, sums_and_doubles),
    "a scan": (SCAN, scanned),
}
SIZES = [(6, 100, 40), (5, 33, 9), (2, 8, 64)]


def answered(lines: str, answer: Answer, sizes: tuple[int, int, int], seed: int) -> None:
    """Run with random lengths (all 0 for seed 0), and compare."""
    b, n, d = sizes
    program = rdflow.loads(HEAD.format(b=b, n=n, d=d, lines=lines))
    drawn = np.random.default_rng(seed).integers(-3, n + 8, b).astype(np.int32) * min(seed, 1)
    result = program.run(verify=True, seed=seed, LEN=drawn)
    assert result.verification is not None and result.verification.passed, result.verification
    x = program.inputs({}, seed)["X"].astype(np.float64)
    for name, wanted in answer(x, np.clip(drawn, 0, n).astype(np.int64)).items():
        np.testing.assert_allclose(result.outputs[name], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_values(case: str, sizes: tuple[int, int, int]) -> None:
    for seed in (0, 1):
        answered(*CASES[case], sizes, seed)


def test_a_bound_within_a_bound() -> None:
    """`m` has a token for each (b, u) that exists, and bounds the loop inside."""
    program = rdflow.loads("""
        axis b = 4, u = 9, v = 20, d = 8
        tensor X: f32[b, u, v, d], N: int32[b], M: int32[b, u] in hbm input
        tensor Y: f32[b, d] in hbm output
        kernel k {
            n = load N as [b]
            m = load M as [b, u < n]
            x = load X as [b, u < n, v < m | d]
            y = pcu sum(u, v) x
            store y -> Y
        }
        schedule { launch k }
    """)
    n = np.array([9, 0, 3, 12], np.int32)
    m = np.random.default_rng(0).integers(-2, 25, (4, 9)).astype(np.int32)
    result = program.run(verify=True, N=n, M=m)
    assert result.verification is not None and result.verification.passed
    there = (np.arange(9) < n[:, None])[:, :, None] & (np.arange(20) < m[:, :, None])
    wanted = np.where(there[..., None], program.inputs()["X"].astype(np.float64), 0).sum((1, 2))
    np.testing.assert_allclose(result.outputs["Y"], wanted, rtol=1e-4, atol=1e-4)


# -- sockets -----------------------------------------------------------------------------------------------------------

SOCKETS = """
    axis s = 2, h = 4, u = 33, d = 40
    tensor X: f32[s @socket, h, u, d], LEN: int32[s @socket, h] in hbm input
    tensor Y: f32[s @socket, h, d], Z: f32[{place}, h, u, d] in hbm output
    kernel k {{
        n = load LEN as [s @socket, h]
        x = load X as [s @socket, h, u < n, d/L | d%L]
        z = {z}
        store z -> Z
        xb = pmu x as [s @socket, h; d/L, u | d%L]
        y = pcu sum(u) xb
        store y -> Y
    }}
    schedule {{ launch k }}
"""


@pytest.mark.parametrize(
    ("place", "z", "factor"), [("s @socket", "pcu x * 2", 2), ("s", "pmu x as [; s, h, u, d/L | d%L]", 1)]
)
def test_sequences_on_several_sockets(place: str, z: str, factor: int) -> None:
    """Each socket has its own; what gathers them on all sockets gets their lengths, too."""
    program = rdflow.loads(SOCKETS.format(place=place, z=z))
    lengths = np.array([[33, 0, 5, 40], [-1, 12, 1, 8]], np.int32)
    result = program.run(verify=True, LEN=lengths)
    assert result.verification is not None and result.verification.passed, result.verification
    x = program.inputs()["X"].astype(np.float64)
    there = np.where(np.arange(33)[:, None] < np.clip(lengths, 0, 33)[..., None, None], x, 0)
    np.testing.assert_allclose(result.outputs["Z"], factor * there, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.outputs["Y"], there.sum(2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["direct", "ring"])
@pytest.mark.parametrize("columns", [40, 1])
def test_a_sum_over_sockets_of_lengths(form: Form, columns: int) -> None:
    """As many tokens as the lengths say, dealt within each step of the loop that they bound; none that is not there."""
    program = rdflow.loads(
        """
        param D = 40
        axis s = 2, h = 4, u = 33, d = D
        tensor X: f32[s @socket, h, u, d], LEN: int32[h] in hbm input
        tensor T: f32[h, u, d] in hbm output
        kernel k {
            n = load LEN as [h]
            x = load X as [s @socket, h, u < n, d/L | d%L]
            v = pcu x + 1
            t = pcu sum(s) v
            store t -> T
        }
        schedule { launch k }
        """,
        D=columns,
    )
    values = program.inputs({"LEN": np.array([33, 0, 5, 40], np.int32)})
    execution = replace(program, collective=form).execution(values)
    execution.advance()
    assert execution.values is not None
    assert program.verified(values, {"T": execution.values["T"]}).passed
    there = np.arange(33) < values["LEN"][:, None]
    x = values["X"].astype(np.float64)
    np.testing.assert_allclose(execution.values["T"], np.where(there[..., None], x.sum(0) + 2, 0), rtol=1e-4, atol=1e-4)


def test_a_bound_that_all_sockets_have_is_not_dealt_to_them() -> None:
    text = SOCKETS.replace("LEN: int32[s @socket, h]", "LEN: int32[s, h]").replace(
        "load LEN as [s @socket", "load LEN as [s"
    )
    (found,) = check(Source("test.rdf", text.format(place="s @socket", z="pcu x * 2"))).errors
    assert found.code == "RDF024" and found.help is not None and "@socket" in found.help


# -- room --------------------------------------------------------------------------------------------------------------

ROUND = """
    n = load LEN as [b]
    x = load X as [b, u < n | d]
    t = pcu sum(b, u) x
    w = load X as [b, u < n | d]
    z = pcu w * t
    store z -> Z
"""


def bound(kernel: Kernel) -> Scalar:
    """The one stream that bounds loops of a kernel."""
    (found,) = {s for line in kernel.lines for stream in streams_of(line) for _, s in stream.order.scalars}
    return found


@pytest.mark.parametrize(("lines", "d"), [(WHOLE, 40), (ROUND, 8)])
def test_bounds_of_a_long_round_have_room(lines: str, d: int) -> None:
    """What follows a tile or a sum over all sequences starts when the 200th bound has passed."""
    b = 200
    program = rdflow.loads(HEAD.format(b=b, n=5, d=d, lines=lines))
    (kernel,) = program.checked.kernels.values()
    assert tokens_apart(kernel, bound(kernel)) == b
    result = program.run(verify=True, LEN=np.arange(b, dtype=np.int32) % 7)
    assert result.verification is not None and result.verification.passed


def test_sequences_one_by_one_need_no_more_room() -> None:
    (kernel,) = rdflow.loads(HEAD.format(b=200, n=5, d=8, lines=PLAIN)).checked.kernels.values()
    assert tokens_apart(kernel, bound(kernel)) == 1


def test_a_path_that_only_short_sequences_could_run_is_refused() -> None:
    """Static checks take the full size, and say so: a queue of 16 holds a sequence of 10, not one of 100."""
    lines = """
    n = load LEN as [b]
    x = load X as [b, u < n | d]
    m = pcu max(u) x
    z = pcu x - m
    store z -> Z
"""
    (found,) = check(Source("test.rdf", HEAD.format(b=6, n=100, d=8, lines=lines))).errors
    assert found.code == "RDF050"
    assert any("the loops that `n` bounds run to the end" in note for note in found.notes)


# -- time --------------------------------------------------------------------------------------------------------------


def test_the_cycles_are_those_of_the_lengths() -> None:
    program = rdflow.load("ragged_attention", B=4, S=128, D=32)
    cycles = [program.profile(LEN=np.full(4, n, np.int32)).cycles for n in (32, 64, 128)]
    assert 3 < cycles[2] / cycles[1] < 4.2
    assert cycles[0] < cycles[1]


def test_the_operations_are_those_that_ran() -> None:
    """y = sum(u) x: an addition an element."""
    program = rdflow.loads(HEAD.format(b=3, n=50, d=32, lines=PLAIN))
    found = program.profile(LEN=np.array([50, 7, 20], np.int32)).kernels[0]
    assert found.flops == 2 * (50 + 7 + 20) * 32


def test_a_profile_needs_values_and_takes_them() -> None:
    program = rdflow.loads(HEAD.format(b=3, n=50, d=32, lines=PLAIN))
    assert program.bounding == ("n",)
    given = np.array([50, 7, 20], np.int32)
    assert program.profile(LEN=given).cycles == program.run(LEN=given).cycles


# -- mistakes ----------------------------------------------------------------------------------------------------------


def told(lines: str) -> str:
    found = check(Source("test.rdf", HEAD.format(b=6, n=100, d=40, lines=lines))).errors
    assert [d.code for d in found] == ["RDF024"], found
    return f"{found[0].message} | {found[0].help}"


def test_a_stream_with_lanes_is_no_bound() -> None:
    assert "no scalar stream" in told("n = load LEN as [| b]\nx = load X as [b, u < n | d%L]\nstore x -> Z\n")


def test_a_float_is_no_bound() -> None:
    text = told("y = load X as [b, u, d]\nn = pcu sum(u, d) y\nx = load X as [b, u < n, d/L | d%L]\nstore x -> Z\n")
    assert "no scalar stream" in text and "int(n)" in text


def test_an_expression_of_a_stream_needs_a_line() -> None:
    text = told("n = load LEN as [b]\nx = load X as [b, u < n + 1, d/L | d%L]\nstore x -> Z\n")
    assert "pcu n + 1" in text


def test_the_loops_of_a_bound_are_outside_of_what_it_bounds() -> None:
    for order in ("[u < n, b, d/L | d%L]", "[d/L, b, u < n | d%L]"):
        assert "not the outer ones" in told(f"n = load LEN as [b]\nx = load X as {order}\nstore x -> Z\n")


def test_a_hold_keeps_the_loops_of_a_bound_outside() -> None:
    text = told(PLAIN + "    v = pmu x as [; u, b, d/L | d%L]\n    store v -> Z\n")
    assert "not the outer ones" in text


def test_the_loops_of_a_bound_are_not_reduced_before_what_it_bounds() -> None:
    assert "is reduced here" in told("n = load LEN as [b]\nx = load X as [b, u < n, d/L | d%L]\nv = pcu sum(b) x\n")


def test_one_operand_without_the_bound() -> None:
    text = told(
        "n = load LEN as [b]\nx = load X as [b, u < n, d/L | d%L]\nw = load X as [b, u, d/L | d%L]\nz = pcu x * w\nstore z -> Z\n"
    )
    assert "two lengths of `u`" in text and "u < n" in text


def test_two_streams_that_bound_one_loop() -> None:
    text = told(
        "n = load LEN as [b]\nm = pcu n + 1\nx = load X as [b, u < n, d/L | d%L]\nw = load X as [b, u < m, d/L | d%L]\n"
        "z = pcu x * w\nstore z -> Z\n"
    )
    assert "two bounds on `u`" in text
