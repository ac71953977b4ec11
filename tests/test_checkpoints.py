"""Checkpoints: what a folder holds becomes tensors and params as the table says, and all that does not fit is told."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bigram
import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("safetensors")

from safetensors.numpy import save_file

import rdflow
from rdflow.checkpoints.folder import open_folder
from rdflow.checkpoints.formulas import Formulas, Unknown
from rdflow.checkpoints.made import scaling
from rdflow.checkpoints.prompts import Prompts
from rdflow.checkpoints.shapes import arranged, expected, fits, plain, written
from rdflow.checkpoints.table_files import find_table, table_of, with_tables
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.render import render
from rdflow.dsl.source import Source
from rdflow.generation import Model
from rdflow.interpreter.machine import load_machine
from rdflow.tables import Llama3
from rdflow.unchecked import Unchecked

Change = Callable[[Path], object]


def opened(folder: Path, **params: Value) -> Model:
    return rdflow.load(folder / "bigram.rdf", **params).with_weights(folder / "model")


def refused(folder: Path, **params: Value) -> list[Diagnostic]:
    """What is told of a checkpoint that does not fit; each of it can be drawn."""
    with pytest.raises(CompileError) as raised:
        opened(folder, **params)
    for diagnostic in raised.value.diagnostics:
        render(diagnostic, raised.value.source or Source("", ""))
    return list(raised.value.diagnostics)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "E"), [(np.float32, "f32"), (np.float16, "f32"), (ml_dtypes.bfloat16, "bf16")], ids=["f32", "f16", "bf16"]
)
def test_weights_become_tensors_exactly(tmp_path: Path, shards: int, dtype: Any, E: str) -> None:
    saved = bigram.save(tmp_path, bigram.weights(dtype), shards)
    model = opened(tmp_path)
    found = model.arrays
    assert model.unchecked.declared().params["E"] == E
    assert model.warnings == ()
    assert all(array.dtype == np.float32 for array in found.values())
    np.testing.assert_array_equal(found["NEXT"], saved["next.weight"].astype(np.float32))
    for l in range(bigram.LAYERS):
        for name, shape in (("q", (2, 2, 4, 12)), ("k", (2, 4, 12)), ("o", (12, 2, 2, 4))):
            wanted = saved[f"layers.{l}.{name}.weight"].astype(np.float32).reshape(shape)
            np.testing.assert_array_equal(found[name.upper()][l], wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weights_of_more_bits_than_the_tensor_are_rounded_to_nearest_even(tmp_path: Path, dtype: Any) -> None:
    saved = bigram.save(tmp_path, bigram.weights(dtype), dtype="bfloat16")
    rounded = saved["next.weight"].astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float32)
    assert (rounded != saved["next.weight"]).any()
    np.testing.assert_array_equal(opened(tmp_path).arrays["NEXT"], rounded)


def test_the_params_follow_from_the_configuration_and_those_that_are_set_win(tmp_path: Path) -> None:
    bigram.save(tmp_path)
    params = opened(tmp_path).unchecked.declared().params
    assert {name: params[name] for name in ("NL", "C", "V", "G", "R", "E")} == {
        "NL": 2, "C": 12, "V": 40, "G": 2, "R": 2, "E": "f32",
    }  # fmt: skip
    assert opened(tmp_path, E="bf16", NL=1).unchecked.declared().params["E"] == "bf16"


def test_weights_are_in_memory_once(tmp_path: Path) -> None:
    """At most two weights (as stored, and rounded) beside the tensors, of the 41 that there are."""
    arrays = {f"layers.{l}.q.weight": np.ones((512, 256), np.float32) for l in range(40)}
    arrays |= {f"layers.{l}.{name}.weight": np.ones((1, 1), np.float32) for l in range(40) for name in "ko"}
    small = bigram.save(tmp_path, bigram.weights() | arrays, layers=40, dtype="bfloat16")
    text = bigram.PROGRAM.replace("K: E[l, g, e, c], O: E[l, c, g, r, e]", "K: E[l], O: E[l]")
    text = text.replace("Q: E[l, g, r, e, c]", "Q: E[l, q, k]").replace("axis ", "axis q = 512, k = 256, ", 1)
    (tmp_path / "bigram.rdf").write_text(text)
    program = rdflow.load(tmp_path / "bigram.rdf")
    program.with_weights(tmp_path / "model")
    tracemalloc.start()
    try:
        model = program.with_weights(tmp_path / "model")
        whole, one = sum(a.nbytes for a in model.arrays.values()), small["layers.0.q.weight"].nbytes
        assert whole > 40 * one
        assert tracemalloc.get_traced_memory()[1] < whole + 6 * one
    finally:
        tracemalloc.stop()


def test_more_numbers_than_the_memory_holds_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = bigram.save(tmp_path)
    needed = 2 * 4 * sum(array.size for array in saved.values())
    monkeypatch.setattr("rdflow.interpreter.host_memory.physical_memory", lambda: needed)
    assert opened(tmp_path).arrays
    monkeypatch.setattr("rdflow.interpreter.host_memory.physical_memory", lambda: needed - 1)
    monkeypatch.setattr("rdflow.checkpoints.folder.Folder.read", None)
    (found,) = refused(tmp_path)
    assert found.code == "RDF320" and "rdflow profile" in (found.help or "")


def test_what_is_made_from_the_configuration(tmp_path: Path) -> None:
    bigram.save(tmp_path, rope_parameters={"rope_theta": 500.0, "rope_type": "default"})
    model = opened(tmp_path, U=16)
    ready = model.ready(model.program)
    angles = [[p / 500.0 ** (2 * i / 4) for i in range(2)] for p in range(16)]
    np.testing.assert_allclose(ready["COS"], np.cos(angles), atol=1e-6)
    np.testing.assert_allclose(ready["SIN"], np.sin(angles), atol=1e-6)


# -- shapes ------------------------------------------------------------------------------------------------------------

TABLE = table_of(Source("table", bigram.TABLE))
FORMULAS = Formulas(TABLE, {}, {"R": 2, "G": 2, "H": 4})
HEADS = {"g": 2, "r": 2, "e": 3, "c": 5}


@pytest.mark.parametrize(
    ("shape", "passes"),
    [
        ((12, 5), True), ((2, 6, 5), True), ((2, 2, 3, 5), True), ((60,), True), ((12, 1, 5), True), ((2, 30), True),
        ((5, 12), False), ((12, 4), False), ((12,), False), ((3, 4, 5), False), ((12, 5, 2), False), ((), False),
    ],
)  # fmt: skip
def test_a_shape_fits_where_neighbours_make_it(shape: tuple[int, ...], passes: bool) -> None:
    assert fits(shape, plain(HEADS)) is passes


def test_an_axis_of_one_is_none() -> None:
    assert fits((6, 5), plain({"d": 1, "g": 2, "e": 3, "c": 5}))
    assert fits((), plain({"d": 1}))


def test_the_shape_that_is_expected_is_the_one_most_like_it() -> None:
    assert expected(2, (12, 4), plain(HEADS)) == ("g*r*e, c", (12, 5))
    assert expected(2, (7, 30), plain(HEADS)) == ("g, r*e*c", (2, 30))


def test_parts_of_a_fused_weight() -> None:
    """Groups of R queries, a key and a value, as Falcon has them; rows of all queries, then keys, then values, as Phi."""
    fused = np.arange(2 * 4 * 3 * 5).reshape(24, 5)
    apart = fused.reshape(2, 4, 3, 5)
    for shape, axes, wanted in (
        ("g r:R+2 e c", "grec", apart[:, :2]),
        ("g R:R+2 e c", "gec", apart[:, 2]),
        ("g R+1:R+2 e c", "gec", apart[:, 3]),
        ("g*r:H+2*G e c", "grec", fused.reshape(8, 3, 5)[:4].reshape(2, 2, 3, 5)),
        ("g+H:H+2*G e c", "gec", fused.reshape(8, 3, 5)[4:6]),
        ("g+H+G:H+2*G e c", "gec", fused.reshape(8, 3, 5)[6:]),
    ):
        factors = written(shape, {axis: HEADS[axis] for axis in axes}, FORMULAS)
        assert fits(fused.shape, factors)
        np.testing.assert_array_equal(arranged(fused, factors, axes), wanted)


def test_axes_in_another_order_are_a_transpose() -> None:
    weight = np.arange(60).reshape(5, 12)
    factors = written("c g r e", HEADS, FORMULAS)
    np.testing.assert_array_equal(arranged(weight, factors, "grec"), weight.T.reshape(2, 2, 3, 5))


@pytest.mark.parametrize(
    "shape", ["g r e", "g r e c c", "g r e q", "g r e c 5", "g r e c 3:2", "g r+1:R e c", "g r e c 0:R/4"]
)
def test_shapes_that_say_nothing(shape: str) -> None:
    with pytest.raises(Unknown):
        written(shape, HEADS, FORMULAS)


def test_falcon_and_bloom_are_split_as_transformers_splits_them() -> None:
    """By the reshaping of the models themselves, given the weight as if it were what it makes of unit vectors."""
    torch = pytest.importorskip("torch")
    falcon = pytest.importorskip("transformers.models.falcon.modeling_falcon")
    config = falcon.FalconConfig(hidden_size=24, num_attention_heads=6, num_kv_heads=2, new_decoder_architecture=True)
    attention = falcon.FalconAttention(config, layer_idx=0)
    weight = attention.query_key_value.weight.detach()
    q, k, v = (x[0].permute(1, 2, 0).numpy() for x in attention._split_heads(weight.T[None]))
    sizes = {"g": 2, "r": 3, "e": 4, "c": 24}
    formulas = Formulas(TABLE, {}, {"R": 3})
    shared = {axis: sizes[axis] for axis in "gec"}
    found = arranged(weight.numpy(), written("g r:R+2 e c", sizes, formulas), "grec")
    np.testing.assert_array_equal(found, q.reshape(2, 3, 4, 24))
    for number, wanted in (("R", k), ("R+1", v)):
        found = arranged(weight.numpy(), written(f"g {number}:R+2 e c", shared, formulas), "gec")
        np.testing.assert_array_equal(found, wanted.reshape(2, 3, 4, 24)[:, 0])
    bloom = pytest.importorskip("transformers.models.bloom.modeling_bloom")
    attention = bloom.BloomAttention(bloom.BloomConfig(hidden_size=24, n_head=6), layer_idx=0)
    weight = torch.arange(72 * 24.0).reshape(72, 24)
    parts = attention._reshape(weight.T[None])
    for number, part in enumerate(parts):
        found = arranged(weight.numpy(), written(f"g {number}:3 e c", {"g": 6, "e": 4, "c": 24}, formulas), "gec")
        np.testing.assert_array_equal(found, part[0].permute(0, 2, 1).numpy())


# -- formulas ----------------------------------------------------------------------------------------------------------


def value(table: str, config: dict[str, Any], name: str = "X", **params: Value) -> Value:
    file = table_of(Source("t.toml", 'architectures = "A"\n' + table + "\n[tensors]\n"))
    return Formulas(file, config, params).value(name, f"params.{name}", f"`{name}`")


@pytest.mark.parametrize(
    ("table", "config", "wanted"),
    [
        ("[params]\nX = 3", {}, 3),
        ('[params]\nX = "h / 2"', {"h": 8}, 4),
        ('[params]\nX = "h / 2"', {"h": 5}, 2.5),
        ('[params]\nX = "max(a, b) - 1"', {"a": 3, "b": 8}, 7),
        ('[params]\nX = "Y * 2"\nY = "h"', {"h": 8}, 16),
        ('[params]\nX = "d"\n[config]\nd = ["d", "h / n"]', {"h": 8, "n": 2}, 4),
        ('[params]\nX = "d"\n[config]\nd = ["d", "h / n"]', {"h": 8, "n": 2, "d": 5}, 5),
        ('[params]\nX = "d"\n[config]\nd = ["d", "h / n"]', {"h": 8, "n": 2, "d": None}, 4),
        ('[params]\nX = "d"\n[config]\nd = ["r.d", 7]', {"r": {"d": 9}}, 9),
        ('[params]\nX = "d"\n[config]\nd = ["r.d", 7]', {"r": {}}, 7),
        ('[params]\nX = "dtype"', {"dtype": "float16"}, "f32"),
        ('[params]\nX = "dtype"', {"dtype": "bfloat16"}, "bf16"),
    ],
)
def test_formulas(table: str, config: dict[str, Any], wanted: Value) -> None:
    assert value(table, config) == wanted


def test_params_that_are_set_go_into_formulas() -> None:
    assert value('[params]\nX = "2 * Y"\nY = "h"', {"h": 8}, Y=5) == 10


@pytest.mark.parametrize(
    ("table", "says", "cure"),
    [
        ('[params]\nX = "hiden"', "no number `hiden`", "`hidden`?"),
        ('[params]\nX = "zzz"', "no number `zzz`", "[config]"),
        ('[params]\nX = "hidden /"', "no arithmetic", "hidden_size / 2"),
        ('[params]\nX = "hidden / 0"', "divides by zero", ""),
        ('[params]\nX = "Y"\nY = "X"', "leads back", ""),
        ('[params]\nX = "dtype * 2 / dtype"', "no value", ""),
        ('[params]\nX = "names"', "no number `names`", ""),
    ],
)
def test_formulas_without_a_value(table: str, says: str, cure: str) -> None:
    with pytest.raises(CompileError) as raised:
        value(table, {"hidden": 8, "dtype": "float32", "names": ["a"]})
    (found,) = raised.value.diagnostics
    assert found.code == "RDF312" and says in found.message and cure in (found.help or "")
    assert raised.value.source is not None and found.labels[0].span.start > 0


# -- folders that cannot be read ---------------------------------------------------------------------------------------


def cut(name: str, by: int) -> Change:
    def change(model: Path) -> None:
        data = (model / name).read_bytes()
        (model / name).write_bytes(data[: len(data) - by])

    return change


def without(name: str) -> Change:
    return lambda model: (model / name).unlink()


def replaced(name: str, text: str) -> Change:
    return lambda model: (model / name).write_text(text)


SHARD = "model-00002-of-00003.safetensors"
BROKEN: list[tuple[Change, str, str]] = [
    (without("config.json"), "has no `config.json`", "save_pretrained"),
    (replaced("config.json", "{,"), "is not JSON", "fetch"),
    (replaced("config.json", "[]"), "no object", "fetch"),
    (without(SHARD), f"lists `{SHARD}`", "fetch"),
    (cut(SHARD, 10), "not a whole safetensors file", "fetch"),
    (replaced(SHARD, ""), "not a whole safetensors file", "fetch"),
    (replaced(SHARD, "pickled " * 9), "not a whole safetensors file", "fetch"),
    (without("model.safetensors.index.json"), "has neither", "save_pretrained"),
    (replaced("model.safetensors.index.json", "{}"), "no `weight_map`", "fetch"),
    (replaced("model.safetensors.index.json", '{"weight_map": {"x": 3}}'), "no `weight_map`", "fetch"),
    (lambda model: save_file({"other": np.ones(2, np.float32)}, model / SHARD), "weights that their files", "both"),
    (replaced("generation_config.json", "{"), "is not JSON", "fetch"),
]


@pytest.mark.parametrize(("change", "says", "cure"), BROKEN, ids=lambda x: x if isinstance(x, str) else "")
def test_folders_that_cannot_be_read(tmp_path: Path, change: Change, says: str, cure: str) -> None:
    bigram.save(tmp_path, shards=3)
    change(tmp_path / "model")
    (found,) = refused(tmp_path)
    assert found.code == "RDF310" and says in found.message and cure in (found.help or "")


def test_all_files_that_are_absent_or_broken_are_told(tmp_path: Path) -> None:
    bigram.save(tmp_path, shards=3)
    for name in ("model-00001-of-00003.safetensors", SHARD):
        cut(name, 1)(tmp_path / "model")
    assert len(refused(tmp_path)) == 2
    for name in ("model-00001-of-00003.safetensors", SHARD):
        without(name)(tmp_path / "model")
    assert len(refused(tmp_path)) == 2


def test_no_folder_and_a_file(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="does not exist"):
        open_folder(tmp_path / "nope")
    (tmp_path / "file").write_text("")
    with pytest.raises(CompileError, match="is a file"):
        open_folder(tmp_path / "file")


def test_pickles_are_not_read_and_the_note_says_so(tmp_path: Path) -> None:
    bigram.save(tmp_path)
    (tmp_path / "model/model.safetensors").rename(tmp_path / "model/pytorch_model.bin")
    (found,) = refused(tmp_path)
    assert "pytorch_model.bin" in found.notes[0]


@pytest.mark.parametrize("name", ["safetensors", "tokenizers"])
def test_a_package_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bigram.save(tmp_path)
    (tmp_path / "model/tokenizer.json").write_text("{}")
    model = opened(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CompileError) as raised:
        _ = opened(tmp_path) if name == "safetensors" else model.generate("what")
    (found,) = raised.value.diagnostics
    assert found.code == "RDF319" and "pip install 'rdflow[hf]'" in (found.help or "")


# -- weights that do not fit -------------------------------------------------------------------------------------------


def test_all_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    """Missing, extra, misshapen and of another dtype: each once, however many layers have it, at its line of the table."""
    arrays = bigram.weights()
    for l in range(bigram.LAYERS):
        arrays[f"layers.{l}.query.weight"] = arrays.pop(f"layers.{l}.q.weight")
        arrays[f"layers.{l}.k.weight"] = arrays[f"layers.{l}.k.weight"].astype(np.int8)
        arrays[f"layers.{l}.o.weight"] = arrays[f"layers.{l}.o.weight"].T.copy()
        arrays[f"layers.{l}.o.bias"] = np.zeros(12, np.float32)
    bigram.save(tmp_path, arrays)
    found = refused(tmp_path)
    assert [d.code for d in found] == ["RDF313", "RDF314", "RDF314", "RDF316", "RDF315"]
    missing, bias, renamed, dtype, shape = found
    assert "`layers.0.q.weight` and 1 more, which `Q` is made of" in missing.message
    assert "2 weights `layers.*.query.weight`" in renamed.message
    assert "2 weights `layers.*.o.bias`" in bias.message
    assert "`layers.0.k.weight` is stored as I8" in dtype.message
    assert "has the shape [16, 12], `O` takes [12, 16]" in shape.message and "transposed" in (shape.help or "")
    shown = [bigram.TABLE[d.labels[0].span.start : d.labels[0].span.end] for d in (missing, dtype, shape)]
    assert shown == [f'"layers.{{l}}.{name}.weight"' for name in "qko"]


def test_the_name_that_was_meant_is_suggested(tmp_path: Path) -> None:
    arrays = bigram.weights()
    for l in range(bigram.LAYERS):
        arrays[f"layers.{l}.q_.weight"] = arrays.pop(f"layers.{l}.q.weight")
    bigram.save(tmp_path, arrays)
    missing, _ = refused(tmp_path)
    assert "`layers.0.q_.weight` is there" in (missing.help or "") and "--table" in (missing.help or "")


def test_fp8_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    bigram.save(tmp_path)
    arrays = {name: torch.from_numpy(array) for name, array in bigram.weights().items()}
    arrays["next.weight"] = arrays["next.weight"].to(torch.float8_e4m3fn)
    save(arrays, tmp_path / "model/model.safetensors")
    (found,) = refused(tmp_path)
    assert found.code == "RDF316" and "F8_E4M3" in found.message and "dequantise" in (found.help or "")


def test_of_two_names_the_first_that_is_there_counts(tmp_path: Path) -> None:
    arrays = bigram.weights()
    arrays["tied.weight"] = arrays["next.weight"] + 1
    bigram.save(tmp_path / "both", arrays)
    np.testing.assert_array_equal(opened(tmp_path / "both").arrays["NEXT"], arrays["next.weight"])
    del arrays["next.weight"]
    bigram.save(tmp_path / "tied", arrays)
    np.testing.assert_array_equal(opened(tmp_path / "tied").arrays["NEXT"], arrays["tied.weight"])
    del arrays["tied.weight"]
    bigram.save(tmp_path / "none", arrays)
    (found,) = refused(tmp_path / "none")
    assert found.code == "RDF313" and "`tied.weight`" in found.notes[0]


def test_ignored_weights_are_silent_and_layers_left_out_are_a_warning(tmp_path: Path) -> None:
    extra = {f"layers.{l}.inv_freq": np.ones(2, np.float32) for l in range(bigram.LAYERS)}
    bigram.save(tmp_path, bigram.weights() | extra)
    assert opened(tmp_path).warnings == ()
    warnings = opened(tmp_path, NL=1).warnings
    assert [(d.code, d.severity) for d in warnings] == [("RDF314", Severity.WARNING)] * 3
    codes = {d.code for d in refused(tmp_path, NL=3)}
    assert codes == {"RDF313"}


# -- models that the program does not compute --------------------------------------------------------------------------


def test_another_architecture_is_named_and_so_is_a_program_that_takes_it(tmp_path: Path) -> None:
    bigram.save(tmp_path / "bert", architectures=["BertModel"])
    (found,) = refused(tmp_path / "bert")
    assert found.code == "RDF311" and "is a BertModel" in found.message and found.help is None
    bigram.save(tmp_path / "llama", architectures=["LlamaForCausalLM"])
    (found,) = refused(tmp_path / "llama")
    assert "rdflow run llama" in (found.help or "")
    bigram.save(tmp_path / "untold", architectures=None, model_type="bert")
    assert "is a bert" in refused(tmp_path / "untold")[0].message


def test_settings_that_the_program_does_not_take_and_keys_that_are_not_there(tmp_path: Path) -> None:
    bigram.save(tmp_path, act="gelu", layers=None)
    found = refused(tmp_path)
    assert [d.code for d in found] == ["RDF311", "RDF312"]
    assert "`act` gelu" in found[0].message and "`layers`" in found[1].message


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        ({"rope_type": "default"}, None),
        ({"type": "default"}, None),
        ({"rope_type": "llama3", **LLAMA3}, Llama3(8.0, 1.0, 4.0, 32)),
        ({"rope_type": "yarn", "factor": 4.0}, "yarn"),
        ({"rope_type": "llama3"}, "llama3"),
    ],
)
def test_scalings_of_rotary_angles(given: Any, wanted: Any) -> None:
    formulas = Formulas(TABLE, {"rope_scaling": given}, {})
    section = TABLE.table.tables["rope"]
    if not isinstance(wanted, str):
        assert scaling(TABLE, "tables.rope", section, formulas) == wanted
        return
    with pytest.raises(CompileError, match=rf"RDF311.*`{wanted}`"):
        scaling(TABLE, "tables.rope", section, formulas)


# -- tables ------------------------------------------------------------------------------------------------------------


LINE = 'Q = "layers.{l}.q.weight"'
TABLES = [
    ("[only]", "[onlyy]", "[only]", "no `onlyy`"),
    ('architectures = ["BigramForCausalLM"]', "", "architectures", "lacks `architectures`"),
    (LINE, "Q = 3", LINE, "`tensors.Q"),
    (LINE, 'Q = { weight = "a", shap = "g" }', LINE, "no `tensors.Q.shap`"),
    ('G = "kv_heads"', "G = []", "G =", "`params.G"),
    ('steps = "M"', "", "[prompt]", "lacks `prompt.steps`"),
    ("width = 4", "width =", "width", "not TOML"),
    (LINE, "QQ" + LINE, LINE, "no such tensor"),
    ("{l}.k", "{ll}.k", "{l}.k", "no axis `ll`"),
    (LINE, 'Q = { weight = "layers.{l}.q.weight", shape = "g r c" }', LINE, "its axes"),
    ("[tables.rope]", "[tables.rop]", "[tables.rope]", "no table is called `rop`"),
    ("width = 4", "", "[tables.rope]", "lacks `width`"),
    ("width = 4", "width = 8", "[tables.rope]", "the table makes [8, 4]"),
    ('["COS", "SIN"]', '["COSS", "SIN"]', "COS", "no tensor `COSS`"),
    ('NL = "layers"', 'NLL = "layers"', 'NL = "layers"', "no param `NLL`"),
]


@pytest.mark.parametrize(("old", "new", "where", "says"), TABLES, ids=[says for *_, says in TABLES])
def test_tables_that_do_not_say_what_they_should(tmp_path: Path, old: str, new: str, where: str, says: str) -> None:
    bigram.save(tmp_path)
    assert old in bigram.TABLE
    (tmp_path / "bigram.toml").write_text(bigram.TABLE.replace(old, new))
    with pytest.raises(CompileError) as raised:
        opened(tmp_path, U=8).generate([1], steps=2)
    found = next(d for d in raised.value.diagnostics if d.code == "RDF317")
    assert says in found.message
    source, line = raised.value.source, bigram.TABLE[: bigram.TABLE.index(where)].count("\n") + 1
    assert source is not None and source.position(found.labels[0].span.start)[0] == line


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    bigram.save(tmp_path, {name.replace("q.", "query."): array for name, array in bigram.weights().items()})
    own = tmp_path / "own.toml"
    own.write_text(bigram.TABLE.replace("{l}.q.", "{l}.query."))
    program = rdflow.load(tmp_path / "bigram.rdf")
    assert "Q" in program.with_weights(tmp_path / "model", table=own).arrays
    with pytest.raises(CompileError, match="RDF317: cannot read the table"):
        program.with_weights(tmp_path / "model", table=tmp_path / "nope.toml")
    (tmp_path / "bigram.toml").unlink()
    with pytest.raises(CompileError, match="RDF317: there is no table"):
        program.with_weights(tmp_path / "model")


def test_a_table_based_on_another(tmp_path: Path) -> None:
    """Keys of its own win, section by section; a mistake is told in the text that has it."""
    bigram.save(tmp_path, {name.replace("q.", "query."): array for name, array in bigram.weights().items()})
    own, base = tmp_path / "bigram.toml", tmp_path / "base.toml"
    base.write_text(bigram.TABLE)
    own.write_text('base = "base.toml"\n[tensors]\nQ = "layers.{l}.query.weight"\n')
    assert set(opened(tmp_path).arrays) == {"NEXT", "Q", "K", "O"}
    base.write_text(bigram.TABLE.replace('K = "layers.{l}.k.weight"', 'K = "layers.{l}.key.weight"'))
    missing, _ = refused(tmp_path)
    assert missing.labels[0].source is not None and missing.labels[0].source.name == str(base)
    base.write_text(bigram.TABLE.replace('NL = "layers"', "NL = []"))
    (wrong,) = refused(tmp_path)
    assert wrong.labels[0].source is not None and wrong.labels[0].source.name == str(base)
    for text, says in (("base.toml", "leads back"), ("nope", "no table `nope`")):
        base.write_text(f'base = "{text}"\n')
        (wrong,) = refused(tmp_path)
        assert wrong.code == "RDF317" and says in wrong.message


def test_the_table_of_the_docs_is_one() -> None:
    page = (Path(__file__).parent.parent / "docs/models.md").read_text()
    table = table_of(Source("docs", page.split("```toml\n")[1].split("```")[0])).table
    assert table.tensors["Wk"].shape == "g R:R+2 e c" and table.prompt is not None and "NF" in table.tensors


def test_a_program_that_ships_has_its_own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llama.toml").write_text("nothing")
    assert "Wq" in find_table(rdflow.find("llama"), None).table.tensors


def test_ignored_names_may_have_anything_in_them(tmp_path: Path) -> None:
    bigram.save(tmp_path, bigram.weights() | {"tower.3.x": np.ones(2, np.float32), "tower.y": np.ones(2, np.float32)})
    assert {d.code for d in refused(tmp_path)} == {"RDF314"}
    (tmp_path / "bigram.toml").write_text(bigram.TABLE.replace('"layers.{l}.inv_freq"', '"tower.*"'))
    assert opened(tmp_path).warnings == ()


def test_tables_that_ship_are_whole_and_name_what_their_programs_have() -> None:
    machine = load_machine("sn40l")
    for name in with_tables():
        source = rdflow.find(name)
        table, program = find_table(source, None).table, Unchecked(source, {}, machine).declared()
        assert set(table.params) <= set(program.params)
        assert set(table.tensors) <= set(program.tensors)
        if table.prompt is not None:
            assert {table.prompt.tokens, table.prompt.ids} <= set(program.tensors)
            assert {table.prompt.sequences, table.prompt.length, table.prompt.steps} <= set(program.params)


# -- prompts -----------------------------------------------------------------------------------------------------------


def tokenizer(folder: Path) -> None:
    """Words as tokens, with one at the beginning as Llama has it."""
    tokenizers = pytest.importorskip("tokenizers")
    from tokenizers.processors import TemplateProcessing

    words = ["<s>", "</s>", "the", "cat", "sat", "on", "mat"]
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, "</s>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made.save(str(folder / "tokenizer.json"))


def test_prompts_are_numbers_or_text(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    prompts = Prompts(tmp_path)
    assert prompts.tokens(["the cat sat", [0, 2, 3, 4], "0 2, 3 4"], 7) == [[0, 2, 3, 4]] * 3
    assert prompts.text([2, 3, 4]) == "the cat sat"
    assert Prompts(tmp_path / "none").text([2, 3, 4]) == "2 3 4"


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ([""], "is empty"), ([[]], "is empty"), ([], "no prompt"), (["1 7"], "token 7"), ([[-1]], "token -1"),
        (["cat"], "no `tokenizer.json`"), (["1 2", "3"], "2 tokens, another one 1"),
    ],
)  # fmt: skip
def test_prompts_that_cannot_be_used(tmp_path: Path, prompts: list[Any], says: str) -> None:
    with pytest.raises(CompileError) as raised:
        Prompts(tmp_path).tokens(prompts, 7)
    (found,) = raised.value.diagnostics
    assert found.code == "RDF318" and says in found.message and found.help


def test_a_tokenizer_of_another_library_and_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"")
    with pytest.raises(CompileError) as raised:
        Prompts(tmp_path).tokens(["cat"], 7)
    assert "AutoTokenizer" in (raised.value.diagnostics[0].help or "")
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": 3}))
    with pytest.raises(CompileError, match=r"RDF310.*is no tokenizer"):
        Prompts(tmp_path).tokens(["cat"], 7)
