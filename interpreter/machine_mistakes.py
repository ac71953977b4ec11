"""What is wrong with a machine, as diagnostics at the line that holds it."""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic_core import ErrorDetails

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.source import NOWHERE, Source, Span
from rdflow.interpreter.machine_files import Layer, meant, places
from rdflow.interpreter.quantities import Kind


def at_fault(error: ErrorDetails, layers: tuple[Layer, ...], keys: Callable[[str], list[str]]) -> Diagnostic:
    """What pydantic found, in the words of a machine file. `keys`: those of a section."""
    path, context = ".".join(map(str, error["loc"])), error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown(path, layers, keys)
        case "missing":
            return _missing(path, layers)
        case "quantity":
            return _wrong_unit(path, context["kind"], error["input"], layers)
        case "impossible":
            return contradiction(path, context["why"], layers)
        case "greater_than_equal":
            return contradiction(path, f"must be at least {context['ge']}", layers)
        case "less_than_equal":
            return contradiction(path, f"must be at most {context['le']}", layers)
    return _wrong_type(path, error, layers)


def _locate(path: str, layers: tuple[Layer, ...]) -> tuple[Source, Span, Span]:
    """The topmost layer that has the key, or else its section: the spans of key and value."""
    for wanted in (path, path.rpartition(".")[0]):
        for layer in reversed(layers):
            known = places(layer.source)
            if wanted in known:
                return layer.source, *known[wanted]
    return layers[-1].source, NOWHERE, NOWHERE


def _at_value(path: str, text: str, layers: tuple[Layer, ...]) -> Label:
    source, _, value = _locate(path, layers)
    return Label(value, text, None if source is layers[-1].source else source)


def _at_key(path: str, text: str, layers: tuple[Layer, ...]) -> Label:
    source, key, _ = _locate(path, layers)
    return Label(key, text, None if source is layers[-1].source else source)


def _unknown(path: str, layers: tuple[Layer, ...], keys: Callable[[str], list[str]]) -> Diagnostic:
    section, _, key = path.rpartition(".")
    known = keys(section)
    where = f"the section `{section}`" if section else "a machine"
    note = f"{where} has: " + ", ".join(known)
    label = _at_key(path, "nothing reads this", layers)
    return Diagnostic("RDF201", f"{where} has no `{key}`", (label,), (note,), meant(key, known))


def _missing(path: str, layers: tuple[Layer, ...]) -> Diagnostic:
    section, _, key = path.rpartition(".")
    what = (
        f"`{key}`" if section else f"the section `{key}`" if key != "about" else "`about`, one line that describes it"
    )
    label = _at_key(path, f"{what} belongs here", layers)
    help = 'write `base = "sn40l"` as the first line to take all that you leave out from there'
    return Diagnostic("RDF208", f"the machine lacks `{path}`", (label,), help=help)


def _wrong_unit(path: str, kind: Kind, given: object, layers: tuple[Layer, ...]) -> Diagnostic:
    label = _at_value(path, f'expected {kind.name} with its unit, as in "{kind.example}"', layers)
    note = "units: " + ", ".join(kind.units)
    return Diagnostic("RDF202", f"`{path}` is not {kind.name}", (label,), (note,), _with_unit(path, kind, given))


def _with_unit(path: str, kind: Kind, given: object) -> str:
    """The line that cures a number without a unit, or with one written in another case."""
    number = re.match(r"[\d.]+", str(given))
    letters = str(given)[number.end() :].strip() if number else ""
    same = [unit for unit in kind.units if unit.lower() == letters.lower()]
    unit = same[0] if same else re.sub(r"[\d.]", "", kind.example)
    return f'write `{path.rpartition(".")[2]} = "{number[0] if number else kind.example.removesuffix(unit)}{unit}"`'


def _wrong_type(path: str, error: ErrorDetails, layers: tuple[Layer, ...]) -> Diagnostic:
    kinds = {
        "int_type": "a whole number",
        "string_type": "a text in quotes",
        "share": "a number",
        "model_type": "a section",
    }
    expected = kinds.get(error["type"], error["msg"])
    label = _at_value(path, f"expected {expected}", layers)
    key, given = path.rpartition(".")[2], str(error["input"])
    help = f"write `{key} = {given}`" if error["type"] == "int_type" and given.isdigit() else None
    return Diagnostic("RDF202", f"`{path}` is not {expected}", (label,), help=help)


def contradiction(path: str, why: str, layers: tuple[Layer, ...]) -> Diagnostic:
    """A value that cannot be, alone or together with others."""
    return Diagnostic("RDF203", f"`{path}` {why}", (_at_value(path, "impossible", layers),))


def sets_nothing(span: Span) -> Diagnostic:
    """A setting of the command line without its `=`."""
    label = Label(span, "expected SECTION.KEY=VALUE")
    return Diagnostic("RDF202", "this sets nothing", (label,), help="write for example `hbm.bandwidth=3.6TB/s`")
