"""A training step of a Llama block against PyTorch: autograd through transformers' own layer, and its AdamW."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

import gradients
import numpy as np
import pytest

from rdflow import api, tables
from rdflow.dsl.numerics import bf16

Arrays = dict[str, Any]
WEIGHTS = {
    "Q": "self_attn.q_proj",
    "K": "self_attn.k_proj",
    "V": "self_attn.v_proj",
    "O": "self_attn.o_proj",
    "G": "mlp.gate_proj",
    "U": "mlp.up_proj",
    "D": "mlp.down_proj",
    "1": "input_layernorm",
    "2": "post_attention_layernorm",
}
STEP = 3
# of the unfused program, whose every operator is a kernel, the engine runs the last alone
SIZES: list[dict[str, int]] = [{}, {"T": 45, "C": 48, "V": 33, "R": 1}, {"T": 7, "G": 1}]
SOCKETS: list[dict[str, int]] = [
    {},
    {"T": 45, "C": 48, "F": 66, "G": 2, "R": 1},
    {"T": 7, "C": 48, "F": 64, "G": 8, "K": 1, "W": 4},
]
MOMENTS = {"C1": 1 - 0.9**STEP, "C2": 1 - 0.999**STEP}
COPIES = {"XT": 2, "XP": 2, "PM": 2, "PN": 4, "PH": 3, "PB": 4, "PS": 4, "PA": 2, "UG": 2, "UE": 2, "GN": 2, "GK": 2}
PROGRAMS = {"llama_train": SIZES, "llama_train_unfused": [*SIZES, SIZES[0] | COPIES], "llama_train_layer": SOCKETS}
EXECUTED = [
    *(("llama_train", sizes) for sizes in SIZES),
    ("llama_train_unfused", SIZES[-1] | COPIES),
    *(("llama_train_layer", sizes) for sizes in SOCKETS),
]
needs_torch = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")),
    reason="PyTorch or transformers is not installed",
)


def program(name: str, dtype: str, sizes: dict[str, int]) -> api.Program:
    return api.load(name, **sizes, **MOMENTS, E=dtype, RATE=0.01)


def inputs(found: api.Program) -> Arrays:
    """Random with products of about 1; second moments are positive, and weights are what bf16 can hold."""
    random = np.random.default_rng(5)
    tensors, params = found.checked.program.tensors, found.checked.program.params
    values: Arrays = dict(zip(("COS", "SIN"), tables.rope(int(params["T"]), 2 * int(params["W"])), strict=True))
    for name in [n + w for w in WEIGHTS for n in "PMS"]:
        shape = tensors[name].shape
        drawn = random.standard_normal(shape) / np.sqrt(shape[-1])
        values[name] = bf16((np.abs(drawn) if name[0] == "S" else drawn).astype(np.float32))
    products = {w: ("N" if w.isdigit() else "W") + w.lower() for w in WEIGHTS}
    values |= {name: values["P" + w] for w, name in products.items()}
    return values | {n: bf16(random.standard_normal(tensors[n].shape).astype(np.float32)) for n in ("X", "DY")}


@cache
def block(c: int, v: int, g: int, r: int, e: int) -> Any:
    modeling = importlib.import_module("transformers.models.llama.modeling_llama")
    config = importlib.import_module("transformers").LlamaConfig(
        hidden_size=c, intermediate_size=v, num_attention_heads=g * r, num_key_value_heads=g, head_dim=e,
        rms_norm_eps=1e-5, num_hidden_layers=1, vocab_size=8, attn_implementation="eager",
    )  # fmt: skip
    return modeling.LlamaDecoderLayer(config, 0).float()


def lengths(found: api.Program) -> dict[str, int]:
    """In `llama_train_layer` G are sockets, with K heads of keys and values each."""
    params = {name: n for name, n in found.checked.program.params.items() if isinstance(n, int)}
    heads, width = params["G"] * params.get("K", 1), params.get("V", params.get("F", 0))
    return {"c": params["C"], "v": width, "g": heads, "r": params["R"], "e": 2 * params["W"]}


def reference(found: api.Program, given: Arrays) -> Arrays:
    """The outputs of a step, from the same weights and moments, all in float32."""
    torch = importlib.import_module("torch")
    layer = block(**lengths(found))
    parameters = {w: layer.get_parameter(f"{name}.weight") for w, name in WEIGHTS.items()}
    optimizer = torch.optim.AdamW(parameters.values(), lr=0.01, weight_decay=0.01)
    for w, parameter in parameters.items():
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(given["P" + w]).reshape(parameter.shape))
        moments = [torch.from_numpy(given[m + w].copy()).reshape(parameter.shape) for m in "MS"]
        optimizer.state[parameter] = dict(
            zip(("step", "exp_avg", "exp_avg_sq"), (torch.tensor(STEP - 1.0), *moments), strict=True)
        )
    optimizer.zero_grad()
    x, dy = (torch.from_numpy(given[n].copy())[None] for n in ("X", "DY"))
    angles = tuple(torch.from_numpy(np.concatenate([given[n]] * 2, -1))[None] for n in ("COS", "SIN"))
    hidden = torch.full((1, 1, x.shape[1], x.shape[1]), -torch.inf).triu(1)
    y = layer(x.requires_grad_(), attention_mask=hidden, position_embeddings=angles)
    y = y[0] if isinstance(y, tuple) else y
    y.backward(dy.reshape(y.shape))
    optimizer.step()
    states = {
        m + w: optimizer.state[q][k] for w, q in parameters.items() for m, k in (("M", "exp_avg"), ("S", "exp_avg_sq"))
    }
    found_ = {"Y": y.reshape(dy.shape[1:]), "DX": x.grad[0]} | {"P" + w: q for w, q in parameters.items()} | states
    return {name: value.detach().numpy() for name, value in found_.items()}


@needs_torch
@pytest.mark.parametrize(("name", "sizes"), [(name, s) for name, sizes in PROGRAMS.items() for s in sizes])
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


@pytest.mark.parametrize(("name", "sizes"), EXECUTED)
def test_the_engine_trains_as_the_evaluator_says(name: str, sizes: dict[str, int]) -> None:
    found = program(name, "bf16", sizes)
    result = found.run(verify=True, **inputs(found))
    assert result.verification is not None and result.verification.passed
