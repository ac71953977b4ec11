"""Places and routes of large kernels are kept in the user's cache, by what they follow from.

The key is a digest of all that place and route look at, and of their sources. A file that cannot be read, or that is not
a legal mapping, is as good as none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from rdflow.interpreter.allocate import KINDS
from rdflow.interpreter.edges import Cells
from rdflow.interpreter.route import Route
from rdflow.interpreter.sites import Grid

SOURCES = ("edges.py", "floorplan.py", "flows.py", "negotiate.py", "place.py", "route.py", "sites.py", "mapper/*.py")

Ends = Sequence[tuple[int, int] | None]  # by queue the cells of its source and its sink, None inside a unit
Settled = tuple[list[int], list[Route], int]  # by cell its site, by queue its route, rounds of negotiation


def cached(what: str) -> Path:
    """A folder of the user's cache; `RDFLOW_CACHE_DIR` says where instead."""
    return Path(os.environ.get("RDFLOW_CACHE_DIR") or user_cache_dir("rdflow")) / what


def folder() -> Path:
    return cached("floorplans")


def key(*parts: object) -> str:
    """A name for what follows from these."""
    return sha256(f"{_sources()} {parts!r}".encode()).hexdigest()[:32]


@cache
def _sources() -> str:
    digest = sha256()
    for pattern in SOURCES:
        for source in sorted(Path(__file__).parent.glob(pattern)):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def write(name: str, at: Sequence[int], routes: Sequence[Route], rounds: int) -> None:
    """Whole, or not at all: no harm where there is no room."""
    path = folder() / f"{name}.json"
    beside = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"sites": at, "routes": routes, "rounds": rounds}))
        os.replace(beside, path)


def read(name: str, grid: Grid, of: Cells, ends: Ends) -> Settled | None:
    """What was kept under a name, if it is legal."""
    try:
        found = json.loads((folder() / f"{name}.json").read_text())
        routes = [tuple((int(row), int(column)) for row, column in way) for way in found["routes"]]
        settled = [int(site) for site in found["sites"]], routes, int(found["rounds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return settled if legal(grid, of, ends, *settled[:2]) else None


def legal(grid: Grid, of: Cells, ends: Ends, at: Sequence[int], routes: Sequence[Route]) -> bool:
    """Whether every cell has a site of its own and kind, and every route leads from its source to its sink."""
    if len(at) != len(of.kinds) or len(routes) != len(ends) or len(set(at)) != len(at):
        return False
    kinds = (grid.of(KINDS[kind]) for kind in of.kinds)
    return all(own.start <= site < own.stop for own, site in zip(kinds, at, strict=True)) and all(
        _leads(way, None if end is None else (grid.switch(at[end[0]]), grid.switch(at[end[1]])))
        for way, end in zip(routes, ends, strict=True)
    )


def _leads(way: Route, ends: Any) -> bool:
    if ends is None or not way:
        return ends is None and not way
    steps = (abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairwise(way))
    return (way[0], way[-1]) == ends and all(step == 1 for step in steps)
