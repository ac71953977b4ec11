"""Tables as files: the one beside a program, those that ship, and those that they are based on."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from rdflow.checkpoints.sections import Faults
from rdflow.checkpoints.table import Table, read_table
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.interpreter.machine_files import merged, places, position


@dataclass(frozen=True)
class TableFile:
    """A table, and the texts into which diagnostics point: its own, then those that it is based on."""

    texts: tuple[Source, ...]
    table: Table

    @property
    def source(self) -> Source:
        return self.texts[0]

    def label(self, path: str, text: str) -> tuple[Label, ...]:
        """At the value of a key, dotted; nothing where no text has such a line."""
        for source in self.texts:
            spans = places(source).get(path)
            if spans is not None:
                return (Label(spans[1], text, source),)
        return ()


def find_table(program: Source, given: Path | None) -> TableFile:
    """The table that is given, or the one beside a program. Raises CompileError (RDF317)."""
    beside = Path(program.name).with_suffix(".toml")
    if given is not None or Path(program.name).is_file() and beside.is_file():  # a program that ships is no file here
        return table_of(_text(given or beside))
    if len(beside.parts) == 1 and beside.name in _shipped():
        return table_of(_shipped()[beside.name])
    note = "programs that have one: " + ", ".join(f"`{name}`" for name in with_tables())
    help = f"write `{beside}`, or name a table with `--table FILE.toml`"
    message = f"there is no table that says which weights the tensors of `{program.name}` are"
    raise CompileError([Diagnostic("RDF317", message, (), (note,), help)])


def with_tables() -> dict[str, tuple[str, ...]]:
    """The programs that ship with a table, and the architectures that each takes."""
    found = {name: table_of(source).table for name, source in _shipped().items()}
    return {name.removesuffix(".toml"): table.architectures for name, table in found.items()}


def _shipped() -> dict[str, Source]:
    """The tables that ship, by the names of their files."""
    entries = sorted(resources.files("rdflow.programs").iterdir(), key=lambda entry: entry.name)
    return {e.name: Source(e.name, e.read_text(encoding="utf-8")) for e in entries if e.name.endswith(".toml")}


def table_of(source: Source) -> TableFile:
    """The table in a text, with what it is based on. Raises CompileError (RDF317) with every mistake at its line."""
    data, texts = _layers(source, ())
    faults = Faults(texts)
    table = read_table(data, "", faults)
    if faults.found:
        raise CompileError(faults.found, source)
    assert isinstance(table, Table)
    return TableFile(texts, table)


def _layers(source: Source, above: tuple[Source, ...]) -> tuple[dict[str, Any], tuple[Source, ...]]:
    """What a text says together with its base, and all texts, its own first. Raises CompileError."""
    data = _parsed(source)
    if "base" not in data:
        return data, (source,)
    base = _base(source, data.pop("base"), (*above, source))
    below, texts = _layers(base, (*above, source))
    return merged(below, data), (source, *texts)


def _base(source: Source, name: object, above: tuple[Source, ...]) -> Source:
    """The text that a table is based on: one that ships, by name, or a file beside it. Raises CompileError."""
    beside = Path(source.name).parent / str(name)
    shipped = _shipped()
    found = shipped.get(f"{name}.toml") or (_text(beside) if beside.is_file() else None)
    label = (Label(places(source)["base"][1], "named here", source),)
    if found is None:
        help = "name a file beside it, or one of " + ", ".join(f"`{each.removesuffix('.toml')}`" for each in shipped)
        raise CompileError([Diagnostic("RDF317", f"there is no table `{name}`", label, (), help)], source)
    if found.name in [text.name for text in above]:
        raise CompileError([Diagnostic("RDF317", "`base` leads back to its own file", label)], source)
    return found


def _parsed(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        label = Label(position(source, where), what[0].lower() + what[1:], source)
        help = 'a line is `key = 12`, `key = "text"`, `[section]`, or `# comment`'
        raise CompileError([Diagnostic("RDF317", "this is not TOML", (label,), help=help)], source) from None


def _text(path: Path) -> Source:
    try:
        return Source(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not text in UTF-8"
        raise CompileError([Diagnostic("RDF317", f"cannot read the table `{path}`: {why}")]) from None
