"""The oracle itself, against cycles worked out by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest
from oracle import Outcome, simulate
from random_netlists import random_case

from rdflow.dsl.netlist import (
    Actor,
    Affine,
    Burst,
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
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage

ALWAYS = Gate()


def actor(
    sizes: tuple[int | Loop, ...],
    inputs: tuple[Port, ...] = (),
    outputs: tuple[Port, ...] = (),
    rows: tuple[Row, ...] = (),
    interval: int = 1,
    burst: Burst | None = None,
) -> Actor:
    loops = tuple(Loop(s) if isinstance(s, int) else s for s in sizes)
    return Actor("", 0, "pcu", loops, inputs, outputs, rows, interval, burst=burst)


def port(queue: int, gate: Gate = ALWAYS, **more: object) -> Port:
    return Port((queue,), gate, **more)  # type: ignore[arg-type]


def mapped(actors: list[Actor], queues: list[tuple[Queue, QueueTiming]], **more: object) -> Mapped:
    netlist = Netlist("by hand", actors=actors, queues=[q for q, _ in queues])
    return Mapped(netlist, [t for _, t in queues], **more)  # type: ignore[arg-type]


def of(outcome: Outcome, *names: str) -> list[tuple[int, ...]]:
    return [tuple(getattr(counts, name) for name in names) for counts in outcome.actors]


def chain(tokens: int, timing: QueueTiming, interval: int = 1) -> Mapped:
    source = actor((tokens,), outputs=(port(0),))
    sink = actor((tokens,), inputs=(port(0),), interval=interval)
    return mapped([source, sink], [(Queue(0, 1, 0), timing)])


def test_chain_waits_for_tokens_and_slots() -> None:
    """Source at 0 1 5 6, sink at 3 4 8 9: two slots come back two cycles after the pop."""
    outcome = simulate(chain(4, QueueTiming(latency=3, credit=2, slots=2)))
    assert (outcome.status, outcome.cycles) == ("finished", 10)
    assert of(outcome, "firings", "first", "last", "starved", "blocked") == [(4, 0, 6, 0, 3), (4, 3, 9, 6, 0)]
    assert (outcome.pushes, outcome.pops) == ([4], [4])


def test_a_slot_is_used_in_the_cycle_that_frees_it() -> None:
    """Credit 0: the source fires again at 1, with the pop."""
    outcome = simulate(chain(3, QueueTiming(latency=1, credit=0, slots=1)))
    assert outcome.cycles == 4
    assert of(outcome, "last", "blocked") == [(2, 0), (3, 0)]


def test_interval_keeps_the_source_waiting() -> None:
    """Sink at 1 4 7 10; two slots: source at 0 1 2 (slot of the pop at 1, free at 2) and 5."""
    outcome = simulate(chain(4, QueueTiming(latency=1, credit=1, slots=2), interval=3))
    assert outcome.cycles == 11
    assert of(outcome, "last", "busy", "starved", "blocked") == [(5, 4, 0, 2), (10, 12, 1, 0)]


def test_packets_set_the_interval() -> None:
    source = actor((3,), outputs=(port(0, packets=4),))
    sink = actor((3,), inputs=(port(0, packets=4),))
    outcome = simulate(mapped([source, sink], [(Queue(0, 1, 0, packets=4), QueueTiming(1, 0, 9))]))
    assert of(outcome, "busy", "last") == [(12, 8), (12, 9)]


@pytest.mark.parametrize(("banks", "cycles", "starved"), [(2, 8, [(0,), (2,)]), (1, 12, [(4,), (6,)])])
def test_double_buffer(banks: int, cycles: int, starved: list[tuple[int]]) -> None:
    """Three tiles of two: with two banks the writer never waits, with one the two take turns."""
    tile, end = starts(1, 2), ends(1, 2)
    writer = actor((3, 2), (port(1, tile),), (port(0, end),))
    reader = actor((3, 2), (port(0, tile),), (port(1, end),))
    full = (Queue(0, 1, 0), QueueTiming(1, 0, 3))
    credit = (Queue(1, 0, 0, initial=banks), QueueTiming(1, 0, banks))
    outcome = simulate(mapped([writer, reader], [full, credit]))
    assert (outcome.status, outcome.cycles) == ("finished", cycles)
    assert of(outcome, "starved") == starved
    assert [len(tokens) for tokens in outcome.tokens] == [0, banks]


def test_ties_at_a_server_rotate() -> None:
    """Queues 0 and 1 arrive at 1, served 0 1; all three arrive at 2, served 2 0 1 since 1 was the last."""
    sizes = (2, 2, 1)
    sources = [actor((n,), outputs=(port(q),)) for q, n in enumerate(sizes)]
    sinks = [actor((n,), inputs=(port(q),)) for q, n in enumerate(sizes)]
    queues = [
        (Queue(q, 3 + q, 0, server=("port", 0)), QueueTiming(0, 0, 9, first, (Stage(0, 2),)))
        for q, first in enumerate((1, 1, 2))
    ]
    outcome = simulate(mapped(sources + sinks, queues, servers=[Server("port")]))
    assert of(outcome, "first", "last")[3:] == [(4, 7), (5, 8), (6, 6)]
    assert outcome.served == [5]


def test_service_in_fractions() -> None:
    """Eleven bursts at 15/11 cycles each: the last, in service from 1 on, is ready at 16."""
    source = actor((11,), outputs=(port(0),), burst=Burst(0, Affine(0, (64,))))
    sink = actor((11,), inputs=(port(0),))
    queue = (Queue(0, 1, 0, server="memory"), QueueTiming(0, 0, 99, 1, (Stage(BY_ADDRESS, 0),)))
    channel = {"servers": [Server("channel", 15, 11)], "channels": [(0, 1, 0)]}
    outcome = simulate(mapped([source, sink], [queue], **channel))
    assert outcome.cycles == 17
    assert of(outcome, "first", "starved", "memory")[1] == (3, 0, 6)


def test_bursts_walk_the_channels() -> None:
    source = actor((6,), outputs=(port(0),), burst=Burst(0, Affine(0, (64,))))
    sink = actor((6,), inputs=(port(0),))
    queue = (Queue(0, 1, 0, server="memory"), QueueTiming(0, 0, 99, 1, (Stage(BY_ADDRESS, 0),)))
    servers = [Server(str(n)) for n in range(5)]
    outcome = simulate(mapped([source, sink], [queue], servers=servers, channels=[(1, 4, 128)]))
    assert outcome.served == [0, 1, 1, 2, 2]


def test_counted_tokens() -> None:
    """Two tokens for the first firing, none for the second, one for the third."""
    source = actor((3,), outputs=(port(0),))
    sink = actor((3,), inputs=(port(0, counts=(2, 0, 1), counted=0),))
    outcome = simulate(mapped([source, sink], [(Queue(0, 1, 0), QueueTiming(1, 0, 4))]))
    assert of(outcome, "first", "last", "starved")[1] == (2, 4, 2)


def test_a_join_that_waits_for_what_it_holds_up_deadlocks() -> None:
    """The sum needs four tokens, the queue beside it holds two."""
    source = actor((4,), outputs=(port(0), port(1)))
    total = actor((4,), (port(1),), (port(2, ends(0, 1)),))
    join = actor((4,), (port(0), port(2, starts(0, 1))))
    queues = [(Queue(0, 2, 0), 2), (Queue(0, 1, 0), 9), (Queue(1, 2, 0), 9)]
    outcome = simulate(mapped([source, total, join], [(q, QueueTiming(1, 0, slots)) for q, slots in queues]))
    assert (outcome.status, outcome.cycles) == ("deadlock", 3)
    assert of(outcome, "firings", "starved", "blocked") == [(2, 0, 0), (2, 1, 0), (0, 0, 0)]
    assert outcome.tokens[0][0][0] == 1


def test_a_ragged_loop() -> None:
    """Rounds of 1, 2 and 3 firings."""
    triangle = Loop(4, limit=Affine(1, (1,)))
    outcome = simulate(mapped([actor((3, triangle))], []))
    assert (outcome.cycles, outcome.actors[0].firings) == (6, 6)


def test_a_loop_in_granules() -> None:
    """ceil((round_up(5, 4) - 1) / 2) = 4, at most 3."""
    rounds = [Loop(size, stride=2, limit=Affine(5), base=Affine(1), granule=4) for size in (9, 3)]
    assert [simulate(mapped([actor((loop,))], [])).cycles for loop in rounds] == [4, 3]


def test_a_stop_shows_the_firings_before_it_and_no_wait_in_progress() -> None:
    netlist = chain(4, QueueTiming(latency=3, credit=2, slots=2))
    outcome = simulate(netlist, until=4)
    assert (outcome.status, outcome.cycles) == ("stopped", 4)
    assert of(outcome, "firings", "starved", "blocked") == [(2, 0, 0), (1, 3, 0)]
    assert [ready for ready, _ in outcome.tokens[0]] == [4]


def test_values_are_summed_tile_by_tile() -> None:
    """Counters 0..5 in two rounds of three: 0 + 1 + 2 and 3 + 4 + 5, in words 0 and 1 of a memory."""
    counter, total = Index(Affine(0, (3, 1))), Mem(0, Affine(), (0,))
    end = ends(1, 2)
    rows = (
        Row("fold.isum", total, (counter,), 1, init=starts(1, 2)),
        Row("read", Temp(0), (total,), 1, end),
    )
    source = actor((2, 3), outputs=(port(0, end, source=0),), rows=rows)
    store = actor((2,), (port(0),), rows=(Row("write", Mem(1, Affine(0, (1,)), (0,)), (In(0),), 1),))
    netlist = mapped([source, store], [(Queue(0, 1, 1), QueueTiming(1, 0, 2))])
    netlist.netlist.memories = [Memory("total", 1), Memory("sums", 2)]
    assert simulate(netlist, {}).memories[1].tolist() == [3, 12]


def test_a_token_says_how_often_a_loop_runs() -> None:
    """Lines of 2, 0 and 3: six firings from cycle 1 on, one of none among them."""
    read = Row("read", Temp(0), (Mem(0, Affine(0, (1,)), (0,)),), 1)
    source = actor((3,), outputs=(port(0, source=0),), rows=(read,))
    lines = actor((3, Loop(4, 1, Affine(4), port=0)), (port(0, starts(1, 2)),), (port(1, ends(1, 2)),))
    queues = [(Queue(0, 1, 1), QueueTiming(1, 1, 2)), (Queue(1, 2, 0), QueueTiming(1, 1, 2))]
    netlist = mapped([source, lines, actor((3,), (port(1),))], queues)
    netlist.netlist.memories = [Memory("lengths", 3, 0)]
    netlist.netlist.tensors = [TensorUse("lengths", (3,), "int32", "hbm", None, (4,), 12)]
    outcome = simulate(netlist, {0: np.array([2, 0, 3], np.int32)})
    assert of(outcome, "firings", "starved", "last") == [(3, 0, 2), (6, 1, 6), (3, 5, 7)]


def test_the_order_of_visits_does_not_matter() -> None:
    """Another shuffle, the same outcome."""
    for seed in range(20):
        case = random_case(random.Random(seed))
        outcomes = [simulate(case.mapped, case.values, limit=10**5, seed=s) for s in (0, 1)]
        assert outcomes[0].actors == outcomes[1].actors
        for a, b in zip(outcomes[0].memories, outcomes[1].memories, strict=True):
            np.testing.assert_array_equal(a, b)
