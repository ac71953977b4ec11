"""Sockets side by side: each has tables of its own, and runs alone for a window that is no longer than its links.

A token takes at least a window from one socket to the other, and so does the room that its taker gives back. So what one
socket does in a window changes nothing for the others before the window ends; then they tell each other how many tokens
have come and gone. Results do not depend on the number of threads, or on whether sockets run apart at all.

What belongs to one actor, queue or server is shared with the image: it is changed by one socket alone. A queue over a
link has two rows, one for each end, with the same places: the source writes a place and its cycle before the sink is told
of it, and the sink gives it back before the source is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread

import numpy as np

from rdflow.interpreter.apart import Apart, Index, cycles
from rdflow.interpreter.kernel import layout
from rdflow.interpreter.kernel.layout import FAR

Window = tuple[Iterator[Callable[[int], int]], int]
"""sockets that are left, and where the window ends"""


def advance(apart: Apart, until: int, pause: int = FAR) -> int:
    """Every firing before `until` and none after, window by window; or only those before the pause. The status."""
    with team(apart) as run:
        while True:
            end = min(apart.time + apart.window, until, max(pause, apart.time + 1))
            found = run(end)
            moved = exchange(apart)
            if all(status == layout.FINISHED for status in found):
                return layout.FINISHED
            if not moved and all(status != layout.RUNNING for status in found):
                return layout.DEADLOCK
            apart.clock[0] = min(max(end, _next(apart)), until)
            if apart.time >= min(until, pause):
                return layout.RUNNING


@contextmanager
def team(apart: Apart) -> Iterator[Callable[[int], list[int]]]:
    """Lets every socket run to the end of a window, for its status: this thread and the others, which wait for the next
    window, each take a socket that is left. (A pool's futures would take as long as a short window.)"""
    windows, found = SimpleQueue[Window | None](), SimpleQueue[list[int]]()
    others = [Thread(target=_help, args=(windows, found), daemon=True) for _ in range(1, apart.threads)]
    for other in others:
        other.start()

    def run(end: int) -> list[int]:
        window = (iter(apart.step), end)
        for _ in others:
            windows.put(window)
        status = _take(window)
        for _ in others:
            status += found.get()
        return status

    try:
        yield run
    finally:
        for _ in others:
            windows.put(None)


def _help(windows: SimpleQueue[Window | None], found: SimpleQueue[list[int]]) -> None:
    while (window := windows.get()) is not None:
        found.put(_take(window))


def _take(window: Window) -> list[int]:
    """Sockets one after the other, until none is left: Python's lock lets one thread at a time have the next."""
    left, end = window
    return [step(end) for step in left]


def _next(apart: Apart) -> int:
    """The first cycle in which anything can happen, as far as it is known: 0 where something is under way to a server."""
    under_way = any(part.clock["requests"][0] for part in apart.parts)
    first = FAR if under_way else int(cycles(apart).min())
    return 0 if first == FAR else first


def exchange(apart: Apart) -> bool:
    """Tell the ends of every link what the others did. Whether there was anything to tell."""
    queues, links = apart.queues, apart.links
    others = np.arange(len(queues) - len(links), len(queues))
    before, now = queues["available"][others], queues["available"][links]
    come = np.flatnonzero(now > before)
    if apart.values:
        for i in come:
            _words(apart, int(i), int(before[i]), int(now[i]))
    queues["pushed"][others] = queues["available"][others] = now
    first = queues["ring"][others] + (before & queues["mask"][others])
    _wake(apart, apart.sink[come], others[come], apart.parts[0].ready[first[come]])
    gone = np.flatnonzero(queues["popped"][others] > queues["popped"][links])
    queues["popped"][links] = queues["popped"][others]
    _wake(apart, apart.source[gone], links[gone], 0)
    return bool(come.size or gone.size)


def _wake(apart: Apart, actors: Index, queues: Index, known: Index | int) -> None:
    """Actors that wait for these queues may fire again, at the cycles that are known."""
    waiting = apart.actors["waiting"][actors] == queues
    woken = actors[waiting]
    apart.actors["waiting"][woken] = layout.READY
    cycles = known[waiting] if isinstance(known, np.ndarray) else known
    apart.due[woken] = np.maximum(apart.actors["next"][woken], cycles) + apart.actors["lag"][woken]


def _words(apart: Apart, link: int, first: int, end: int) -> None:
    """Bring the lanes of new tokens to the other socket."""
    row = apart.queues[apart.links[link]]
    width, mask = int(row["width"]), int(row["mask"])
    source, sink = (apart.values[socket].words for socket in apart.ways[link])
    for token in range(first, end):
        at = int(row["word"]) + (token & mask) * width
        sink[at : at + width] = source[at : at + width]
