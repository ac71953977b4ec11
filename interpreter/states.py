"""What every actor has done up to now, cycle by cycle: the states of a run, exact at any cycle at which it stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rdflow.interpreter.image import Image, Status
from rdflow.interpreter.kernel import layout
from rdflow.interpreter.waiting import waiting

STATES = ("busy", "starved", "blocked", "memory", "link", "idle")
BUSY, STARVED, BLOCKED, MEMORY, LINK, IDLE = range(len(STATES))
COUNTED = STATES[:IDLE]
"""those that the engine counts, when a firing ends the wait; a run that stands may be in the middle of one"""

Cycles = NDArray[np.int64]


def elapsed(image: Image) -> int:
    """Cycles from the start of the launch: to its last firing if it has ended, else to where it stands."""
    return image.cycles if image.status is Status.FINISHED else image.time


def states(image: Image) -> Cycles:
    """Cycles of every actor by state, actors x STATES; each row adds up to `elapsed`. Of the actors of all sockets, where one
    stands for them.

    A wait under way belongs to what is waited for now. Where a wait has two reasons one after the other (for a token,
    then for room), its cycles so far may move from one reason to the other when it ends; `settled` undoes that.
    """
    actors = image.tables.actors
    now = elapsed(image)
    found = np.zeros((actors.size, len(STATES)), dtype=np.int64)
    for column, name in enumerate(COUNTED):
        found[:, column] = actors[name]
    found[:, BUSY] -= np.maximum(actors["next"] - now, 0)  # the last firing's interval is not over yet
    waits = np.maximum(now - actors["next"], 0) * (actors["waiting"] != layout.DONE)
    found[np.arange(actors.size), _reasons(image, waits)] += waits
    found[:, IDLE] = now - found[:, :IDLE].sum(axis=1)
    found = found[image.rank]
    return found if image.alike is None else found[image.alike.actors]


def settled(curves: Cycles) -> Cycles:
    """States over time (times x actors x STATES, cumulative) with the waits under way charged as they were in the end.

    No state's cycles ever become fewer, and at each time all states add up to what they did.
    """
    found = curves.copy()
    for i in range(len(found) - 2, -1, -1):
        here, later = found[i, :, STARVED:IDLE], found[i + 1, :, STARVED:IDLE]
        missing = here.sum(axis=1)
        np.minimum(here, later, out=here)
        missing -= here.sum(axis=1)
        for state in range(here.shape[1]):
            more = np.minimum(missing, later[:, state] - here[:, state])
            here[:, state] += more
            missing -= more
    return found


def _reasons(image: Image, waits: Cycles) -> Cycles:
    """By actor the state of the wait under way: what the queue that it waits for says, else a look at all its ports."""
    actors, queues = image.tables.actors, image.tables.queues
    queue = np.maximum(actors["waiting"], 0)
    empty = queues["sink"][queue] == np.arange(actors.size)
    in_line = (queues["linked"] > 0) & (queues["pushed"] > queues["available"])
    short = np.where(queues["memory"][queue] > 0, MEMORY, np.where(in_line[queue], LINK, STARVED))
    found = np.where(empty, short, BLOCKED)
    by_rank = np.argsort(image.rank)
    for place in np.flatnonzero((waits > 0) & (actors["waiting"] < 0)):
        found[place] = _reason(image, int(by_rank[place]))
    return found


def _reason(image: Image, actor: int) -> int:
    """The state of an actor whose next firing has a known cycle."""
    side, queue, _ = waiting(image, actor)
    if side == "output":
        return BLOCKED
    return MEMORY if queue is not None and image.mapped.netlist.queues[queue].server == "memory" else STARVED
