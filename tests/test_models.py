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
from dataclasses import dataclass, replace
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
BF16 = 4e-2
REROUTED = {"mixtral": 0.1}  # tokens whose second and third expert are as close as rounding: they go to another one
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


def llama(state: Arrays) -> Arrays:
    return decoder(state, "model.") | rotary(8)


def ends(state: Arrays, path: str) -> Arrays:
    found = {name: state[f"{path}{key}.weight"] for name, key in (("EMB", "embed_tokens"), ("NF", "norm"))}
    return found | {"HEAD": state["lm_head.weight"]}


def decoder(state: Arrays, path: str) -> Arrays:
    found = {name: stacked(state, f"{path}layers.{{}}.{key}.weight") for name, key in LLAMA.items()}
    return found | ends(state, path)


def mixtral(state: Arrays) -> Arrays:
    path = "model.layers.{}."
    found = ends(state, "model.")
    found |= {n: stacked(state, f"{path}{key}.weight") for n, key in LLAMA.items() if n not in ("Wg", "Wu", "Wd")}
    both = stacked(state, f"{path}mlp.experts.gate_up_proj")
    found |= {"Wg": both[:, :, : both.shape[2] // 2], "Wu": both[:, :, both.shape[2] // 2 :]}
    found |= {"Wd": stacked(state, f"{path}mlp.experts.down_proj"), "Wr": stacked(state, f"{path}mlp.gate.weight")}
    return found | rotary(8, base=1e6)


def scaled(state: Arrays) -> Arrays:
    return decoder(state, "model.") | rotary(8, tables.Llama3(8.0, 1.0, 4.0, 16))


def llava(state: Arrays) -> Arrays:
    return decoder(state, "model.language_model.") | rotary(8)


def rotary(width: int, scaling: tables.Llama3 | None = None, base: float = 10000.0) -> Arrays:
    return dict(zip(("COS", "SIN"), tables.rope(ROOM, width, base, scaling), strict=True))


def falcon(state: Arrays) -> Arrays:
    """Each key-value head has its queries, its key and its value in a row."""
    layer = "transformer.h.{}."
    fused = stacked(state, f"{layer}self_attention.query_key_value.weight").reshape(SIZES["NL"], 8, 4, 4, SIZES["C"])
    found = {"Wq": fused[:, :, :2], "Wk": fused[:, :, 2], "Wv": fused[:, :, 3]}
    products = {"Wo": "self_attention.dense", "Wu": "mlp.dense_h_to_4h", "Wd": "mlp.dense_4h_to_h"}
    found |= {name: stacked(state, f"{layer}{key}.weight") for name, key in products.items()}
    for norm, key in (("A", "ln_attn"), ("M", "ln_mlp")):
        found |= shifted(norm, lambda part, key=key: stacked(state, f"{layer}{key}.{part}"))
    return found | outside(state) | rotary(4)


def shifted(name: str, part: Callable[[str], Any]) -> Arrays:
    """Gain and shift of a LayerNorm."""
    return {f"N{name}": part("weight"), f"B{name}": part("bias")}


def outside(state: Arrays) -> Arrays:
    found = {"EMB": state["transformer.word_embeddings.weight"], "HEAD": state["lm_head.weight"]}
    return found | shifted("F", lambda part: state[f"transformer.ln_f.{part}"])


def bloom(state: Arrays) -> Arrays:
    """Each head has its query, its key and its value in a row."""
    layer = "transformer.h.{}."
    found = shifted("E", lambda part: state[f"transformer.word_embeddings_layernorm.{part}"])
    for kind, part in (("W", "weight"), ("B", "bias")):
        fused = stacked(state, f"{layer}self_attention.query_key_value.{part}").reshape(SIZES["NL"], 8, 3, 8, -1)
        found |= {kind + name: fused[:, :, number] for number, name in enumerate("qkv")}
        products = {"o": "self_attention.dense", "u": "mlp.dense_h_to_4h", "d": "mlp.dense_4h_to_h"}
        found |= {kind + name: stacked(state, f"{layer}{key}.{part}") for name, key in products.items()}
    for norm, key in (("1", "input_layernorm"), ("2", "post_attention_layernorm")):
        found |= shifted(norm, lambda part, key=key: stacked(state, f"{layer}{key}.{part}"))
    return found | outside(state) | {"SLOPE": tables.alibi(8)}


GROUPED = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 8,
    "vocab_size": 96,
    "max_position_embeddings": 64,
    "initializer_range": 0.15,
    "rms_norm_eps": 1e-5,
}
SCALING = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
MIXTURE = {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None}
FALCON = {
    "hidden_size": 64,
    "ffn_hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "num_kv_heads": 8,
    "new_decoder_architecture": True,
    "vocab_size": 96,
    "initializer_range": 0.15,
}
BLOOM = {"hidden_size": 64, "n_layer": 2, "n_head": 8, "vocab_size": 96, "initializer_range": 0.15}
IMAGE, BEFORE = 4, 2
LLAVA = {
    "text_config": GROUPED | {"model_type": "llama"},
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 16,
        "intermediate_size": 32,
        "projection_dim": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 8,
        "patch_size": 4,
    },
    "image_token_index": 95,
    "image_seq_length": IMAGE,
    "initializer_range": 0.15,
}
HEADS = {"F": 96, "G": 8, "R": 2, "W": 4}
COPIES = {"XT": 2, "XP": 2, "PM": 2, "PN": 4, "PH": 3, "PO": 4, "PS": 4, "XS": 2}  # of operators

