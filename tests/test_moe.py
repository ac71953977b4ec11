"""std.moe: the block of transformers' Mixtral, stacked in a loop of layers, on sockets, and with too few places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rdflow

Arrays = dict[str, NDArray[np.float32]]

STACKED = """
use std.moe
param D = 1, P = 1, R = 1, T = 45, N = 45
axis l = 2, t = T, c = 32, e = 4, v = 40, j = 2, d = D
axis n = N ragged
tensor X: f32[t, c], Wr: f32[l, e, c] in hbm input
tensor Wg: f32[l, e, d @socket, v, c], Wu: f32[l, e, d @socket, v, c], Wd: f32[l, e, c, d @socket, v] in hbm input
tensor Y: f32[t, c] in hbm output
kernel blocks {
    LINES
    store z -> Y
}
schedule { launch blocks }
"""
TILES = """
    x0 = pmu load X as [t/L; c | t%L]
    x  = carry y from x0 over l as [l, t/L, c | t%L]
    y  = moe(x, Wr, Wg, Wu, Wd, j, n, P = P, R = R)
    o  = pcu last(l) y
    z  = pmu o as [t/L; t%L, c/L | c%L]
"""
ROWS = """
    x0 = load X as [t, c/L | c%L]
    x  = carry y from x0 over l as [l, t, c/L | c%L]
    y  = moe_rows(x, Wr, Wg, Wu, Wd, j, P = P)
    z  = pcu last(l) y
"""
SIZES = [{}, {"P": 2, "R": 2}, {"D": 2}]
CASES = [
    *(pytest.param(TILES, sizes, id=f"tiles-{sizes}") for sizes in SIZES),
    *(pytest.param(ROWS, {**sizes, "T": 3}, id=f"rows-{sizes}") for sizes in SIZES),
]


def program(lines: str, **sizes: int) -> rdflow.api.Program:
    return rdflow.loads(STACKED.replace("LINES", lines.strip()), **sizes)


def drawn(found: rdflow.api.Program) -> Arrays:
    random = np.random.default_rng(3)
    values = {}
    for name, tensor in found.checked.program.tensors.items():
        if tensor.direction == "input":
            scale = np.sqrt(32) if name != "X" else 1
            values[name] = (random.standard_normal(tensor.shape) / scale).astype(np.float32)
    return values


def block(x: Any, given: Arrays, layer: int) -> Any:
    """The block of transformers with the weights of a layer; parts on sockets put together."""
    import torch
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    gate, up = (given[n][layer].reshape(4, -1, 32) for n in ("Wg", "Wu"))
    config = MixtralConfig(hidden_size=32, intermediate_size=gate.shape[1], num_local_experts=4, num_experts_per_tok=2)
    config._experts_implementation = "eager"
    made = MixtralSparseMoeBlock(config)
    state = {
        "gate.weight": given["Wr"][layer],
        "experts.gate_up_proj": np.concatenate((gate, up), axis=1),
        "experts.down_proj": given["Wd"][layer].reshape(4, 32, -1),
    }
    made.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    with torch.no_grad():
        return made(x)


@pytest.mark.parametrize(("lines", "sizes"), CASES)
def test_it_is_the_block_of_transformers(lines: str, sizes: dict[str, int]) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    found = program(lines, **sizes)
    given = drawn(found)
    result = found.run(verify=True, **given)
    assert result.verification is not None and result.verification.passed
    x = torch.from_numpy(given["X"])[None]
    for layer in range(2):
        x = block(x, given, layer)
    np.testing.assert_allclose(result.outputs["Y"], x[0].numpy(), rtol=1e-4, atol=1e-5)


def test_a_token_without_a_place_is_left_out_of_that_expert() -> None:
    """One place an expert: the tokens behind the first of an expert get nothing from it."""
    found = program(TILES, T=40, N=1)
    given = drawn(found)
    given["X"][:] = given["X"][0]  # all tokens choose alike, and the first has the places
    y = found.run(verify=True, **given).outputs["Y"]
    assert y[0].any() and not y[1:].any()
