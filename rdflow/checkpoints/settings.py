"""What a program's params are for a checkpoint, and whether it is a checkpoint of what the program computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rdflow.checkpoints.folder import Folder
from rdflow.checkpoints.formulas import Formulas
from rdflow.checkpoints.table_files import TableFile, with_tables
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.diagnostics import CompileError, Diagnostic


def settings(file: TableFile, folder: Folder, given: Mapping[str, Value], known: tuple[str, ...]) -> dict[str, Value]:
    """All params that the table derives, or that are given. `known`: the program's own.

    Raises CompileError with everything that the program does not do as the checkpoint asks (RDF311), or that does not
    follow from its configuration (RDF312).
    """
    other = _other_model(file, folder)
    if other is not None:
        raise CompileError([other], file.source)
    mistakes = [*_otherwise(file, folder), *_foreign(file, known)]
    formulas = formulas_of(file, folder, given)
    found: dict[str, Value] = dict(given)
    for name, formula in file.table.params.items():
        if name not in given:
            try:
                found[name] = formulas.value(formula, f"params.{name}", f"`{name}`")
            except CompileError as error:
                mistakes.extend(error.diagnostics)
    if mistakes:
        raise CompileError(mistakes, file.source)
    return found


def formulas_of(file: TableFile, folder: Folder, params: Mapping[str, Value]) -> Formulas:
    """Formulas over a checkpoint's configuration; `dtype` is that of the first weight where it does not say."""
    config = dict(folder.config)
    if config.get("dtype") is None and config.get("torch_dtype") is None:
        config["dtype"] = folder.stored_dtype
    return Formulas(file, config, params)


def _other_model(file: TableFile, folder: Folder) -> Diagnostic | None:
    """That the table does not name the architecture, if so."""
    named = folder.config.get("architectures") or [folder.config.get("model_type", "of no known architecture")]
    taken = file.table.architectures
    if any(name in taken for name in named):
        return None
    others = [program for program, names in with_tables().items() if any(name in names for name in named)]
    help = f"`rdflow run {others[0]} --weights {folder.path}` takes it" if others else None
    message = f"the model in `{folder.path}` is a {named[0]}, this program computes a {' or a '.join(taken)}"
    note = "the table beside the program names the architectures that it computes"
    return Diagnostic("RDF311", message, file.label("architectures", "these are taken"), (note,), help)


def _otherwise(file: TableFile, folder: Folder) -> Iterator[Diagnostic]:
    """Keys of the configuration that ask for what the program does not do."""
    formulas = formulas_of(file, folder, {})
    for path, taken in file.table.only.items():
        found = formulas.key(path)
        if found is None or found in taken:
            continue
        message = f"the model has `{path}` {found}, this program computes {' or '.join(map(str, taken))} only"
        note = "with another one it would give other tokens than the model"
        yield Diagnostic("RDF311", message, file.label(f"only.{path}", "what it computes"), (note,))


def _foreign(file: TableFile, known: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Params of the table that the program does not have."""
    from difflib import get_close_matches

    for name in file.table.params:
        if name not in known:
            near = get_close_matches(name, known, 1)
            help = f"did you mean `{near[0]}`?" if near else f"the program has {', '.join(known)}"
            label = file.label(f"params.{name}", "nothing takes this")
            yield Diagnostic("RDF317", f"the program has no param `{name}`", label, (), help)
