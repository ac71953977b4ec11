"""Kernels that are not simulated take what those of a simulated prompt reach, by hand."""

from __future__ import annotations

import pytest

from rdflow.paper.likened import group, likened, modelled
from rdflow.paper.measures import Lab
from rdflow.paper.prompting import Kind, Prompt

PROMPT = Prompt(
    (
        Kind("embed", 1, 10, 0, 5),
        Kind("project", 2, 400, 1040, 200),
        Kind("project_down", 1, 600, 520, 500),
        Kind("mix", 1, 100, 104, 25),
        Kind("add", 1, 10, 2, 10),
        Kind("reduce", 1, 1000, 3, 10),
    )
)


def test_kernels_are_alike_by_their_names() -> None:
    wanted = {
        "reduce": ("reduce", "reduce_biased"),
        "attention": ("score", "score_each", "mix", "mix_each", "seen"),
        "products": ("project_keys", "biased", "gemm", "gemm_back", "back_heads", "grad_queries"),
        "around": ("embed", "classify", "layer_norm_last"),
        "rows": ("norm", "softmax_back", "silu", "scaled", "adamw_matrix", "layer_norm", "rope_keys"),
    }
    assert all(group(kernel) == name for name, kernels in wanted.items() for kernel in kernels)


def test_they_reach_as_much() -> None:
    """Products together 900 of 1400 cycles; as many units as the largest of them."""
    assert likened(PROMPT, "gemm_grad", 9000) == (1040, 14000)
    assert likened(PROMPT, "seen", 50) == (104, 200)
    assert likened(PROMPT, "softmax", 50) == (2, 50)
    assert likened(PROMPT, "reduce_biased", 20) == (3, 2000)


def test_a_program_is_likened_launch_by_launch() -> None:
    """A training step on one of two sockets' share: nine products of 2 t c v FLOPs each beside those of the heads, and the way of
    scores through memory."""
    lab, t, c, v = Lab(), 64, 32, 48
    sizes = {"T": t, "C": c, "V": v, "G": 2, "R": 2, "W": 8}
    found = modelled(lab, PROMPT, "llama_train_unfused", 2, **sizes)
    scaled = next(kind for kind in found.kinds if kind.kernel == "scaled")
    moved = 2 * (2 * 2 * t * t) * 2
    cycles = moved / (2 * lab.machine.sustained(lab.machine.hbm)) * float(lab.machine.socket.clock)
    assert scaled.launches == 2 and scaled.least == scaled.cycles == round(cycles)
    assert sum(kind.launches for kind in found.kinds if kind.kernel.startswith("gemm")) == 9
    for kind in found.kinds:
        if group(kind.kernel) == "products":
            assert kind.cycles == pytest.approx(kind.least * 14 / 9, abs=1)
