"""Figure 10's bar of training, by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import rdflow
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.formulas import flops_of
from rdflow.paper import training
from rdflow.paper.measures import Lab
from rdflow.paper.prompting import Kind, Prompt, exchanges
from rdflow.paper.training import FUSED, SEQUENCES, UNFUSED

Settings = Mapping[str, Value]
Asked = dict[str, tuple[Settings, Settings]]
BLOCK = {
    UNFUSED: Prompt((Kind("gemm", 2, 1_000_000, 520, 0), Kind("adamw_matrix", 1, 6000, 0, 0))),
    FUSED: Prompt((Kind("forward", 1, 700_000, 2080, 0), Kind("update_mlp", 1, 400_000, 0, 0))),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What is simulated, with what one socket has. Blocks take a million cycles a product, and all-reduces 1000."""
    found: Asked = {}

    def launched(lab: Lab, program: str, settings: Settings, own: Settings) -> Prompt:
        found[program] = settings, own
        return BLOCK[program]

    monkeypatch.setattr(training, "launched", launched)
    monkeypatch.setattr(training, "prompted", lambda *_, **__: Prompt((Kind("reduce", 64, 1000, 0, 10),)))
    return found


def test_operators_of_all_blocks_with_their_all_reduces(asked: Asked) -> None:
    """Two products of a million cycles a sequence, an optimizer's kernel once, and four all-reduces of 1000 cycles."""
    lab = Lab()
    layers, costs = training.MODELS["7b"].layers, lab.machine.launch
    kinds = [(kind, kind.launches) for kind in training.unfused(lab).kinds]
    found = training.stepped(lab, [*kinds, (training.reduce(lab), training.REDUCES)])
    cycles = layers * (2 * SEQUENCES * 1_000_000 + 6000 + 4 * SEQUENCES * 1000)
    assert found.launches == layers * 7
    assert found.executed == pytest.approx(cycles / 1.2e9)
    loads = layers * 2 * 520 / 2080 * float(costs.load)
    beside = found.launches * float(costs.boundary + costs.arguments) + loads
    assert found.hardware == pytest.approx(found.executed + beside, rel=1e-4)
    host = float(costs.host_step) + found.launches * float(costs.queued)
    assert found.software == pytest.approx(found.hardware + host, rel=1e-4)


def test_the_bar_is_both_forms_by_software(asked: Asked) -> None:
    lab = Lab()
    found = training.train(lab)
    fused = training.stepped(lab, [(kind, 1) for kind in BLOCK[FUSED].kinds])
    assert fused.launches == 64 and fused.executed == pytest.approx(32 * SEQUENCES * 1_100_000 / 1.2e9)
    operators = [(kind, kind.launches) for kind in BLOCK[UNFUSED].kinds]
    unfused = training.stepped(lab, [*operators, (training.reduce(lab), 4)])
    assert found.value == pytest.approx(unfused.software / fused.software)
    assert f"{unfused.launches} launches" in found.how and "over 64" in found.how


def test_what_one_socket_has_is_an_eighth(asked: Asked) -> None:
    """Operators exchange nothing; of the fused kernels those do that add up over the sockets."""
    training.train(Lab())
    whole, own = (rdflow.load(FUSED, **one).checked for one in asked[FUSED])
    kernels = [whole.kernel(call.spec) for call in whole.calls(whole.steps.steps)]
    shared = {kernel.name for kernel in kernels if exchanges(kernel)}
    assert shared == {"forward", "backward_mlp", "backward_projections"} and len(kernels) == 6
    done, alone = (
        sum(sum(flops_of(one.kernel(c.spec)).values()) for c in one.calls(one.steps.steps)) for one in (whole, own)
    )
    assert done == pytest.approx(8 * alone, rel=0.02)  # norms are whole on each socket
    settings, same = asked[UNFUSED]
    assert settings == same and settings["V"] == 11008 // 8 and settings["G"] == 4
