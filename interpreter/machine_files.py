"""The layers of a machine: its TOML file, those that it is based on, and settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import NOWHERE, Source, Span

SHIPPED = Path(__file__).parent / "machines"


@dataclass(frozen=True)
class Layer:
    """A file (or a setting) and what it says: a later layer wins over an earlier one."""

    source: Source
    data: dict[str, Any]


def find_file(name: str, beside: Path, label: tuple[Label, ...] = (), source: Source | None = None) -> Path:
    """A machine that ships, by its name, or a file `beside` the one that names it. Raises CompileError."""
    shipped, own = SHIPPED / f"{name}.toml", beside / name
    if "/" not in name and shipped.is_file():
        return shipped
    if own.is_file():
        return own
    names = [path.stem for path in sorted(SHIPPED.glob("*.toml"))]
    note = "machines that ship: " + ", ".join(names)
    raise CompileError(
        [Diagnostic("RDF205", f"there is no machine `{name}`", label, (note,), meant(name, names))], source
    )


def read_layers(path: Path, above: tuple[Path, ...]) -> Iterator[Layer]:
    """The layers of a file, those of its base first."""
    source = Source(str(path) if path.parent != SHIPPED else f"machines/{path.name}", _text(path))
    data = _parsed(source)
    data.setdefault("name", path.stem)
    if "base" in data:
        base, here = str(data.pop("base")), places(source).get("base", (NOWHERE, NOWHERE))[1]
        found = find_file(base, path.parent, (Label(here, "named here"),), source)
        if found.resolve() in (p.resolve() for p in (path, *above)):
            label = Label(here, "the files name each other")
            raise CompileError([Diagnostic("RDF203", "`base` leads back to its own file", (label,))], source)
        yield from read_layers(found, (path, *above))
    yield Layer(source, data)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CompileError([Diagnostic("RDF205", f"cannot read the machine file `{path}`: {error}")]) from None


def _parsed(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        label = Label(position(source, where), what[0].lower() + what[1:])
        help = 'a line is `key = 12`, `key = "1.2GHz"`, `[section]`, or `# comment`'
        raise CompileError([Diagnostic("RDF204", "this is not TOML", (label,), help=help)], source) from None


def position(source: Source, where: str) -> Span:
    """The span of "line 3, column 5)", or the end of the text."""
    numbers = [int(n) for n in re.findall(r"\d+", where)]
    if len(numbers) != 2:
        return Span(max(0, len(source.text) - 1), len(source.text))
    start = sum(len(line) + 1 for line in source.text.split("\n")[: numbers[0] - 1]) + numbers[1] - 1
    return Span(start, start + 1)


LINE = re.compile(
    r"^[ \t]*(?:\[[ \t]*(?P<section>[^\]\n]*?)[ \t]*\]"
    r"|(?P<key>[^\s=#\[]+)[ \t]*=[ \t]*(?P<value>[^#\n]*?)[ \t]*(?:#.*)?$)",
    re.MULTILINE,
)


def places(source: Source) -> dict[str, tuple[Span, Span]]:
    """Where each key (with its section, dotted) and its value are; a section's value is its header."""
    found: dict[str, tuple[Span, Span]] = {}
    section = ""
    for match in LINE.finditer(source.text):
        if match["section"] is not None:
            section = match["section"] + "."
            found[match["section"]] = (Span(*match.span("section")),) * 2
        else:
            found[section + match["key"]] = (Span(*match.span("key")), Span(*match.span("value")))
    return found


def read_value(text: str) -> object:
    """A value as TOML has it, or else a text whose quotes were left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def literal(value: object) -> str:
    """A value as a file would have it."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def nested(dotted: str, value: object) -> dict[str, Any]:
    """What a file says that gives one value: `hbm.bandwidth` becomes `{"hbm": {"bandwidth": value}}`."""
    section, dot, key = dotted.partition(".")
    return {section: {key: value}} if dot else {section: value}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` with everything that `above` says."""
    both = {k: merged(below[k], v) for k, v in above.items() if isinstance(v, dict) and isinstance(below.get(k), dict)}
    return below | above | both


def meant(word: str, known: list[str]) -> str | None:
    """The question whether another word was meant."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return f"did you mean `{close[0]}`?" if close else None
