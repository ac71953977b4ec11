"""The engine, against cycles worked out by hand, and the numerics of its rows."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from numba import njit

from rdflow.dsl import numerics as arrays
from rdflow.dsl.netlist import (
    Actor,
    Affine,
    Burst,
    Const,
    Gate,
    In,
    Index,
    Loop,
    Mem,
    Memory,
    Netlist,
    Port,
    Queue,
    Row,
    Temp,
    TensorUse,
    ends,
    starts,
)
from rdflow.interpreter.image import Image, Status, advance, build, counters, memory_words
from rdflow.interpreter.kernel import numerics as scalars
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage
from rdflow.interpreter.waiting import counters_of, tokens, waiting

ALWAYS = Gate()
LANES = tuple(range(32))


def actor(
    sizes: tuple[int, ...], inputs: tuple[Port, ...] = (), outputs: tuple[Port, ...] = (), **more: object
) -> Actor:
    loops = tuple(Loop(size) for size in sizes)
    return Actor("", 0, "pcu", loops, inputs, outputs, **more)  # type: ignore[arg-type]


def port(queue: int, gate: Gate = ALWAYS, **more: object) -> Port:
    return Port((queue,), gate, **more)  # type: ignore[arg-type]


def mapped(actors: list[Actor], queues: list[tuple[Queue, QueueTiming]], **more: object) -> Mapped:
    netlist = Netlist("by hand", actors=actors, queues=[q for q, _ in queues])
    return Mapped(netlist, [t for _, t in queues], **more)  # type: ignore[arg-type]


def queue(
    source: int, sink: int, slots: int = 2, latency: int = 1, credit: int = 1, **more: object
) -> tuple[Queue, QueueTiming]:
    return Queue(source, sink, **{"width": 0, **more}), QueueTiming(latency, credit, slots)  # type: ignore[arg-type]


def finished(netlist: Mapped, values: dict[int, np.ndarray] | None = None) -> Image:
    image = build(netlist, values)
    assert advance(image) is Status.FINISHED
    return image


def chain(count: int, slots: int, latency: int, credit: int, intervals: tuple[int, int]) -> Mapped:
    return mapped(
        [
            actor((count,), outputs=(port(0),), interval=intervals[0]),
            actor((count,), inputs=(port(0),), interval=intervals[1]),
        ],
        [queue(0, 1, slots, latency, credit)],
    )


# -- queues ------------------------------------------------------------------------------------------------------------


def test_a_token_is_not_there_a_cycle_early() -> None:
    image = build(chain(1, 2, latency=5, credit=1, intervals=(1, 1)))
    advance(image, 5)
    assert counters(image).firings.tolist() == [1, 0]
    assert tokens(image, 0) == [(5, None)]
    assert waiting(image, 1) == ("input", 0, 5)
    assert advance(image, 6) is Status.FINISHED
    assert counters(image).starved.tolist() == [0, 5]
    assert image.cycles == 6


def test_a_slot_is_not_free_a_cycle_early() -> None:
    image = build(chain(2, 1, latency=3, credit=4, intervals=(1, 1)))
    advance(image, 7)
    assert counters(image).firings.tolist() == [1, 1]
    assert waiting(image, 0) == ("output", 0, 7)
    assert advance(image) is Status.FINISHED
    assert counters(image).blocked.tolist() == [6, 0]
    assert counters(image).last.tolist() == [7, 10]


def test_the_slower_end_sets_the_pace() -> None:
    image = finished(chain(10, 2, latency=1, credit=1, intervals=(1, 3)))
    seen = counters(image)
    assert image.cycles == 1 + 9 * 3 + 1
    assert seen.busy.tolist() == [10, 30]
    assert seen.starved.tolist() == [0, 1]
    assert (seen.last - seen.first).tolist()[1] == 27
    assert seen.pushes.tolist() == seen.pops.tolist() == [10]


def test_packets_are_the_interval_of_the_firings_that_move_them() -> None:
    gate = ends(1, 2)
    image = finished(
        mapped(
            [actor((2, 3), outputs=(port(0, gate, packets=4),)), actor((2,), inputs=(port(0, packets=4),))],
            [queue(0, 1, slots=4)],
        )
    )
    assert counters(image).busy.tolist() == [1 + 1 + 4 + 1 + 1 + 4, 8]
    assert counters(image).last.tolist() == [8, 9]


def test_credits_alternate_two_tiles() -> None:
    """Writer and reader of two tiles of 4: the reader starts when a tile is full, and frees it at its end."""
    full, credit, data = 0, 1, 2
    whole = Gate(first=2), Gate(last=2)
    netlist = mapped(
        [
            actor((3, 4), inputs=(port(credit, whole[0]),), outputs=(port(full, whole[1]),)),
            actor((3, 4), inputs=(port(full, whole[0]),), outputs=(port(credit, whole[1]), port(data))),
            actor((12,), inputs=(port(data),)),
        ],
        [queue(0, 1), queue(1, 0, initial=2), queue(1, 2)],
    )
    image = finished(netlist)
    seen = counters(image)
    assert seen.first.tolist() == [0, 4, 5]
    assert seen.last.tolist() == [11, 15, 16]
    assert seen.starved.tolist() == [0, 4, 5]


# -- gates and choices -------------------------------------------------------------------------------------------------


def test_fold_inside_and_outside() -> None:
    """A reduction over the inner loop emits at its end; its consumer holds each token over an inner loop."""
    netlist = mapped(
        [
            actor((3, 4), outputs=(port(0, ends(1, 2)),)),
            actor((3, 2), inputs=(port(0, starts(1, 2)),)),
        ],
        [queue(0, 1)],
    )
    seen = counters(finished(netlist))
    assert seen.first.tolist() == [0, 4]
    assert seen.last.tolist() == [11, 13]
    assert seen.starved.tolist() == [0, 4 + 2 + 2]


def test_deal_and_gather() -> None:
    """Tokens go to two copies by the parity of the loop, and come back in order."""
    by_turn = Affine(0, (0, 1))
    netlist = mapped(
        [
            actor((3, 2), outputs=(Port((0, 1), ALWAYS, select=by_turn),)),
            actor((3,), inputs=(port(0),), outputs=(port(2),), interval=2),
            actor((3,), inputs=(port(1),), outputs=(port(3),), interval=2),
            actor((3, 2), inputs=(Port((2, 3), ALWAYS, select=by_turn),)),
        ],
        [queue(0, 1), queue(0, 2), queue(1, 3), queue(2, 3)],
    )
    seen = counters(finished(netlist))
    assert seen.last.tolist() == [5, 5, 6, 7]
    assert seen.pushes.tolist() == [3, 3, 3, 3]


def test_counted_pops_wait_for_all_their_tokens() -> None:
    netlist = mapped(
        [
            actor((4,), outputs=(port(0),), interval=3),
            actor((3,), inputs=(Port((0,), ALWAYS, counts=(3, 0, 1), counted=0),)),
        ],
        [queue(0, 1, slots=4)],
    )
    image = finished(netlist)
    assert counters(image).first.tolist() == [0, 7]
    assert counters(image).last.tolist() == [9, 10]
    assert counters(image).pops.tolist() == [4]


def test_a_bounded_loop_runs_as_often_as_the_loops_outside_say() -> None:
    triangle = Loop(4, limit=Affine(1, (1,)))
    blocks = Loop(4, stride=2, limit=Affine(1, (1,)), granule=2)
    for loop, firings in ((triangle, 1 + 2 + 3 + 4), (blocks, 1 + 1 + 2 + 2)):
        image = finished(mapped([Actor("", 0, "pcu", (Loop(4), loop), (), ())], []))
        assert counters(image).firings.tolist() == [firings]


def ragged(lengths: list[int]) -> Mapped:
    """A line of at most four firings for each of the lengths that a queue brings."""
    read = Row("read", Temp(0), (Mem(0, Affine(0, (1,)), (0,)),), 1)
    lines = Actor(
        "",
        0,
        "pcu",
        (Loop(len(lengths)), Loop(4, 1, Affine(4), port=0)),
        (port(0, starts(1, 2)),),
        (port(1, ends(1, 2)),),
    )
    actors = [
        actor((len(lengths),), outputs=(port(0, source=0),), rows=(read,)),
        lines,
        actor((len(lengths),), (port(1),)),
    ]
    return with_memories(mapped(actors, [queue(0, 1, width=1), queue(1, 2)]), Memory("lengths", len(lengths), 0))


def test_a_token_says_how_often_a_loop_runs() -> None:
    """Firings of the lines in cycles 1, 2; 3; 4, 5, 6: one of none, the least; their ends arrive a cycle later."""
    image = finished(ragged([2, 0, 3]), {0: np.array([2, 0, 3], np.int32)})
    seen = counters(image)
    assert image.cycles == 8
    assert seen.firings.tolist() == [3, 6, 3]
    assert (seen.first.tolist(), seen.last.tolist()) == ([0, 1, 3], [2, 6, 7])
    assert (seen.starved.tolist(), seen.blocked.tolist()) == ([0, 1, 5], [0, 0, 0])


def test_a_loop_runs_at_least_once_and_no_longer_than_its_limit() -> None:
    image = finished(ragged([-5, 9, 4]), {0: np.array([-5, 9, 4], np.int32)})
    assert counters(image).firings.tolist() == [3, 1 + 4 + 4, 3]


def test_a_loop_waits_for_the_token_that_bounds_it() -> None:
    image = build(ragged([2, 0, 3]), {0: np.array([2, 0, 3], np.int32)})
    advance(image, 1)
    assert waiting(image, 1) == ("input", 0, 1)
    advance(image, 3)
    assert counters(image).firings.tolist() == [3, 2, 0]
    assert waiting(image, 1) == ("interval", None, 3)


def test_without_values_there_is_no_length() -> None:
    with pytest.raises(ValueError, match="values decide"):
        build(ragged([1]))


def test_a_carry_takes_the_first_token_from_outside_and_gives_the_last_away() -> None:
    inside, back, start, result = 0, 1, 2, 3
    first, last = Gate(first=2), Gate(last=2)
    netlist = mapped(
        [
            actor((2,), outputs=(port(start),)),
            actor(
                (2, 3),
                inputs=(port(start, first), port(back, Gate(not_first=2))),
                outputs=(port(inside, Gate(not_last=2)), port(result, last)),
            ),
            actor((4,), inputs=(port(inside),), outputs=(port(back),)),
            actor((2,), inputs=(port(result),)),
        ],
        [queue(1, 2), queue(2, 1), queue(0, 1), queue(1, 3)],
    )
    seen = counters(finished(netlist))
    assert seen.firings.tolist() == [2, 6, 4, 2]
    assert seen.last.tolist() == [1, 10, 9, 11]


# -- servers -----------------------------------------------------------------------------------------------------------


def flows(number: int, count: int, server: Server) -> Mapped:
    """`number` sources that start in the same cycle, each with a sink, through one server."""
    actors = [actor((count,), outputs=(port(i),)) for i in range(number)]
    actors += [actor((count,), inputs=(port(i),)) for i in range(number)]
    queues = [
        (Queue(i, number + i, 0, server=("port", 0)), QueueTiming(0, 1, 8, 2, (Stage(0, 3),))) for i in range(number)
    ]
    return mapped(actors, queues, servers=[server])


def test_an_arbiter_serves_ties_in_rotating_order() -> None:
    image = build(flows(2, 3, Server("link")))
    assert advance(image, 1) is Status.RUNNING
    assert tokens(image, 0) == [(6, None)]
    assert tokens(image, 1) == [(7, None)]
    assert advance(image) is Status.FINISHED
    seen = counters(image)
    assert seen.first.tolist() == [0, 0, 6, 7]
    assert seen.last.tolist() == [2, 2, 10, 11]
    assert seen.packets.tolist() == [6]


def test_a_service_time_is_a_fraction() -> None:
    image = finished(flows(1, 4, Server("link", 4, 3)))
    assert counters(image).last.tolist() == [3, math.ceil(2 + 4 * 4 / 3) + 3]


def test_bursts_choose_channels_and_waits_for_them_are_counted_apart() -> None:
    request = actor((4,), outputs=(port(0),), burst=Burst(0, Affine(0, (64,))))
    netlist = mapped(
        [request, actor((4,), inputs=(port(0),))],
        [(Queue(0, 1, 0, server="memory"), QueueTiming(0, 1, 8, 1, (Stage(BY_ADDRESS, 10),)))],
        servers=[Server("channel", 4), Server("channel", 4)],
        channels=[(0, 2, 64)],
    )
    seen = counters(finished(netlist))
    assert seen.packets.tolist() == [2, 2]
    assert seen.last.tolist() == [3, 20]
    assert seen.memory.tolist() == [0, 15 + 0 + 2 + 0]
    assert seen.starved.tolist() == [0, 0]


def gather(indices: list[int], bursts: int = 1) -> Mapped:
    """Requests for rows of 64 bytes (times the bursts) by a stream of indices, over four channels."""
    count = len(indices)
    row = Burst(0, Affine(0, (0, 64)), ((0, 64 * bursts, 6),))
    read = Row("read", Temp(0), (Mem(0, Affine(0, (1,)), (0,)),), 1)
    actors = [
        actor((count,), outputs=(port(0, source=0),), rows=(read,)),
        actor((count, bursts), (port(0, starts(1, 2)),), (port(1),), burst=row),
        actor((count * bursts,), (port(1),)),
    ]
    asked = QueueTiming(0, 1, 8, 1, (Stage(BY_ADDRESS, 10),))
    queues = [queue(0, 1, width=1), (Queue(1, 2, 0, server="memory"), asked)]
    channels = {"servers": [Server(f"channel{n}") for n in range(4)], "channels": [(0, 4, 0)]}
    return with_memories(mapped(actors, queues, **channels), Memory("rows", count, 0))


def test_a_gathered_request_goes_to_the_channel_of_its_row() -> None:
    """Rows 3, 1, 1, 5 and 3; what lies outside of the six rows asks for the nearest."""
    indices = [3, 1, 1, 5, 3, -7, 100]
    image = finished(gather(indices), {0: np.array(indices, np.int32)})
    assert counters(image).packets.tolist() == [1, 4, 0, 2]


def test_the_index_of_a_row_is_held_for_all_of_its_bursts() -> None:
    """Rows 2 and 1 of three bursts: bursts 6, 7, 8 and 3, 4, 5, on channels 2 3 0 and 3 0 1."""
    image = finished(gather([2, 1], bursts=3), {0: np.array([2, 1], np.int32)})
    assert counters(image).packets.tolist() == [2, 1, 1, 2]


def test_without_values_the_number_of_the_token_stands_in_for_the_index() -> None:
    """Rows 0 to 5 and 0: channels 0 1 2 3 0 1 0."""
    image = finished(gather([3, 1, 1, 5, 3, -7, 100]))
    assert counters(image).packets.tolist() == [3, 2, 1, 1]


# -- the end -----------------------------------------------------------------------------------------------------------


def test_a_deadlock_names_its_waits() -> None:
    netlist = mapped(
        [
            actor((3,), inputs=(port(1),), outputs=(port(0),)),
            actor((3,), inputs=(port(0),), outputs=(port(1), port(2))),
            actor((4,), inputs=(port(2),)),
        ],
        [queue(0, 1), queue(1, 0, initial=1), queue(1, 2)],
    )
    image = build(netlist)
    assert advance(image) is Status.DEADLOCK
    assert [waiting(image, a) for a in range(3)] == [("done", None, None), ("done", None, None), ("input", 2, None)]
    assert counters_of(image, 2) == (3,)


def test_slices_make_no_difference() -> None:
    case = flows(3, 40, Server("link", 15, 11))
    whole = finished(case)
    for seed in range(20):
        chosen = random.Random(seed)
        image, stop = build(case), 0
        while advance(image, stop) is Status.RUNNING:
            assert image.time == stop
            stop += chosen.choice((1, 3, 20))
        for table, other in zip(counters_list(whole), counters_list(image), strict=True):
            assert table == other


def counters_list(image: Image) -> list[list[int]]:
    seen = counters(image)
    return [getattr(seen, name).tolist() for name in seen.__dataclass_fields__]


def test_an_empty_nest_fires_once() -> None:
    assert finished(mapped([actor(())], [])).cycles == 1


# -- values ------------------------------------------------------------------------------------------------------------


def with_memories(netlist: Mapped, *memories: Memory) -> Mapped:
    netlist.netlist.memories.extend(memories)
    given = sorted((m.tensor, m.words) for m in memories if m.tensor is not None)
    netlist.netlist.tensors.extend(TensorUse(f"t{n}", (w,), "f32", "hbm", None, (4,), 4 * w) for n, w in given)
    return netlist


def test_a_map_computes_lane_by_lane() -> None:
    rows = (
        Row("mul", Temp(0), (In(0), Const(2.0))),
        Row("iadd", Temp(1), (Index(Affine(0, (32,)), LANES), Const(0))),
        Row("tofloat", Temp(1), (Temp(1),)),
        Row("add", Temp(0), (Temp(0), Temp(1))),
    )
    row = Affine(0, (32,))
    netlist = with_memories(
        mapped(
            [
                actor((5,), outputs=(port(0, source=0),), rows=(Row("read", Temp(0), (Mem(0, row, LANES),)),)),
                actor((5,), (port(0),), (port(1, source=0),), rows=rows),
                actor((5,), (port(1),), rows=(Row("write", Mem(1, row, LANES), (In(0),)),)),
            ],
            [queue(0, 1, width=32), queue(1, 2, width=32)],
        ),
        Memory("in", 160, 0),
        Memory("out", 160, 1),
    )
    given = np.arange(160, dtype=np.float32)
    assert memory_words(finished(netlist, {0: given}), 1).tolist() == (3 * given).tolist()


def test_banks_follow_the_tiles() -> None:
    """Three tiles of two vectors through a memory of two banks, read with the lanes reversed."""
    full, credit, result = 0, 1, 2
    first, last = Gate(first=2), Gate(last=2)
    tile = Mem(0, Affine(0, (0, 32)), LANES, bank=64, banks=2)
    back = replace(tile, lanes=LANES[::-1])
    vector = Affine(0, (64, 32))
    write = Row("write", tile, (Temp(0),))
    number = Row("iadd", Temp(0), (Index(vector, LANES), Const(0)))
    netlist = with_memories(
        mapped(
            [
                actor((3, 2), (port(credit, first),), (port(full, last),), rows=(number, write), tile_level=1),
                actor(
                    (3, 2),
                    (port(full, first),),
                    (port(credit, last), port(result, source=0)),
                    rows=(Row("read", Temp(0), (back,)),),
                    tile_level=1,
                ),
                actor((3, 2), (port(result),), rows=(Row("write", Mem(1, vector, LANES), (In(0),)),)),
            ],
            [queue(0, 1), queue(1, 0, initial=2), queue(1, 2, width=32)],
        ),
        Memory("tile", 128),
        Memory("out", 192, 0),
    )
    seen = memory_words(finished(netlist, {}), 1).view(np.int32).reshape(6, 32)
    assert seen.tolist() == np.arange(192).reshape(6, 32)[:, ::-1].tolist()


def test_a_systolic_array_sums_in_order() -> None:
    chosen = np.random.default_rng(0)
    a, b = (chosen.normal(size=(8, 32)).astype(np.float32) for _ in range(2))
    row = Affine(0, (32,))
    table = tuple(range(4, 12))
    rows = (
        Row("read", Temp(0), (Mem(0, row, LANES),)),
        Row("read", Temp(1), (Mem(1, row, LANES),)),
        Row("systolic", Mem(2, Affine(), LANES), (Temp(0), Temp(1)), init=Gate(first=1), table=table),
    )
    memories = Memory("a", 256, 0), Memory("b", 256, 1), Memory("sum", 256)
    netlist = with_memories(mapped([actor((8,), rows=rows)], []), *memories)
    expected = np.zeros((8, 32), np.float32)
    for k in range(8):
        expected += a[k][None, :] * b[k][list(table)][:, None]
    assert np.array_equal(memory_words(finished(netlist, {0: a, 1: b}), 2).reshape(8, 32), expected)


def test_a_fold_starts_anew_where_its_gate_says() -> None:
    rows = (
        Row("read", Temp(0), (Mem(0, Affine(0, (96, 32)), LANES),)),
        Row("fold.max", Mem(1, Affine(), LANES), (Temp(0),), init=Gate(first=2)),
        Row("read", Temp(1), (Mem(1, Affine(), LANES),), gate=Gate(last=2)),
        Row("tree.sum", Temp(2), (Temp(1),), gate=Gate(last=2)),
        Row("write", Mem(2, Affine(0, (1,)), (0,)), (Temp(2),), width=1, gate=Gate(last=2)),
    )
    given = np.random.default_rng(1).integers(-50, 50, (2, 3, 32)).astype(np.float32)
    memories = Memory("in", 192, 0), Memory("kept", 32), Memory("out", 2)
    netlist = with_memories(mapped([actor((2, 3), rows=rows)], []), *memories)
    assert memory_words(finished(netlist, {0: given}), 2).tolist() == given.max(1).sum(1).tolist()


def test_words_outside_of_a_memory_read_as_0_and_are_not_written() -> None:
    rows = (
        Row("read", Temp(0), (Mem(0, Affine(-2), LANES),)),
        Row("write", Mem(1, Affine(-1), LANES), (Temp(0),)),
    )
    netlist = with_memories(mapped([actor((1,), rows=rows)], []), Memory("in", 4, 0), Memory("out", 4))
    given = np.array([1, 2, 3, 4], np.float32)
    assert memory_words(finished(netlist, {0: given}), 1).tolist() == [0, 1, 2, 3]


# -- numerics ----------------------------------------------------------------------------------------------------------


def samples() -> np.ndarray:
    """Every bf16, random bit patterns, and the ranges in which the functions bend."""
    chosen = np.random.default_rng(2)
    return np.concatenate(
        [
            (np.arange(65536, dtype=np.uint32) << 16).view(np.float32),
            chosen.integers(0, 2**32, 1_000_000, dtype=np.uint32).view(np.float32),
            chosen.normal(0, 8, 500_000).astype(np.float32),
            chosen.uniform(-105, 90, 500_000).astype(np.float32),
            chosen.uniform(0.5, 2, 500_000).astype(np.float32),
        ]
    )


def compiled(name: str, x: np.ndarray) -> np.ndarray:
    """The kernel's function over an array."""
    function = getattr(scalars, name)

    @njit(error_model="numpy")
    def loop(x: np.ndarray, out: np.ndarray) -> None:
        for i in range(x.size):
            out[i] = function(x[i])

    out = np.empty_like(x)
    loop(x, out)
    return out


