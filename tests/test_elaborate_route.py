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
from rdflow.dsl.check import check
from rdflow.dsl.source import Source

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


def test_the_worst_routing_is_charged_and_fits() -> None:
    """128 tokens on 4 experts in pages of 32 places: three that begin a second page for one token more take 7 pages."""
    found = program("places on lanes", T=64, J=2, E=4, N=64, C=32)
    i = np.repeat(np.arange(4), [33, 33, 33, 29]).astype(np.int32).reshape(1, 64, 2)
    held(ran(found, numbers(1, 64, 32), i), numbers(1, 64, 32), i, 4, 64)
    netlist = found.execution().compile(next(iter(found.checked.kernels))).netlist
    charged = {u.name: u.bytes for u in netlist.units if u.verb in ("split", "merge")}
    pages, counters = (
        7 * 32 * 32 * 4,
        (4 + 1 + 4 * 2) * 4,
    )  # words of f32; counters, the next page, pages of each expert
    assert charged == {"xs": pages + counters + 2 * 4, "y": pages + counters + 128 * 4}


def test_a_path_beside_that_cannot_wait_is_a_deadlock() -> None:
    """What the tokens are weighed with is there before they are: it waits until all have come back."""
    text = ROUTED.replace("SPLIT", ORDERS["places in time"][0]).replace("MERGE", ROWS)
    text = text.replace("store y -> Y", "w = pcu i * 1 as f32\n    WAIT\n    z = pcu y * wb\n    store z -> Y")
    errors = check(Source("x.rdf", text.replace("WAIT", "wb = pcu 1 * w")), {"T": 200}).errors
    assert [d.code for d in errors] == ["RDF050"]
    assert not check(Source("x.rdf", text.replace("WAIT", "wb = pmu w as [b; t, j]")), {"T": 200}).errors


ACROSS = """
param T = 50, E = 2
axis t = T, e = E, c = 33
axis n = T ragged
tensor X: f32[t, c] in hbm input
tensor I: int32[t] in hbm input
tensor W: f32[e @socket, c] in hbm input
tensor Y: f32[t, c] in hbm output
kernel k {
    x  = load X as [t, c/L | c%L]
    z  = pcu x + 1
    i  = load I as [t]
    xs = split x by i as [e @socket; n, c/L | c%L]
    zs = split z by i as [e @socket; n, c/L | c%L]
    w  = pmu load W as [e @socket; n, c/L | c%L]
    h  = pcu xs * w + zs
    ib = pmu i as [; t]
    y  = merge h by ib as [; t, c/L | c%L]
    store y -> Y
}
schedule { launch k }
"""


@pytest.mark.parametrize("experts", [2, 4])
def test_experts_on_sockets(experts: int) -> None:
    """Two splits by one selector count alike; a merge by a stream that holds it gathers over the links."""
    found = rdflow.loads(ACROSS, E=experts)
    values = found.inputs({"I": selectors("some to nobody", (50,), experts, 2)})
    execution = found.execution(values)
    execution.advance()
    assert execution.values is not None and found.verified(values, {"Y": execution.values["Y"]}).passed
    x, i, w = values["X"], values["I"], values["W"]
    there = ((i >= 0) & (i < experts))[:, None]
    wanted = np.where(there, x * w[np.clip(i, 0, experts - 1)] + (x + np.float32(1)), np.float32(0))
    np.testing.assert_array_equal(execution.values["Y"], wanted)
    assert found.bounding == ("xs.count",)
