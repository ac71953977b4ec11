"""The sockets of an image, each with tables of its own (see `parallel`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.records import dataclass
from rdflow.interpreter.kernel.layout import FAR, Tables, Values
from rdflow.interpreter.kernel.past import Marks

Table = NDArray[Any]
Index = NDArray[np.int64]


@dataclass
class Apart:
    """The sockets of an image, at a window's end.

    `actors`, `due`: socket by socket, each with one more that stands for the ends of links on the others; `place`: where
    the actors of the image's tables are among these. `links`: the numbers of the queues over links, whose other ends are
    the last rows of `queues`; `source`, `sink`: where their ends are among the actors; `ways`: their sockets.
    """

    parts: list[Tables]
    marks: list[Marks]
    values: list[Values]
    step: list[Callable[[int], int]]
    actors: Table
    due: Index
    place: Index
    queues: Table
    links: Index
    source: Index
    sink: Index
    ways: list[tuple[int, int]]
    window: int
    threads: int
    clock: Index
    """one number: every firing before it is done"""

    @property
    def time(self) -> int:
        return int(self.clock[0])


def cycles(apart: Apart) -> Index:
    """By actor the cycle of its next firing as far as known, else FAR."""
    return np.where(apart.due < FAR, apart.due - apart.actors["lag"], FAR)


def put_together(apart: Apart, tables: Tables) -> None:
    """Bring the state of the sockets to the tables of the image, for whoever looks at it."""
    own = len(tables.queues)
    tables.actors[:] = apart.actors[apart.place]
    at_link = tables.actors["waiting"] >= own
    tables.actors["waiting"][at_link] = apart.links[tables.actors["waiting"][at_link] - own]
    tables.due[:] = cycles(apart)[apart.place]
    for field in ("pushed", "available", "popped"):
        tables.queues[field] = apart.queues[field][:own]
    tables.clock["time"] = apart.time
    for field in ("requests", "running"):
        tables.clock[field] = sum(int(part.clock[field][0]) for part in apart.parts)


def own_arrays(apart: Apart) -> Iterator[Table]:
    """Everything that a run changes beside the tables and values of the image."""
    yield from (apart.clock, apart.actors, apart.due, apart.queues, apart.parts[0].ports)
    for part in apart.parts:
        yield from (part.clock, part.pending, part.requests, part.calendar, part.busy, part.scratch)
    for values in apart.values:
        yield values.words
