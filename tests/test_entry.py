"""Where the command starts: what is plain goes its own way, and comes to the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
    assert said("rdflow.entry", *words.split()) == said("rdflow.cli", *words.split())
