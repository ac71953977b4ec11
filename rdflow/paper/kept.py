"""Measurements are kept in the user's cache, by what they follow from: sources, program, settings, machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

ROOMS = ("rdflow.dsl", "rdflow.interpreter", "rdflow.stdlib", "rdflow.programs", "rdflow.grammar", "rdflow.paper")
MODULES = ("api.py", "rivals.py")  # of rdflow itself: what programs are loaded, and modelled, by


def folder() -> Path:
    """`RDFLOW_CACHE_DIR` says where instead of the user's cache."""
    return Path(os.environ.get("RDFLOW_CACHE_DIR") or user_cache_dir("rdflow")) / "paper"


def key(*parts: object) -> str:
    """A name for what follows from these and from the sources."""
    return sha256(f"{_sources()} {parts!r}".encode()).hexdigest()[:32]


@cache
def _sources() -> str:
    """A digest of all that a simulation is made of, and of what counts in it."""
    digest = sha256()
    for path in _files():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    for room in ROOMS:
        top = Path(str(resources.files(room)))
        yield from sorted(path for path in top.rglob("*") if path.suffix in (".py", ".rdf", ".lark"))
    yield from (Path(str(resources.files("rdflow") / module)) for module in MODULES)


def write(name: str, found: dict[str, Any]) -> None:
    """Whole, or not at all: no harm where there is no room."""
    path = folder() / f"{name}.json"
    beside = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(found))
        os.replace(beside, path)


def read(name: str) -> dict[str, Any] | None:
    """What was kept under a name. A file that cannot be read is as good as none."""
    try:
        found = json.loads((folder() / f"{name}.json").read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
