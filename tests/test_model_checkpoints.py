"""Models that transformers saved, run from their folders: weights are where they belong, tokens those that it generates greedily."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import test_models

import rdflow
from rdflow.checkpoints import made
from rdflow.checkpoints.settings import formulas_of
from rdflow.generation import Model, open_model
from rdflow.typed import Typed, unchecked

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("safetensors")

SCALED = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip
PROMPT = [1, 15, 7, 60, 3]


def saved(folder: Path, dtype: Any, **changes: Any) -> None:
    """A small random Llama in several files; its weights are large, so that no two tokens are nearly as likely."""
    torch.manual_seed(5)
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 96}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 64}
    config = transformers.LlamaConfig(**sizes | heads | {"initializer_range": 0.3} | changes)
    model = transformers.LlamaForCausalLM(config).to(dtype)
    model.save_pretrained(folder, max_shard_size="50KB")
    assert len(list(folder.glob("*.safetensors"))) > 1


def opened(folder: Path, *settings: str) -> Model:
    return open_model(unchecked(Typed("llama", list(settings))), folder)


def generated(folder: Path, steps: int, dtype: Any) -> list[int]:
    """What transformers says; loaded from the folder, as a cast model has other rotary angles."""
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=dtype)
    found = model.generate(torch.tensor([PROMPT]), max_new_tokens=steps, min_new_tokens=steps, do_sample=False)
    return [int(token) for token in found[0, len(PROMPT) :]]


@pytest.mark.parametrize(
    ("stored", "computed", "changes", "params"),
    [
        ("float32", "float32", {"rope_parameters": SCALED}, {}),
        ("bfloat16", "bfloat16", {}, {}),
        ("float16", "float32", {"tie_word_embeddings": True}, {"D": 2}),
    ],
    ids=["f32-llama3", "bf16", "f16-tied-2-sockets"],
)
def test_the_tokens_are_those_of_transformers(
    tmp_path: Path, stored: str, computed: str, changes: dict[str, Any], params: dict[str, int]
) -> None:
    """f16 weights are computed with as f32: so they are by transformers, asked to."""
    saved(tmp_path, getattr(torch, stored), **changes)
    settings = [f"{name}={value}" for name, value in params.items()]
    model = opened(tmp_path, *settings)
    assert model.warnings == ()
    said = model.generate(PROMPT, steps=6)
    assert list(said.ids[0]) == generated(tmp_path, 6, getattr(torch, computed))


@pytest.mark.parametrize("name", test_models.MODELS)
def test_tables_and_reshapes_by_hand_agree(name: str, tmp_path: Path) -> None:
    """Every model that ships, saved by transformers: its table says what the reshapes of the tests of whole models say."""
    test_models.reference(name, "f32").save_pretrained(tmp_path)
    case = test_models.MODELS[name]
    given = [name for name in ("J", *test_models.COPIES) if name in case.sizes]
    room = [f"U={test_models.ROOM}", *(f"{name}={case.sizes[name]}" for name in given)]
    model = open_model(unchecked(Typed(case.program, room)), tmp_path)
    declared = model.unchecked.declared()
    sizes = {key: value for key, value in {**test_models.SIZES, **case.sizes}.items() if key not in ("B", "T", "U")}
    assert {key: declared.params[key] for key in sizes} == sizes and declared.params["E"] == "f32"
    program = SimpleNamespace(checked=SimpleNamespace(program=declared))
    wanted = test_models.inputs(name, "f32", program)
    found = {**model.arrays, **made.make(declared, model.file, formulas_of(model.file, model.folder, declared.params))}
    assert set(found) == set(wanted) - {"PROMPT", "IMAGE"}
    for key, array in found.items():
        np.testing.assert_array_equal(array, wanted[key], err_msg=key)


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    config = transformers.BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(rdflow.CompileError, match=r"RDF311.*is a BertModel"):
        opened(tmp_path)


def test_biases_are_refused(tmp_path: Path) -> None:
    """By the configuration and by the weights that nothing takes: the program has none."""
    saved(tmp_path, torch.float32, attention_bias=True)
    with pytest.raises(rdflow.CompileError, match=r"RDF311.*`attention_bias` True"):
        opened(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"attention_bias": true', '"attention_bias": false'))
    with pytest.raises(rdflow.CompileError) as raised:
        opened(tmp_path)
    told = {d.message for d in raised.value.diagnostics}
    assert {d.code for d in raised.value.diagnostics} == {"RDF314"} and len(told) == 4
    assert any("2 weights `model.layers.*.self_attn.q_proj.bias`" in message for message in told)
