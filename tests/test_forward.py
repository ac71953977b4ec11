"""Fast-forward against plain stepping: cycles, every counter, loops, tokens and waits, to the end and at any stop.

More netlists: FORWARD_EXAMPLES=5000 pytest tests/test_forward.py
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_netlists import LONG, random_case
from test_engine import actor, mapped, port, queue

import rdflow
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.collectives import Form
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.launches import calls
from rdflow.dsl.netlist import Actor, Affine, Burst, Gate, Loop, Port, Queue
from rdflow.dsl.report import Reporter
from rdflow.interpreter import execution as execution_module
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import FAR, Image, Status, advance, build, counters
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage
from rdflow.interpreter.mapping import map_netlist
from rdflow.interpreter.profile import profile as rdflow_profile
from rdflow.interpreter.waiting import counters_of, tokens, waiting

EXAMPLES = int(os.environ.get("FORWARD_EXAMPLES", "500"))


def state(image: Image) -> dict[str, Any]:
    """All that can be seen of a run; what an actor waits for where nothing can change that any more."""
    seen, netlist = counters(image), image.mapped.netlist
    actors = range(len(netlist.actors))
    return {name: getattr(seen, name).tolist() for name in seen.__dataclass_fields__} | {
        "status": image.status,
        "cycles": image.cycles,
        "loops": [counters_of(image, a) for a in actors],
        "tokens": [arrivals(image, q) for q in range(len(netlist.queues))],
        "waits": [waiting(image, a) for a in actors] if image.status is not Status.RUNNING else [],
    }


def arrivals(image: Image, q: int) -> list[int | None]:
    """When tokens can be popped at last; since when they could have been matters to nobody."""
    sink = image.rank[image.mapped.netlist.queues[q].sink]
    now = image.time if image.status is Status.RUNNING else image.cycles
    felt = max(now, int(image.tables.actors["next"][sink]))
    return [None if ready is None else max(ready, felt) for ready, _ in tokens(image, q)]


def both(netlist: Mapped) -> tuple[Image, Image]:
    """Run with fast-forward and without: the same."""
    fast, plain = build(netlist), build(netlist)
    advance(fast)
    advance(plain, forward=False)
    assert state(fast) == state(plain)
    assert plain.skipped.times == 0
    return fast, plain


def sliced(netlist: Mapped, chosen: random.Random) -> Image:
    """Run both in the same slices, long and short: the same at every stop, and the stop is where it should be."""
    fast, plain = build(netlist), build(netlist)
    stop = 0
    while advance(fast, stop) is Status.RUNNING:
        assert fast.time == stop
        advance(plain, stop, forward=False)
        assert state(fast) == state(plain)
        stop += chosen.choice((1, 30, 300, 1000, 4000))
    advance(plain, forward=False)
    assert state(fast) == state(plain)
    return fast


def simulated(image: Image) -> float:
    """The share of the firings that was simulated."""
    return 1 - image.skipped.firings / int(counters(image).firings.sum())


# -- random netlists ---------------------------------------------------------------------------------------------------


def test_random_netlists() -> None:
    skipped = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.integers(0, 1 << 40))
    def check(seed: int) -> None:
        chosen = random.Random(seed)
        netlist = random_case(chosen, LONG).mapped
        image = both(netlist)[0] if seed % 3 else sliced(netlist, chosen)
        skipped.append(image.skipped.times > 0)

    check()
    assert sum(skipped) > len(skipped) / 4


# -- programs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sizes", "share"),
    [
        ("hello", {"N": 1 << 19}, 0.2),
        ("gemm", {}, 0.1),
        ("gemm", {"M": 96, "N": 320, "K": 200, "P": 2}, 1),
        ("transpose", {"M": 512, "N": 4096}, 1),
        ("softmax", {}, 0.2),
        ("rmsnorm", {}, 0.2),
        ("online_softmax", {"T": 4096}, 1),
        ("topk_router", {"T": 4096}, 1),
        ("swiglu_mlp", {}, 1),
        ("attention", {}, 0.2),
        ("attention", {"S": 1024, "P": 4}, 1),
        ("attention_causal", {}, 1),
        ("monarch_fft", {}, 1),
        ("monarch_fft_partial", {}, 1),
        ("monarch_fft_unfused", {}, 1),
        ("fftconv", {"P": 8, "C": 1, "NB": 64}, 0.5),
        ("mlp_backward_adam", {"T": 256, "C": 256, "V": 256}, 1),
    ],
)
def test_programs(name: str, sizes: dict[str, int], share: float) -> None:
    execution = rdflow.load(name, **sizes).execution()
    netlists = {
        call.spec: execution.compile(call.spec).launched(call) for call in calls(execution.checked.program, Reporter())
    }
    images = [both(netlist)[0] for netlist in netlists.values()]
    assert sum(image.skipped.times for image in images) > 0
    assert min(simulated(image) for image in images) <= share


ON_SOCKETS: list[tuple[str, dict[str, int]]] = [
    ("ddr_to_hbm", {}),
    ("ddr_to_hbm", {"N": 1 << 21, "SOCKETS": 4, "P": 2}),
    ("llama_decode", {"C": 32, "F": 256, "U": 40, "NL": 2, "G": 2, "R": 2, "W": 8, "POS": 20}),
    ("llama_prefill_layer", {"T": 64, "C": 32, "F": 256, "G": 2, "R": 2, "W": 8}),
    ("llama_unfused", {"T": 64, "C": 32, "F": 256, "G": 2, "R": 2, "W": 8, "NL": 1}),
    ("llama", {"NL": 1, "C": 32, "F": 64, "V": 64, "G": 2, "R": 2, "W": 8, "T": 8, "M": 3, "U": 40, "D": 2}),
    ("mixture_of_experts", {"T": 64, "C": 64, "F": 64, "N": 2, "G": 2}),
]


@pytest.mark.parametrize(("name", "sizes"), ON_SOCKETS, ids=lambda value: value if isinstance(value, str) else "")
def test_programs_on_several_sockets(name: str, sizes: dict[str, int]) -> None:
    """Every kernel that is launched, all sockets as one image."""
    execution = rdflow.load(name, **sizes).execution()
    netlists = {
        call.spec: execution.compile(call.spec).launched(call) for call in calls(execution.checked.program, Reporter())
    }
    assert any(netlist.netlist.sockets > 1 for netlist in netlists.values())
    for netlist in netlists.values():
        both(netlist)


OVER_SOCKETS = """
param G = 4, N = 2097152, P = 1
axis g = G, s = G, m = N / G, n = s * m
tensor X: f32[g @socket, n] in hbm input
"""
SUMMED = """
tensor Y: f32[n] in hbm output
kernel k {
    x = load X @P   as [g @socket, n/H @P | n%H]
    y = pcu sum(g) x as [n/H @P | n%H]
    store y @P -> Y
}
"""
KEPT_APART = """
tensor Y: f32[s @socket, m] in hbm output
kernel k {
    x = load X       as [g @socket, s, m/H | m%H]
    y = pcu sum(g) x as [s @socket, m/H | m%H]
    store y -> Y
}
"""
GATHERED = """
tensor Y: f32[g, n] in hbm output
kernel k {
    x = load X as [g @socket, n/H | n%H]
    y = pcu 2 * x as [g, n/H | n%H]
    store y -> Y
}
"""
LONG_COLLECTIVES: list[tuple[str, Form | None, dict[str, int], float]] = [
    (SUMMED, "direct", {}, 0.1),
    (SUMMED, "direct", {"G": 8, "P": 2}, 0.2),
    (SUMMED, "ring", {"G": 2}, 0.1),
    (SUMMED, "ring", {}, 1),  # nothing repeats within the run
    (KEPT_APART, None, {}, 0.5),
    (GATHERED, None, {"G": 2}, 0.3),
]


@pytest.mark.parametrize(("text", "form", "sizes", "share"), LONG_COLLECTIVES)
def test_long_collectives(text: str, form: Form | None, sizes: dict[str, int], share: float) -> None:
    """Long enough that what links do repeats; also with stops on the way."""
    program = rdflow.loads(OVER_SOCKETS + text, **sizes)
    (kernel,) = program.checked.kernels.values()
    netlist = map_netlist(coalesce(elaborate(kernel, chosen(program.machine, form))), program.machine)[0]
    whole = both(netlist)[0]
    assert simulated(whole) <= share
    fast, plain = build(netlist), build(netlist)
    for stop in (whole.cycles // 3, whole.cycles // 2 + 1, FAR):
        advance(fast, stop)
        advance(plain, stop, forward=False)
        assert state(fast) == state(plain)


def test_a_product_of_16384_cubed_costs_as_little_as_a_small_one() -> None:
    execution = rdflow.load("gemm", M=16384, N=16384, K=16384).execution()
    (call,) = calls(execution.checked.program, Reporter())
    image = build(execution.compile(call.spec).mapped)
    assert advance(image) is Status.FINISHED
    firings = counters(image).firings
    assert firings.max() == 16384**3 // (32 * 8)
    assert firings.sum() - image.skipped.firings < 2_000_000
    assert 16384**3 / 256 < image.cycles < 16384**3 / 256 * 1.001


# -- by hand -----------------------------------------------------------------------------------------------------------


def chain(count: int, last: int, intervals: tuple[int, int] = (1, 3)) -> Mapped:
    ends = (
        actor((count,), outputs=(port(0),), interval=intervals[0]),
        actor((last,), inputs=(port(0),), interval=intervals[1]),
    )
    return mapped(list(ends), [queue(0, 1, 4)])


def test_a_long_loop_is_skipped_to_its_end() -> None:
    image = build(chain(10**12, 10**12))
    assert advance(image) is Status.FINISHED
    assert image.cycles == 1 + (10**12 - 1) * 3 + 1
    few = build(chain(1000, 1000))
    advance(few, forward=False)
    assert counters(image).blocked.tolist() == [counters(few).blocked[0] + 2 * (10**12 - 1000), 0]
    assert simulated(image) < 1e-6


def test_a_deadlock_at_the_end_is_found() -> None:
    fast, _ = both(chain(50_000, 50_001))
    assert fast.status is Status.DEADLOCK
    assert waiting(fast, 1) == ("input", 0, None)
    assert simulated(fast) < 0.1


def test_a_skip_does_not_pass_the_stop() -> None:
    for stop in (9_999, 123_456, 987_654_321):
        image = build(chain(10**12, 10**12))
        assert advance(image, stop) is Status.RUNNING
        assert image.time == stop
        assert counters(image).firings[1] == -(-(stop - 1) // 3)


def test_a_loop_that_selects_does_not_advance() -> None:
    """Each of three consumers gets its share, though only the inner loop repeats."""
    shares = Port((0, 1, 2), Gate(), select=Affine(0, (1,)))
    actors = [actor((3, 9_000), outputs=(shares,)), *(actor((9_000,), inputs=(port(i),)) for i in range(3))]
    image, _ = both(mapped(actors, [queue(0, i + 1) for i in range(3)]))
    assert counters(image).pops.tolist() == [9_000] * 3
    assert simulated(image) < 0.5


def test_a_loop_that_bounds_another_does_not_advance() -> None:
    triangle = Actor("", 0, "pcu", (Loop(300), Loop(300, limit=Affine(1, (1,)))), (), ())
    image, _ = both(mapped([triangle], []))
    assert counters(image).firings.tolist() == [300 * 301 // 2]


def test_a_window_that_moves_advances_by_whole_granules() -> None:
    window = Loop(40, limit=Affine(7, (1,)), base=Affine(-20, (1,)), granule=4)
    image, _ = both(mapped([Actor("", 0, "pcu", (Loop(5000), window), (), ())], []))
    assert simulated(image) < 0.1


def test_channels_are_walked_through_a_whole_number_of_times() -> None:
    """Bursts 192 bytes apart over 5 channels, some of which are slow to share."""
    request = actor((30_000,), outputs=(port(0),), burst=Burst(0, Affine(0, (192,))))
    image, _ = both(
        mapped(
            [request, actor((30_000,), inputs=(port(0),))],
            [(Queue(0, 1, 0, server="memory"), QueueTiming(0, 1, 8, 1, (Stage(BY_ADDRESS, 10),)))],
            servers=[Server("channel", 15, 11)] * 5,
            channels=[(0, 5, 64)],
        )
    )
    assert counters(image).packets.tolist() == [6_000] * 5
    assert simulated(image) < 0.5


def test_tokens_popped_by_a_table() -> None:
    """Three tokens, then none, over and over, with a beginning and an end of its own."""
    counts = (2, *(3, 0) * 4_000, 1)
    netlist = mapped(
        [
            actor((sum(counts),), outputs=(port(0),)),
            actor((len(counts),), (Port((0,), Gate(), counts=counts, counted=0),)),
        ],
        [queue(0, 1, 7)],
    )
    assert simulated(both(netlist)[0]) < 0.5


def test_a_queue_that_fills_is_not_felt_until_it_is_full() -> None:
    """The consumer starts when a slow actor is done; until then the producer fills a long queue, then it stops."""
    netlist = mapped(
        [
            actor((60_000,), outputs=(port(0),)),
            actor((1, 50_000), outputs=(port(1, Gate(last=2)),), interval=4),
            actor((60_000,), (port(0), port(1, Gate(first=1)))),
        ],
        [queue(0, 2, 20_000), queue(1, 2)],
    )
    image, _ = both(netlist)
    assert counters(image).blocked[0] > 100_000
    assert simulated(image) < 0.1


def test_forward_can_be_left_and_taken_up_again() -> None:
    netlist = chain(100_000, 100_000)
    image, plain = build(netlist), build(netlist)
    for stop, forward in ((10_000, True), (60_000, False), (200_000, True), (FAR, False)):
        advance(image, stop, forward)
    advance(plain, forward=False)
    assert state(image) == state(plain)
    assert 0 < image.skipped.cycles < 200_000


def test_pauses_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor to what is simulated: it does not depend on how fast the host is."""
    program = rdflow.load("attention", S=512)
    whole = rdflow_profile(paused(program, 1 << 40, monkeypatch))
    parts = rdflow_profile(paused(program, 100, monkeypatch))
    assert (whole.cycles, whole.firings_simulated) == (parts.cycles, parts.firings_simulated)
    assert whole.kernels == parts.kernels


