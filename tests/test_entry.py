"""Where the command starts: what is plain goes its own way, and comes to the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rdflow.dsl.codes import CODES
from rdflow.entry import plain

PLAIN = ["check hello", "check hello softmax --json", "run hello", "run -q hello", "profile hello --json"]
OTHERS = [
    "",
    "--help",
    "run",
    "run hello softmax",
    "run --verify hello",
    "run hello --set N=32",
    "fmt hello",
    "check -",
]


@pytest.mark.parametrize("words", PLAIN)
def test_what_is_plain(words: str) -> None:
    assert plain(words.split()) is not None


@pytest.mark.parametrize("words", OTHERS)
def test_what_is_left_to_the_command_line(words: str) -> None:
    assert plain(words.split()) is None


def said(module: str, *words: str) -> tuple[int, str, str]:
    found = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize("words", ["run hello", "profile hello", "run hallo", "profile hallo --json", "run -q hello"])
def test_both_ways_say_the_same(words: str) -> None:
    if words == "profile hello":
        said("rdflow.cli", *words.split())  # from now on it is kept, and both say when it was simulated
    assert said("rdflow.entry", *words.split()) == said("rdflow.cli", *words.split())


# -- what a check waits for --------------------------------------------------------------------------------------------

HEAVY = {"numpy", "numba", "llvmlite", "rich", "typer", "click", "pydantic", "prompt_toolkit", "pygments", "ml_dtypes"}
LATER = {
    "rdflow.cli",
    "rdflow.running",
    "rdflow.session",
    "rdflow.dsl.evaluate",
    "rdflow.dsl.codes_orders",
    "rdflow.interpreter.image",
    "rdflow.interpreter.place",
    "rdflow.interpreter.kernel",
    "rdflow.interpreter.mapper",
}
SPY = """
import json, sys
sys.argv = ["rdflow", *WORDS]
compiled = []
sys.addaudithook(lambda event, given: compiled.append(given[1]) if event == "compile" and given[1] == "<string>" else None)
from rdflow.entry import main
try: main()
except SystemExit: pass
print(json.dumps([sorted(sys.modules), len(compiled)]))
"""


def spied(module: str, *words: str) -> tuple[set[str], int]:
    """What a command has imported when it ends, and how many texts were compiled that are no file."""
    code = SPY.replace("*WORDS", f"*{words!r}").replace("rdflow.entry", module)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported, compiled = json.loads(found.stdout.splitlines()[-1])
    return set(imported), compiled


def test_a_check_imports_what_it_needs() -> None:
    imported, _ = spied("rdflow.entry", "check", "attention")
    assert "rdflow.fitting" in imported and not imported & (HEAVY | LATER)


def test_a_check_with_options_waits_for_the_command_line_alone() -> None:
    imported, _ = spied("rdflow.entry", "check", "attention", "--machine", "toy")
    assert "typer" in imported and not imported & {"numpy", "numba", "llvmlite", "rdflow.interpreter.kernel"}


def test_a_check_that_finds_mistakes_imports_no_more(tmp_path: Path) -> None:
    (tmp_path / "wrong.rdf").write_text(CODES["RDF030"].wrong)
    assert not spied("rdflow.entry", "check", str(tmp_path / "wrong.rdf"))[0] & (HEAVY | LATER)


def test_a_check_compiles_next_to_nothing() -> None:
    """Methods that are written and compiled for each class were half of a start."""
    assert spied("rdflow.entry", "check", "attention")[1] < 100