def logistic(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


@pytest.mark.parametrize("name", ["exp", "log", "sigmoid", "tanh", "rsqrt", "bf16"])
def test_kernel_and_arrays_give_the_same_bits(name: str) -> None:
    x = samples()
    ours, twin = compiled(name, x), getattr(arrays, name)(x)
    assert np.all((ours.view(np.uint32) == twin.view(np.uint32)) | (np.isnan(ours) & np.isnan(twin)))


@pytest.mark.parametrize(
    ("name", "exact"),
    [("exp", np.exp), ("log", np.log), ("tanh", np.tanh), ("sigmoid", logistic), ("rsqrt", lambda x: 1 / np.sqrt(x))],
)
def test_errors_are_below_2_ulp(name: str, exact: np.ufunc) -> None:
    x = samples()
    with np.errstate(all="ignore"):
        truth = exact(x.astype(np.float64))
        nearest = truth.astype(np.float32)
        ours = getattr(arrays, name)(x)
        finite = np.isfinite(nearest) & np.isfinite(ours)
        assert np.array_equal(ours[~finite], nearest[~finite], equal_nan=True)
        unit = np.spacing(np.abs(nearest[finite])).astype(np.float64)
        assert np.all(np.abs(ours[finite] - truth[finite]) <= 2 * unit)
