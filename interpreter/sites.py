"""The sites of a socket: where its PCUs, PMUs and AGCUs are on the mesh of switches."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from rdflow.dsl.records import dataclass
from rdflow.interpreter.allocate import KINDS
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.route import Switch

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Site:
    """Where one PCU, PMU or AGCU is: its number among its kind, and its switch."""

    kind: str
    number: int
    switch: Switch


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


def mesh(machine: Machine) -> tuple[int, int]:
    """Rows and columns of switches of a socket."""
    rows = machine.socket.tiles_down * (machine.tile.rows + 1)
    return rows, machine.socket.tiles_across * (machine.tile.columns + 1)


@dataclass
class Grid:
    """The sites of a socket as numbers: all PCUs, then all PMUs, then all AGCUs."""

    machine: Machine

    @cached_property
    def sites(self) -> list[Site]:
        return [site for of_kind in sites(self.machine).values() for site in of_kind]

    @cached_property
    def base(self) -> dict[str, int]:
        """The number of the first site of each kind."""
        counts = (0, self.machine.pcus, self.machine.pcus + self.machine.pmus)
        return dict(zip(KINDS, counts, strict=True))

    @cached_property
    def row(self) -> Ints:
        return np.array([site.switch[0] for site in self.sites])

    @cached_property
    def column(self) -> Ints:
        return np.array([site.switch[1] for site in self.sites])

    def switch(self, site: int) -> Switch:
        """The switch of a site, by its number."""
        return self.sites[site].switch

    def of(self, kind: str) -> slice:
        """The numbers of the sites of a kind."""
        count = {"pcu": self.machine.pcus, "pmu": self.machine.pmus, "agcu": self.machine.agcus}[kind]
        return slice(self.base[kind], self.base[kind] + count)

    def near(self) -> Ints:
        """By kind x switches + switch: the nearest site of the kind, the first of equal ones."""
        rows, columns = mesh(self.machine)
        found = [self._nearest(kind, rows, columns) for kind in KINDS]
        return np.concatenate(found)

    def _nearest(self, kind: str, rows: int, columns: int) -> Ints:
        own = self.of(kind)
        down = np.abs(np.arange(rows, dtype=np.int16)[:, None] - self.row[own].astype(np.int16))
        across = np.abs(np.arange(columns, dtype=np.int16)[:, None] - self.column[own].astype(np.int16))
        nearest: Ints = (down[:, None, :] + across[None, :, :]).argmin(axis=2).ravel() + own.start
        return nearest
