"""`rdflow repl` from a pipe: results on stdout, what is wrong on stderr, 1 if an entry failed; and in a notebook."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest

from rdflow.notebook import Cells, load_ipython_extension, split

PROGRAM = """\
axis n = 64
tensor X: f32[n] in hbm input
tensor Y: f32[n] in hbm output
x = load X as [n/H | n%H]
y = pcu x * 2 +
    1
store y -> Y
"""
START = "import sys; from rdflow.repl import main; sys.exit(main({}))"


def piped(text: str, argument: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START.format(argument)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=900)


def test_results_go_to_stdout() -> None:
    done = piped(PROGRAM)
    assert (done.returncode, done.stderr) == (0, "")
    assert "axis n = 64" in done.stdout
    assert "y: f32 [n/H | n%H]   1 PCU; 4 firings" in done.stdout


def test_what_is_wrong_goes_to_stderr_and_the_rest_is_read() -> None:
    done = piped("axis n = 64\nx = load W\n:step many\naxis m = 32\n")
    assert done.returncode == 1
    assert done.stdout == "axis n = 64\naxis m = 32\n"
    assert "x = load W" in done.stderr
    assert "error: `many` is not a number of cycles" in done.stderr


def test_a_bracket_that_stays_open_is_told() -> None:
    done = piped("axis n = 64\ntensor X: f32[n\n")
    assert done.returncode == 1
    assert "RDF002" in done.stderr


def test_a_program_is_loaded_first_and_quit_ends() -> None:
    done = piped(":list\n:quit\nnonsense\n", "'hello'")
    assert (done.returncode, done.stderr) == (0, "")
    assert "kernel hello" in done.stdout


def test_a_program_that_is_not_there_fails() -> None:
    done = piped("", "'helo'")
    assert done.returncode == 1
    assert "did you mean `hello`?" in done.stderr


def test_it_runs() -> None:
    done = piped(PROGRAM + ":run verify\n:step\n")
    assert "verified: equal to the NumPy evaluator" in done.stdout
    assert "has ended" in done.stderr


class Shell:
    """As much of a notebook as the magic needs."""

    def __init__(self) -> None:
        self.magics: dict[str, Any] = {}

    def register_magic_function(self, function: Any, kind: str, name: str) -> None:
        assert kind == "cell"
        self.magics[name] = function


def test_cells_of_a_notebook_share_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell()
    load_ipython_extension(shell)
    shell.magics["rdf"]("", PROGRAM)
    shell.magics["rdf"]("", ":list\nz = pcu w")
    shown = capsys.readouterr()
    assert "kernel main {" in shown.out
    assert "did you mean" in shown.err or "known here" in shown.err


def test_a_new_session_in_a_notebook() -> None:
    cells = Cells()
    cells.rdf("", "axis n = 64")
    cells.rdf("new", "axis n = 32")
    assert cells.session.text == "axis n = 32\n"


def test_a_cell_is_cut_at_commands_and_whole_statements() -> None:
    assert split("axis n = 4\n:run\nx = load\n    X\n:list\n") == ["axis n = 4", ":run", "x = load", "    X", ":list"]
    assert split("layer f(x) {\n  return x\n}") == ["layer f(x) {\n  return x\n}"]


def test_reading_needs_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from rdflow.repl import main

    monkeypatch.setattr(sys, "stdin", io.StringIO("param S = 4\n"))
    assert main(settings={"S": 8}) == 0
    assert capsys.readouterr().out == "param S = 8 (as set)\n"
