"""A program with the weights of a checkpoint, run: the tokens that follow a prompt, in Python and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import bigram
import numpy as np
import pytest

pytest.importorskip("safetensors")

from test_checkpoints import tokenizer
from test_cli import call, codes

import rdflow
from rdflow.console import Told
from rdflow.dsl.diagnostics import CompileError
from rdflow.generating import TokenMeter
from rdflow.generation import Model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A folder with the program and its checkpoint, and what the weights are."""
    folder = tmp_path_factory.mktemp("bigram")
    return SimpleNamespace(folder=folder, weights=bigram.save(folder), model=folder / "model")


@pytest.fixture(scope="module")
def model(saved: SimpleNamespace) -> Model:
    return rdflow.load(saved.folder / "bigram.rdf").with_weights(saved.model)


# -- Python ------------------------------------------------------------------------------------------------------------


def test_the_tokens_are_those_of_the_model(model: Model, saved: SimpleNamespace) -> None:
    said = model.generate([3, 5], steps=6, verify=True)
    assert said.ids == (tuple(bigram.following(saved.weights, 5, 6)),)
    assert said.texts == (" ".join(map(str, said.ids[0])),) and not said.decoded
    assert said.result.verification is not None and said.result.verification.passed
    assert said.result.cycles > 0 and said.tokens_per_second > 0


def test_prompts_of_a_batch_go_through_together(model: Model, saved: SimpleNamespace) -> None:
    said = model.generate([3, 5], "7 11", steps=4)
    assert said.ids == tuple(tuple(bigram.following(saved.weights, last, 4)) for last in (5, 11))


def test_what_is_said_ends_with_a_token_that_ends_it(tmp_path: Path, saved: SimpleNamespace) -> None:
    """In words, as the folder has a tokenizer; all steps run, and `ids` has what they gave."""
    last = bigram.following(saved.weights, 5, 3)
    ids = bigram.following(saved.weights, 5, 5)
    bigram.save(tmp_path, saved.weights, eos_token_id=[38, last[-1]])
    tokenizer(tmp_path / "model")
    said = rdflow.load(tmp_path / "bigram.rdf").with_weights(tmp_path / "model").generate([5], steps=5)
    ends = ids.index(last[-1])
    assert said.ids == (tuple(ids),) and said.ended == (True,) and said.decoded
    words = ["<s>", "</s>", "the", "cat", "sat", "on", "mat"]
    assert said.texts == (" ".join(words[i] for i in ids[:ends] if i < len(words)),)


def test_steps_are_those_of_the_params_where_they_are_set(saved: SimpleNamespace) -> None:
    model = rdflow.load(saved.folder / "bigram.rdf", M=3).with_weights(saved.model)
    assert len(model.generate([5]).ids[0]) == 3
    assert len(model.generate([5], steps=2).ids[0]) == 2


def test_the_program_runs_without_a_prompt(model: Model, saved: SimpleNamespace) -> None:
    outputs = model.run(PROMPT=np.array([[1, 2, 3, 9]])).outputs
    np.testing.assert_array_equal(outputs["IDS"][0], bigram.following(saved.weights, 9, 4))


@pytest.mark.parametrize(
    ("prompt", "params", "steps", "says", "cure"),
    [
        ([1] * 60, {}, 6, "65 positions, the model has 64", "`--steps 5`"),
        ([1] * 70, {}, 6, "75 positions, the model has 64", "shorten the prompt"),
        ([1] * 4, {"U": 8}, 6, "9 positions, the cache has 8", "`--set U=9`"),
        ([1] * 4, {"T": 5}, 6, "`T` is set to 5", "leave `T` out"),
        ([1] * 4, {"B": 2}, 6, "`B` is set to 2", "leave `B` out"),
        ([1], {}, 0, "0 tokens are asked for", "--steps"),
        ([40], {}, 1, "token 40, the model has 0 to 39", "leave it out"),
    ],
)
def test_prompts_that_cannot_be_used(
    saved: SimpleNamespace, prompt: list[int], params: dict[str, int], steps: int, says: str, cure: str
) -> None:
    model = rdflow.load(saved.folder / "bigram.rdf", **params).with_weights(saved.model)
    with pytest.raises(CompileError) as raised:
        model.prompted([prompt], steps)
    (found,) = raised.value.diagnostics
    assert found.code == "RDF318" and says in found.message and cure in (found.help or "")


def test_all_positions_that_there_are_can_be_used(model: Model) -> None:
    program, _ = model.prompted([[1] * 60], 5)
    assert program.checked.program.params["U"] == 64


