"""Samba-CoE at the paper's size: with values at small sizes, its memory at full size, its time estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rdflow
from rdflow.dsl.numerics import bf16
from rdflow.interpreter.memory import plan
from rdflow.interpreter.timetable import overlapping

SIZES: dict[str, Any] = {
    "N": 6,
    "B": 3,
    "T": 8,
    "S": 4,
    "M": 4,
    "U": 40,
    "NL": 2,
    "C": 32,
    "F": 64,
    "V": 64,
    "D": 2,
    "K": 2,
    "W": 8,
}
MODEL = ("T", "M", "U", "NL", "C", "F", "V", "K", "W", "D")


def drawn(program: rdflow.api.Program) -> dict[str, Any]:
    """Inputs whose products are about 1."""
    random = np.random.default_rng(5)
    found: dict[str, Any] = {}
    for name, tensor in program.checked.program.held.items():
        if tensor.given and tensor.dtype == "int32":
            found[name] = random.integers(0, 64, tensor.shape)
        elif tensor.given:
            weight = name.rpartition(".")[2][0] in "WH"
            full = random.standard_normal(tensor.shape) / (np.sqrt(tensor.shape[-1]) if weight else 1)
            found[name] = bf16(full.astype(np.float32)) if tensor.dtype == "bf16" else full.astype(np.float32)
    return found


@pytest.fixture(scope="module")
def composed() -> tuple[dict[str, Any], Any]:
    program = rdflow.load("samba_coe_7b", **SIZES)
    inputs = drawn(program)
    return inputs, program.run(verify=True, **inputs)


def own(inputs: dict[str, Any], pool: str, number: int) -> dict[str, Any]:
    """The weights of one of a pool, and what all share."""
    found = {n.removeprefix(f"{pool}."): v[number] for n, v in inputs.items() if n.startswith(f"{pool}.")}
    found.pop("PROMPT", None)
    return found | {name: inputs[name] for name in ("COS", "SIN")}


def test_choices_are_the_routers_answer_and_tokens_those_of_experts_alone(composed: tuple[Any, Any]) -> None:
    inputs, result = composed
    assert result.verification.passed
    alone = rdflow.load("llama_expert", **{n: SIZES[n] for n in MODEL})
    answer = alone.evaluate(**own(inputs, "router", 0), **{"PROMPT": inputs["BATCH"][0]})["IDS"]
    assert (result.outputs["ANSWER"] == answer).all()
    chosen = result.outputs["CHOICE"][0]
    assert (chosen == answer[0, :3] % 6).all()
    for b, expert in enumerate(chosen):
        wanted = alone.evaluate(**own(inputs, "expert", expert), PROMPT=inputs["PROMPT"][0, b])["IDS"]
        assert (result.outputs["IDS"][0, b] == wanted).all()


def test_an_expert_says_what_llama_says() -> None:
    """The tuned step, three launches, and the step of `llama`, one: in float32 the same tokens, logits but for rounding."""
    sizes = {n: SIZES[n] for n in MODEL} | {"M": 6}
    expert = rdflow.load("llama_expert", **sizes, E="f32")
    llama = rdflow.load("llama", **{n: v for n, v in sizes.items() if n != "K"}, B=1, G=4, R=1, E="f32")
    inputs = drawn(expert)
    found, wanted = expert.evaluate(**inputs), llama.evaluate(**inputs)
    assert len(set(wanted["IDS"].ravel().tolist())) > 2
    assert (found["IDS"] == wanted["IDS"]).all()
    assert np.allclose(found["LOGITS"], wanted["LOGITS"], atol=1e-3)


@pytest.fixture(scope="module")
def full() -> rdflow.api.Program:
    return rdflow.load("samba_coe_7b")


def test_at_full_size_experts_are_in_ddr_and_hbm_caches_some(full: rdflow.api.Program) -> None:
    """6.74 G weights of 2 bytes, an eighth on a socket; the embedding is on all of them. 2 TB in all."""
    found = plan(full.checked, full.machine)
    layer = 4 * 4096**2 + 3 * 4096 * 11008
    expert = 2 * (32 * layer // 8 + 32_000 * 4096 // 8 + 32_000 * 4096 + (2 * 32 + 1) * 4096)
    assert found.footprints["expert"].size == pytest.approx(expert, rel=2e-3)
    assert found.footprints["expert"].mutable == 0 and not found.spilled
    assert 8 * 150 * expert > 2 * 10**12 and found.stored["ddr"] == 150 * found.footprints["expert"].size
    assert 30 <= found.regions["hbm"].size // found.footprints["expert"].size <= 36


def test_its_breakdown_is_router_switches_prompts_and_steps(composed: tuple[Any, Any]) -> None:
    """Every part is there as often as the schedule says, and they add up to all of the time."""
    _, result = composed
    table = result.profile.agenda.timetable
    statements, asked = table.statements(), len(set(result.outputs["CHOICE"][0].tolist()))
    assert {name: times for name, (times, _) in statements.items()} == {
        "launch router.prefill": 1, "launch router.embed": 3, "launch router.decode": 3, "launch router.choose": 3,
        "launch settle": 1, "read CHOICE": 3, "activate expert": asked,
        "launch expert.prefill": 3, "launch expert.embed": 9, "launch expert.decode": 9, "launch expert.choose": 9,
    }  # fmt: skip
    assert sum(cycles for _, cycles in statements.values()) == table.end and not list(overlapping(table.entries))
