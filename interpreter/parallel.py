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
from itertools import pairwise
from math import ceil
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.bundles import bundled
from rdflow.interpreter.kernel import layout, native
from rdflow.interpreter.kernel.layout import FAR, Tables, Values
from rdflow.interpreter.kernel.past import MARKS, Marks
from rdflow.interpreter.lookahead import WINDOW, Freedom, freedom, lookahead
from rdflow.interpreter.lowering import Store
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.sockets import is_link

Table = NDArray[Any]
Index = NDArray[np.int64]
Window = tuple[Iterator[Callable[[int], int]], int]
"""sockets that are left, and where the window ends"""


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


# -- taking apart ------------------------------------------------------------------------------------------------------


def take_apart(mapped: Mapped, tables: Tables, rank: Index, store: Store | None, threads: int) -> Apart:
    """The sockets of an image that stands at its first cycle."""
    netlist = mapped.netlist
    socket = np.zeros(len(rank), np.int64)
    socket[rank] = [actor.socket for actor in netlist.actors]
    members = [np.flatnonzero(socket == k) for k in range(netlist.sockets)]
    starts = np.cumsum([0, *(len(m) + 1 for m in members)])
    place = np.empty(len(rank), np.int64)
    for start, member in zip(starts, members, strict=False):
        place[member] = start + np.arange(len(member))
    links = np.array([q for q, queue in enumerate(netlist.queues) if is_link(queue)], np.int64)
    queues = _queues(tables.queues, links, socket, place, starts)
    ports, fan = _ports(netlist, tables, rank, links)
    actors, due = _actors(tables, place, starts)
    _let_stray(actors, due, place[rank], freedom(mapped, lookahead(mapped, WINDOW)))
    found = bundled(mapped, tables)
    queues["bundle"][: len(found.leads)] = found.leads
    shared = tables._replace(
        actors=actors, due=due, queues=queues, ports=ports, fan=fan, bundles=found.bundles, parts=found.parts
    )
    assert tables.free is tables.ready, "a place has one cycle where sockets run apart"
    from_socket = socket[tables.queues["source"]]
    rooms = [layout.room(tables.queues[from_socket == k]) for k in range(netlist.sockets)]
    parts = [_part(shared, int(a), int(b), room) for (a, b), room in zip(pairwise(starts), rooms, strict=True)]
    constants = np.flatnonzero(store.values.ints) if store else np.zeros(0, np.int64)
    words = [_values(store, constants) for _ in range(netlist.sockets)] if store else []
    marks = [_plain() for _ in parts]
    step = [
        native.quick_stepper(p, m, words[k] if words else None)
        for k, (p, m) in enumerate(zip(parts, marks, strict=True))
    ]
    ends = [tables.queues[field][links] for field in ("source", "sink")]
    ways = list(zip(socket[ends[0]].tolist(), socket[ends[1]].tolist(), strict=True))
    source, sink = place[ends[0]], place[ends[1]]
    window = _window(mapped, links)
    return Apart(
        parts,
        marks,
        words,
        step,
        actors,
        due,
        place,
        queues,
        links,
        source,
        sink,
        ways,
        window,
        threads,
        np.zeros(1, np.int64),
    )


def _queues(queues: Table, links: Index, socket: Index, place: Index, starts: Index) -> Table:
    """Rows with actors by their number on the socket; a row more for the sink's end of each link."""
    found = layout.placed(np.concatenate([queues, queues[links]]))
    ghost = starts[1:] - 1 - starts[:-1]
    for field in ("source", "sink"):
        ends = queues[field]
        found[field][: len(queues)] = place[ends] - starts[socket[ends]]
    last = np.arange(len(queues), len(found))
    found["sink"][last] = found["sink"][links]
    found["source"][last] = ghost[socket[queues["sink"][links]]]
    found["sink"][links] = ghost[socket[queues["source"][links]]]
    return found