MODELS = {
    "llama": Model("llama", "LlamaForCausalLM", GROUPED, HEADS, llama),
    "llama-3": Model("llama", "LlamaForCausalLM", GROUPED | {"rope_parameters": SCALING}, HEADS, scaled),
    "llama_operators": Model("llama_operators", "LlamaForCausalLM", GROUPED, HEADS | COPIES, llama),
    "llama_layers": Model("llama_layers", "LlamaForCausalLM", GROUPED, HEADS, llama),
    "mistral": Model("mistral", "MistralForCausalLM", GROUPED | {"sliding_window": 9}, HEADS | {"S": 9}, llama),
    "mixtral": Model("mixtral", "MixtralForCausalLM", GROUPED | MIXTURE, HEADS | {"X": 4}, mixtral),
    "falcon": Model("falcon", "FalconForCausalLM", FALCON, HEADS | {"W": 2}, falcon),
    "bloom": Model("bloom", "BloomForCausalLM", BLOOM, {"F": 256, "G": 8, "E1": 8}, bloom),
    "llava": Model("llava", "LlavaForConditionalGeneration", LLAVA, HEADS | {"I": IMAGE, "J": BEFORE}, llava),
}
FAMILIES = ("mistral", "falcon", "bloom", "llava", "mixtral")  # beside llama
FORMS = [(name, f"{name}_{form}") for name in FAMILIES for form in ("operators", "layers")]
MODELS |= {program: replace(MODELS[name], program=program) for name, program in FORMS}
MODELS["mistral_operators"] = replace(
    MODELS["mistral_operators"], sizes=MODELS["mistral_operators"].sizes | COPIES
)  # whose heads are repeated


def sees(name: str) -> bool:
    return MODELS[name].program.startswith("llava")


@cache
def reference(name: str, dtype: str) -> Any:
    """The model as transformers loads it from what it saved; gains, shifts and biases are random, too."""
    torch, transformers = (importlib.import_module(n) for n in ("torch", "transformers"))
    family = getattr(transformers, MODELS[name].architecture)
    torch.manual_seed(0)
    model = family(family.config_class(**MODELS[name].config, **IDS))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return family.from_pretrained(folder, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[dtype]).eval()


IDS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


@cache
def prompt(name: str) -> Any:
    ids = np.random.default_rng(0).integers(0, SIZES["V"] - 1, (SEQUENCES, PROMPT)).astype(np.int32)
    if sees(name):
        ids[:, BEFORE : BEFORE + IMAGE] = LLAVA["image_token_index"]
    return ids


@cache
def pixels() -> Any:
    torch = importlib.import_module("torch")
    return torch.randn((SEQUENCES, 3, 8, 8), generator=torch.Generator().manual_seed(1))


def seen(name: str, dtype: str) -> Arrays:
    """What a model takes beside ids."""
    return {"pixel_values": pixels().to(reference(name, dtype).dtype)} if sees(name) else {}


