"""Places: every copy of a unit gets sites of the grid, near those that it exchanges tokens with.

First greedily, depth first along the streams, each cell (a PCU, PMU or AGCU of a copy) at the free site with the least
wire to what is placed already (ties: the first along a serpentine over the socket). Then by simulated annealing, which
also spreads streams over the links: see `mapper.anneal`. All of it is whole numbers and one seed, so places repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import log

import numpy as np
import numpy.typing as npt

from rdflow.interpreter.allocate import KINDS
from rdflow.interpreter.edges import Cells
from rdflow.interpreter.mapper.anneal import Board, anneal
from rdflow.interpreter.sites import Grid, Ints, mesh

SEED = 1
SMALL = 64
"""cells up to which plain Python does: loading the compiler takes 0.5 s"""
STAGES, FEW_STAGES = 40, 20
"""of an annealing, and of one in Python"""
TRIES, FEW_TRIES = 1200, 48
"""moves that it tries for each cell"""
COOLER, FEW_COOLER = (1, 3), (3,)
"""parts of the mean cost of a hop on a link that another edge takes: where annealings begin"""
HOTTER = ((64, 1), (40, 1), (90, 1), (64, 2))
"""times that mean, and seeds, where streams want whole links: the greedy start is too crowded to be mended, so it melts. How
well a place does shows only when its streams are routed, so all of these are"""
LOGS = [round(-256 * log((2 * i + 1) / 2048)) for i in range(1024)]

Near = list[dict[int, int]]  # by cell: the cells that it exchanges tokens with, and how strongly they pull


def place(grid: Grid, of: Cells) -> list[int]:
    """The number of a site for every cell. There must be sites enough (`allocate.socket_errors` says so)."""
    return annealed(grid, of, greedy(grid, of))


def melted(grid: Grid, of: Cells) -> list[Callable[[], list[int]]]:
    """The same of a large kernel in which many streams want a whole link each (see `floorplan.is_crowded`): several places to
    choose from, each worked out when it is called for."""
    start, hot = greedy(grid, of), _hot(of)

    def melt(part: int, seed: int) -> list[int]:
        cost, found = _annealed_fast(grid, of, start, hot * part, True, seed)
        return found if cost < 0 else start

    return [partial(melt, *choice) for choice in HOTTER]


# -- greedily ----------------------------------------------------------------------------------------------------------


def greedy(grid: Grid, of: Cells) -> list[int]:
    """A site for every cell, one after the other."""
    near = neighbours(of)
    at = [-1] * len(of.kinds)
    free = np.ones(len(grid.sites), dtype=bool)
    for cell in order(near):
        ends = [(at[other], pull) for other, pull in near[cell].items() if at[other] >= 0]
        at[cell] = nearest(grid, KINDS[of.kinds[cell]], free, ends)
        free[at[cell]] = False
    return at


def neighbours(of: Cells) -> Near:
    near: Near = [{} for _ in of.kinds]
    for edge in of.edges:
        for one, other in ((edge.source, edge.sink), (edge.sink, edge.source)):
            near[one][other] = near[one].get(other, 0) + edge.pull
    return near


def order(near: Near) -> list[int]:
    """Cells such that producers come first, depth first. A stream to an earlier cell leads back (a carry's)."""
    waiting = [sum(other < cell for other in near[cell]) for cell in range(len(near))]
    stack = [cell for cell in reversed(range(len(near))) if not waiting[cell]]
    found = []
    while stack:
        found.append(cell := stack.pop())
        for other in sorted(near[cell], reverse=True):
            if other > cell:
                waiting[other] -= 1
                if not waiting[other]:
                    stack.append(other)
    return found


def nearest(grid: Grid, kind: str, free: npt.NDArray[np.bool_], ends: Sequence[tuple[int, int]]) -> int:
    """The free site with the least wire to other sites, each with its pull; the first of equal ones."""
    own = grid.of(kind)
    cost = np.zeros(own.stop - own.start, dtype=np.int64)
    for site, pull in ends:
        hops = np.abs(grid.row[own] - grid.row[site]) + np.abs(grid.column[own] - grid.column[site])
        cost += pull * hops
    cost[~free[own]] = np.iinfo(np.int64).max
    return int(own.start) + int(cost.argmin())


# -- annealing ---------------------------------------------------------------------------------------------------------


def annealed(grid: Grid, of: Cells, at: list[int]) -> list[int]:
    """The best of annealings that start from a placement, and of itself."""
    if not of.edges:
        return at
    hot = _hot(of)
    if len(of.kinds) <= SMALL:
        found = [_annealed(grid, of, at, hot // cooler) for cooler in FEW_COOLER]
    else:
        with ThreadPoolExecutor(len(COOLER)) as pool:
            found = list(pool.map(lambda cooler: _annealed_fast(grid, of, at, hot // cooler), COOLER))
    cost, best = min(found)
    return best if cost < 0 else at


def _hot(of: Cells) -> int:
    """The mean cost of a hop on a link that another edge takes."""
    return sum(edge.pull + 4 * edge.load**2 for edge in of.edges) // max(1, len(of.edges))


def _annealed(grid: Grid, of: Cells, at: list[int], heat: int, trades: bool = False) -> tuple[int, list[int]]:
    """By how much the cost changes, and the placement; `trades`: pairs move, too."""
    tables = (table.tolist() for table in _tables(grid, of, at))
    board = Board(*mesh(grid.machine), grid.machine.pcus, trades, *tables)
    tries = FEW_TRIES * len(at) // FEW_STAGES
    return anneal(board, LOGS, FEW_STAGES, tries, heat, heat), board.at


def _annealed_fast(
    grid: Grid, of: Cells, at: list[int], heat: int, trades: bool = False, seed: int = SEED
) -> tuple[int, list[int]]:
    """The same, compiled, with more moves."""
    from rdflow.interpreter.mapper.compiled import fast_anneal

    board = Board(*mesh(grid.machine), grid.machine.pcus, trades, *_tables(grid, of, at, seed))
    cost = fast_anneal(board, np.array(LOGS), STAGES, TRIES * len(at) // STAGES, heat, heat)
    return int(cost), [int(site) for site in board.at]


def _tables(grid: Grid, of: Cells, at: list[int], seed: int = SEED) -> tuple[Ints, ...]:
    """The lists of a Board, in its order."""
    owner = np.full(len(grid.sites), -1)
    owner[at] = np.arange(len(at))
    ends: list[list[int]] = [[] for _ in of.kinds]
    for number, edge in enumerate(of.edges):
        ends[edge.source].append(number)
        ends[edge.sink].append(number)
    rows, columns = mesh(grid.machine)
    links = 4 * rows * columns
    return (
        grid.row,
        grid.column,
        owner,
        grid.near(),
        np.array(of.kinds),
        np.array(at),
        grid.row[at],
        grid.column[at],
        np.cumsum([0, *map(len, ends)]),
        np.array([edge for list_ in ends for edge in list_]),
        np.array([(e.source, e.sink, e.pull, e.load, e.network * links) for e in of.edges]).ravel(),
        np.zeros(2 * links, dtype=np.int64),
        np.zeros(len(of.edges), dtype=np.int64),
        np.zeros(len(of.edges), dtype=np.int64),
        np.array([seed, 0]),
    )