def _ports(netlist: Netlist, tables: Tables, rank: Index, links: Index) -> tuple[Table, Index]:
    """Inputs that take from links take from the sink's ends."""
    other = {int(q): len(tables.queues) + i for i, q in enumerate(links)}
    ports, fan = layout.placed(tables.ports), tables.fan.copy()
    for actor, row in zip(netlist.actors, tables.actors[rank], strict=True):
        for number, port in enumerate(actor.inputs, int(row["first_in"])):
            if any(q in other for q in port.queues):
                own = [other.get(q, q) for q in port.queues]
                ports[number]["queue"] = ports[number]["current"] = own[0]
                first = int(ports[number]["fan"])
                fan[first : first + len(own)] = own
    return ports, fan


def _actors(tables: Tables, place: Index, starts: Index) -> tuple[Table, Index]:
    actors = layout.zeros(int(starts[-1]), layout.ACTOR)
    actors["waiting"], due = layout.DONE, np.full(len(actors), FAR)
    actors[place], due[place] = tables.actors, tables.due
    return actors, due


def _let_stray(actors: Table, due: Index, of: Index, free: Freedom) -> None:
    """Actors may stray from windows; `of`: the rows of the netlist's."""
    actors["lag"][of], actors["ahead"][of] = free.lag, free.ahead
    due[due < FAR] += actors["lag"][due < FAR]


def _part(tables: Tables, start: int, end: int, room: Table) -> Tables:
    """The tables of one socket: its own clock, calendar and room to work in, and `room` for its requests."""
    clock = tables.clock.copy()
    clock["running"], clock["pause"], clock["strays"] = end - start - 1, FAR, 1
    return tables._replace(
        clock=clock,
        actors=tables.actors[start:end],
        due=tables.due[start:end],
        pending=np.zeros(-(-(end - start) // 64), np.uint64),
        requests=room,
        calendar=tables.calendar.copy(),
        busy=tables.busy.copy(),
        scratch=tables.scratch.copy(),
    )


def _plain() -> Marks:
    """Marks of nothing: every firing is simulated."""
    watches = MARKS.watches.copy()
    watches["anchor"], watches["cycle"] = -1, FAR
    return MARKS._replace(control=np.zeros_like(MARKS.control), watches=watches)


def _values(store: Store, constants: Index) -> Values:
    """A store of the same addresses for one socket, with the constants alone: pages never touched take no memory."""
    words = np.zeros(store.values.words.size, np.float32)  # zeros_like would touch every page
    ints = words.view(np.int32)
    ints[constants] = store.values.ints[constants]
    return store.values._replace(words=words, ints=ints)


def _window(mapped: Mapped, links: Index) -> int:
    """The least cycles that a token takes over a link, and that room takes back."""
    found = FAR
    for number in links:
        timing, packets = mapped.queues[number], mapped.netlist.queues[number].packets
        (stage,) = timing.stages
        server = mapped.servers[stage.server]
        service = ceil(packets * server.numerator / server.denominator)
        found = min(found, timing.first + service + stage.after, timing.credit)
    return found


# -- running -----------------------------------------------------------------------------------------------------------


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
    first = FAR if under_way else int(_cycles(apart).min())
    return 0 if first == FAR else first


def _cycles(apart: Apart) -> Index:
    """By actor the cycle of its next firing as far as known, else FAR."""
    return np.where(apart.due < FAR, apart.due - apart.actors["lag"], FAR)


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


# -- putting together --------------------------------------------------------------------------------------------------


def put_together(apart: Apart, tables: Tables) -> None:
    """Bring the state of the sockets to the tables of the image, for whoever looks at it."""
    own = len(tables.queues)
    tables.actors[:] = apart.actors[apart.place]
    at_link = tables.actors["waiting"] >= own
    tables.actors["waiting"][at_link] = apart.links[tables.actors["waiting"][at_link] - own]
    tables.due[:] = _cycles(apart)[apart.place]
    for field in ("pushed", "available", "popped"):
        tables.queues[field] = apart.queues[field][:own]
    tables.clock["time"] = apart.time
    for field in ("requests", "running"):
        tables.clock[field] = sum(int(part.clock[field][0]) for part in apart.parts)


def arrays(apart: Apart) -> Iterator[Table]:
    """Everything that a run changes beside the tables and values of the image."""
    yield from (apart.clock, apart.actors, apart.due, apart.queues, apart.parts[0].ports)
    for part in apart.parts:
        yield from (part.clock, part.pending, part.requests, part.calendar, part.busy, part.scratch)
    for values in apart.values:
        yield values.words