@cache
def generated(name: str, dtype: str, steps: int, length: int = PROMPT) -> tuple[Any, Any]:
    """Tokens [n, m] and logits [m, n, v] behind the first so many tokens of the prompt."""
    torch = importlib.import_module("torch")
    with torch.no_grad():
        found = reference(name, dtype).generate(
            torch.from_numpy(prompt(name)[:, :length].astype(np.int64)),
            max_new_tokens=steps,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
            **seen(name, dtype),
        )
    return found.sequences[:, length:].numpy(), torch.stack(found.logits).float().numpy()


def inputs(name: str, dtype: str, program: rdflow.Program) -> Arrays:
    """The checkpoint as the program's tensors, by plain reshapes."""
    model = reference(name, dtype)
    state = {key: value.float().numpy() for key, value in model.state_dict().items()}
    shapes = {key: tensor.shape for key, tensor in program.checked.program.tensors.items()}
    weights = {key: np.reshape(value, shapes[key]) for key, value in MODELS[name].weights(state).items()}
    if sees(name):
        weights["IMAGE"] = image(model, **seen(name, dtype))[: shapes["IMAGE"][0]]
    sequences, length = shapes["PROMPT"]
    return weights | {"PROMPT": prompt(name)[:sequences, :length]}


def image(model: Any, pixel_values: Any) -> Any:
    """What the vision tower and its projector make of images, [n, i, c]."""
    with importlib.import_module("torch").no_grad():
        found = model.get_image_features(pixel_values=pixel_values).pooler_output
    return np.stack([rows.float().numpy() for rows in found])


# -- the same tokens ---------------------------------------------------------------------------------------------------

WHOLE = [(name, dtype, sockets, 32) for name in MODELS for dtype in ("f32", "bf16") for sockets in (1, 2, 8)]
QUICK = [
    ("llama", "f32", 1, 3),
    ("llama", "f32", 2, 3),
    ("llama", "f32", 8, 32),
    ("llama", "bf16", 1, 3),
    ("llama-3", "f32", 1, 3),
    ("llama_operators", "f32", 2, 3),
    ("llama_layers", "f32", 2, 3),
    ("mistral", "bf16", 8, 32),
    ("mixtral", "f32", 1, 3),
    ("falcon", "f32", 1, 3),
    ("bloom", "f32", 1, 3),
    ("bloom", "f32", 8, 2),  # one head a socket
    ("llava", "f32", 1, 3),
    *(
        (program, "f32", 2, 2) for _, program in FORMS if program != "mistral_layers"
    ),  # whose kernels are those of llama_layers
]
RUNS = WHOLE if os.environ.get("RDFLOW_MODELS") == "all" else QUICK


@pytest.mark.parametrize(("name", "dtype", "sockets", "steps"), RUNS)
def test_it_generates_what_transformers_does(name: str, dtype: str, sockets: int, steps: int) -> None:
    sizes = SIZES | MODELS[name].sizes | {"B": 1 if sockets == 8 else SEQUENCES, "D": sockets, "M": steps}
    program = rdflow.load(MODELS[name].program, **sizes, E=dtype)
    assert program.checked.diagnostics == []
    outputs = program.run(**inputs(name, dtype, program)).outputs
    logits = outputs["LOGITS"].reshape(steps, sizes["B"], SIZES["V"])
    if dtype == "f32":
        tokens, wanted = generated(name, dtype, steps)
        np.testing.assert_array_equal(outputs["IDS"], tokens[: sizes["B"]])
        assert worst(logits, wanted[:, : sizes["B"]]) <= 1e-4
    else:
        wanted = following(name, dtype, outputs["IDS"])
        assert np.mean(np.abs(logits - wanted).max(-1) > BF16 * np.abs(wanted).max()) <= REROUTED.get(
            MODELS[name].program.partition("_")[0], 0
        )
        assert_chosen(outputs["IDS"], wanted, 2 * BF16 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("name", "sockets"),
    [("llama", 1), ("llama_layers", 2), ("falcon", 8), ("bloom", 8)],
)
def test_a_prompt_of_one_token(name: str, sockets: int) -> None:
    """Queries and keys are one each, and no loop goes over them: the softmax is over them all the same, not over heads."""
    sizes = SIZES | MODELS[name].sizes | {"B": 1, "D": sockets, "T": 1, "M": 2}
    program = rdflow.load(MODELS[name].program, **sizes, E="f32")
    outputs = program.run(**inputs(name, "f32", program)).outputs
    tokens, wanted = generated(name, "f32", 2, 1)
    np.testing.assert_array_equal(outputs["IDS"], tokens[:1])
    assert worst(outputs["LOGITS"].reshape(2, 1, SIZES["V"]), wanted[:, :1]) <= 1e-4


