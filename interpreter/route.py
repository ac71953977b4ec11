"""The way between two sites: over the switches of a mesh, along the row first."""

from __future__ import annotations

Switch = tuple[int, int]  # row and column on the socket
Route = tuple[Switch, ...]


def route(start: Switch, end: Switch) -> Route:
    """The switches from one to the other, both included: in dimension order, so that routes cannot block in a ring."""
    (row, column), (last_row, last_column) = start, end
    across = [(row, c) for c in _steps(column, last_column)]
    down = [(r, last_column) for r in _steps(row, last_row)]
    return (*across, *down[1:])


def _steps(first: int, last: int) -> range:
    step = 1 if last >= first else -1
    return range(first, last + step, step)


def hops(start: Switch, end: Switch) -> int:
    """Links that a packet crosses: the distance of the switches, and at least one, from the unit to its switch."""
    return max(1, abs(start[0] - end[0]) + abs(start[1] - end[1]))
