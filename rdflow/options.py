"""What is typed after an option, as values: --set, --input, --machine, --machine-set, --output."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.program import Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rdflow.dsl.collectives import Form
    from rdflow.interpreter.estimates import Estimate
    from rdflow.interpreter.machine import Machine
    from rdflow.interpreter.rival import Rival


def settings(texts: Iterable[str] | None) -> dict[str, Value]:
    """NAME=VALUE, each value a whole number, a number, or else the name of a dtype."""
    return {name: number(value) for name, value in pairs(texts, "--set", "S=256")}


def pairs(texts: Iterable[str] | None, option: str, example: str) -> list[tuple[str, str]]:
    """NAME=VALUE, each name once."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise _misused(f"`{text}` is not NAME=VALUE, as in `{option} {example}`", option)
        if name in found:
            raise _misused(f"`{name}` is given twice", option)
        found[name] = value
    return list(found.items())


def _misused(what: str, option: str) -> Exception:
    """Wrong usage, which the command line's library reports."""
    from typer import BadParameter

    return BadParameter(what, param_hint=option)


def number(text: str) -> Value:
    """A whole number (`1e6` is one), a number, or the text itself."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() and "." not in text else value


# -- inputs ------------------------------------------------------------------------------------------------------------


def inputs(texts: Iterable[str] | None, program: Program, default: int) -> dict[str, Any]:
    """NAME=FILE.npy as arrays, NAME=random[:SEED] as seeds. Raises CompileError with all files that cannot be used."""
    found: dict[str, Any] = {}
    mistakes: list[Diagnostic] = []
    for name, value in pairs(texts, "--input", "X=x.npy"):
        random = re.fullmatch(r"random(?::(\d+))?", value)
        if random is not None:
            found[name] = default if random[1] is None else int(random[1])
            continue
        array = _array(name, Path(value))
        if isinstance(array, Diagnostic):
            mistakes.append(array)
        else:
            found[name] = array
    if mistakes:
        raise CompileError(mistakes, program.source)
    return found


def random_inputs(program: Program, given: Mapping[str, Any], seed: int) -> dict[str, int]:
    """The inputs that are random, and their seeds."""
    names = [t.name for t in program.tensors.values() if t.given]
    seeds = {name: given.get(name, seed) for name in names}
    return {name: own for name, own in seeds.items() if isinstance(own, int)}


def _array(name: str, path: Path) -> NDArray[Any] | Diagnostic:
    """The array of an .npy file, or what is wrong with it."""
    from zipfile import BadZipFile

    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
    except OSError as error:
        help = f"for random values write `--input {name}=random:1`" if "random" in str(path) else None
        why = (error.strerror or str(error)).lower()
        return Diagnostic("RDF305", f"cannot read the values for `{name}` from `{path}`: {why}", help=help)
    except (ValueError, EOFError, BadZipFile, MemoryError):
        help = "numpy.save writes such files; arrays of objects are not taken"
        return Diagnostic(
            "RDF305", f"the values for `{name}`: `{path}` is not an .npy file, or not a whole one", help=help
        )
    if not isinstance(loaded, np.ndarray):
        names = ", ".join(loaded.files)
        loaded.close()
        help = "save the one array with numpy.save"
        return Diagnostic("RDF305", f"the values for `{name}`: `{path}` is an .npz archive (of {names})", help=help)
    return loaded


# -- machines ----------------------------------------------------------------------------------------------------------


def machine(name: str | None, changes: Iterable[str] | None) -> Machine:
    """The machine by name or file, with every SECTION.KEY=VALUE. Raises CompileError."""
    from rdflow.api import MACHINE
    from rdflow.interpreter.machine import load_machine

    found = load_machine(name or MACHINE)
    for change in changes or ():
        found = found.with_setting(change)
    return found


def rival(name: str | None, changes: Iterable[str] | None) -> Rival | None:
    """The roofline model by name or file, with every SECTION.KEY=VALUE; None: the machine is one that is simulated."""
    if name is None:
        return None
    from rdflow.interpreter.rival import load_rival

    found = load_rival(name)
    for change in changes or ():
        found = found and found.with_setting(change)
    return found


def form(text: str | None) -> Form | None:
    """How sums over sockets are made: `ring`, `direct`, or nothing."""
    if text in (None, "ring", "direct"):
        return text  # type: ignore[return-value]
    raise _misused(f"`{text}` is neither `ring` nor `direct`", "--collective")


def policy(text: str | None) -> str | None:
    """Who leaves the caches of experts."""
    from rdflow.dsl.pools import POLICIES

    if text is None or text in POLICIES:
        return text
    raise _misused(f"`{text}` is none of {', '.join(POLICIES)}", "--policy")


def nothing_cached(name: str) -> NoReturn:
    """Refuse a policy for a program without a cache of experts."""
    raise _misused(f"`{name}` has no pool of experts with a cache, so nobody leaves one", "--policy")


def estimate(points: int | None, lengths: str | None) -> Estimate | None:
    """How many launches of a kernel are simulated; and `NL=2,4`, with which lengths of a carry."""
    if points is None and lengths is None:
        return None
    from rdflow.interpreter.estimates import Estimate

    found = re.fullmatch(r"(\w+)=(\d{1,6}),(\d{1,6})", lengths or "")
    if lengths is not None and found is None:
        raise _misused(f"`{lengths}` is not PARAM=SHORT,LONG", "--extrapolate")
    try:
        return Estimate(points) if found is None else Estimate(points, found[1], (int(found[2]), int(found[3])))
    except ValueError as error:
        raise _misused(str(error), "--points" if found is None else "--extrapolate") from None


# -- outputs -----------------------------------------------------------------------------------------------------------


def folder(path: Path) -> Path:
    """The folder for outputs, made if need be: before the run, so that no run is lost. Raises CompileError (RDF306)."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is a file" if path.is_file() else (error.strerror or str(error)).lower()
        raise CompileError([Diagnostic("RDF306", f"cannot write to the folder `{path}`: {why}")]) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise CompileError([Diagnostic("RDF306", f"cannot write to the folder `{path}`: permission denied")])
    return path


def target(path: Path) -> Path:
    """A file to be written, looked at before the run, so that no run is lost. Raises CompileError (RDF306)."""
    if path.is_dir():
        raise CompileError([Diagnostic("RDF306", f"cannot write `{path}`: it is a folder")])
    if not path.parent.is_dir():
        raise CompileError([Diagnostic("RDF306", f"cannot write `{path}`: there is no folder `{path.parent}`")])
    return path