def test_a_program_that_takes_no_prompt(tmp_path: Path) -> None:
    bigram.save(tmp_path)
    (tmp_path / "bigram.toml").write_text(bigram.TABLE.split("[prompt]")[0])
    model = rdflow.load(tmp_path / "bigram.rdf").with_weights(tmp_path / "model")
    assert model.run().cycles > 0
    with pytest.raises(CompileError, match=r"RDF317.*does not say how"):
        model.generate([1])


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(saved: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(saved.folder)
    monkeypatch.setenv("NO_COLOR", "1")
    return Path(saved.folder)


RUN = ("run", "bigram.rdf", "--weights", "model")


def test_run_prints_the_tokens(folder: Path, saved: SimpleNamespace) -> None:
    result = call(*RUN, "--prompt", "3 5", "--steps", "4", "--verify")
    assert result.exit_code == 0, result.output
    ids = " ".join(map(str, bigram.following(saved.weights, 5, 4)))
    assert result.stdout.splitlines()[0] == f"tokens: {ids}"
    assert "4 tokens in" in result.stdout and "verified" in result.stdout and "random" not in result.stdout


def test_run_prints_text_where_there_is_a_tokenizer(tmp_path: Path, saved: SimpleNamespace) -> None:
    bigram.save(tmp_path, saved.weights)
    tokenizer(tmp_path / "model")
    result = call("run", str(tmp_path / "bigram.rdf"), "--weights", str(tmp_path / "model"), "--prompt", "the cat")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].startswith("tokens: ")


def test_run_writes_json_and_outputs(folder: Path, saved: SimpleNamespace, tmp_path: Path) -> None:
    result = call(*RUN, "--prompt", "3 5", "--steps", "4", "--json", "--output", str(tmp_path / "out"))
    document = json.loads(result.stdout)
    ids = bigram.following(saved.weights, 5, 4)
    assert document["generated"]["ids"] == [ids] and document["generated"]["ended"] == [False]
    assert document["params"]["T"] == 2 and document["params"]["M"] == 4
    np.testing.assert_array_equal(np.load(tmp_path / "out/IDS.npy"), [ids])


def test_run_without_a_prompt_says_which_inputs_are_random(folder: Path) -> None:
    result = call(*RUN, "--set", "M=2")
    assert result.exit_code == 0 and "PROMPT" in result.stdout and "NEXT" not in result.stdout
    assert "generated" not in json.loads(call(*RUN, "--set", "M=2", "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--weights", "nope"), "RDF310"),
        (("--weights", "model", "--prompt", ""), "RDF318"),
        (("--weights", "model", "--prompt", "cat"), "RDF318"),
        (("--weights", "model", "--prompt", "1", "--table", "nope.toml"), "RDF317"),
        (("--weights", "model", "--set", "G=3"), "RDF315"),
        (("--weights", "model", "--set", "Q=3"), "RDF010"),
        (("--weights", "model", "--set", "C=0"), "RDF013"),
    ],
)
def test_mistakes_end_the_command_with_their_code(folder: Path, arguments: tuple[str, ...], code: str) -> None:
    assert code in codes("run", "bigram.rdf", *arguments)


def test_layers_left_out_are_told(folder: Path) -> None:
    result = call(*RUN, "--prompt", "1", "--steps", "1", "--set", "NL=1")
    assert result.exit_code == 0 and "warning[RDF314]" in result.stderr


@pytest.mark.parametrize("option", [("--prompt", "1"), ("--steps", "3"), ("--table", "x.toml")])
def test_options_of_a_checkpoint_need_one(folder: Path, option: tuple[str, str]) -> None:
    result = call("run", "bigram.rdf", *option)
    assert result.exit_code == 2 and "--weights DIR" in result.stderr


def test_the_meter_says_which_token_it_is_at(model: Model) -> None:
    said: list[str] = []
    program, prompt = model.prompted([[3, 5]], 3)
    meter = TokenMeter(Told(quiet=True)).of(model, program)
    execution = program.execution(program.inputs(prompt, 0, model.ready(program)))
    execution.advance(progress=lambda e: said.append(meter.where(e)) if e.current else None)
    assert [text.split("  ")[0] for text in dict.fromkeys(said)][:1] == ["token 1 of 3"]
    assert said[-1].startswith("token 3 of 3") and "following (launch 3)" in said[-1] and "a second" in said[-1]


def test_the_layer_is_that_of_the_carry() -> None:
    from rdflow.generating import _layer

    text = """
    axis l = 5, n = 64
    tensor X: f32[n] in hbm input
    tensor Y: f32[n] in hbm output
    kernel deep {
        a = load X as [n/H | n%H]
        x = carry y from a over l as f32 [l, n/H | n%H]
        y = pcu 2 * x
        z = pcu last(l) y
        store z -> Y
    }
    """
    program = rdflow.loads(text)
    execution = program.execution(program.inputs())
    seen: list[str] = []
    while not execution.finished:
        execution.advance(until=execution.time + 2)
        seen.append(_layer(execution, 5))
    assert list(dict.fromkeys(seen)) == [f"  layer {i} of 5" for i in range(1, 6)]
