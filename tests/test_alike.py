"""Launches with other numbers that are known from one that ran: they count what they count when they run themselves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import rdflow
from rdflow.interpreter.alike import Alike
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import advance, build
from rdflow.interpreter.launched import Counted, Launched
from rdflow.interpreter.profile import profile

STEP = """
axis n = 2, t = 2048, e = 64
tensor Q: bf16[n, e], KC: bf16[n, t, e], V: bf16[e] in hbm
tensor Y: f32[n] in hbm output

kernel step(pos: int32) {
    k = pmu load KC      as [n, t/L @2 < pos; e | t%L]
    q = pmu load Q       as [n; t/(L*2) < pos, e]
    s = pcu sum(e) k * q as f32 [n, t/L @2 | t%L]
    m = pcu max(t) where(t < pos, s, -inf) as f32 [n]
    store m -> Y
    v = load V           as [e/L | e%L]
    store v -> KC(n = 0, t = pos)
}
schedule { for i in 0..COUNT { launch step(FIRST + BY * i) } }
"""
SMALL = {"C": 32, "F": 64, "U": 900, "NL": 2, "G": 2, "R": 2, "W": 8, "K": 1, "B": 1}
DECODE = "schedule {\n    for i in 0..12 { launch decode(POS + 32 * i) }\n}\n"


def alone(launched: Launched) -> Counted:
    """What a launch counts in tables of its own, nothing skipped."""
    image = build(launched.compiled.mapped, scalars=launched.call.numbers)
    advance(image, forward=False)
    return Counted.of(image)


def same(found: Counted, wanted: Counted) -> bool:
    counters = [(getattr(found.counters, f.name), getattr(wanted.counters, f.name)) for f in fields(wanted.counters)]
    return found.cycles == wanted.cycles and all(
        np.array_equal(*pair) for pair in (*counters, (found.states, wanted.states))
    )


def executed(text: str, **params: Any) -> Execution:
    execution = rdflow.loads(text, "test.rdf", **params).execution()
    execution.advance()
    return execution


def step(count: int, first: int, by: int) -> Execution:
    sizes = {"COUNT": count, "FIRST": first, "BY": by}
    return executed("".join(f"param {name} = {n}\n" for name, n in sizes.items()) + STEP)


@pytest.mark.parametrize(("count", "first", "by"), [(40, 1, 48), (20, 100, 1)])
def test_launches_that_are_known_count_what_they_would(count: int, first: int, by: int) -> None:
    launched = step(count, first, by).launched
    assert all(same(one.counted, alone(one)) for one in launched)
    assert 0 < sum(one.repeats for one in launched) < count


def test_what_decides_by_hand() -> None:
    """Rows of 128 bytes: every 16 of them go through the 32 channels. Tiles of 32, dealt to two copies: 64 in a round, and
    no loop inside of a tile, or of a round, ends early where the limit is a whole number of them."""
    image = step(1, 1, 1).launched[0].image
    alike = Alike.of(image)
    keys, wanted = defaultdict(list), defaultdict(list)
    for pos in range(1, 300):
        keys[alike.key({"pos": pos})].append(pos)
        wanted[pos % 16, -(-pos // 64), pos % 32 == 0, pos % 64 == 0].append(pos)
    assert sorted(keys.values()) == sorted(wanted.values())


def test_a_step_of_a_llama_at_many_positions() -> None:
    source = rdflow.api.find("llama_decode").text
    text = source[: source.index("schedule")] + DECODE
    launched = executed(text, **SMALL, POS=270).launched
    assert all(same(one.counted, alone(one)) for one in launched)
    assert len({one.counted.cycles for one in launched}) > 1
    assert 0 < sum(one.repeats for one in launched) < 12


def test_a_profile_of_launches_that_are_known_adds_up_all_of_them() -> None:
    """FLOPs are of each launch's own numbers; a profile of them one by one has the same sums."""
    execution = step(20, 100, 1)
    together = profile(execution).kernels[0]
    for one in execution.launched:
        one._counted = alone(one)
    apart = profile(execution).kernels[0]
    assert together == apart and together.launches == 20
    assert [u.total for u in apart.units] == [apart.cycles * u.copies for u in apart.units]
