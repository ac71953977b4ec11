"""Weights of a folder matched with tensors of a program: names, shapes and dtypes; no value is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from difflib import get_close_matches
from itertools import product

from rdflow.checkpoints.folder import FLOATS, Folder, Stored
from rdflow.checkpoints.formulas import Formulas, Unknown
from rdflow.checkpoints.shapes import Factor, expected, fits, plain, written
from rdflow.checkpoints.table import Weight
from rdflow.checkpoints.table_files import TableFile
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label, Severity
from rdflow.dsl.program import Program, Tensor
from rdflow.dsl.records import dataclass

STACKED = re.compile(r"\{(\w+)\}")
OWN_TABLE = "a table of your own says otherwise: `--table FILE.toml`"


@dataclass(frozen=True)
class Piece:
    """A weight that is a tensor, or, where axes are stacked, the part of it at `index` (by axis)."""

    tensor: Tensor
    index: dict[str, int]
    stored: Stored
    factors: tuple[Factor, ...]


@dataclass
class Matched:
    """The pieces found, the names that are absent (by tensor), and what is wrong or odd."""

    pieces: list[Piece] = field(default_factory=list)
    absent: dict[str, list[str]] = field(default_factory=dict)
    chosen: list[str] = field(default_factory=list)
    """the template of each tensor, of those that it could have"""
    diagnostics: list[Diagnostic] = field(default_factory=list)


def match(program: Program, file: TableFile, folder: Folder, formulas: Formulas) -> Matched:
    """What the tensors of a program are made of, with warnings.

    Raises CompileError with all weights that are missing (RDF313), that nothing takes (RDF314), of another shape
    (RDF315) or of a dtype that no tensor is made of (RDF316), and with what is wrong with the table (RDF317).
    """
    found = Matched()
    for name, weight in file.table.tensors.items():
        try:
            _match(program, name, weight, folder, formulas, found)
        except Unknown as unknown:
            label = file.label(f"tensors.{name}", "asked for here")
            found.diagnostics.append(Diagnostic("RDF317", f"`{name}`: {unknown.why}", label, (), unknown.help))
    spare = [name for name in folder.weights if not any(pattern.fullmatch(name) for pattern in _patterns(_all(file)))]
    found.diagnostics += [*_missing(found, file, folder, spare), *_unused(found, file, folder), *_misfits(found, file)]
    if any(d.severity is Severity.ERROR for d in found.diagnostics):
        raise CompileError(found.diagnostics, file.source)
    return found


def _match(program: Program, name: str, weight: Weight, folder: Folder, formulas: Formulas, found: Matched) -> None:
    """Add the pieces of a tensor, and the names that it lacks. Raises Unknown where the table does not suit it."""
    if name not in program.tensors:
        raise Unknown("the program has no such tensor", _near(name, program.tensors))
    tensor = program.tensors[name]
    lengths = {axis.name: axis.length for axis in tensor.axes}
    for axis in (axis for text in weight.weight for axis in STACKED.findall(text)):
        if axis not in lengths:
            raise Unknown(f"the tensor has no axis `{axis}`", _near(axis, lengths))
    template = _chosen(weight, folder)
    found.chosen.append(template)
    stacked = list(dict.fromkeys(STACKED.findall(template)))
    own = {axis: length for axis, length in lengths.items() if axis not in stacked}
    factors = plain(own) if weight.shape is None else written(weight.shape, own, formulas)
    for numbers in product(*(range(lengths[axis]) for axis in stacked)):
        index = dict(zip(stacked, numbers, strict=True))
        wanted = template.format(**index)
        if wanted in folder.weights:
            found.pieces.append(Piece(tensor, index, folder.weights[wanted], factors))
        else:
            found.absent.setdefault(name, []).append(wanted)


def _chosen(weight: Weight, folder: Folder) -> str:
    """The first of alternative names that the folder has, at any index; the first of all where it has none."""
    for template, pattern in zip(weight.weight, _patterns(weight.weight), strict=True):
        if any(pattern.fullmatch(name) for name in folder.weights):
            return template
    return weight.weight[0]


def _patterns(templates: Iterable[str]) -> list[re.Pattern[str]]:
    """What names of a template look like, at any index; `*` is anything."""
    numbered = [re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(template)) for template in templates]
    return [re.compile(text.replace(r"\*", ".*")) for text in numbered]


def _all(file: TableFile) -> list[str]:
    """All templates of a table."""
    return [*file.table.ignored, *(name for weight in file.table.tensors.values() for name in weight.weight)]


def _near(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), 1)
    return f"did you mean `{near[0]}`?" if near else f"it has {', '.join(known)}"


# -- what is wrong -----------------------------------------------------------------------------------------------------


def _label(file: TableFile, tensor: str) -> tuple[Label, ...]:
    return file.label(f"tensors.{tensor}", "asked for here") or file.label(f"tensors.{tensor}.weight", "asked for here")


def _missing(found: Matched, file: TableFile, folder: Folder, spare: list[str]) -> Iterator[Diagnostic]:
    """Weights that the table names and the folder does not have, a diagnostic a tensor."""
    for tensor, names in found.absent.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        several = file.table.tensors[tensor].weight[1:]
        notes = tuple(f"nor does it have `{name}`, which would do" for name in several)
        near = get_close_matches(names[0], spare, 1, 0.8)
        help = f"`{near[0]}` is there, and nothing takes it: {OWN_TABLE}" if near else "fetch the files that hold them"
        message = f"`{folder.path}` lacks `{names[0]}`{others}, which `{tensor}` is made of"
        yield Diagnostic("RDF313", message, _label(file, tensor), notes, help)


def _unused(found: Matched, file: TableFile, folder: Folder) -> Iterator[Diagnostic]:
    """Weights that nothing takes, a diagnostic for each way of naming. Those beyond the length of a stacked axis are a
    warning, as the program then has fewer layers than the folder."""
    used, chosen = {piece.stored.name for piece in found.pieces}, _patterns(found.chosen)
    passed = [p for p in _patterns(_all(file)) if p not in chosen]
    groups: dict[str, list[str]] = {}
    for name in folder.weights:
        if name not in used and not any(pattern.fullmatch(name) for pattern in passed):
            groups.setdefault(re.sub(r"(?<=\.)\d+(?=\.)", "*", name), []).append(name)
    for shown, names in groups.items():
        beyond = any(pattern.fullmatch(names[0]) for pattern in chosen)
        yield _extra(shown, names, beyond, folder)


def _extra(shown: str, names: list[str], beyond: bool, folder: Folder) -> Diagnostic:
    many = f"{len(names)} weights `{shown}`" if len(names) > 1 else f"the weight `{names[0]}`"
    message = f"nothing takes {many} of `{folder.path}`"
    if beyond:
        note = "the program has as many layers as its params say, and computes with the first ones"
        return Diagnostic("RDF314", message, (), (note,), None, Severity.WARNING)
    note = "the model computes something with it that this program does not, and would give other tokens"
    help = f"another program may take it (`rdflow programs`); if it changes nothing, add `{shown}` to `ignored` of {OWN_TABLE}"
    return Diagnostic("RDF314", message, (), (note,), help)


def _misfits(found: Matched, file: TableFile) -> Iterator[Diagnostic]:
    """Weights of another shape or dtype, one diagnostic for those of a tensor with the same mistake."""
    told: set[tuple[str, str, tuple[int, ...]]] = set()
    for piece in found.pieces:
        tensor, stored = piece.tensor.name, piece.stored
        for code, wrong in (("RDF316", stored.dtype not in FLOATS), ("RDF315", not fits(stored.shape, piece.factors))):
            key = (code, tensor, stored.shape if code == "RDF315" else ())
            if wrong and key not in told:
                told.add(key)
                yield (_dtype if code == "RDF316" else _shape)(piece, _label(file, tensor))


def _dtype(piece: Piece, label: tuple[Label, ...]) -> Diagnostic:
    message = f"`{piece.stored.name}` is stored as {piece.stored.dtype}, tensors are made of {', '.join(FLOATS)}"
    note = "numbers of a quantised model mean nothing without its scales"
    help = "take the model in bf16 or f16, or dequantise it with transformers and save it"
    return Diagnostic("RDF316", message, label, (note,), help)


def _shape(piece: Piece, label: tuple[Label, ...]) -> Diagnostic:
    stored, shape = piece.stored, list(piece.stored.shape)
    words, numbers = expected(len(shape), shape, piece.factors)
    message = f"`{stored.name}` has the shape {shape}, `{piece.tensor.name}` takes {list(numbers)}"
    note = f"that is [{words}], with lengths from the params: config.json and `--set` give those"
    turned = "the same numbers in another order: a transposed weight is written with `shape` in the table"
    help = turned if sorted(shape) == sorted(numbers) else "are config.json and the weights of one checkpoint?"
    return Diagnostic("RDF315", message, label, (note,), help)
