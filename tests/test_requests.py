"""Requests: drawn from a seed, and read from files in the form of public traces, with every mistake told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.render import render
from rdflow.dsl.source import Source
from rdflow.interpreter.request_files import HEADER, SHOWN, parse_requests, read_requests
from rdflow.interpreter.requests import Draw, Request, drawn

DRAW = Draw(4000, 50.0, (4, 32), (1, 8), seed=5)
AZURE = f"""{HEADER}
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0319600,110,27
"""


def between(draw: Draw) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.diff([float(r.arrival) for r in drawn(draw, 10)])


def test_the_same_seed_gives_the_same_requests() -> None:
    assert drawn(DRAW, 10) == drawn(DRAW, 10) != drawn(replace(DRAW, seed=6), 10)


def test_a_skew_changes_topics_only() -> None:
    flat, skewed = (drawn(replace(DRAW, skew=skew), 10) for skew in (0.0, 1.5))
    assert [replace(r, topic=0) for r in flat] == [replace(r, topic=0) for r in skewed]
    counts = Counter(r.topic for r in skewed)
    assert counts[0] / counts[3] == pytest.approx(4**1.5, rel=0.2)
    assert Counter(r.topic for r in flat)[9] == pytest.approx(400, rel=0.2)


def test_arrivals_have_the_rate_and_the_bursts_that_are_asked_for() -> None:
    for burst in (1.0, 3.0):
        gaps = between(replace(DRAW, burst=burst))
        assert gaps.mean() == pytest.approx(1 / 50, rel=0.15)
        assert gaps.std() / gaps.mean() == pytest.approx(burst, rel=0.1)
    # of a Poisson process a share of exp(-1) comes later than the mean
    assert np.mean(between(DRAW) > 1 / 50) == pytest.approx(np.exp(-1), abs=0.03)


def test_lengths_are_between_their_ends() -> None:
    requests = drawn(DRAW, 10)
    assert {r.prompt for r in requests} == set(range(4, 33)) and {r.answer for r in requests} == set(range(1, 9))


# -- files -------------------------------------------------------------------------------------------------------------


def mistakes(text: str, topics: int = 10) -> list[tuple[str, int]]:
    """What is told, and on which line; each of it can be drawn."""
    source = Source("trace.csv", text)
    with pytest.raises(CompileError) as caught:
        parse_requests(source, topics)
    assert {d.code for d in caught.value.diagnostics} == {"RDF330"}
    assert all(d.help and render(d, source, False) for d in caught.value.diagnostics)
    return [
        (d.message, source.position(d.labels[0].span.start)[0] if d.labels else 0) for d in caught.value.diagnostics
    ]


def test_the_form_of_azures_traces(tmp_path: Path) -> None:
    (tmp_path / "azure.csv").write_text(AZURE)
    found = read_requests(tmp_path / "azure.csv", 10, seed=1)
    assert [(r.arrival, r.prompt, r.answer) for r in found] == [
        (0, 4808, 10), (Fraction("0.052"), 3180, 8), (Fraction("0.052"), 110, 27),
    ]  # fmt: skip
    assert [r.topic for r in found] == [r.topic for r in read_requests(tmp_path / "azure.csv", 10, seed=1)]


@pytest.mark.parametrize(
    "times",
    [
        ("0", "0.25", "1e0"),
        ("2024-05-10 00:00:00.009930+00:00", "2024-05-10T02:00:00.259930+02:00", "2024-05-10 00:00:01.00993Z"),
    ],
)
def test_forms_of_times(times: tuple[str, ...]) -> None:
    text = "topic,GeneratedTokens,TIMESTAMP,ContextTokens\r\n" + "".join(
        f"{i},2,{t},{3 + i}\r\n" for i, t in enumerate(times)
    )
    wanted = tuple(Request(Fraction(at), 3 + i, 2, i) for i, at in enumerate(("0", "0.25", "1")))
    assert parse_requests(Source("trace.csv", "\n" + text), 3) == wanted


def test_every_mistake_is_told_with_its_line() -> None:
    text = f"{HEADER},Topic\n0,5,5,0\n1,-5,0,12\nnever,5,x,1\n0.5,5,5,1\n\n2023-11-16 18:17:03,1,1,1\n2,5,5\n3,5,5,-1\n"
    assert mistakes(text) == [
        ("line 3 has a wrong length", 3),
        ("line 3 has a wrong length", 3),
        ("line 3 is for an expert that there is not", 3),
        ("line 4 has no time that can be read", 4),
        ("line 4 has a wrong length", 4),
        ("line 5 is not in the order of time", 5),
        ("line 7 has another form of time", 7),
        ("line 8 is too short", 8),
        ("line 9 is for an expert that there is not", 9),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("the trace is empty", 0)]),
        (HEADER, [("the trace has no requests", 1)]),
        ("TIMESTAMP,Tokens\n1,2\n", [("the trace has no column ContextTokens", 1), ("the trace has no column GeneratedTokens", 1)]),
        (f"{HEADER}\n2023-02-30 00:00:00,1,1\n", [("line 2 has no time that can be read", 2)]),
        (f"{HEADER}\n1,1.5,1\n", [("line 2 has a wrong length", 2)]),
    ],
)  # fmt: skip
def test_traces_that_are_none(text: str, expected: list[tuple[str, int]]) -> None:
    assert mistakes(text) == expected


def test_more_mistakes_than_anybody_reads_are_counted() -> None:
    found = mistakes(HEADER + "\n0,0,1" * (SHOWN + 1_200))
    assert len(found) == SHOWN + 1 and found[-1] == ("1,200 more mistakes in this trace", 0)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for name, says in (("none.csv", "no such file"), ("bytes.csv", "not a text"), (".", "is a directory")):
        with pytest.raises(CompileError, match=says):
            read_requests(tmp_path / name, 10)
