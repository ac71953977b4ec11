"""The table beside a program, `NAME.toml`: which weights its tensors are, and how its params follow from config.json.

architectures = ["LlamaForCausalLM"]       # that config.json may name
ignored = ["model.rotary_emb.inv_freq"]    # weights that are no tensor
[only]                                     # keys of config.json for which the program does one thing
hidden_act = "silu"
[config]                                   # keys with several names, or that may be left out: the first that is there
head_dim = ["head_dim", "hidden_size / num_attention_heads"]
[params]                                   # numbers, or arithmetic over keys and params
W = "head_dim / 2"
[tensors]                                  # an axis in braces is stacked; of several names the first that is there
Wq = "model.layers.{l}.self_attn.q_proj.weight"
Wk = { weight = "h.{l}.attention.query_key_value.weight", shape = "g R:R+2 e c" }
[tables.rope]                              # what rdflow.tables makes
tensors = ["COS", "SIN"]
positions = "U"
[prompt]                                   # how the program takes a prompt and gives tokens
tokens = "PROMPT"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import field
from importlib import resources
from pathlib import Path

from rdflow.checkpoints.sections import Faults, each, formula, formulas, record, text, texts
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.interpreter.machine_files import places, position

Formula = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Weight:
    """What a tensor is made of: names of weights, of which the first that exists counts, with stacked axes in braces.
    `shape`: the parts of the weight's shape from the slowest to the fastest, where they are not the tensor's other axes;
    a part is an axis, `axis:N` (the first of N), or `i:N` (number i of N)."""

    weight: tuple[str, ...]
    shape: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a function of `rdflow.tables` makes. The others are its arguments, as formulas; `scaling`: keys of config.json,
    of which the first that is there counts."""

    tensors: tuple[str, ...]
    positions: Formula | None = None
    width: Formula | None = None
    base: Formula | None = None
    scaling: tuple[str, ...] = ()
    heads: Formula | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tensors that a prompt goes to and tokens come from; the params of their lengths, and of the cache's."""

    tokens: str
    ids: str
    sequences: str
    length: str
    steps: str
    positions: str


@dataclass(frozen=True, slots=True)
class Table:
    """All of a table."""

    architectures: tuple[str, ...]
    params: Mapping[str, Formula]
    tensors: Mapping[str, Weight]
    ignored: tuple[str, ...] = ()
    only: Mapping[str, tuple[Formula, ...]] = field(default_factory=dict)
    config: Mapping[str, tuple[Formula, ...]] = field(default_factory=dict)
    tables: Mapping[str, Made] = field(default_factory=dict)
    prompt: Prompt | None = None


_weight = record(Weight, {"weight": texts, "shape": text})
_arguments = dict.fromkeys(("positions", "width", "base", "heads"), formula)
_made = record(Made, {"tensors": texts, "scaling": texts, **_arguments})
_prompt = record(Prompt, dict.fromkeys(("tokens", "ids", "sequences", "length", "steps", "positions"), text))
_table = record(
    Table,
    {
        "architectures": texts,
        "ignored": texts,
        "only": each(formulas),
        "config": each(formulas),
        "params": each(formula),
        "tensors": each(lambda given, path, faults: _weight(_named(given), path, faults)),
        "tables": each(_made),
        "prompt": _prompt,
    },
)


def _named(given: object) -> object:
    """A name, or several, without a shape."""
    return given if isinstance(given, dict) else {"weight": given}


@dataclass(frozen=True)
class TableFile:
    """A table and its text, into which diagnostics point."""

    source: Source
    table: Table

    def label(self, path: str, text: str) -> tuple[Label, ...]:
        """At the value of a key, dotted; nothing where the text has no such line."""
        spans = places(self.source).get(path)
        return () if spans is None else (Label(spans[1], text, self.source),)


def find_table(program: Source, given: Path | None) -> TableFile:
    """The table that is given, or the one beside a program. Raises CompileError (RDF317)."""
    beside = Path(program.name).with_suffix(".toml")
    if given is not None or beside.is_file():
        return read_table(_text(given or beside))
    shipped = resources.files("rdflow.programs") / beside.name
    if len(beside.parts) == 1 and shipped.is_file():
        return read_table(Source(beside.name, shipped.read_text(encoding="utf-8")))
    note = "programs that have one: " + ", ".join(f"`{name}`" for name in with_tables())
    help = f"write `{beside}`, or name a table with `--table FILE.toml`"
    message = f"there is no table that says which weights the tensors of `{program.name}` are"
    raise CompileError([Diagnostic("RDF317", message, (), (note,), help)])


def with_tables() -> dict[str, tuple[str, ...]]:
    """The programs that ship with a table, and the architectures that each takes."""
    entries = sorted(resources.files("rdflow.programs").iterdir(), key=lambda entry: entry.name)
    files = {e.name.removesuffix(".toml"): e for e in entries if e.name.endswith(".toml")}
    return {name: tuple(tomllib.loads(e.read_text(encoding="utf-8"))["architectures"]) for name, e in files.items()}


def read_table(source: Source) -> TableFile:
    """The table in a text. Raises CompileError (RDF317) with every mistake at its line."""
    try:
        data = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        label = Label(position(source, where), what[0].lower() + what[1:])
        help = 'a line is `key = 12`, `key = "text"`, `[section]`, or `# comment`'
        raise CompileError([Diagnostic("RDF317", "this is not TOML", (label,), help=help)], source) from None
    faults = Faults(source)
    table = _table(data, "", faults)
    if faults.found:
        raise CompileError(faults.found, source)
    assert isinstance(table, Table)
    return TableFile(source, table)


def _text(path: Path) -> Source:
    try:
        return Source(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not text in UTF-8"
        raise CompileError([Diagnostic("RDF317", f"cannot read the table `{path}`: {why}")]) from None
