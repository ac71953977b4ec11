"""Measurements are kept in the user's cache, by what they follow from: sources, program, settings, machine."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

ROOMS = ("rdflow.dsl", "rdflow.interpreter", "rdflow.stdlib", "rdflow.programs", "rdflow.grammar")


def folder() -> Path:
    """`RDFLOW_CACHE_DIR` says where instead of the user's cache."""
    return Path(os.environ.get("RDFLOW_CACHE_DIR") or user_cache_dir("rdflow")) / "paper"


def key(*parts: object) -> str:
    """A name for what follows from these and from the sources."""
    return sha256(f"{_sources()} {parts!r}".encode()).hexdigest()[:32]


@cache
def _sources() -> str:
    """A digest of all that a simulation is made of."""
    digest = sha256()
    for room in ROOMS:
        top = Path(str(resources.files(room)))
        for path in sorted(p for p in top.rglob("*") if p.suffix in (".py", ".rdf", ".lark")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


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
