"""Diagnostics as a reader sees them: the pictures stand here as they are drawn."""

from __future__ import annotations

import re

import pytest

from rdflow.dsl.codes import CODES, explain, read_entry
from rdflow.dsl.diagnostics import Diagnostic, Label, Severity
from rdflow.dsl.parse import parse
from rdflow.dsl.render import as_json, render
from rdflow.dsl.source import Source, Span

PROGRAM = Source("demo.rdf", "abc def ghi\nx\nyyy zzz\n\n\nq\n")
LIBRARY = Source("lib.rdf", "one\n  two three\n")


def drawn(*labels: Label, notes: tuple[str, ...] = (), help: str | None = None) -> str:
    return "\n" + render(Diagnostic("RDF099", "a headline", labels, notes, help), PROGRAM) + "\n"


def test_one_label_with_a_note_and_a_help() -> None:
    assert (
        drawn(Label(Span(4, 7), "here"), notes=("one line", "two\nlines"), help="do this")
        == """
error[RDF099]: a headline
 --> demo.rdf:1:5
  |
1 | abc def ghi
  |     ^^^ here
  |
  = note: one line
  = note: two
          lines
  = help: do this
"""
    )


def test_several_labels_on_one_line() -> None:
    labels = Label(Span(4, 7), "here"), Label(Span(0, 3), "left"), Label(Span(8, 11), "right")
    assert (
        drawn(*labels)
        == """
error[RDF099]: a headline
 --> demo.rdf:1:5
  |
1 | abc def ghi
  | --- ^^^ --- right
  | |   |
  | |   here
  | left
"""
    )


def test_labels_on_other_lines_and_over_several_lines() -> None:
    assert (
        drawn(Label(Span(12, 17), "both"), Label(Span(23, 24), "far"), Label(Span(0, 1), "top"))
        == """
error[RDF099]: a headline
 --> demo.rdf:2:1
  |
1 | abc def ghi
  | - top
2 | x
  | ^
3 | yyy zzz
  | ^^^ both
4 |
5 |
  | - far
"""
    )


def test_lines_that_are_far_apart_have_a_gap_between() -> None:
    assert (
        drawn(Label(Span(0, 3), "first"), Label(Span(24, 25), "last"))
        == """
error[RDF099]: a headline
 --> demo.rdf:1:1
  |
1 | abc def ghi
  | ^^^ first
...
6 | q
  | - last
"""
    )


def test_a_label_in_another_file() -> None:
    assert (
        drawn(Label(Span(0, 3), "the call"), Label(Span(6, 9), "the layer", LIBRARY))
        == """
error[RDF099]: a headline
 --> demo.rdf:1:1
  |
1 | abc def ghi
  | ^^^ the call
 ::: lib.rdf:2:3
  |
2 |   two three
  |   --- the layer
"""
    )


def test_without_a_label_only_the_text_is_drawn() -> None:
    assert drawn(help="set it") == "\nerror[RDF099]: a headline\n  = help: set it\n"


def test_a_warning_says_so_and_colour_changes_no_character() -> None:
    warning = Diagnostic("RDF098", "slow", (Label(Span(0, 3), "here"),), severity=Severity.WARNING)
    coloured = render(warning, PROGRAM, color=True)
    assert coloured.startswith("\033[1;33mwarning[RDF098]\033[0m")
    assert re.sub(r"\033\[[\d;]*m", "", coloured) == render(warning, PROGRAM)


def test_json_has_the_place_of_the_first_label() -> None:
    diagnostic = Diagnostic(
        "RDF099", "a headline", (Label(Span(13, 13), "x"), Label(Span(6, 9), "y", LIBRARY)), (), "h"
    )
    assert as_json(diagnostic, PROGRAM) == {
        "code": "RDF099",
        "severity": "error",
        "message": "a headline",
        "file": "demo.rdf",
        "line": 2,
        "column": 2,
        "end_line": 2,
        "end_column": 2,
        "labels": [
            {"text": "x", "file": "demo.rdf", "line": 2, "column": 2, "end_line": 2, "end_column": 2},
            {"text": "y", "file": "lib.rdf", "line": 2, "column": 3, "end_line": 2, "end_column": 6},
        ],
        "notes": [],
        "help": "h",
    }


def test_a_syntax_error_as_it_is_shown() -> None:
    source = Source("t.rdf", "kernel k {\n    x = pcu max(a, b]\n    store x -> Y[i]\n}\n")
    pictures = "\n\n".join(render(diagnostic, source) for diagnostic in parse(source)[1])
    assert (
        f"\n{pictures}\n"
        == """
error[RDF002]: `(` is closed by `]`
 --> t.rdf:2:21
  |
2 |     x = pcu max(a, b]
  |                -    ^ expected `)`
  |                |
  |                opened here
  |
  = help: close it with `)`

error[RDF004]: a view names the axes that it indexes
 --> t.rdf:3:16
  |
3 |     store x -> Y[i]
  |                ^^^^ indexed by position
  |
  = help: write `Y(axis = i)`, with the name of the axis that `i` indexes
"""
    )


SYNTAX_CODES = ["RDF001", "RDF002", "RDF003", "RDF004"]


@pytest.mark.parametrize("code", SYNTAX_CODES)
def test_the_programs_of_a_syntax_code_show_it(code: str) -> None:
    assert [d.code for d in parse(Source("wrong", CODES[code].wrong))[1]] == [code]
    assert parse(Source("right", CODES[code].right))[1] == []


def test_explaining_a_code_shows_why_and_both_programs() -> None:
    text = explain("rdf004")
    assert text.startswith("RDF004: an index by position\n\nA view says")
    assert "    w = load W[3]" in text
    assert "    w = load W(l = 3)" in text


def test_an_unknown_code_and_a_malformed_entry_are_refused() -> None:
    with pytest.raises(KeyError):
        explain("RDF000")
    with pytest.raises(ValueError, match="form of an entry"):
        read_entry("RDF000: nothing more")
