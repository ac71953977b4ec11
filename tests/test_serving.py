"""Serving: held against a naive queue with a cache and against the schedule's own agenda, to the cycle."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_program import EXPERT, SERVER, program

import rdflow
from rdflow.api import Program
from rdflow.dsl.diagnostics import CompileError
from rdflow.interpreter import costs, service, sized
from rdflow.interpreter.costs import POINTS, points
from rdflow.interpreter.requests import Draw, Request, Requests
from rdflow.interpreter.served import Served, Way, percentile
from rdflow.interpreter.timetable import overlapping
from rdflow.serving import Serving, serving

ANY = (Request(Fraction(0), 8, 4, 0), Request(Fraction(0), 5, 1, 0))  # lengths that are simulated
POLICIES = ("lru", "lfu", "belady", "pinned", "prefetch")


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return program(tmp_path_factory.mktemp("serving"))


@pytest.fixture(scope="module")
def ready(subject: Program) -> Serving:
    """Serves prompts of 5 and 8 tokens and answers up to 4: `of` gives it other requests."""
    return serving(subject, ANY)


def of(ready: Serving, requests: Requests, policy: str, group: bool = False, overlap: bool = False) -> Served:
    return Serving(ready.program, requests, ready.service).under(policy, group, overlap)


def at(*each: tuple[int, int, int, int]) -> Requests:
    """Requests from cycles, prompts, answers and topics."""
    return tuple(Request(Fraction(cycle, 1_200_000_000), *rest) for cycle, *rest in each)


def oracle(ready: Serving, requests: Requests, room: int) -> list[tuple[int, int, bool]]:
    """Queue, LRU cache, one thing after the other: cycles of first and last token, and whether the expert was there."""
    served, machine, now, inside, found = ready.service, ready.program.machine, 0, list[int](), []
    launch = lambda cost: sum(cost.loads(machine)) + cost.cycles  # noqa: E731
    footprint = served.largest.execution.plan.footprints["expert"]
    load = served.transfers.of(footprint.size, "ddr", "hbm").cycles
    back = served.transfers.of(footprint.mutable, "hbm", "ddr").cycles
    while len(found) < len(requests):
        now = max(now, machine.cycles(requests[len(found)].arrival))
        batch = [r for r in requests[len(found) : len(found) + 2] if machine.cycles(r.arrival) <= now]
        host = machine.cycles(machine.launch.host_step) + machine.cycles(machine.launch.queued)
        now += host + launch(*served.router(max(r.prompt for r in batch)))
        for r in batch:
            now += machine.cycles(machine.launch.read)
            hit = r.topic in inside
            now += 0 if hit else load + (back if len(inside) == room else 0)
            inside = ([x for x in inside if x != r.topic] + [r.topic])[-room:]
            first = now = now + launch(*served.first(served.pool.kinds[0], r.prompt))
            now += sum(launch(*served.step(served.pool.kinds[0], r.prompt, k)) for k in range(1, r.answer))
            found.append((first, now, hit))
    return found


def told(served: Served) -> list[tuple[int, int, bool]]:
    return [(one.first, one.end, one.hit) for one in served.done]


def test_one_request_takes_what_its_parts_take(ready: Serving) -> None:
    (one,) = of(ready, at((1000, 8, 4, 3)), "lru").done
    assert [(one.first, one.end, one.hit)] == oracle(ready, at((1000, 8, 4, 3)), 3)
    assert one.arrival == one.begun == 1000 and one.to_first == one.first - 1000
    step = ready.service.step(ready.service.pool.kinds[0], 8, 2)[0]
    assert one.each is not None and one.each == Fraction(one.end - one.first, 3)
    assert one.each == pytest.approx(sum(step.loads(ready.program.machine)) + step.cycles, abs=8)


def test_a_queue_with_a_cache_as_the_oracle_has_it(ready: Serving) -> None:
    together = at((0, 8, 4, 1), (0, 5, 1, 2), (0, 8, 2, 1), (0, 5, 4, 3), (10**6, 8, 1, 4), (10**7, 5, 3, 1))
    served = of(ready, together, "lru")
    assert told(served) == oracle(ready, together, 3)
    assert [one.hit for one in served.done] == [False, False, True, False, False, True]
    assert [one.begun == one.arrival for one in served.done] == [True, True, False, False, True, True]


requests = st.lists(
    st.tuples(st.integers(0, 300_000), st.sampled_from([5, 8]), st.integers(1, 4), st.integers(0, 11)),
    min_size=1,
    max_size=25,
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(requests)
def test_random_requests_as_the_oracle_has_them(ready: Serving, drawn: list[tuple[int, int, int, int]]) -> None:
    given_ = at(*sorted(drawn))
    assert told(of(ready, given_, "lru")) == oracle(ready, given_, 3)


@quick
@given(requests, st.sampled_from(POLICIES), st.booleans(), st.booleans())
def test_every_request_is_served_once(
    ready: Serving, drawn: list[tuple[int, int, int, int]], policy: str, group: bool, overlap: bool
) -> None:
    given_ = at(*sorted(drawn))
    served = of(ready, given_, policy, group, overlap)
    assert sorted(one.number for one in served.done) == list(range(len(given_)))
    assert all(one.request is given_[one.number] for one in served.done)
    assert all(one.arrival <= one.begun < one.started < one.first <= one.end for one in served.done)
    assert all(a.end <= b.started for a, b in pairwise(served.done))
    assert not list(overlapping(served.timetable.entries))
    executed = [e for e in served.timetable.entries if e.part == "copy"]
    assert len(executed) == served.misses  # each miss is one copy of an expert
    assert served.misses - served.evicted <= 3
    size = served.plan.regions["hbm"].size
    assert all(held.size <= size for held in served.held)
    assert min(length for _, length in served.queue()) == 0 == served.queue()[-1][1]


@quick
@given(requests, st.booleans())
def test_belady_misses_least(ready: Serving, drawn: list[tuple[int, int, int, int]], overlap: bool) -> None:
    given_ = at(*sorted(drawn))
    misses = {
        policy: of(ready, given_, policy, overlap=overlap).misses for policy in ("lru", "lfu", "pinned", "belady")
    }
    assert misses["belady"] == min(misses.values())


def test_a_batch_is_the_schedule_of_the_program(subject: Program) -> None:
    """What serves two prompts of the program's own lengths ends when the program's own run does, to the cycle."""
    chosen = [4, 7]
    execution = subject.execution(choices=lambda read: chosen[dict(read.element.fixed)["b"]])
    execution.advance()
    served = subject.serve(at(*((0, 8, 4, topic) for topic in chosen)))
    assert served.timetable.end == execution.agenda().timetable.end
    assert served.timetable.spent() == execution.agenda().timetable.spent()


def test_overlap_hides_copies_and_groups_save_them(ready: Serving) -> None:
    mixed = at(*((0, 8, 4, topic) for topic in (1, 2, 3, 4, 1, 5, 6, 7)))
    plain, ahead = of(ready, mixed, "lru"), of(ready, mixed, "lru", overlap=True)
    assert (plain.hits, plain.misses) == (ahead.hits, ahead.misses)
    assert ahead.cost_of_a_miss[1] < plain.cost_of_a_miss[1] == plain.cost_of_a_miss[0]
    assert ahead.span < plain.span
    assert told(of(ready, mixed, "prefetch")) == told(ahead)


def test_groups_run_one_after_another(tmp_path: Path) -> None:
    found = serving(program(tmp_path, room=1), at(*((0, 8, 1, topic) for topic in (1, 2, 1, 2))), batch=4)
    plain, grouped = found.under("lru"), found.under("lru", group=True)
    assert [one.request.topic for one in grouped.done] == [1, 1, 2, 2]
    assert (plain.misses, grouped.misses) == (4, 2)
    assert (
        found.under("lru", overlap=True).misses == 4
    )  # there is no room for a second expert: it comes when it is its turn


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (0, 50, 90, 99, 100)] == [1, 50, 90, 99, 100]
    assert percentile([7.0], 50) == 7 and percentile([], 50) is None


def test_what_is_counted(ready: Serving) -> None:
    served = of(ready, at((0, 8, 1, 1), (0, 8, 4, 1), (0, 8, 4, 2), (50_000_000, 5, 2, 1)), "lru")
    assert (served.hits, served.misses, len(served.of_each())) == (2, 2, 3)
    assert served.longest_queue == 1 and served.queue()[0] == (0, 1)  # two are taken at once
    waited = sum((b[0] - a[0]) * a[1] for a, b in pairwise(served.queue()))
    assert served.mean_queue == waited / served.span
    assert served.tokens_per_second == pytest.approx(11 / served.seconds(served.span))
    footprint = served.plan.footprints["expert"].size
    levels = [size for _, size in served.occupancy("hbm")]
    assert [b - a for a, b in pairwise(levels)] == [footprint, footprint]
    assert served.occupancy("ddr") == [(0, served.plan.stored["ddr"])]


# -- lengths between simulated ones ------------------------------------------------------------------------------------


def test_points_are_few_and_have_both_ends() -> None:
    assert points(range(3, 9)) == (3, 4, 5, 6, 7, 8)
    found = points(range(1, 1001))
    assert (len(found), found[0], found[-1]) == (POINTS, 1, 1000)


def test_what_is_interpolated_says_so_and_lies_between(subject: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "POINTS", 2)
    many = at((0, 32, 6, 0), (0, 64, 1, 0), (0, 160, 1, 0))
    found = serving(subject, many)
    assert found.service.points == (32, 160) and found.service.steps == (1, 5)
    assert [text.split(" are ")[0] for text in found.service.interpolated] == [
        "prompts of 32, 160 tokens",
        "steps 1, 5 of answers",
    ]
    low, mid, high = (found.service.router(length)[0].cycles for length in (32, 64, 160))
    assert low < high and mid == round(low + (high - low) * 32 / 128)
    stretch = found.service.stretch(found.service.pool.kinds[0], 32)
    assert len(stretch.cycles) == 6 and sorted(stretch.cycles) == stretch.cycles


def test_equal_lengths_are_simulated_once(subject: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(sized, "advance", lambda image: built.append(image) or rdflow_advance(image))
    found = serving(subject, at(*((n, 8, 3, n % 12) for n in range(40))))
    for policy in POLICIES:
        found.under(policy)
    # the router, a prefill, a step (the other one is alike); and those of an expert beside a copy
    assert 3 <= len(built) <= 7


rdflow_advance = sized.advance

AHEAD = SERVER.replace(
    "activate expert[e]", "activate expert[e]\n if i + 1 < B { async activate expert[C(q = k, b = i + 1)] }"
)


@pytest.mark.parametrize("server", [SERVER, AHEAD])
def test_a_schedule_too_long_to_follow_is_read_for_some_prompts(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same launches, memory and times as from all of it, which is not read."""
    subject = program(tmp_path, server=server)
    requests = at(*((n, 8, 1 + n % 9, n % 5) for n in range(12)))
    wanted, done = [], []
    for most in (service.UNROLLED, 40):
        monkeypatch.setattr(service, "SHORT", 0)
        monkeypatch.setattr(service, "UNROLLED", most)
        found = serving(subject, requests, batch=6)
        done.append(found.under("lru", overlap=True).done)
        wanted.append(found.service.largest.execution)
    assert done[0] == done[1]
    assert [len(one.checked.steps.steps) for one in wanted] == [1 + 6 * 11 + 5 * (server is AHEAD) * 2, 3 * 12]
    plans = [one.plan for one in wanted]
    assert [(p.symbol.name, p.tier, p.address) for p in plans[0].placed] == [
        (p.symbol.name, p.tier, p.address) for p in plans[1].placed
    ]
    assert plans[0].regions == plans[1].regions


