"""Figure 10's bar of training, by hand."""

from __future__ import annotations

import pytest

from rdflow.paper import training
from rdflow.paper.measures import Lab, Measured
from rdflow.paper.prompting import Kind, Prompt
from rdflow.paper.training import SEQUENCES


def test_operators_of_all_blocks_with_their_all_reduces() -> None:
    """Two products of a million cycles a sequence, an optimizer's kernel once, and four all-reduces of 1000 cycles."""
    lab, layers = Lab(), training.MODELS["7b"].layers
    prompt = Prompt((Kind("reduce", 64, 1000, 0, 10),))
    block = Prompt((Kind("gemm", 2, 1_000_000, 520, 0), Kind("adamw_matrix", 1, 6000, 0, 0)))
    found, costs = training.unfused(lab, prompt, block), lab.machine.launch
    cycles = layers * (2 * SEQUENCES * 1_000_000 + 6000 + 4 * SEQUENCES * 1000)
    assert found.launches == layers * 7
    assert found.executed == pytest.approx(cycles / 1.2e9)
    loads = layers * 2 * 520 / 2080 * float(costs.load)
    beside = found.launches * float(costs.boundary + costs.arguments) + loads
    assert found.hardware == pytest.approx(found.executed + beside, rel=1e-4)
    host = float(costs.host_step) + found.launches * float(costs.queued)
    assert found.software == pytest.approx(found.hardware + host, rel=1e-4)


def test_fused_blocks_are_three_layers_of_a_prompt_in_two_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "measured", lambda lab, tuned: Measured(0, 10e-3, 10.02e-3, 1, 0, 0, 0))
    found = training.fused(Lab())
    assert found.launches == 64 and found.executed == pytest.approx(32 * 3 * SEQUENCES * 10e-3)
    assert found.hardware == pytest.approx(found.executed + 64 * 20e-6)
