"""What is wrong with a machine, as diagnostics at the line that holds it."""

from __future__ import annotations

import re
from collections.abc import Callable

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.source import NOWHERE, Source, Span
from rdflow.interpreter.machine_files import Layer, meant, places
from rdflow.interpreter.machine_sections import Fault, Missing, Unknown
from rdflow.interpreter.quantities import Impossible, Kind, NoQuantity, Unfit


def at_fault(fault: Fault, layers: tuple[Layer, ...], keys: Callable[[str], list[str]]) -> Diagnostic:
    """What is wrong, in the words of a machine file. `keys`: those of a section."""
    match fault.why:
        case Unknown():
            return _unknown(fault.path, layers, keys)
        case Missing():
            return _missing(fault.path, layers)
        case Impossible() as why:
            return contradiction(fault.path, str(why), layers)
        case NoQuantity() as why:
            return _wrong_unit(fault.path, why.kind, fault.given, layers)
        case Unfit() as why:
            return _wrong_type(fault.path, why.expected, str(fault.given), layers)


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


def _wrong_type(path: str, expected: str, given: str, layers: tuple[Layer, ...]) -> Diagnostic:
    label = _at_value(path, f"expected {expected}", layers)
    whole = expected == "a whole number" and given.isdigit()
    help = f"write `{path.rpartition('.')[2]} = {given}`" if whole else None
    return Diagnostic("RDF202", f"`{path}` is not {expected}", (label,), help=help)


def contradiction(path: str, why: str, layers: tuple[Layer, ...]) -> Diagnostic:
    """A value that cannot be, alone or together with others."""
    return Diagnostic("RDF203", f"`{path}` {why}", (_at_value(path, "impossible", layers),))


def sets_nothing(span: Span) -> Diagnostic:
    """A setting of the command line without its `=`."""
    label = Label(span, "expected SECTION.KEY=VALUE")
    return Diagnostic("RDF202", "this sets nothing", (label,), help="write for example `hbm.bandwidth=3.6TB/s`")


def only_modelled(name: str, layers: tuple[Layer, ...]) -> Diagnostic:
    """A roofline model where a machine is wanted that executes programs."""
    note = "it has no units to put a program on: its times follow from the bytes and FLOPs of the program's formulas"
    label = _at_value("model", "so nothing is executed on it", layers)
    help = f"`rdflow profile FILE --machine {name}` gives the modelled times"
    return Diagnostic("RDF307", f"`{name}` is a roofline model", (label,), (note,), help)
