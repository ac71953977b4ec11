"""Profiles are kept in the user's cache, by what they follow from: a profile that is known is not simulated again.

The key is a digest of the text, the library, the params, the machine, and the sources of all that checks, maps, executes
and counts; where values decide how often loops run or what is launched, also of those that were given and of the seed of the
others. A file holds a digest of itself: one that is cut short, changed, or of other classes is as good as none; it comes
whole or not at all, whoever else writes it.
"""

from __future__ import annotations

import io
import os
import pickle
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from rdflow.api import Program
from rdflow.dsl.check import Checked
from rdflow.dsl.program import Program as Declared
from rdflow.dsl.source import Source
from rdflow.interpreter.figures import Profile
from rdflow.interpreter.kept import cached
from rdflow.interpreter.machine import Machine

MOST = 400  # profiles that are kept; the ones longest unused go
PARTS = ("dsl", "interpreter", "grammar", "stdlib")  # what a profile follows from, beside the program and the machine
CLASSES = {
    "builtins": {"set", "frozenset", "slice", "range", "complex"},
    "collections": {"OrderedDict", "Counter", "deque", "defaultdict"},
    "fractions": {"Fraction"},
}
"""what may be made of a file, beside our own records: no functions"""


NONE: Mapping[str, Any] = {}


def read(program: Program, given: Mapping[str, Any] = NONE, seed: int = 0) -> Profile | None:
    """The kept profile of a program with these values, if there is a whole one."""
    path = _path(program, given, seed)
    try:
        content = path.read_bytes()
        digest, packed = content[:32], content[32:]
        if sha256(packed).digest() != digest:
            return None
        found = _Reader(io.BytesIO(zlib.decompress(packed)), program).load()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zlib.error, pickle.PickleError):
        return None
    with suppress(OSError):
        path.touch()
    return found if isinstance(found, Profile) else None


def write(program: Program, profile: Profile, given: Mapping[str, Any] = NONE, seed: int = 0) -> None:
    """Keep a profile, and the values that it followed from by their digests; no harm where there is no room, or where something of it cannot be kept."""
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    buffer = io.BytesIO()
    path = _path(program, given, seed)
    with suppress(OSError, pickle.PicklingError, TypeError, AttributeError):
        _Writer(buffer, pickle.HIGHEST_PROTOCOL).dump(replace(profile, cached=now, agenda=_slim(profile.agenda)))
        packed = zlib.compress(buffer.getvalue(), 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(sha256(packed).digest() + packed)
        os.replace(beside, path)
        _tidy(path.parent)


def folder() -> Path:
    """Where profiles are kept."""
    return cached("profiles")


def _slim(agenda: Any) -> Any:
    """An agenda without the mapped kernels that it followed: times, switches and places stay."""
    found = copy(agenda)
    found._log, found.slowed = (), None
    return found


def _tidy(folder: Path) -> None:
    """Let the profiles go that were longest unused."""
    files = sorted(folder.glob("*.profile"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[MOST:]:
        path.unlink(missing_ok=True)


# -- what a profile follows from ---------------------------------------------------------------------------------------


def _path(program: Program, given: Mapping[str, Any] = NONE, seed: int = 0) -> Path:
    declared = program.checked.program
    texts = [(source.name, source.text) for source in _sources(declared)]
    settings = [sorted(p.params.items()) for p in _declarations(declared)]
    values = _values(given, seed) if program.bounding or program.reading else ()
    parts: tuple[object, ...] = (
        _versions(),
        texts,
        settings,
        repr(program.machine),
        program.collective,
        program.policy,
        *values,
    )
    parts += (program.estimate,) if program.estimate is not None else ()
    return folder() / f"{sha256(repr(parts).encode()).hexdigest()[:40]}.profile"


def _values(given: Mapping[str, Any], seed: int) -> tuple[object, ...]:
    """What values follow from: the seed and who draws from it, and by name another seed or the digest of an array."""
    import numpy as np

    return np.__version__, seed, [(name, _digest(value)) for name, value in sorted(given.items())]


def _digest(value: Any) -> object:
    import numpy as np

    if isinstance(value, int):
        return value
    array = np.ascontiguousarray(value)
    return array.dtype.str, np.shape(value), sha256(array.tobytes()).hexdigest()


def _declarations(program: Declared) -> Iterator[Declared]:
    """A program and those of its pools."""
    yield program
    for pool in program.pools.values():
        for kind in pool.kinds:
            yield from _declarations(kind.program)


def _sources(program: Declared) -> list[Source]:
    """The texts that a program was read from."""
    found = [p.source for p in _declarations(program)]
    found += [source for p in _declarations(program) for _, source in p.layers.values()]
    return list({source.name: source for source in found}.values())


@cache
def _versions() -> str:
    """A digest of the sources of everything that makes a profile."""
    digest = sha256()
    for part in PARTS:
        for name, content in _files(resources.files(f"rdflow.{part}"), part):
            digest.update(name.encode())
            digest.update(content)
    return digest.hexdigest()


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _files(entry, f"{path}/{entry.name}")
        elif entry.name.endswith((".py", ".rdf", ".lark", ".toml")):
            yield f"{path}/{entry.name}", entry.read_bytes()


# -- files -------------------------------------------------------------------------------------------------------------


class _Writer(pickle.Pickler):
    """Leaves out what the reader has: the checked program, its texts, the machine."""

    def persistent_id(self, obj: Any) -> tuple[str, str] | None:
        match obj:
            case Checked():
                return "checked", ""
            case Machine():
                return "machine", ""
            case Source():
                return "source", obj.name
        return None


class _Reader(pickle.Unpickler):
    """Makes records of ours and plain data, and nothing else."""

    def __init__(self, stream: io.BytesIO, program: Program):
        super().__init__(stream)
        self.program = program

    def persistent_load(self, pid: Any) -> Any:
        what, name = pid
        if what == "source":
            return next(s for s in _sources(self.program.checked.program) if s.name == name)
        return {"checked": self.program.checked, "machine": self.program.machine}[what]

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("rdflow."):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        elif name in CLASSES.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not kept")
