"""The timeline: slices of a run whose sums are the profile."""

from __future__ import annotations

import numpy as np
import pytest
from estimated_program import ended, estimated

import rdflow
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.profile import profile
from rdflow.interpreter.states import BUSY, STATES
from rdflow.interpreter.timeline import timeline


def finished(name: str, **params: int) -> Execution:
    execution = rdflow.load(name, **params).execution()
    execution.advance()
    return execution


@pytest.mark.parametrize("slices", [1, 3, 50])
@pytest.mark.parametrize("name, params", [("attention", {"S": 128}), ("monarch_fft_unfused", {}), ("transpose", {})])
def test_slices_add_up_to_the_profile(name: str, params: dict[str, int], slices: int) -> None:
    execution = finished(name, **params)
    found, whole = timeline(execution, slices), profile(execution)
    for stretch, kernel in zip(found.stretches, whole.kernels, strict=True):
        assert (stretch.spent >= 0).all()
        spent = stretch.spent.sum(axis=0).tolist()
        assert spent == [[getattr(unit, state) for state in STATES] for unit in kernel.units]
        moved = [[tier.read, tier.written] for tier in kernel.tiers.values()]
        assert stretch.moved.sum(axis=0).tolist() == moved


def test_every_slice_is_filled_by_the_states_of_each_unit() -> None:
    found = timeline(finished("softmax"), 40)
    for stretch in found.stretches:
        copies = np.array([lane.copies for lane in stretch.lanes])
        assert (stretch.spent.sum(axis=2) == np.diff(stretch.edges)[:, None] * copies).all()


def test_launches_follow_one_another_and_slices_end_with_them() -> None:
    execution = finished("monarch_fft_unfused")
    found = timeline(execution, 10)
    edges = [s.edges for s in found.stretches]
    assert [(int(e[0]), int(e[-1])) for e in edges] == [(l.start, l.end) for l in execution.launched]
    assert found.cycles == execution.time
    assert len(np.unique(np.concatenate(edges))) <= 10 + len(edges)


def test_queues_hold_no_more_than_their_room() -> None:
    (stretch,) = timeline(finished("attention", S=128), 100).stretches
    rooms = np.array([s.room for s in stretch.streams])
    assert (stretch.fills >= 0).all() and (stretch.fills <= rooms).all() and stretch.fills.max() > 0
    assert ("s", "s", "sb") in {(s.name, s.source, s.sink) for s in stretch.streams}


def test_a_unit_is_busy_when_its_firings_are() -> None:
    """Slices of one cycle: `busy` is 1 exactly where a map of interval 1 fires."""
    execution = finished("hello", N=4096)
    (stretch,) = timeline(execution, execution.time).stretches
    unit = [lane.name for lane in stretch.lanes].index("y")
    busy = stretch.spent[:, unit, BUSY]
    assert set(busy.tolist()) == {0, 1} and busy.sum() == 4096 // 32


def test_the_program_itself_stays_as_it_was() -> None:
    execution = finished("hello", N=4096)
    before = profile(execution)
    timeline(execution, 7)
    assert profile(execution) == before


def test_no_channel_moves_more_than_it_can() -> None:
    """In any slice: a burst of each channel may have begun in the slice before."""
    execution = finished("monarch_fft_unfused")
    machine = execution.machine
    for stretch in timeline(execution, 1000).stretches:
        most = (np.diff(stretch.edges) / float(machine.cycles_per_burst(machine.hbm)) + 1) * machine.hbm.channels * 64
        assert (stretch.moved[:, 0].sum(axis=1) <= most).all()


def test_the_first_launch_of_a_kernel_has_slices_enough() -> None:
    found = timeline(finished("monarch_fft_unfused"), 10, least=40)
    assert all(len(s.edges) > 40 for s in found.stretches)


def test_equal_launches_are_the_same_stretch_later() -> None:
    text = """\
axis n = 8192
tensor X: bf16[n] in hbm input
tensor Y: bf16[n] in hbm output
kernel move {
    x = load X as [n/L | n%L]
    store x -> Y
}
schedule {
    for i in 0..3 {
        launch move
    }
}
"""
    execution = rdflow.loads(text, "three.rdf").execution()
    execution.advance()
    told: list[int] = []
    found = timeline(execution, 30, told.append).stretches
    assert told == [l.end for l in execution.launched]
    for stretch, launched in zip(found, execution.launched, strict=True):
        assert (stretch.edges - launched.start == found[0].edges).all() and (stretch.spent == found[0].spent).all()


def test_what_was_estimated_has_its_time_and_no_units() -> None:
    execution = ended(estimated())
    found = timeline(execution, 40, least=5).stretches
    assert [s.modelled for s in found] == [l.modelled for l in execution.launched]
    assert [(int(s.edges[0]), int(s.edges[-1])) for s in found] == [(l.start, l.end) for l in execution.launched]
    assert 2 <= sum(s.modelled for s in found) < len(found)
    for stretch in found:
        assert bool(stretch.lanes) == (not stretch.modelled) and bool(stretch.spent.any()) == (not stretch.modelled)
    first = next(s for s in found if not s.modelled)
    assert len(first.edges) > 5 and first.told == "total" and found[0].told == "chain, estimated"


def test_launches_that_are_alike_are_run_once() -> None:
    """Rows whose addresses differ by whole turns of the channels: their stretches are one, at other times."""
    text = """\
axis l = 3, n = 4096
tensor W: f32[l, n] in hbm input
tensor Y: f32[l, n] in hbm output
kernel double(i: int32) {
    w = load W(l = i) as [n/H | n%H]
    y = pcu w * 2
    store y -> Y(l = i)
}
schedule { for i in 0..3 { launch double(i) } }
"""
    execution = ended(rdflow.loads(text, "alike.rdf"))
    assert [l.repeats for l in execution.launched] == [False, True, True]
    found = timeline(execution, 30).stretches
    assert all(stretch.spent is found[0].spent for stretch in found)
