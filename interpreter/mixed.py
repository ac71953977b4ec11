"""What a launch counts between two that were simulated, or beyond them: linear in what lies between these (a model)."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.interpreter.launched import Counted
from rdflow.interpreter.states import IDLE

Numbers = NDArray[Any]


def mixed(low: Counted, high: Counted, ends: tuple[int, int], at: int) -> Counted:
    """What lies at `at` where `ends` have the other two, to whole numbers. States of an actor add up to the cycles."""
    part = at - ends[0], ends[1] - ends[0]
    cycles = on_line(low.cycles, high.cycles, ends, at)
    counters = {f.name: _line(getattr(low.counters, f.name), getattr(high.counters, f.name), part)
                for f in fields(low.counters)}  # fmt: skip
    states = _closed(_line(low.states, high.states, part), cycles)
    return Counted(cycles, replace(high.counters, **counters), states, high.skipped)


def on_line(low: int, high: int, ends: tuple[int, int], at: int) -> int:
    """A number between two others or beyond them."""
    return int(_line(np.array([low]), np.array([high]), (at - ends[0], ends[1] - ends[0]))[0])


def _line(low: Numbers, high: Numbers, part: tuple[int, int]) -> Numbers:
    """Rounded to nearest, and not below 0 where both are not."""
    here, whole = part
    found = low + ((high - low) * (2 * here) + whole) // (2 * whole)
    least = np.where((low >= 0) & (high >= 0), 0, found)
    return np.asarray(np.maximum(found, least))


def _closed(states: Numbers, cycles: int) -> Numbers:
    """Each row adds up to the cycles: what is missing was idle, what is too much is taken from its largest state."""
    states[:, IDLE] = 0
    missing = cycles - states.sum(axis=1)
    states[:, IDLE] = np.maximum(missing, 0)
    rows = np.arange(len(states))
    states[rows, states.argmax(axis=1)] += np.minimum(missing, 0)
    return states
