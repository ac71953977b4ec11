"""What cannot run is refused alike by `check`, `run` and `profile`: the code, where it is, both ends, and the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rdflow.cli import app
from rdflow.dsl.codes import CODES

ALIKE = {
    "RDF030": "an order that a unit cannot take",
    "RDF050": "a deadlock: a path that starves another",
    "RDF051": "a deadlock: copies that wait for each other",
    "RDF056": "a deadlock: a load or a store that waits for itself",
    "RDF206": "a kernel that is too large",
    "RDF207": "a tier that is full",
    "RDF209": "a kernel on more sockets than there are",
    "RDF211": "an expert that does not fit",
    "RDF212": "a pool that is larger than its tier",
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path / "wrong.rdf"


def found(command: str, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and the diagnostics of a command."""
    result = CliRunner().invoke(app, [command, "wrong.rdf", *options, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    document = json.loads(result.stdout)
    return result.exit_code, document.get("diagnostics", []) if isinstance(document, dict) else document


@pytest.mark.parametrize("code", ALIKE, ids=lambda code: f"{code}-{ALIKE[code].replace(' ', '-')}")
def test_three_commands_say_the_same(code: str, write: Path) -> None:
    write.write_text(CODES[code].wrong)
    check, run, profile = (found(command) for command in ("check", "run", "profile"))
    assert check[0] == run[0] == profile[0] == 1
    errors = [[d for d in told if d["severity"] == "error"] for _, told in (check, run, profile)]
    assert errors[0] == errors[1] == errors[2]
    first = next(d for d in errors[0] if d["code"] == code)
    assert first["help"] and first["line"] >= 1


def test_what_only_a_run_can_tell_is_told_by_run_and_profile(write: Path) -> None:
    """A queue of some 40 packets deadlocks on this machine and not on a generous one: `check` cannot prove it."""
    write.write_text(
        "axis t = 8, c = 640\ntensor X: f32[t, c] in hbm input\ntensor Y: f32[t, c] in hbm output\n"
        "kernel center {\n    x = load X as [t, c/H | c%H]\n    m = pcu max(c) x\n    y = pcu x - m\n    store y -> Y\n}\n"
    )
    assert found("check")[0] == 0
    run, profile = found("run"), found("profile")
    assert run == profile and run[0] == 1
    (told,) = run[1]
    assert told["code"] == "RDF401" and told["help"] and len(told["labels"]) >= 2


def test_a_link_that_carries_too_much_is_a_warning_of_all_three(write: Path) -> None:
    write.write_text(CODES["RDF210"].wrong)
    assert found("check", "--units")[0] == 0
    for command in (["check", "--units"], ["run"], ["profile"]):
        result = CliRunner().invoke(app, [command[0], "wrong.rdf", *command[1:]])
        assert result.exit_code == 0 and "RDF210" in result.stderr


@pytest.mark.parametrize("text", ["", "axis n = 4\n", "axis n = 4\ntensor X: f32[n] in hbm input\nschedule { }\n"])
def test_a_program_that_does_nothing_is_not_run(text: str, write: Path) -> None:
    write.write_text(text)
    assert found("check")[0] == 0
    for command in ("run", "profile"):
        code, (told,) = found(command)
        assert code == 1 and told["code"] == "RDF321" and "launch" in told["help"]


def test_values_beyond_the_memory_of_this_computer_are_refused(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 bytes a number here and 4 in the engine: 2 tensors of 64 numbers are 1,024."""
    write.write_text(
        "axis n = 64\ntensor X: f32[n] in hbm input\ntensor Y: f32[n] in hbm output\n"
        "kernel copied {\n    x = load X as [n/H | n%H]\n    store x -> Y\n}\n"
    )
    monkeypatch.setattr("rdflow.interpreter.host_memory.physical_memory", lambda: 1023)
    code, (told,) = found("run")
    assert code == 1 and told["code"] == "RDF320" and "rdflow profile" in told["help"]
    assert found("profile", "--no-cache")[0] == 0
    monkeypatch.setattr("rdflow.interpreter.host_memory.physical_memory", lambda: 1024)
    assert found("run")[0] == 0