def worst(found: Any, wanted: Any) -> float:
    """The largest error of a logit, by the largest logit."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def following(name: str, dtype: str, tokens: Any) -> Any:
    """The logits [m, n, v] that transformers has where these tokens follow the prompt."""
    torch = importlib.import_module("torch")
    ids = torch.from_numpy(np.concatenate([prompt(name)[: len(tokens)], tokens], 1).astype(np.int64))
    model = reference(name, dtype)
    with torch.no_grad():
        rows = model.get_input_embeddings()(ids)
        if sees(name):
            seen_rows = image(model, **seen(name, dtype))[: len(tokens)]
            rows[:, BEFORE : BEFORE + IMAGE] = torch.from_numpy(seen_rows).to(rows.dtype)
        logits = model(inputs_embeds=rows).logits
    return logits[:, PROMPT - 1 : -1].float().numpy().transpose(1, 0, 2)


def assert_chosen(tokens: Any, logits: Any, close: float) -> None:
    """Each token is the one with the largest logit, or, where others are as close to that as rounding, one of these."""
    chosen = np.take_along_axis(logits, tokens.T[..., None], -1)[..., 0]
    ahead = logits.max(-1) - chosen
    assert ahead.max() <= close
    assert (ahead == 0).mean() > 0.85


# -- one kernel an operator --------------------------------------------------------------------------------------------


def test_a_prompt_through_llama_2_7b_is_740_launches() -> None:
    """23 operators in each of 32 layers and 4 around them (DECISIONS: module operators), and as many for a step."""
    sizes = {"NL": 32, "C": 64, "F": 96, "V": 96, "G": 8, "R": 1, "W": 4, "D": 8, "T": 40, "U": 48}
    for tokens, launches in ((1, 740), (2, 1480)):
        found = rdflow.load("llama_operators", **sizes, M=tokens)
        assert len(calls(found.checked.program, Reporter())) == launches


ROPED = {"C": 64, "F": 96, "V": 96, "G": 8, "R": 2, "W": 4, "D": 8, "T": 40, "U": 48}
OPERATORS = [
    ("llama", ROPED | {"R": 1}, 23, 8),
    ("llama", ROPED, 24, 8),  # with heads that are repeated
    ("mistral", ROPED, 24, 8),
    ("mixtral", ROPED | {"X": 4}, 27, 8),
    ("falcon", ROPED, 21, 8),
    ("bloom", {n: v for n, v in ROPED.items() if n not in "RW"} | {"E1": 8}, 20, 10),  # with a norm of embeddings
    ("llava", ROPED | {"R": 1, "I": 4, "J": 2}, 23, 9),  # with an image, once
]


@pytest.mark.parametrize(("name", "sizes", "each", "around"), OPERATORS)
def test_operators_of_a_layer(name: str, sizes: Sizes, each: int, around: int) -> None:
    """As many as a framework has modules (DECISIONS), in a prompt and a step: in each layer, and around all of them."""
    for layers in (1, 3):
        found = rdflow.load(f"{name}_operators", **sizes, NL=layers, M=2)
        assert len(calls(found.checked.program, Reporter())) == 2 * each * layers + around


def test_a_kernel_or_two_a_layer_is_67_launches_for_a_prompt_and_35_for_a_step() -> None:
    """Attention and MLP apart in the 32 layers of a prompt, together in those of a step, and three launches around them."""
    sizes = {"NL": 32, "C": 64, "F": 96, "V": 96, "G": 8, "R": 1, "W": 4, "D": 8, "T": 40, "U": 48}
    for tokens, launches in ((1, 67), (2, 67 + 35)):
        found = rdflow.load("llama_layers", **sizes, M=tokens)
        assert len(calls(found.checked.program, Reporter())) == launches
