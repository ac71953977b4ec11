"""Cycles by state at any cycle at which a run stands."""

from __future__ import annotations

import numpy as np
import pytest

import rdflow
from rdflow.interpreter.image import Image, advance
from rdflow.interpreter.states import BUSY, IDLE, LINK, STARVED, Cycles, elapsed, settled, states


def image(name: str, **params: int) -> Image:
    return rdflow.load(name, **params).execution().begin().image


def stepped(subject: Image, step: int) -> tuple[list[int], Cycles]:
    """The states after every `step` cycles."""
    times, found = [], []
    while subject.status.name == "RUNNING":
        advance(subject, subject.time + step)
        times.append(elapsed(subject))
        found.append(states(subject))
    return times, np.array(found)


@pytest.mark.parametrize("step", [1, 7, 100])
def test_states_add_up_at_every_cycle(step: int) -> None:
    times, found = stepped(image("attention", S=64, D=16), step)
    assert (found.sum(axis=2) == np.array(times)[:, None]).all()
    assert (found[-1] >= 0).all()


def test_busy_cycles_are_those_of_the_firings() -> None:
    """Held against firings seen one cycle at a time: an actor is busy from its firing for the interval of it."""
    subject = image("online_softmax", T=64)
    end = np.zeros(len(subject.rank), dtype=np.int64)
    busy = np.zeros_like(end)
    while subject.status.name == "RUNNING":
        before = subject.tables.actors["firings"][subject.rank].copy()
        advance(subject, subject.time + 1)
        row = subject.tables.actors[subject.rank]
        end = np.where(row["firings"] > before, row["next"], end)
        if subject.status.name == "RUNNING":
            busy += end > subject.time - 1
            assert (states(subject)[:, BUSY] == busy).all()


def test_settled_states_grow_and_add_up() -> None:
    times, found = stepped(image("transpose", M=64, N=128), 13)
    fixed = settled(found)
    assert (np.diff(fixed, axis=0) >= 0).all() and (fixed[-1] == found[-1]).all()
    assert (fixed.sum(axis=2) == np.array(times)[:, None]).all()
    assert (fixed[:, :, [BUSY, IDLE]] == found[:, :, [BUSY, IDLE]]).all()


def test_settled_moves_a_wait_to_the_reason_that_it_had_in_the_end() -> None:
    """Two guesses of 5 cycles starved turn out to be a wait of 10 cycles for room."""
    curves = np.zeros((3, 1, LINK + 2), dtype=np.int64)
    curves[0, 0, STARVED], curves[1, 0, STARVED] = 5, 8
    curves[2, 0, STARVED + 1] = 10
    found = settled(curves)
    assert found[:, 0, STARVED].tolist() == [0, 0, 0] and found[:, 0, STARVED + 1].tolist() == [5, 8, 10]


def test_slices_end_where_one_run_ends() -> None:
    whole = image("rmsnorm")
    advance(whole)
    _, found = stepped(image("rmsnorm"), 1000)
    assert (found[-1] == states(whole)).all()
