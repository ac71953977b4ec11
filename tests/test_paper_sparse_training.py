"""Figure 10's bar of training a sparse GPT, by hand."""

from __future__ import annotations

import pytest

from rdflow.paper import rows, sparse_training, training
from rdflow.paper.measures import Lab
from rdflow.paper.prompting import Kind, Prompt

BLOCKS, T, C, HEADS = 40, 2048, 5120, 40
KEPT = 12 * C * C // 8  # weights of a block
WORK = 3 * 2 * T * KEPT + 6 * 2 * T * T * C  # FLOPs of products, forward and back, and of attention's
REACHED = {"gemm": 0.5, "score": 0.25, "add": 0.8}  # of products, attention and rows
LLAMA = Prompt(tuple(Kind(kernel, 1, round(1000 / share), 1040, 1000) for kernel, share in REACHED.items()))
FUSED = Prompt((Kind("forward", 1, 2_000_000, 2080, 0), Kind("backward", 1, 1_000_000, 1040, 0)))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Llama's operators, and its fused block in three million cycles."""
    monkeypatch.setattr(training, "unfused", lambda _: LLAMA)
    monkeypatch.setattr(training, "fused", lambda _: FUSED)
    return Lab()


def cycles(lab: Lab, moved: float, reached: float) -> float:
    return moved / lab.machine.sustained(lab.machine.hbm) * float(lab.machine.socket.clock) / reached


def optimizer(lab: Lab) -> float:
    """Gradient, weight and two moments of 4 bytes are read, three of them written, and a weight of 2 bytes."""
    return cycles(lab, 30 * (KEPT + 4 * C), REACHED["add"])


def test_operators_are_likened_to_llamas(lab: Lab) -> None:
    """Scores through memory twice in `scaled`, once and the heads twice in `score`, which reaches less."""
    operators = sparse_training.operators(lab)
    found = {kind.kernel: kind for kind in operators.kinds}
    scores, heads = 2 * T * T * HEADS, 2 * T * C
    assert found["scaled"].cycles == pytest.approx(cycles(lab, 2 * scores, REACHED["add"]), rel=1e-3)
    assert found["score"].cycles == pytest.approx(cycles(lab, scores + 2 * heads, REACHED["score"]), rel=1e-3)
    assert sum(kind.launches for kind in operators.kinds) == 51
    tuned = [kind for kind in operators.kinds if kind.kernel.startswith("adamw")]
    assert sum(k.launches * k.cycles for k in tuned) == pytest.approx(optimizer(lab), rel=1e-3)


def test_a_fused_block_has_llamas_rate(lab: Lab) -> None:
    """Three kernels: of the FLOPs 0.6 % are not in products. 5.6 TFLOP of Llama's block are done by eight sockets."""
    (found,) = sparse_training.fused(lab, sparse_training.operators(lab)).kinds
    rate = lab.counted(training.FUSED, **training.whole()).flops / (8 * FUSED.cycles)
    assert rate == pytest.approx(5.61e12 / (8 * 3_000_000), rel=0.01)
    assert found.launches == 3 and found.configured == 2080
    assert 3 * found.cycles == pytest.approx(WORK / rate + optimizer(lab), rel=0.01)


def test_the_bar_is_both_forms_by_software(lab: Lab) -> None:
    (row,) = rows(lab, "figure10.train_13b")
    operators = sparse_training.operators(lab)
    costs = lab.machine.launch
    host = float(costs.host_step)

    def software(block: Prompt) -> float:
        launches, executed = sum(k.launches for k in block.kinds), block.cycles / float(lab.machine.socket.clock)
        loads = sum(k.launches * k.configured for k in block.kinds) / 2080 * float(costs.load)
        beside = launches * float(costs.boundary + costs.arguments + costs.queued) + loads
        return BLOCKS * (executed + beside) + host

    wanted = software(operators) / software(sparse_training.fused(lab, operators))
    assert row.ours.value == pytest.approx(wanted, rel=1e-3)
    assert "2,040 launches" in row.ours.how and "over 120" in row.ours.how and row.published.mark == "modelled"
