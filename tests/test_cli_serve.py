"""`rdflow serve`: what it prints where, its document and its page, and how it ends."""

from __future__ import annotations

import json
import xml.dom.minidom
from pathlib import Path
from typing import Any

import pytest
from serving_program import program
from test_cli import call, codes
from test_serving import LAYERED, ROUTED

from rdflow.charts_serving import Curve, chart, thinned, ticks
from rdflow.interpreter.request_files import HEADER
from rdflow.serving import Draw, serving
from rdflow.serving_command import ends_of

SIZES = ("--set", "N=12")
FEW = ("serve", "server.rdf", *SIZES, "--poisson", "20000", "--requests", "20", "--seed", "4")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program that serves, and the machine's HBM so small that its cache has room for three experts."""
    capacity = program(tmp_path).machine.hbm.capacity
    (tmp_path / "small.toml").write_text(f'base = "sn40l"\n[hbm]\ncapacity = "{capacity}B"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def document(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--machine", "small.toml", "--json").stdout)


def test_policies_are_compared_in_one_command(folder: Path) -> None:
    result = call(*FEW, "--machine", "small.toml")
    assert result.exit_code == 0 and "\033" not in result.stdout
    assert "20 requests over" in result.stdout and "room for 3 of 12" in result.stdout
    rows = [line.split()[0] for line in result.stdout.splitlines() if line.strip()]
    assert all(rows.count(policy) == 2 for policy in ("lru", "lfu", "belady", "pinned", "prefetch"))
    assert call(*FEW, "--machine", "small.toml").stdout == result.stdout
    assert call(*FEW, "--machine", "small.toml", "--quiet").output == ""


def test_what_takes_long_is_said(folder: Path) -> None:
    said: list[str] = []
    found = serving(program(folder), Draw(20, 20000, (8, 8), (1, 4)), say=said.append)
    assert said == []
    found.under("lru")
    assert said[0] == "reading the schedule: prompts of 8 tokens, answers of 4"
    assert {text.split()[0] for text in said} == {"reading", "simulating", "serving"}
    assert said[-1].startswith("serving under lru: request ") and said[-1].endswith(" of 20")
    known = len(said)
    found.under("lfu")  # no launch is simulated again
    assert {text.split()[0] for text in said[known:]} == {"serving"}


def test_the_document_has_every_request(folder: Path) -> None:
    found = document(*FEW, "--policy", "lru", "--policy", "belady", "--policy", "lru", "--group", "--answer", "1..4")
    assert [one["policy"] for one in found["policies"]] == ["lru", "belady"]
    lru = found["policies"][0]
    firsts = sorted(r["first"] - r["arrival"] for r in lru["requests"])
    assert len(firsts) == 20 and lru["to_first_token"]["p50"] == pytest.approx(firsts[9])
    assert lru["hits"] == sum(r["hit"] for r in lru["requests"]) == 20 - lru["misses"]
    assert lru["group"] and not lru["overlap"] and found["simulated"]["prompts"] == [8]
    assert max(size for _, size in lru["occupancy"]["hbm"]) <= program(folder).machine.hbm.capacity


def test_a_trace_is_served(folder: Path) -> None:
    Path("trace.csv").write_text(f"{HEADER},Topic\n0,8,2,1\n0.1,5,1,11\n0.2,8,4,1\n")
    found = document("serve", "server.rdf", *SIZES, "--trace", "trace.csv", "--policy", "lru", "--batch", "1")
    assert [r["hit"] for r in found["policies"][0]["requests"]] == [False, False, True]
    assert [r["topic"] for r in found["policies"][0]["requests"]] == [1, 11, 1]
    assert found["batch"] == 1 and found["simulated"]["prompts"] == [5, 8]


def test_the_report_is_a_page_with_pictures(folder: Path) -> None:
    call(*FEW, "--machine", "small.toml", "--report", "page.html", "--quiet")
    text = Path("page.html").read_text()
    for name in (
        "Time to the first token",
        "Time to the last token",
        "Hits over time",
        "Requests that wait",
        "HBM over time",
        "DDR over time",
    ):
        assert f"<h2>{name}</h2>" in text
    pictures = text.split("<svg")[1:]
    assert len(pictures) == 6
    for picture in pictures:
        drawn = xml.dom.minidom.parseString("<svg" + picture.split("</svg>")[0] + "</svg>")
        assert len(drawn.getElementsByTagName("path")) == 5  # a curve for each policy
    assert "http" not in text.replace("http-equiv", "")


def test_wrong_usage(folder: Path) -> None:
    one = ("serve", "server.rdf", "--poisson", "10")
    for arguments in (
        ("serve", "server.rdf"), (*one, "--trace", "trace.csv"), ("serve", "server.rdf", "--poisson", "0"), (*one, "--burst", "nan"),
        (*one, "--policy", "mru"), (*one, "--prompt", "8..4"), (*one, "--answer", "0"), (*one, "--batch", "0"), (*one, "--skew", "inf"),
    ):  # fmt: skip
        assert call(*arguments).exit_code == 2, arguments


def test_mistakes_end_before_anything_is_simulated(folder: Path) -> None:
    Path("trace.csv").write_text(f"{HEADER},Topic\n0,8,-2,1\n0.1,5,1,12\n")
    trace = ("serve", "server.rdf", *SIZES, "--trace", "trace.csv")
    assert codes(*trace, "--report", "page.html") == ["RDF330", "RDF330"] and not Path("page.html").exists()
    assert "trace.csv:3:1" in call(*trace).stderr
    assert codes("serve", "hello", "--poisson", "10") == ["RDF331"] * 4
    assert codes("serve", "server.rdf", "--trace", "none.csv") == ["RDF330"]
    assert codes(*FEW, "--report", "no/such/page.html") == ["RDF306"]


def test_ends_of_lengths() -> None:
    assert (ends_of(None, "--prompt", 7), ends_of("3", "--prompt", 7), ends_of("3..9", "--prompt", 7)) == (
        (7, 7),
        (3, 3),
        (3, 9),
    )


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_ticks_are_round_and_few() -> None:
    assert ticks(1.0) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(7.3e6) == [0, 2e6, 4e6, 6e6]
    assert all(3 <= len(ticks(most)) <= 7 for most in (1e-6, 0.013, 3, 49, 60, 99, 1e9))


def test_curves_keep_what_is_seen() -> None:
    assert thinned([(0, 0), (0.1, 0.1), (0.2, 0), (5, 0), (5.1, 0)]) == [(0, 0), (5, 0), (5.1, 0)]
    assert "H" in chart("a", [Curve("x", [(0, 0), (1, 1)], steps=True)], "share")
    assert "L" in chart("a", [Curve("x", [(0, 0), (1, 1)])], "count") and chart("a", [Curve("x", [(0, 0)])], "bytes")


def test_what_is_estimated_is_said(folder: Path) -> None:
    program(folder, expert=LAYERED, server=ROUTED)
    asked = (
        "serve",
        "server.rdf",
        *SIZES,
        "--poisson",
        "20000",
        "--requests",
        "6",
        "--answer",
        "1..9",
        "--policy",
        "lru",
    )
    told = call(*asked, "--points", "2", "--extrapolate", "NL=3,6").stdout
    assert "Steps 1, " in told and "Decode: 3 and 6 steps of its carry are simulated, its 9 are extrapolated." in told
    assert call(*asked, "--extrapolate", "NL").exit_code == 2
    assert codes(*asked, "--extrapolate", "T=1,2") == ["RDF309"]
