"""From the tables of an image to tables for each of its sockets (see `parallel`)."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np

from rdflow.dsl.netlist import Netlist
from rdflow.interpreter.apart import Apart, Index, Table
from rdflow.interpreter.bundles import bundled
from rdflow.interpreter.kernel import layout, native
from rdflow.interpreter.kernel.layout import FAR, Tables, Values
from rdflow.interpreter.kernel.past import MARKS, Marks
from rdflow.interpreter.lookahead import Freedom, Lookahead, freedom
from rdflow.interpreter.lowering import Store
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.sockets import is_link


def take_apart(
    mapped: Mapped, tables: Tables, rank: Index, store: Store | None, look: Lookahead, threads: int
) -> Apart:
    """The sockets of an image that stands at its first cycle."""
    netlist = mapped.netlist
    socket = np.zeros(len(rank), np.int64)
    socket[rank] = [actor.socket for actor in netlist.actors]
    place, starts = _places(socket, netlist.sockets)
    links = np.array([q for q, queue in enumerate(netlist.queues) if is_link(queue)], np.int64)
    queues = _queues(tables.queues, links, socket, place, starts)
    ports, fan = _ports(netlist, tables, rank, links)
    actors, due = _actors(tables, place, starts)
    _let_stray(actors, due, place[rank], freedom(mapped, look))
    found = bundled(mapped, tables)
    queues["bundle"][: len(found.leads)] = found.leads
    shared = tables._replace(
        actors=actors, due=due, queues=queues, ports=ports, fan=fan, bundles=found.bundles, parts=found.parts
    )
    assert tables.free is tables.ready, "a place has one cycle where sockets run apart"
    from_socket = socket[tables.queues["source"]]
    rooms = [layout.room(tables.queues[from_socket == k]) for k in range(netlist.sockets)]
    parts = [_part(shared, int(a), int(b), room) for (a, b), room in zip(pairwise(starts), rooms, strict=True)]
    words = _words(store, netlist.sockets)
    marks = [_plain() for _ in parts]
    step = [
        native.quick_stepper(p, m, words[k] if words else None)
        for k, (p, m) in enumerate(zip(parts, marks, strict=True))
    ]
    ends = [tables.queues[field][links] for field in ("source", "sink")]
    ways = list(zip(socket[ends[0]].tolist(), socket[ends[1]].tolist(), strict=True))
    source, sink = place[ends[0]], place[ends[1]]
    window = _window(mapped, links)
    clock = np.zeros(1, np.int64)
    return Apart(
        parts, marks, words, step, actors, due, place, queues, links, source, sink, ways, window, threads, clock
    )


def _places(socket: Index, sockets: int) -> tuple[Index, Index]:
    """Where the actors are socket by socket, and where each socket's begin: one more on each stands for the ends of links."""
    members = [np.flatnonzero(socket == k) for k in range(sockets)]
    starts = np.cumsum([0, *(len(m) + 1 for m in members)])
    place = np.empty(len(socket), np.int64)
    for start, member in zip(starts, members, strict=False):
        place[member] = start + np.arange(len(member))
    return place, starts


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


def _words(store: Store | None, sockets: int) -> list[Values]:
    """A store for each socket; none where there are no values."""
    if store is None:
        return []
    constants = np.flatnonzero(store.values.ints)
    return [_values(store, constants) for _ in range(sockets)]


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
