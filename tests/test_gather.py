"""Gathers and scatters by streams of indices, those outside of their axis included: reads give 0, writes are dropped (A7)."""

from __future__ import annotations

import numpy as np
import pytest

import rdflow

HEAD = """
param T = 40
axis t = T, n = 4, m = 16, k = 8, b = 8, j = 2
tensor W: bf16[n, m, j, b], R: int32[k], P: int32[k] in hbm input
tensor Z: bf16[k, m, b] in hbm output
tensor S: bf16[n, m, j, b] in hbm output
"""
READS = {
    "the outermost axis": "r = load R as [k]\n z = load W(n = r, j = 0) as [k, m | b]",
    "an inner axis": "p = load P as [k]\n z = load W(n = 0, j = p) as [k, m | b]",
    "two axes": "r = load R as [k]\n p = load P as [k]\n z = load W(n = r, j = p) as [k, m | b]",
    "two axes, turned": "r = load R as [k]\n p = load P as [k]\n z = pmu load W(n = r, j = p) as [; k, m | b]",
    "a scratchpad": "r = load R as [k]\n p = load P as [k]\n w = load W as [n, m, j | b]\n z = pmu w(n = r, j = p) as [; k, m | b]",
}
WITHIN = {"R": [0, 3, 1, 2, 2, 0, 3, 1], "P": [0, 1, 1, 0, 0, 0, 1, 1]}
STRAY = {"R": [0, 5, -1, 3, 4, 2, 100, 1], "P": [0, 1, 2, 3, -1, 0, 7, 1]}


def picked(values: dict[str, np.ndarray], axis: int, index: np.ndarray) -> np.ndarray:
    """Rows of W along an axis, 0 for indices outside of it: [k, ..]."""
    rows = np.moveaxis(values["W"], axis, 0)
    inside = (index >= 0) & (index < len(rows))
    return np.where(inside.reshape(-1, *[1] * (rows.ndim - 1)), rows[np.where(inside, index, 0)], 0)


def expected(what: str, v: dict[str, np.ndarray]) -> np.ndarray:
    if what == "the outermost axis":
        return picked(v, 0, v["R"])[:, :, 0]
    if what == "an inner axis":
        return picked(v, 2, v["P"])[:, 0]
    both = (v["R"] >= 0) & (v["R"] < 4) & (v["P"] >= 0) & (v["P"] < 2)
    chosen = v["W"][np.where(both, v["R"], 0), :, np.where(both, v["P"], 0)]
    return np.where(both[:, None, None], chosen, 0)


@pytest.mark.parametrize("indices", [WITHIN, STRAY], ids=["within", "stray"])
@pytest.mark.parametrize("what", READS)
def test_reads(what: str, indices: dict[str, list[int]]) -> None:
    program = rdflow.loads(f"{HEAD}kernel pick {{\n {READS[what]}\n store z -> Z\n}}")
    values = program.inputs({name: np.array(index, np.int32) for name, index in indices.items()})
    result = program.run_on(values, verify=True)
    assert result.verification is not None and result.verification.passed
    np.testing.assert_array_equal(result.outputs["Z"], expected(what, values))


@pytest.mark.parametrize("line", ["store z -> S(n = r, j = 0)", "store z -> S(n = 1, j = r)"])
def test_writes_outside_are_dropped(line: str) -> None:
    """A token is written where its index says, or nowhere."""
    text = f"{HEAD}kernel put {{\n r = load R as [k]\n z = load W(n = 0, j = 0) as [k, m | b]\n {line}\n}}"
    program = rdflow.loads(text)
    index = np.array([9, -1, 1, 7, 0, -3, 2, 4], np.int32)
    result = program.run(verify=True, R=index)
    assert result.verification is not None and result.verification.passed
    stored = result.outputs["S"].any(axis=(1, 3))
    rows = {0, 1, 2} if "n = r" in line else {(1, 0), (1, 1)}
    found = (
        set(np.flatnonzero(stored[:, 0]).tolist()) if "n = r" in line else set(map(tuple, np.argwhere(stored).tolist()))
    )
    assert found == rows
