"""The engine against the oracle on random netlists: cycles, every counter, memories bit for bit, tokens.

More examples: ORACLE_EXAMPLES=5000 pytest tests/test_engine_equals_oracle.py
"""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Counts, Outcome, Words, simulate
from random_netlists import Case, random_netlists, random_pipeline

from rdflow.interpreter.image import Image, Status, advance, build, counters, memory_words
from rdflow.interpreter.waiting import tokens

STATUS = {Status.RUNNING: "stopped", Status.FINISHED: "finished", Status.DEADLOCK: "deadlock"}

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "300"))


def thorough(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def state(image: Image, status: Status, with_values: bool) -> Outcome:
    """What the engine says, in the oracle's terms."""
    netlist, seen = image.mapped.netlist, counters(image)
    names = ("firings", "busy", "starved", "blocked", "memory", "link", "first", "last")
    columns = [getattr(seen, name).tolist() for name in names]
    return Outcome(
        STATUS[status],
        image.cycles,
        [Counts(*row) if row[0] else Counts() for row in zip(*columns, strict=True)],
        seen.pushes.tolist(),
        seen.pops.tolist(),
        seen.packets.tolist(),
        [memory_words(image, m).view(np.int32) for m in range(len(netlist.memories))] if with_values else [],
        [[(ready, lanes(value)) for ready, value in tokens(image, q)] for q in range(len(netlist.queues))],
    )


def lanes(value: np.ndarray | None) -> Words:
    return np.zeros(0, np.int32) if value is None else value.view(np.int32)


def same_words(a: Words, b: Words, wild: bool) -> bool:
    """Bit for bit; where a netlist makes NaNs, any NaN is as good as another."""
    return bool(
        np.array_equal(a, b) or (wild and np.array_equal(a.view(np.float32), b.view(np.float32), equal_nan=True))
    )


def differences(engine: Outcome, oracle: Outcome, case: Case) -> list[str]:
    """What is not the same, one line each."""
    lines = []
    for name in ("status", "cycles", "pushes", "pops", "served"):
        if getattr(engine, name) != getattr(oracle, name):
            lines.append(f"{name}: {getattr(engine, name)} instead of {getattr(oracle, name)}")
    for number, (a, b) in enumerate(zip(engine.actors, oracle.actors, strict=True)):
        if a != b:
            lines.append(f"actor {number}: {a} instead of {b}")
    for number, (x, y) in enumerate(zip(engine.tokens, oracle.tokens, strict=True)):
        if [ready for ready, _ in x] != [ready for ready, _ in y]:
            lines.append(f"queue {number}: {[r for r, _ in x]} instead of {[r for r, _ in y]}")
        elif case.values is not None and not all(
            same_words(v, w, case.wild) for (_, v), (_, w) in zip(x, y, strict=True) if len(w)
        ):
            lines.append(f"queue {number}: other lanes")
    if case.values is not None:
        for number, (v, w) in enumerate(zip(engine.memories, oracle.memories, strict=True)):
            if not same_words(v, w, case.wild):
                where = np.flatnonzero(v != w)
                lines.append(f"memory {number}: words {where}: {v[where]} instead of {w[where]}")
    return lines


def check_to_the_end(case: Case) -> None:
    image = build(case.mapped, case.values)
    status = advance(image)
    oracle = simulate(case.mapped, case.values)
    assert differences(state(image, status, case.values is not None), oracle, case) == []


def check_in_slices(case: Case, stops: list[int]) -> None:
    """The state at each stop, and at the end."""
    image = build(case.mapped, case.values)
    for stop in stops:
        status = advance(image, stop)
        oracle = simulate(case.mapped, case.values, until=stop)
        if oracle.status == "stopped" and status is not Status.FINISHED:
            oracle.status = STATUS[status]  # that nothing can fire any more may be known at the stop, or later
        assert differences(state(image, status, case.values is not None), oracle, case) == []
    status = advance(image)
    oracle = simulate(case.mapped, case.values)
    assert differences(state(image, status, case.values is not None), oracle, case) == []


@thorough(EXAMPLES)
@given(random_netlists())
def test_random_netlists(case: Case) -> None:
    check_to_the_end(case)


@thorough(EXAMPLES // 3)
@given(random_pipeline())
def test_random_pipelines(case: Case) -> None:
    check_to_the_end(case)


@thorough(EXAMPLES // 2)
@given(random_netlists(), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_random_netlists_in_slices(case: Case, slices: list[int]) -> None:
    check_in_slices(case, np.cumsum(slices).tolist())
