"""The tables of a run, and what can be done with them: fill them, advance, count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.arguments import Scalars
from rdflow.dsl.netlist import Actor
from rdflow.dsl.records import dataclass
from rdflow.interpreter import parallel
from rdflow.interpreter.apart import Apart, own_arrays, put_together
from rdflow.interpreter.builder import Builder
from rdflow.interpreter.forward import Skipped, enable, marks
from rdflow.interpreter.kernel import layout, native
from rdflow.interpreter.kernel.layout import FAR, Tables, Values
from rdflow.interpreter.kernel.past import Marks
from rdflow.interpreter.lookahead import Lookahead
from rdflow.interpreter.lowering import Store
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.registers import Registers
from rdflow.interpreter.rows import lower
from rdflow.interpreter.sockets import shard
from rdflow.interpreter.symmetry import Symmetry
from rdflow.interpreter.take_apart import take_apart

ROOM = 3 * layout.VALUE_BATCH  # so that few batches of values end because a ring does
Table = NDArray[Any]


class Status(IntEnum):
    """What `advance` came to."""

    RUNNING = layout.RUNNING
    FINISHED = layout.FINISHED
    DEADLOCK = layout.DEADLOCK


@dataclass
class Image:
    """The tables of a run, and where things of the netlist are in them."""

    mapped: Mapped
    tables: Tables
    values: Values | None
    rank: NDArray[np.int64]  # by actor: its place in the tables
    nests: list[Actor]  # by actor: with the loops that are in the tables
    store: Store | None
    marks: Marks | None  # None: with values
    look: Lookahead  # that the times at servers are moved by
    apart: Apart | None = None
    """its sockets, where they run apart"""
    alike: Symmetry | None = None
    """of which it has the socket that stands for all: what is counted is counted for all of them"""
    registers: Registers = field(default_factory=Registers)
    status: Status = Status.RUNNING

    @property
    def time(self) -> int:
        """Every firing before this cycle is done, and none after."""
        return int(self.tables.clock[0]["time"])

    @property
    def cycles(self) -> int:
        """Last cycle in which an actor fired, plus one."""
        fired = self.tables.actors[self.tables.actors["firings"] > 0]
        return int(fired["last"].max()) + 1 if fired.size else 0

    @property
    def skipped(self) -> Skipped:
        """What was counted without being simulated."""
        if self.marks is None:
            return Skipped()
        control = self.marks.control[0]
        return Skipped(int(control["skips"]), int(control["cycles"]), self.sockets * int(control["firings"]))

    @property
    def sockets(self) -> int:
        """For how many sockets each actor stands."""
        return self.alike.sockets if self.alike is not None else 1

    @property
    def firings(self) -> int:
        """Of all actors, so far."""
        return self.sockets * int(self.tables.actors["firings"].sum())


# -- filling -----------------------------------------------------------------------------------------------------------


def build(
    mapped: Mapped,
    values: Mapping[int, NDArray[Any]] | None = None,
    threads: int | None = None,
    scalars: Scalars | None = None,
) -> Image:
    """The image of a mapped netlist at cycle 0. `values`: by tensor, what its memory holds; None: timing only.
    `threads`: several sockets run apart, in so many threads, and simulate all that repeats; None: as one. `scalars`: the
    numbers of a kernel's arguments.

    Raises ValueError for a ragged netlist without values: they decide how often its loops run.
    """
    image = blank(mapped, values is not None, threads)
    start(image, scalars or {})
    for number, memory in enumerate(mapped.netlist.memories):
        if values is not None and memory.tensor is not None and memory.tensor in values:
            load(image, number, values[memory.tensor])
    return image


def start(image: Image, scalars: Scalars) -> None:
    """Enter the numbers of a launch in an image that stands at its first cycle."""
    if not image.registers:
        return
    image.registers.fill_tables(image.tables, scalars)
    if image.apart is not None:
        image.apart.actors["at_last"][image.apart.place] = image.tables.actors["at_last"]
    for words in _stores(image):
        image.registers.fill_words(words, scalars)


def load(image: Image, memory: int, values: Table) -> None:
    """Fill a memory with what a tensor holds, or its socket with the part that is on it."""
    assert image.store is not None, "a run without values has no words"
    own = image.mapped.netlist.memories[memory]
    assert own.tensor is not None
    part = shard(image.mapped.netlist.tensors[own.tensor], values, own.socket)
    first = image.store.memories[memory]
    words = words_of(image, own.socket)[first : first + part.size]
    target = words if part.dtype.kind == "f" else words.view(np.int32)
    target.reshape(part.shape)[...] = part


def _stores(image: Image) -> list[Table]:
    """The words of every socket."""
    if image.values is None:
        return []
    return [v.words for v in image.apart.values] if image.apart is not None else [image.values.words]


def blank(mapped: Mapped, with_values: bool, threads: int | None = None) -> Image:
    """An image at cycle 0 without the numbers and the tensors of a launch."""
    if mapped.netlist.ragged and not with_values:
        raise ValueError("values decide how often a loop runs")
    builder = Builder(mapped, ROOM if with_values else 0)
    tables = builder.build()
    if not with_values:
        image = Image(mapped, tables, None, builder.rank, builder.nests, None, None, builder.look)
        image.marks = marks(mapped, tables, builder.rank, builder.nests)
    else:
        store = lower(mapped.netlist, builder.rank, tables, builder.affine)
        tables = tables._replace(affine=builder.affine.array())
        image = Image(mapped, tables, store.values, builder.rank, builder.nests, store, None, builder.look)
    image.registers = builder.affine.registers
    if threads and mapped.netlist.sockets > 1:
        take_sockets_apart(image, threads)
    return image


def one_for_all(alike: Symmetry) -> Image:
    """The image, at cycle 0 and without values, of the socket that stands for all that are alike."""
    image = blank(alike.one, False)
    image.alike = alike
    return image


def take_sockets_apart(image: Image, threads: int) -> None:
    """Let the sockets of an image that stands at its first cycle run apart, in so many threads. No state is compared then,
    so a place of a queue has one cycle: at which its token is ready, and when that is taken, at which it is free."""
    image.tables = image.tables._replace(free=image.tables.ready)
    image.apart = take_apart(image.mapped, image.tables, image.rank, image.store, image.look, threads)


# -- running -----------------------------------------------------------------------------------------------------------


def compile_needed(with_values: bool = False) -> bool:
    """Whether the first `advance` will compile the engine, which takes some seconds."""
    return not native.ready(with_values)


def advance(image: Image, until: int = FAR, forward: bool = True, pause: int = FAR) -> Status:
    """Do every firing before cycle `until`, and none after. It may return sooner: where it comes by at `pause` or later.

    `forward`: without values, count what repeats instead of simulating it. The result is the same.
    """
    if image.apart is not None:
        image.status = Status(parallel.advance(image.apart, until, pause))
        put_together(image.apart, image.tables)
        return image.status
    if image.marks is not None:
        enable(image.marks, image.tables, forward)
    image.tables.clock["pause"] = pause
    image.status = Status(native.advance(image.tables, image.marks, image.values, until))
    return image.status


def changing(image: Image) -> Iterator[NDArray[Any]]:
    """All arrays that a run changes: with their copies put back, the image stands where it stood."""
    yield from (*image.tables, *(image.values or ()))
    if image.apart is not None:
        yield from own_arrays(image.apart)


def words_of(image: Image, socket: int) -> NDArray[np.float32]:
    """The store that has the words of a socket."""
    assert image.values is not None, "a run without values has no words"
    return (image.values if image.apart is None else image.apart.values[socket]).words


@dataclass(frozen=True)
class Counters:
    """Of a run so far. Cycles, by actor: `memory` are those starved for a token that came through a memory channel,
    `link` those that a token spent in line at shared links; they are not in `starved`.

    By queue: tokens pushed and popped (those it held at the start are not pushed). By server: packets served.
    """

    firings: NDArray[np.int64]
    busy: NDArray[np.int64]
    starved: NDArray[np.int64]
    blocked: NDArray[np.int64]
    memory: NDArray[np.int64]
    link: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    pushes: NDArray[np.int64]
    pops: NDArray[np.int64]
    packets: NDArray[np.int64]


def counters(image: Image) -> Counters:
    """What has been counted, in the order of the netlist: of all its sockets, where one stands for them."""
    actors = image.tables.actors[image.rank]
    netlist = image.mapped.netlist
    queues = image.tables.queues[: len(netlist.queues)]
    initial = np.array([q.initial for q in netlist.queues], dtype=np.int64)
    names = ("firings", "busy", "starved", "blocked", "memory", "link", "first", "last")
    found = Counters(
        **{name: actors[name].copy() for name in names},
        pushes=queues["pushed"] - initial,
        pops=queues["popped"].copy(),
        packets=image.tables.servers["packets"][: len(image.mapped.servers)].copy(),
    )
    return found if image.alike is None else _of_all(found, names, image.alike)


def _of_all(one: Counters, names: Sequence[str], alike: Symmetry) -> Counters:
    """The counters of all sockets. `names`: those by actor."""
    return Counters(
        **{name: getattr(one, name)[alike.actors] for name in names},
        pushes=one.pushes[alike.queues],
        pops=one.pops[alike.queues],
        packets=one.packets[alike.servers],
    )


def memory_words(image: Image, memory: int) -> NDArray[np.float32]:
    """The words of a memory as float32; `.view(np.int32)` where they are integers."""
    assert image.store is not None and image.values is not None, "a run without values has no words"
    start = image.store.memories[memory]
    own = image.mapped.netlist.memories[memory]
    return words_of(image, own.socket)[start : start + own.words].copy()
