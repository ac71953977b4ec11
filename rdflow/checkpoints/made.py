"""Tensors that no checkpoint has, as they follow from its configuration: rotary angles, slopes of ALiBi."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rdflow import tables
from rdflow.checkpoints.formulas import Formulas
from rdflow.checkpoints.table import Made
from rdflow.checkpoints.table_files import TableFile
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.program import Program
from rdflow.interpreter.data import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]
Arguments = Mapping[str, Any]

MAKERS: dict[str, tuple[tuple[str, ...], Callable[[Arguments], tuple[NDArray[Any], ...]]]] = {
    "rope": (
        ("positions", "width", "base"),
        lambda a: tables.rope(a["positions"], a["width"], a["base"], a["scaling"]),
    ),
    "alibi": (("heads",), lambda a: (tables.alibi(a["heads"]),)),
}
"""What a section `[tables.NAME]` may be: the formulas that it must have, and what makes its tensors."""
LLAMA3 = {
    "factor": "factor",
    "low": "low_freq_factor",
    "high": "high_freq_factor",
    "original": "original_max_position_embeddings",
}


def make(program: Program, file: TableFile, formulas: Formulas) -> Arrays:
    """The tensors of all sections `[tables.NAME]`. Raises CompileError with all that cannot be made (RDF311, RDF312,
    RDF317)."""
    found: Arrays = {}
    mistakes: list[Diagnostic] = []
    for name, section in file.table.tables.items():
        try:
            found |= _section(program, file, name, section, formulas)
        except CompileError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise CompileError(mistakes, file.source)
    return found


def _section(program: Program, file: TableFile, name: str, section: Made, formulas: Formulas) -> Arrays:
    where = f"tables.{name}"
    if name not in MAKERS:
        known = f"there are {', '.join(f'`[tables.{each}]`' for each in MAKERS)}"
        raise _wrong(file, where, f"no table is called `{name}`", known)
    needs, function = MAKERS[name]
    arguments: dict[str, Any] = {}
    for need in needs:
        formula = getattr(section, need)
        if formula is None:
            raise _wrong(file, where, f"`{where}` lacks `{need}`", f"add `{need} = ..` to it")
        arguments[need] = formulas.value(formula, f"{where}.{need}", f"`{need}` of `{name}`")
    arguments["scaling"] = scaling(file, where, section, formulas)
    arrays = function(arguments)
    return {
        each: _fitted(program, file, where, each, array) for each, array in zip(section.tensors, arrays, strict=False)
    }


def _fitted(program: Program, file: TableFile, where: str, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array as the tensor has it. Raises CompileError."""
    if name not in program.tensors:
        raise _wrong(
            file, f"{where}.tensors", f"the program has no tensor `{name}`", f"it has {', '.join(program.tensors)}"
        )
    tensor = program.tensors[name]
    if (
        [n for n in array.shape if n != 1] != [n for n in tensor.shape if n != 1]
        and array.ndim > 1
        or array.size != _size(tensor.shape)
    ):
        message = f"`{name}` has the shape {list(tensor.shape)}, the table makes {list(array.shape)}"
        raise _wrong(file, where, message, "change its formulas, or the axes of the tensor")
    return stored(tensor, array.reshape(tensor.shape))


def _size(shape: tuple[int, ...]) -> int:
    from math import prod

    return prod(shape)


def scaling(file: TableFile, where: str, section: Made, formulas: Formulas) -> tables.Llama3 | None:
    """The scaling of rotary angles that the configuration asks for. Raises CompileError (RDF311) where it is none of
    those that `rdflow.tables` has."""
    given = next((found for path in section.scaling if isinstance(found := formulas.key(path), dict)), {})
    kind = given.get("rope_type", given.get("type", "default"))
    if kind == "default":
        return None
    if kind == "llama3" and all(isinstance(given.get(key), int | float) for key in LLAMA3.values()):
        return tables.Llama3(**{name: given[key] for name, key in LLAMA3.items()})
    label = file.label(f"{where}.scaling", "read from there")
    message = f"the model scales its rotary angles by `{kind}`, which is not what rdflow.tables makes"
    note = "there are `default` and `llama3` with " + ", ".join(LLAMA3.values())
    raise CompileError([Diagnostic("RDF311", message, label, (note,))], file.source)


def _wrong(file: TableFile, path: str, message: str, help: str) -> CompileError:
    return CompileError([Diagnostic("RDF317", message, file.label(path, "asked for here"), (), help)], file.source)
