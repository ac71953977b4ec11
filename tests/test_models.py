"""Whole models against transformers: the same greedy tokens from a checkpoint, prompt and steps cycle by cycle with values.

Small random models are saved and loaded again by transformers, in float32 and bf16 (a model that is loaded in bf16 keeps its
rotary table in float32; one that is converted does not). Logits are measured against the largest of all: 1e-4 in float32,
whose sums run in another order; BF16 in bf16, where transformers rounds after each operation and a unit where a value leaves
it. RDFLOW_MODELS=all runs 32 tokens of every model in both dtypes on 1, 2 and 8 sockets.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import rdflow
from rdflow import tables
from rdflow.dsl.launches import calls
from rdflow.dsl.report import Reporter

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")),
    reason="PyTorch or transformers is not installed",
)

Arrays = dict[str, Any]
Sizes = dict[str, int]
BF16 = 3e-2
SEQUENCES, PROMPT, ROOM = 2, 13, 48
SIZES: Sizes = {"NL": 2, "C": 64, "V": 96, "B": SEQUENCES, "T": PROMPT, "U": ROOM}


@dataclass(frozen=True)
class Model:
    """A program, the class of transformers with the config that it is held against, its sizes, and what it loads."""

    program: str
    architecture: str
    config: dict[str, Any]
    sizes: Sizes
    weights: Callable[[Arrays], Arrays]


# -- checkpoints -------------------------------------------------------------------------------------------------------


def stacked(state: Arrays, name: str) -> Any:
    """The tensors of all layers, `{}` standing for the layer's number."""
    return np.stack([state[name.format(i)] for i in range(SIZES["NL"])])


LLAMA = {
    "N1": "input_layernorm",
    "N2": "post_attention_layernorm",
    "Wq": "self_attn.q_proj",
    "Wk": "self_attn.k_proj",
    "Wv": "self_attn.v_proj",
    "Wo": "self_attn.o_proj",
    "Wg": "mlp.gate_proj",
    "Wu": "mlp.up_proj",
    "Wd": "mlp.down_proj",
}
ENDS = {"EMB": "model.embed_tokens.weight", "NF": "model.norm.weight", "HEAD": "lm_head.weight"}


def llama(state: Arrays) -> Arrays:
    found = {name: state[key] for name, key in ENDS.items()}
    found |= {name: stacked(state, f"model.layers.{{}}.{key}.weight") for name, key in LLAMA.items()}
    return found | rotary(8)


def rotary(width: int, scaling: tables.Llama3 | None = None) -> Arrays:
    return dict(zip(("COS", "SIN"), tables.rope(ROOM, width, 10000.0, scaling), strict=True))


GROUPED = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 8,
    "vocab_size": 96,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "rms_norm_eps": 1e-5,
}
HEADS = {"F": 96, "G": 8, "R": 2, "W": 4}

MODELS = {
    "llama": Model("llama", "Llama", GROUPED, HEADS, llama),
    "llama_operators": Model("llama_operators", "Llama", GROUPED, HEADS, llama),
}


@cache
def reference(name: str, dtype: str) -> Any:
    """The model as transformers loads it from what it saved."""
    torch, transformers = (importlib.import_module(n) for n in ("torch", "transformers"))
    model = MODELS[name]
    config = getattr(transformers, f"{model.architecture}Config")(**model.config, **IDS)
    family = getattr(transformers, f"{model.architecture}ForCausalLM")
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        family(config).save_pretrained(folder)
        return family.from_pretrained(folder, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[dtype]).eval()


IDS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


@cache
def prompt() -> Any:
    return np.random.default_rng(0).integers(0, SIZES["V"], (SEQUENCES, PROMPT)).astype(np.int32)


@cache
def generated(name: str, dtype: str, steps: int) -> tuple[Any, Any]:
    """Tokens [n, m] and logits [m, n, v]."""
    torch = importlib.import_module("torch")
    with torch.no_grad():
        found = reference(name, dtype).generate(
            torch.from_numpy(prompt().astype(np.int64)),
            max_new_tokens=steps,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
    return found.sequences[:, PROMPT:].numpy(), torch.stack(found.logits).float().numpy()


def inputs(name: str, dtype: str, program: rdflow.Program) -> Arrays:
    """The checkpoint as the program's tensors, by plain reshapes."""
    state = {key: value.float().numpy() for key, value in reference(name, dtype).state_dict().items()}
    shapes = {key: tensor.shape for key, tensor in program.checked.program.tensors.items()}
    weights = {key: np.reshape(value, shapes[key]) for key, value in MODELS[name].weights(state).items()}
    return weights | {"PROMPT": prompt()}


# -- the same tokens ---------------------------------------------------------------------------------------------------

WHOLE = [(name, dtype, sockets, 32) for name in MODELS for dtype in ("f32", "bf16") for sockets in (1, 2, 8)]
QUICK = [("llama", "f32", 1, 3), ("llama", "f32", 2, 3), ("llama_operators", "f32", 2, 3)]
RUNS = WHOLE if os.environ.get("RDFLOW_MODELS") == "all" else QUICK


@pytest.mark.parametrize(("name", "dtype", "sockets", "steps"), RUNS)
def test_it_generates_what_transformers_does(name: str, dtype: str, sockets: int, steps: int) -> None:
    program = rdflow.load(MODELS[name].program, **SIZES, **MODELS[name].sizes, D=sockets, M=steps, E=dtype)
    assert program.checked.diagnostics == []
    outputs = program.run(**inputs(name, dtype, program)).outputs
    tokens, logits = generated(name, dtype, steps)
    found = outputs["LOGITS"].reshape(logits.shape)
    assert np.abs(found - logits).max() <= {"f32": 1e-4, "bf16": BF16}[dtype] * np.abs(logits).max()
    np.testing.assert_array_equal(outputs["IDS"], tokens)


# -- one kernel an operator --------------------------------------------------------------------------------------------


def test_a_prompt_through_llama_2_7b_is_740_launches() -> None:
    """23 operators in each of 32 layers and 4 around them (DECISIONS: module operators), and as many for a step."""
    sizes = {"NL": 32, "C": 64, "F": 96, "V": 96, "G": 8, "R": 1, "W": 4, "D": 8, "T": 40, "U": 48}
    for tokens, launches in ((1, 740), (2, 1480)):
        found = rdflow.load("llama_operators", **sizes, M=tokens)
        assert len(calls(found.checked.program, Reporter())) == launches
