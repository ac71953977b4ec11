"""The manual and the seeded mistakes (tests/spec): every program checks, every mistake is told where and as the text says.

With RDFLOW_GOLDEN=1 the rendered messages in tests/spec/mistakes.md are written anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdflow.api import library
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import check
from rdflow.dsl.codes import CODES, explain
from rdflow.dsl.diagnostics import Diagnostic, Severity
from rdflow.dsl.render import render
from rdflow.dsl.source import Source

SPEC = Path(__file__).parent / "spec"
ROOT = Path(__file__).parent.parent
MISTAKES = SPEC / "mistakes.md"
GOLDEN = bool(os.environ.get("RDFLOW_GOLDEN"))


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file: the words behind the fence, its text, and the heading above it."""

    info: str
    text: str
    heading: str
    line: int


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a Markdown file."""
    found: list[Block] = []
    heading, info, start, held = "", None, 0, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if info is None and line.startswith("```"):
            info, start, held = line[3:].strip(), number, []
        elif info is not None and line == "```":
            found.append(Block(info, "".join(text + "\n" for text in held), heading, start))
            info = None
        elif info is not None:
            held.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return found


# -- the manual --------------------------------------------------------------------------------------------------------

CHAPTERS = sorted(path for path in SPEC.glob("*.md") if path != MISTAKES)
PROGRAMS = [(path, block) for path in CHAPTERS for block in blocks(path) if block.info.split()[:1] == ["rdf"]]


def words(block: Block) -> dict[str, str]:
    """`error=RDF030 line=7` behind the fence."""
    return dict(word.split("=", 1) for word in block.info.split()[1:])


@pytest.mark.parametrize(("path", "block"), PROGRAMS, ids=lambda x: x.stem if isinstance(x, Path) else str(x.line))
def test_programs_of_the_manual(path: Path, block: Block) -> None:
    source = Source(path.name, block.text)
    expected = words(block)
    told = [(d.severity.value, d.code, line_of(d, source)) for d in check(source, library=library).diagnostics]
    kind = next((kind for kind in ("error", "warning") if kind in expected), None)
    assert told == ([] if kind is None else [(kind, expected[kind], int(expected["line"]))])


def line_of(diagnostic: Diagnostic, source: Source) -> int:
    return source.position(diagnostic.labels[0].span.start)[0]


# -- seeded mistakes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """A diagnostic that is expected: its code, line and column, words of its headline and of its help."""

    code: str
    line: int
    column: int
    says: str = ""
    cure: str = ""


@dataclass(frozen=True)
class Mistake:
    """A program with a mistake and what must be said of it. `apply`: how to follow the help; `shown`: as drawn."""

    title: str
    program: str
    told: tuple[Told, ...]
    apply: str
    shown: str | None


def mistakes() -> list[Mistake]:
    found: list[Mistake] = []
    for block in blocks(MISTAKES):
        match block.info:
            case "rdf":
                found.append(Mistake(block.heading, block.text, (), "", None))
            case "expect":
                found[-1] = expected(found[-1], block.text)
            case "text":
                found[-1] = replace(found[-1], shown=block.text)
    return found


def expected(mistake: Mistake, text: str) -> Mistake:
    told: list[Told] = []
    apply = ""
    for line in text.split("\n"):
        key, _, rest = line.strip().partition(" ")
        if key.startswith("RDF"):
            at, column = rest.split(":")
            told.append(Told(key, int(at), int(column)))
        elif key == "says:":
            told[-1] = replace(told[-1], says=rest)
        elif key == "cure:":
            told[-1] = replace(told[-1], cure=rest)
        elif key == "apply:":
            apply = rest
    return replace(mistake, told=tuple(told), apply=apply)


SEEDED = mistakes()


def titled(mistake: Mistake) -> str:
    return mistake.title.replace(" ", "-")


@pytest.mark.parametrize("mistake", SEEDED, ids=titled)
def test_mistakes_are_told_where_they_are(mistake: Mistake) -> None:
    source = Source("mistake.rdf", mistake.program)
    found = check(source).diagnostics
    places = [(d.code, *source.position(d.labels[0].span.start)) for d in found]
    assert places == [(told.code, told.line, told.column) for told in mistake.told]
    for told, diagnostic in zip(mistake.told, found, strict=True):
        assert told.says in diagnostic.message
        assert told.cure in (diagnostic.help or "")


@pytest.mark.parametrize("mistake", [m for m in SEEDED if m.apply], ids=titled)
def test_following_the_help_cures_the_program(mistake: Mistake) -> None:
    help = check(Source("mistake.rdf", mistake.program)).diagnostics[0].help
    assert help is not None
    cured = check(Source("cured.rdf", follow(mistake.program, help, mistake.apply))).diagnostics
    codes = {told.code for told in mistake.told}
    assert [d.message for d in cured if d.severity is Severity.ERROR or d.code in codes] == []


def follow(program: str, help: str, how: str) -> str:
    """The program with the line, the order or the word that the help gives between backticks put where `how` says."""
    given = re.findall(r"`([^`]*)`", help)
    lines = program.split("\n")
    first, *then = how.split("; ")
    verb, *rest = first.split(" ")
    number = int(rest[-1]) - 1
    match verb:
        case "above":
            written = f"    {given[-1]}\n{lines[number]}"
        case "instead":
            written = f"    {given[-1]}"
        case "as":
            order = next(word for word in given if word.startswith(("as [", "[")))
            written = lines[number][: lines[number].rindex("[")] + order.removeprefix("as ")
        case "dtype":
            written = re.sub(r"as \w+$", given[-1], lines[number])
        case "word":
            written = re.sub(rf"(?<!\w){re.escape(rest[0])}(?!\w)", given[-1], lines[number])
        case "rest":
            written = re.sub(r"= .*", f"= {given[-1]}", lines[number])
        case _:
            raise ValueError(how)
    for change in then:
        old, new = re.sub(r" in \d+$", "", change).split(" -> ")
        above, _, last = written.rpartition("\n")
        left, equals, right = last.partition("=")
        written = (
            (above + "\n" if above else "") + left + equals + re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new, right)
        )
    lines[number] = written
    return "\n".join(lines)


@pytest.mark.parametrize("mistake", [m for m in SEEDED if m.shown is not None], ids=titled)
def test_messages_are_drawn_as_before(mistake: Mistake) -> None:
    drawn = shown(mistake)
    if GOLDEN:
        rewrite(mistake, drawn)
    else:
        assert drawn == mistake.shown


def shown(mistake: Mistake) -> str:
    source = Source("mistake.rdf", mistake.program)
    return "\n\n".join(render(d, source) for d in check(source).diagnostics) + "\n"


def rewrite(mistake: Mistake, drawn: str) -> None:
    text = MISTAKES.read_text(encoding="utf-8")
    start = text.index(f"\n### {mistake.title}\n")
    begin = text.index("```text\n", start) + len("```text\n")
    end = text.index("```\n", begin)
    MISTAKES.write_text(text[:begin] + drawn + text[end:], encoding="utf-8")


def test_the_seeded_mistakes_are_many() -> None:
    assert len(SEEDED) >= 40
    assert sum(mistake.shown is not None for mistake in SEEDED) >= 15
    assert sum(bool(mistake.apply) for mistake in SEEDED) >= 10


# -- codes -------------------------------------------------------------------------------------------------------------

OF_PROGRAMS = [code for code in CODES if code < "RDF200"]  # those above are of machine files and of runs
SETTINGS: dict[str, dict[str, Value]] = {"RDF017": {"N": "bf16"}}


@pytest.mark.parametrize("code", OF_PROGRAMS)
def test_the_wrong_program_gives_its_code_and_the_right_one_none(code: str) -> None:
    entry = CODES[code]
    wrong = check(Source("wrong.rdf", entry.wrong), SETTINGS.get(code), library).diagnostics
    assert [d.code for d in wrong] == [code]
    assert check(Source("right.rdf", entry.right), library=library).diagnostics == []


def test_every_code_that_is_used_is_explained() -> None:
    folders = [ROOT / name for name in ("dsl", "interpreter", "rdflow")]
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py")]
    used = {code for text in texts for code in re.findall(r'"(RDF\d{3})"', text)}
    assert used - set(CODES) == set()
    for code in used:
        assert explain(code).startswith(f"{code}: ")


# -- robustness --------------------------------------------------------------------------------------------------------

VALID = [m.program for m in SEEDED] + [block.text for _, block in PROGRAMS] + [CODES[c].right for c in OF_PROGRAMS]
TOKEN = re.compile(r"\w+|->|\.\.|<=|>=|==|!=|[^\w\s]")


def mangled(draw: st.DrawFn) -> str:
    """A program with one to four tokens or lines deleted, doubled, swapped or replaced by others of it."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        pattern = draw(st.sampled_from([TOKEN, re.compile(r"[^\n]*\n")]))
        places = [found.span() for found in pattern.finditer(text)]
        if not places:
            return text
        (a, b), (c, d) = sorted(draw(st.tuples(st.sampled_from(places), st.sampled_from(places))))
        match draw(st.sampled_from(["delete", "double", "swap", "replace"])):
            case "delete":
                text = text[:a] + text[b:]
            case "double":
                text = text[:b] + " " + text[a:]
            case "swap" if b <= c:
                text = text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
            case _:
                text = text[:c] + text[a:b] + text[d:]
    return text


@settings(
    max_examples=int(os.environ.get("RDFLOW_EXAMPLES", "300")), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.composite(mangled)())
def test_no_text_makes_the_checker_fail(text: str) -> None:
    source = Source("mangled.rdf", text)
    for diagnostic in check(source).diagnostics:
        assert diagnostic.code in CODES
        assert diagnostic.labels
        for label in diagnostic.labels:
            assert 0 <= label.span.start <= label.span.end <= len(text)
        render(diagnostic, source)
