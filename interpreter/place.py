"""Places: every copy of a unit gets sites of the grid, near those that it exchanges tokens with.

First greedily, depth first along the streams, each copy at the free site with the least wire to what is placed already
(ties: the first along a serpentine over the socket). Then copies move to, or swap with, sites beside a neighbour where
that saves wire. The wire of a placement is the sum of distances over all queues between copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
import numpy.typing as npt

from rdflow.dsl.netlist import Netlist
from rdflow.interpreter.allocate import UnitCopy
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.route import Switch

SEED = 0
TRIES_A_COPY = 8  # swaps tried
MOST_VISITS = 60_000  # neighbours looked at in all tries: at most about 0.1 s
NEARBY = 6  # sites beside a neighbour among which a swap chooses

Neighbours = list[dict[int, int]]  # by copy: the copies that it exchanges tokens with, and over how many queues


@dataclass(frozen=True, slots=True)
class Site:
    """Where one PCU, PMU or AGCU is: its number among its kind, and its switch."""

    kind: str
    number: int
    switch: Switch


# -- the grid ----------------------------------------------------------------------------------------------------------


def sites(machine: Machine) -> dict[str, list[Site]]:
    """The sites of a socket by kind, along a serpentine over the tiles and in each over its rows.

    A tile of n columns has n + 1 columns of switches: pair c sits at the top left corner switch c, the AGCUs at the
    first and the last column. Tiles are one mesh, so a step to the next tile is one hop.
    """
    pairs: list[Switch] = []
    edges: list[Switch] = []
    for row, column in _serpentine(machine.socket.tiles_down, machine.socket.tiles_across):
        top, left = row * (machine.tile.rows + 1), column * (machine.tile.columns + 1)
        pairs.extend((top + r, left + c) for r, c in _serpentine(machine.tile.rows, machine.tile.columns))
        edges.extend((top + r, left + c) for r, c in _agcus(machine))
    places = {"pcu": pairs, "pmu": pairs, "agcu": edges}
    return {kind: [Site(kind, i, switch) for i, switch in enumerate(list_)] for kind, list_ in places.items()}


def _serpentine(rows: int, columns: int) -> list[Switch]:
    return [(r, c if r % 2 == 0 else columns - 1 - c) for r in range(rows) for c in range(columns)]


def _agcus(machine: Machine) -> list[Switch]:
    """The AGCUs of a tile: half of them spread over the left edge, the others over the right."""
    tile = machine.tile
    left = -(-tile.agcus // 2)
    return [
        (i * tile.rows // count, edge)
        for count, edge in ((left, 0), (tile.agcus - left, tile.columns))
        for i in range(count)
    ]


@dataclass
class Grid:
    """The sites, which copy is on each (-1: none), and the distance from every switch to every site."""

    sites: dict[str, list[Site]]
    owner: dict[str, npt.NDArray[np.int64]] = field(init=False)
    distance: dict[str, npt.NDArray[np.int64]] = field(init=False)
    columns: int = field(init=False)

    def __post_init__(self) -> None:
        switches = [site.switch for list_ in self.sites.values() for site in list_]
        rows = 1 + max(row for row, _ in switches)
        self.columns = 1 + max(column for _, column in switches)
        self.owner = {kind: np.full(len(list_), -1) for kind, list_ in self.sites.items()}
        self.distance = {kind: self._distances(list_, rows) for kind, list_ in self.sites.items()}

    def _distances(self, of: list[Site], rows: int) -> npt.NDArray[np.int64]:
        row, column = np.array([site.switch for site in of], dtype=np.int64).reshape(-1, 2).T
        down = np.abs(np.arange(rows)[:, None, None] - row)
        across = np.abs(np.arange(self.columns)[None, :, None] - column)
        distances: npt.NDArray[np.int64] = (down + across).reshape(rows * self.columns, len(of))
        return distances

    def index(self, switch: Switch) -> int:
        return switch[0] * self.columns + switch[1]

    def nearest(self, kind: str, to: Sequence[tuple[Switch, int]]) -> Site:
        """The free site with the least distance to all switches, each with its weight; the first of equal ones."""
        cost = np.zeros(len(self.sites[kind]), dtype=np.int64)
        if to:
            cost = np.array([w for _, w in to]) @ self.distance[kind][[self.index(s) for s, _ in to]]
        cost = np.where(self.owner[kind] < 0, cost, np.iinfo(np.int64).max)
        return self.sites[kind][int(cost.argmin())]

    def take(self, site: Site, copy: int) -> None:
        self.owner[site.kind][site.number] = copy


# -- placing -----------------------------------------------------------------------------------------------------------


def place(netlist: Netlist, machine: Machine, copies: Sequence[UnitCopy]) -> list[tuple[Site, ...]]:
    """The sites of every copy, its position first. There must be sites enough (`allocate.socket_errors` says so)."""
    grid = Grid(sites(machine))
    near = neighbours(netlist, copies)
    placed: list[tuple[Site, ...]] = [()] * len(copies)
    for copy in order(near):
        ends = [(placed[other][0].switch, weight) for other, weight in near[copy].items() if placed[other]]
        placed[copy] = _settle(grid, copies[copy], copy, ends)
    improve(grid, near, placed)
    return placed


def neighbours(netlist: Netlist, copies: Sequence[UnitCopy]) -> Neighbours:
    """The copies that each copy exchanges tokens with, and over how many queues."""
    of = {actor: i for i, copy in enumerate(copies) for actor in copy.actors}
    near: Neighbours = [{} for _ in copies]
    for queue in netlist.queues:
        one, other = of[queue.source], of[queue.sink]
        if one != other:
            near[one][other] = near[one].get(other, 0) + 1
            near[other][one] = near[other].get(one, 0) + 1
    return near


def order(near: Neighbours) -> list[int]:
    """Copies such that producers come first, depth first. A stream to an earlier copy leads back (a carry's)."""
    waiting = [sum(other < copy for other in near[copy]) for copy in range(len(near))]
    stack = [copy for copy in reversed(range(len(near))) if not waiting[copy]]
    found = []
    while stack:
        found.append(copy := stack.pop())
        for other in sorted(near[copy], reverse=True):
            if other > copy:
                waiting[other] -= 1
                if not waiting[other]:
                    stack.append(other)
    return found


def _settle(grid: Grid, copy: UnitCopy, number: int, ends: Sequence[tuple[Switch, int]]) -> tuple[Site, ...]:
    """Sites for a copy: the first near its neighbours, all others near the first."""
    taken: list[Site] = []
    for kind, count in copy.needs:
        for _ in range(count):
            site = grid.nearest(kind, [(taken[0].switch, 1)] if taken else ends)
            grid.take(site, number)
            taken.append(site)
    return tuple(taken)


# -- improving ---------------------------------------------------------------------------------------------------------


def improve(grid: Grid, near: Neighbours, placed: list[tuple[Site, ...]]) -> None:
    """Move copies of one site beside a neighbour, or swap them with who is there, where that shortens the wires."""
    random = Random(SEED)
    movable = [copy for copy, taken in enumerate(placed) if len(taken) == 1 and near[copy]]
    beside: dict[tuple[str, Switch], list[int]] = {}
    ends = [list(of) for of in near]
    visits = 0
    for _ in range(TRIES_A_COPY * len(movable)):
        copy = random.choice(movable)
        visits += len(ends[copy])
        if visits > MOST_VISITS:
            break
        goal = placed[random.choice(ends[copy])][0].switch
        key = placed[copy][0].kind, goal
        if key not in beside:
            beside[key] = grid.distance[key[0]][grid.index(goal)].argsort(kind="stable")[:NEARBY].tolist()
        _try_swap(grid, near, placed, copy, grid.sites[key[0]][random.choice(beside[key])])


def _try_swap(grid: Grid, near: Neighbours, placed: list[tuple[Site, ...]], copy: int, target: Site) -> None:
    home, other = placed[copy][0], int(grid.owner[target.kind][target.number])
    if other == copy or (other >= 0 and len(placed[other]) != 1):
        return
    gain = _wire(near, placed, copy, other, home) - _wire(near, placed, copy, other, target)
    if other >= 0:
        gain += _wire(near, placed, other, copy, target) - _wire(near, placed, other, copy, home)
    if gain <= 0:
        return
    placed[copy] = (target,)
    grid.take(target, copy)
    grid.take(home, other)
    if other >= 0:
        placed[other] = (home,)


def _wire(near: Neighbours, placed: list[tuple[Site, ...]], copy: int, apart: int, at: Site) -> int:
    """The wire of a copy if it were at that site, but for the wire to the copy `apart`."""
    row, column = at.switch
    total = 0
    for other, weight in near[copy].items():
        if other != apart:
            r, c = placed[other][0].switch
            total += weight * (abs(r - row) + abs(c - column))
    return total
