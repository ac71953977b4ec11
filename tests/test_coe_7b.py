"""Samba-CoE at the paper's size: with values at small sizes, its memory at full size, its time estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rdflow
from rdflow.dsl.diagnostics import CompileError
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
LONG = SIZES | {"N": 4, "B": 2, "T": 40, "S": 1, "M": 3, "U": 48, "LONG": 8}  # prompts that take a launch a layer
MODEL = ("T", "M", "U", "NL", "C", "F", "V", "K", "W", "D", "LONG")


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


def run(sizes: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    program = rdflow.load("samba_coe_7b", **sizes)
    inputs = drawn(program)
    return inputs, program.run(verify=True, **inputs)


@pytest.fixture(scope="module")
def composed() -> tuple[dict[str, Any], Any]:
    return run(SIZES)


@pytest.fixture(scope="module")
def long() -> tuple[dict[str, Any], Any]:
    return run(LONG)


def model(sizes: dict[str, Any]) -> dict[str, Any]:
    """Those of the sizes that an expert has; it has room for the router's answer too."""
    return {name: sizes[name] for name in MODEL if name in sizes} | {"M": max(sizes[name] for name in "MSB")}


def own(inputs: dict[str, Any], pool: str, number: int) -> dict[str, Any]:
    """The weights of one of a pool, and what all share."""
    found = {n.removeprefix(f"{pool}."): v[number] for n, v in inputs.items() if n.startswith(f"{pool}.")}
    found.pop("PROMPT", None)
    return found | {name: inputs[name] for name in ("COS", "SIN")}


@pytest.mark.parametrize(("which", "sizes"), [("composed", SIZES), ("long", LONG)])
def test_choices_are_the_routers_answer_and_tokens_those_of_experts_alone(
    which: str, sizes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    inputs, result = request.getfixturevalue(which)
    assert result.verification.passed
    alone = rdflow.load("llama_expert", **model(sizes))
    answer, ids = (
        alone.evaluate(**own(inputs, "router", 0), **{"PROMPT": inputs["BATCH"][0]})["IDS"],
        max(sizes["S"], sizes["B"]),
    )
    assert (result.outputs["ANSWER"][:, :ids] == answer[:, :ids]).all()
    chosen = result.outputs["CHOICE"][0]
    assert (chosen == answer[0, : sizes["B"]] % sizes["N"]).all()
    for b, expert in enumerate(chosen):
        wanted = alone.evaluate(**own(inputs, "expert", expert), PROMPT=inputs["PROMPT"][0, b])["IDS"]
        assert (result.outputs["IDS"][0, b][:, : sizes["M"]] == wanted[:, : sizes["M"]]).all()


@pytest.mark.parametrize("more", [{}, {"LONG": 8}, {"LONG": 8, "T": 40, "U": 48, "B": 2}])
def test_an_expert_says_what_llama_says(more: dict[str, int]) -> None:
    """The tuned step, three launches, and the step of `llama`, one; a long prompt in a launch a layer, and in one kernel: in
    float32 the same tokens, logits and caches but for rounding."""
    sizes = model(SIZES) | {"M": 6, "B": 1} | more
    expert = rdflow.load("llama_expert", **sizes, E="f32")
    llama = rdflow.load("llama", **{n: v for n, v in sizes.items() if n not in ("K", "LONG")}, G=4, R=1, E="f32")
    inputs = drawn(expert)
    found, wanted = expert.evaluate(**inputs), llama.evaluate(**inputs)
    assert len(set(wanted["IDS"].ravel().tolist())) > 2
    assert (found["IDS"] == wanted["IDS"]).all()
    assert all(np.allclose(found[name], wanted[name], atol=1e-3) for name in ("LOGITS", "KC", "VC"))


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


def test_a_long_prompt_is_a_launch_a_layer_and_the_same_for_every_expert(long: tuple[Any, Any]) -> None:
    """Rows, two layers, the last row and the first token: of the router, and of two prompts."""
    _, result = long
    statements = result.profile.agenda.timetable.statements()
    for who, prompts, steps in (("router", 1, 1), ("expert", 2, 2)):
        times = {
            name: statements[f"launch {who}.{name}"][0] for name in ("tokens", "layer", "last", "decode", "choose")
        }
        assert times == {
            n: prompts * k
            for n, k in {"tokens": 1, "layer": 2, "last": 1, "decode": steps, "choose": steps + 1}.items()
        }
        assert f"launch {who}.prefill" not in statements
    execution = rdflow.load("samba_coe_7b", **LONG).timed()
    execution.advance()
    layers = [launched.repeats for launched in execution.launched if launched.call.spec.kernel == "layer"]
    assert layers == [False, False, True, True, True, True]  # layers of these sizes begin at other channels


def test_a_prompt_of_the_papers_length_has_room_for_its_answer() -> None:
    program = rdflow.load("samba_coe_7b", T=4096, M=200, B=1)
    assert program.checked.program.params["U"] == 4296
    found = plan(program.checked, program.machine)
    assert not found.spilled and found.regions["hbm"].size // found.footprints["expert"].size >= 30


def test_a_router_in_hbm_may_leave_no_room_for_an_expert(full: rdflow.api.Program) -> None:
    with pytest.raises(CompileError) as caught:
        plan(full.checked, full.machine.replace(hbm_capacity="3GiB"))
    (found,) = caught.value.diagnostics
    assert found.code == "RDF211" and "1.784 GiB are kept there for these" in [label.text for label in found.labels]


def test_a_cache_without_room_for_the_answer_is_told_where_it_is_declared() -> None:
    with pytest.raises(CompileError) as caught:
        rdflow.load("samba_coe_7b", **LONG | {"T": 300, "U": 41})
    found = caught.value.diagnostics[0]
    (axis, launched) = found.labels
    assert found.code == "RDF024" and axis.source is not None and axis.source.name.endswith("llama_expert.rdf")
    assert axis.source.text[axis.span.start : axis.span.end] == "u" and launched.source is None