def paused(program: rdflow.Program, piece: int, monkeypatch: pytest.MonkeyPatch) -> Execution:
    """The program run in pieces of so many cycles at most."""
    monkeypatch.setattr(execution_module, "FIRST_SLICE", piece)
    monkeypatch.setattr(execution_module, "LAST_SLICE", piece)
    execution = program.execution()
    execution.advance()
    return execution


# -- launches ----------------------------------------------------------------------------------------------------------


def layers(count: int) -> str:
    """A program that launches one kernel for each layer."""
    return f"""
axis n = {count}, x = 4096
tensor W: f32[n, x] in hbm input
tensor Y: f32[n, x] in hbm output
kernel double(w: f32[x], y: f32[x]) {{
    a = load w as [x/L | x%L]
    b = pcu a + a as f32 [x/L | x%L]
    store b -> y
}}
schedule {{
    for i in 0..{count} {{
        launch double(W(n = i), Y(n = i))
    }}
}}
"""


def test_a_launch_that_was_simulated_is_not_simulated_again() -> None:
    program = rdflow.loads(layers(5))
    execution = program.execution()
    execution.advance()
    lengths, states = [], []
    for launched in execution.launched:
        image = build(launched.compiled.mapped, scalars=launched.call.numbers)
        advance(image, forward=False)
        lengths.append(image.cycles)
        states.append(state(image))
    assert [l.repeats for l in execution.launched] == [False, *[True] * 4]
    assert [l.end - l.start for l in execution.launched] == lengths
    assert [state(l.image) for l in execution.launched] == states
    assert execution.time == sum(lengths)


def test_a_stop_inside_a_repeated_launch_is_exact() -> None:
    program = rdflow.loads(layers(3))
    execution = program.execution()
    execution.advance()
    stop = execution.launched[1].start + 100
    again = program.execution()
    again.advance(stop)
    assert again.time == stop
    assert again.current is not None and not again.current.repeats
    again.advance()
    assert [l.repeats for l in again.launched] == [False, False, True]
    assert again.time == execution.time
    assert rdflow_profile(again).kernels == rdflow_profile(execution).kernels
