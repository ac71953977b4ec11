"""`split` and `merge` on the engine: against a plain loop over tokens, the evaluator bit for bit, and the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_netlists import Case
from test_engine_equals_oracle import check_to_the_end

import rdflow

Numbers = NDArray[Any]

ROUTED = """
param T = 21, J = 2, E = 4, N = 21, C = 5, B = 1
axis b = B, t = T, j = J, e = E, c = C
axis n = N ragged
tensor X: f32[b, t, c] in hbm input
tensor I: int32[b, t, j] in hbm input
tensor Y: f32[b, t, j, c] in hbm output
tensor R: f32[b, e, c] in hbm output
tensor M: int32[b, e] in hbm output
kernel routed {
    x     = load X           as [b, t, c/L | c%L]
    i     = load I           as [b, t, j]
    xs, m = split x by i     as [b; SPLIT]
    h     = pcu 2 * xs + 1
    y     = merge h by i     as [b; MERGE]
    store y -> Y
    r     = pcu sum(n) xs
    store r -> R
    store m -> M
}
schedule { launch routed }
"""
ROWS = "t, j, c/L | c%L"
ORDERS = {
    "places in time": ("e, n, c/L | c%L", ROWS),
    "places on lanes": ("e, n/L, c | n%L", ROWS),
    "some places on lanes": ("e, n/8, c | n%8", ROWS),
    "copies of places": ("e, n/L @4, c | n%L", ROWS),
    "copies of single places": ("e, n @2, c/L | c%L", ROWS),
    "copies of runs of places": ("e, n/8 @2, n%8, c/L | c%L", ROWS),
    "experts in copies": ("e @, n/L, c | n%L", ROWS),
    "experts in two copies": ("e @2, n, c/L | c%L", ROWS),
    "both in copies": ("e @, n/L @2, c | n%L", "t, j, c | "),
    "merged over copies": ("e, n/L, c | n%L", "t @3, j, c/L | c%L"),
    "columns outside": ("e, n/L, c | n%L", "c/L, t, j | c%L"),
}


def program(order: str, **sizes: int) -> rdflow.api.Program:
    split, merge = ORDERS[order]
    return rdflow.loads(ROUTED.replace("SPLIT", split).replace("MERGE", merge.removesuffix("| ")), **sizes)


def routed(x: Numbers, i: Numbers, experts: int, places: int) -> tuple[Numbers, Numbers, Numbers]:
    """A loop over tokens: 2 x + 1 of those that an expert has a place for, the sums and the counts of each expert."""
    y = np.zeros((*i.shape, x.shape[2]), np.float32)
    r = np.zeros((x.shape[0], experts, x.shape[2]), np.float32)
    m = np.zeros((x.shape[0], experts), np.int32)
    for b, t, j in np.ndindex(i.shape):
        e = i[b, t, j]
        if 0 <= e < experts and m[b, e] < places:
            y[b, t, j] = np.float32(2) * x[b, t] + np.float32(1)
            r[b, e] += x[b, t]
            m[b, e] += 1
    return y, r, m


def ran(found: rdflow.api.Program, x: Numbers, i: Numbers) -> dict[str, Numbers]:
    """What the engine leaves in memory, which is what the evaluator gives."""
    values = found.inputs({"X": x, "I": i})
    execution = found.execution(values)
    execution.advance()
    assert execution.values is not None
    assert found.verified(values, {n: execution.values[n] for n in "YRM"}).passed
    return execution.values


def held(found: dict[str, Numbers], x: Numbers, i: Numbers, experts: int, places: int) -> None:
    y, r, m = routed(x, i, experts, places)
    np.testing.assert_array_equal(found["Y"], y)
    np.testing.assert_array_equal(found["M"], m)
    np.testing.assert_allclose(found["R"], r, rtol=1e-5, atol=1e-5)


def numbers(*shape: int) -> Numbers:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order(order: str) -> None:
    """Selectors below 0 and beyond the experts, an expert without a token, more tokens than places."""
    x = numbers(2, 50, 5)
    i = np.random.default_rng(1).integers(-1, 6, (2, 50, 2)).astype(np.int32)
    i[i == 2] = 0
    found = ran(program(order, T=50, N=26, B=2), x, i)
    held(found, x, i, 4, 26)
    assert found["M"].max() == 26 and (found["M"][:, 2] == 0).all()


KINDS = ("random", "all to one", "none", "in turns", "some to nobody")


def selectors(kind: str, shape: tuple[int, ...], experts: int, seed: int) -> Numbers:
    rng = np.random.default_rng(seed)
    match kind:
        case "random":
            found = rng.integers(0, experts, shape)
        case "all to one":
            found = np.full(shape, rng.integers(0, experts))
        case "none":
            found = np.full(shape, -1)
        case "in turns":
            found = np.arange(np.prod(shape)).reshape(shape) % experts
        case _:
            found = rng.integers(-2, experts + 3, shape)
    return found.astype(np.int32)


@settings(max_examples=40, deadline=None, database=None)
@given(
    order=st.sampled_from(sorted(ORDERS)),
    tokens=st.sampled_from([1, 2, 7, 32, 33, 70]),
    choices=st.integers(1, 3),
    experts=st.integers(1, 6),
    places=st.sampled_from([1, 2, 20, 33, 70]),
    columns=st.sampled_from([1, 5, 33]),
    tiles=st.integers(1, 3),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
)
def test_no_routing_deadlocks(
    order: str, tokens: int, choices: int, experts: int, places: int, columns: int, tiles: int, kind: str, seed: int
) -> None:
    """Whatever goes where: the run ends, with the values of a loop over tokens."""
    x = numbers(tiles, tokens, columns)
    i = selectors(kind, (tiles, tokens, choices), experts, seed)
    sizes = {"T": tokens, "J": choices, "E": experts, "N": places, "C": columns, "B": tiles}
    held(ran(program(order, **sizes), x, i), x, i, experts, places)


@pytest.mark.parametrize(
    "order", ["places on lanes", "copies of runs of places", "both in copies", "merged over copies"]
)
def test_the_oracle_agrees(order: str) -> None:
    """Cycles, every counter of every actor, memories bit for bit."""
    execution = program(order, T=9, J=2, E=3, N=8, C=3, B=2).execution()
    (spec,) = execution.checked.kernels
    mapped = execution.compile(spec).mapped
    values = {"X": numbers(2, 9, 3), "I": selectors("some to nobody", (2, 9, 2), 3, 5)}
    check_to_the_end(
        Case(mapped, {n: values[u.name] for n, u in enumerate(mapped.netlist.tensors) if u.name in values}, False)
    )
