"""A training step of a sparse GPT block against PyTorch: autograd through the dense matrices, and AdamW on what is kept."""

from __future__ import annotations

import importlib.util
from typing import Any

import gradients
import numpy as np
import pytest

from rdflow import api, tables
from rdflow.dsl.numerics import bf16

Arrays = dict[str, Any]
PRODUCTS = {"Q": "Wq", "K": "Wk", "V": "Wv", "O": "Wo", "U": "Wu", "D": "Wd"}
VECTORS = {"1": "N1", "2": "N2", "3": "B1", "4": "B2"}
STEP = 3
SIZES: list[dict[str, int]] = [{}, {"T": 45, "F": 4, "SPARSE": 4}, {"T": 7, "H0": 2, "N": 8, "SPARSE": 1}]
COPIES = {"XT": 2, "XP": 2, "PN": 2, "PA": 2, "UG": 2}
WIDE = {"T": 70, "H0": 2, "N": 64, "F": 2}  # tiles of outputs for copies to share
PROGRAMS = {"gpt_train": SIZES, "gpt_train_unfused": [*SIZES, WIDE | COPIES]}
EXECUTED = [
    *(("gpt_train", sizes) for sizes in SIZES[1:]),
    *(("gpt_train_unfused", sizes) for sizes in (SIZES[-1], WIDE | COPIES)),
]
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def program(name: str, dtype: str, sizes: dict[str, int]) -> api.Program:
    return api.load(name, **sizes, C1=1 - 0.9**STEP, C2=1 - 0.999**STEP, RATE=0.01, E=dtype)


def inputs(found: api.Program) -> Arrays:
    """Random with products of about 1; patterns that are balanced; second moments are positive. A kernel of `gpt_train`
    makes weights for the products, its unfused form takes them."""
    random = np.random.default_rng(5)
    tensors = found.checked.program.tensors
    values: Arrays = {}
    for seed, w in enumerate(PRODUCTS):
        (outputs, kept), blocks = tensors[w + "I"].shape, len(np.empty(tensors[w + "R"].shape))
        pattern = tables.balanced(outputs, blocks, kept, seed)
        values |= {w + name[0]: table for name, table in pattern.items()}
    for name in [n + w for w in (*PRODUCTS, *VECTORS) for n in "PMS"]:
        shape = tensors[name].shape
        drawn = random.standard_normal(shape) / np.sqrt(np.prod(shape[2:]))
        values[name] = bf16((np.abs(drawn) if name[0] == "S" else drawn).astype(np.float32))
    if found.name == "gpt_train_unfused":
        values |= {product: values["P" + w] for w, product in (PRODUCTS | VECTORS).items()}
    return values | {n: bf16(random.standard_normal(tensors[n].shape).astype(np.float32)) for n in ("X", "DY")}


def forward(x: Any, p: dict[str, Any], given: Arrays, heads: int) -> Any:
    """A GPT block: weights of kept blocks as the dense matrices that they stand for."""
    torch, functional = gradients.torch(), gradients.functional()

    def product(h: Any, w: str) -> Any:
        index = torch.from_numpy(given[w + "I"].astype(np.int64))
        return functional.linear(h, gradients.dense(p[w], index, len(given[w + "R"])))

    def norm(h: Any, gain: str, shift: str) -> Any:
        return functional.layer_norm(h, h.shape[-1:], p[gain], p[shift])

    n = norm(x, "1", "3")
    q, k, v = (product(n, w).unflatten(-1, (heads, -1)) for w in "QKV")
    x2 = x + product(gradients.attend(q[:, :, None], k, v).flatten(1), "O")
    return x2 + product(gradients.gelu_tanh(product(norm(x2, "2", "4"), "U")), "D")


def reference(found: api.Program, given: Arrays) -> Arrays:
    torch = gradients.torch()
    p = {w: torch.nn.Parameter(torch.from_numpy(given["P" + w].copy())) for w in (*PRODUCTS, *VECTORS)}
    optimizer = torch.optim.AdamW(p.values(), lr=0.01, weight_decay=0.01)
    for w, parameter in p.items():
        first, second = (torch.from_numpy(given[m + w].copy()) for m in "MS")
        optimizer.state[parameter] = {"step": torch.tensor(STEP - 1.0), "exp_avg": first, "exp_avg_sq": second}
    tensors = found.checked.program.tensors
    x, dy = (torch.from_numpy(given[name].reshape(len(given[name]), -1).copy()) for name in ("X", "DY"))
    x.requires_grad_()
    y = forward(x, p, given, int(found.checked.program.params["H0"]))
    y.backward(dy)
    optimizer.step()
    found_ = {"Y": y, "DX": x.grad}
    for w, parameter in p.items():
        state = optimizer.state[parameter]
        found_ |= {"P" + w: parameter, "M" + w: state["exp_avg"], "S" + w: state["exp_avg_sq"]}
    return {name: value.detach().numpy().reshape(tensors[name].shape) for name, value in found_.items()}


@needs_torch
@pytest.mark.parametrize(("name", "sizes"), [(name, s) for name, sizes in PROGRAMS.items() for s in sizes], ids=str)
def test_a_step_is_that_of_autograd_and_adamw(name: str, sizes: dict[str, int]) -> None:
    found = program(name, "f32", sizes)
    given = inputs(found)
    gradients.compare(found.evaluate(**given), reference(found, given), 5e-5)


@needs_torch
@pytest.mark.parametrize("name", PROGRAMS)
def test_in_bf16_it_is_so_to_the_bits_that_bf16_keeps(name: str) -> None:
    """Values keep 8 bits and are rounded at each of some thirty lines."""
    found = program(name, "bf16", {})
    given = inputs(found)
    gradients.compare(found.evaluate(**given), reference(found, given), 6e-2)


@pytest.mark.parametrize(("name", "sizes"), EXECUTED, ids=str)
def test_the_engine_trains_as_the_evaluator_says(name: str, sizes: dict[str, int]) -> None:
    found = program(name, "bf16", sizes)
    result = found.run(verify=True, **inputs(found))
    assert result.verification is not None and result.verification.passed