def test_the_same_seed_gives_the_same_bits(subject: Program) -> None:
    draw = Draw(60, 20_000.0, (8, 8), (1, 2), burst=2.0, seed=9)
    first, second = (subject.serve(draw, policy="lfu", overlap=True) for _ in range(2))
    assert first.done == second.done and first.timetable.entries == second.timetable.entries
    assert subject.serve(replace(draw, seed=8), policy="lfu", overlap=True).done != first.done


# -- mistakes ----------------------------------------------------------------------------------------------------------


def refused(subject: Program, requests: Requests) -> list[str]:
    with pytest.raises(CompileError) as caught:
        subject.serve(requests)
    assert all(d.help for d in caught.value.diagnostics)
    return [d.message for d in caught.value.diagnostics]


def test_requests_that_nobody_serves(subject: Program) -> None:
    assert refused(subject, ()) == ["there are no requests"]
    assert refused(subject, at((5, 8, 4, 12), (4, 8, 0, 1))) == [
        "request 0 is for expert 12",
        "request 1 comes at 3.33333e-09 s, before 4.16667e-09 s",
        "request 1 has 8 and 0 tokens",
    ]
    assert refused(subject, at((0, 8, 100_001, 0))) == ["request 0 has an answer of 100,001 tokens"]


def test_programs_that_do_not_serve(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        rdflow.load("attention").serve(ANY)
    assert [d.message.split(": ")[1] for d in caught.value.diagnostics] == [
        "it has no param `B`", "it has no param `T`", "it has no param `M`", "it has no pool of experts",
    ]  # fmt: skip
    copies = SERVER.replace("launch router", "copy X -> Y\n launch router")
    with pytest.raises(CompileError, match="does more than launch"):
        program(tmp_path, server=copies).serve(ANY)
    with pytest.raises(ValueError, match="no policy `mru`"):
        program(tmp_path, expert=EXPERT).serve(ANY, policy="mru")


def test_ways_are_compared_by_what_they_are() -> None:
    assert Way("prefetch").ahead and Way("lru", overlap=True).ahead and not Way("belady", group=True).ahead


# -- compositions with a router among the pools, and models of many layers ---------------------------------------------

LAYERED = """param T = 8, M = 4, NL = 9
axis t = T, n = 1024, l = NL
tensor X: f32[t], W: f32[l, n], I: f32[n] in hbm input
tensor Y: f32[t], Z: f32[n] in hbm output

kernel prefill {
    x = load X as [t/L | t%L]
    y = pcu x * 2
    store y -> Y
}

kernel decode(pos: int32) {
    a = load I          as [n/H | n%H]
    x = carry y from a over l as [l, n/H | n%H]
    w = load W          as [l, n/H | n%H]
    y = pcu x * w + pos as f32 [l, n/H | n%H]
    z = pcu last(l) y   as f32 [n/H | n%H]
    store z -> Z
}
"""
ROUTED = """param B = 2, T = 8, M = 4, Q = 1, N = 12, NL = 9, LONG = 100
axis b = B, t = T, q = Q
tensor X: f32[t] in hbm input
tensor Y: f32[t] in hbm output
tensor C: int32[q, b] in hbm

pool router: small(T = T, M = M, NL = NL)[1] in hbm
pool expert: small(T = T, M = M, NL = NL)[N] in ddr cached in hbm evict lru

kernel settle(y: f32[t], choice: int32[b]) {
    a = load y(t = b)             as [b]
    c = pcu where(a > 0, 1, 0) as int32 [b]
    store c -> choice
}

schedule {
    for k in 0..Q {
        launch router[0].prefill(X = X, Y = Y)
        for s in 1..3 { launch router[0].decode(s) }
        launch settle(Y, C(q = k))
        for i in 0..B {
            let e = C(q = k, b = i)
            activate expert[e]
            launch expert[e].prefill(X = X, Y = Y) by hardware
            if T >= LONG { launch expert[e].prefill(X = Y, Y = X) by hardware }
            for s in 1..M { launch expert[e].decode(T + s - 1) by hardware }
        }
    }
}
"""


def test_a_router_may_be_a_pool_of_its_own(tmp_path: Path) -> None:
    """A batch of the program's lengths ends when the program does, before and after its prompts take another kernel."""
    for length in (8, 128):
        subject = program(tmp_path, expert=LAYERED, server=ROUTED)
        schedule = rdflow.load(tmp_path / "server.rdf", N=12, T=length).on(subject.machine)
        agenda = schedule.timed({"C": np.array([[3, 5]])})
        agenda.advance()
        served = subject.serve(at((0, length, 4, 3), (0, length, 4, 5)))
        assert max(one.end for one in served.done) == agenda.agenda().timetable.end


def test_lengths_lie_between_those_that_launch_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "POINTS", 2)
    subject = program(tmp_path, expert=LAYERED, server=ROUTED)
    found = serving(subject, at(*((n, length, 2, 0) for n, length in enumerate((32, 64, 96, 128, 160, 192)))))
    kind = found.service.pool.kinds[0]
    assert found.service.points == (32, 96, 128, 192)
    assert [len(found.service.first(kind, length)) for length in (32, 64, 96, 128, 160, 192)] == [1, 1, 1, 2, 2, 2]
    assert "the 2 others are interpolated" in found.service.interpolated[0]


def test_models_of_many_layers_are_estimated_from_few(tmp_path: Path) -> None:
    subject = program(tmp_path, expert=LAYERED, server=ROUTED)
    requests = at(*((900 * n, 8, 2 + n % 9, n % 5) for n in range(12)))
    exact, found = serving(subject, requests), serving(subject.estimated(points=3, NL=(3, 6)), requests)
    assert "decode: 3 and 6 steps of its carry are simulated, its 9 are extrapolated" not in exact.service.interpolated
    for one, other in zip(found.under("lru").done, exact.under("lru").done, strict=True):
        assert one.end == pytest.approx(other.end, rel=0.01) and one.hit == other.hit
    assert found.service.steps == (1, 3, 9) and found.service.interpolated[1:] == (
        "decode: 3 and 6 steps of its carry are simulated, its 9 are extrapolated",
    )
