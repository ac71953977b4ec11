"""Schedules: values that the chip computed decide what runs next, copies, experts; what they cost is in test_timetable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rdflow
from rdflow.api import Program, library
from rdflow.dsl.check import check
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.launches import calls
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import Source
from rdflow.interpreter.execution import Execution

EXPERT = """param N = 64
axis n = N
tensor X: f32[n] in hbm input
tensor W: f32[n] in hbm input
tensor Y: f32[n] in hbm output

kernel scale {
    x = load X as [n/H | n%H]
    w = load W as [n/H | n%H]
    y = pcu x * w
    store y -> Y
}
"""
ROUTED = """param N = 64, B = 4
axis n = N, b = B

tensor X: f32[b, n] in hbm input
tensor C: int32[b] in hbm
tensor D: f32[b, n] in ddr
tensor Y: f32[b, n] in hbm output

pool expert: scale(N = N)[3] in ddr cached in hbm evict lru

kernel choose {
    x = load X as [b, n/H | n%H]
    m = pcu sum(n) x as f32 [b]
    c = pcu where(m > 0, 2, 1) as int32 [b]
    store c -> C
}

schedule {
    launch choose by software
    copy X -> D
    for k in 0..B {
        let e = C(b = k)
        activate expert[e]
        if e == 2 { launch expert[e].scale(X = D(b = k), Y = Y(b = k)) } else {
            launch expert[e].scale(X = X(b = k), Y = Y(b = k)) by hardware
        }
    }
}
"""


def program(folder: Path, text: str = ROUTED, **params: int) -> Program:
    (folder / "scale.rdf").write_text(EXPERT)
    (folder / "routed.rdf").write_text(text)
    return rdflow.load(folder / "routed.rdf", **params)


def given(sizes: tuple[int, int] = (4, 64)) -> dict[str, Any]:
    random = np.random.default_rng(3)
    x = random.standard_normal(sizes).astype(np.float32)
    return {"X": x, "expert.W": random.standard_normal((3, sizes[1])).astype(np.float32)}


def test_what_the_router_chose_runs(tmp_path: Path) -> None:
    inputs = given()
    result = program(tmp_path).run(verify=True, **inputs)
    x, w = inputs["X"], inputs["expert.W"]
    chosen = np.where(x.sum(axis=1) > 0, 2, 1)
    assert len(set(chosen.tolist())) == 2
    assert (result.outputs["C"] == chosen).all()
    assert (result.outputs["Y"] == x * w[chosen]).all()
    assert (result.outputs["D"] == x).all()
    assert result.verification is not None and result.verification.passed


def test_the_checker_follows_all_branches(tmp_path: Path) -> None:
    specs = [call.spec for call in calls(program(tmp_path).checked.program, Reporter())]
    assert len(set(specs)) == 3  # the router, and an expert that reads HBM or DDR
    assert {spec.tiers for spec in specs} == {(), (("X", "ddr"),)}


def test_a_run_without_values_may_be_told_what_is_read(tmp_path: Path) -> None:
    subject = program(tmp_path)
    execution = Execution(
        subject.checked, subject.machine, None, choices=lambda read: dict(read.element.fixed)["b"] % 3
    )
    execution.advance()
    experts = [launched.call.expert for launched in execution.launched[1:]]
    assert [e.number for e in experts if e is not None] == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("let e = C(b = k)", "let e = C(b = k) + 2", "RDF082"),
        ("expert[e].scale(X = D(b = k), Y", "expert[e].scale(X = D, Y", "RDF060"),
        ("expert[e].scale(X = D(b = k), Y", "expert[e].scale(Z = D(b = k), Y", "RDF010"),
        ("expert[e].scale(X = D(b = k), Y = Y(b = k))", "expert[e].double", "RDF010"),
        ("copy X -> D", "copy X -> D(b = 1)", "RDF060"),
        ("copy X -> D", "wait 0 - 1", "RDF061"),
        ("let e = C(b = k)", "let e = C", "RDF010"),
        ("scale(N = N)[3]", "scale(N = 32)[3]", "RDF060"),
        ("scale(N = N)[3]", "scale(M = 32)[3]", "RDF010"),
        ("activate expert[e]", "activate expert", "RDF082"),
        ("activate expert[e]", "activate scales[e]", "RDF010"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert old in ROUTED
    with pytest.raises(CompileError) as caught:
        program(tmp_path, ROUTED.replace(old, new)).run(**given())
    assert {d.code for d in caught.value.diagnostics if d.severity.value == "error"} == {code}
    assert caught.value.diagnostics[0].help


def test_a_choice_out_of_range_is_told_where_it_is_used(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        program(tmp_path, ROUTED.replace("c = pcu where(m > 0, 2, 1)", "c = pcu where(m > 0, 163, 1)")).run(**given())
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("RDF082", "`expert` has no expert 163")
    assert [label.text for label in found.labels] == ["this is 163", "0 to 2"]


def test_loops_whose_length_the_chip_computed(tmp_path: Path) -> None:
    text = ROUTED.replace("for k in 0..B {", "for k in C(b = 0)..C(b = 0) + 1 {")
    inputs = given()
    result = program(tmp_path, text).run(verify=True, **inputs)
    k = int(result.outputs["C"][0])
    assert (result.outputs["Y"][[i for i in range(4) if i != k]] == 0).all() and result.outputs["Y"][k].any()


def test_pools_of_several_programs(tmp_path: Path) -> None:
    (tmp_path / "shift.rdf").write_text(EXPERT.replace("x * w", "x + w"))
    text = ROUTED.replace("scale(N = N)[3]", "scale(N = N)[2], shift(N = N)[2]").replace("> 0, 2, 1)", "> 0, 3, 1)")
    text = text.replace("if e == 2", "if e == 3")
    inputs = given()
    w = inputs.pop("expert.W")
    result = program(tmp_path, text).run(verify=True, **inputs, **{"expert.scale.W": w[:2], "expert.shift.W": w[1:]})
    x, chosen = inputs["X"], np.where(inputs["X"].sum(axis=1) > 0, 3, 1)
    wanted = np.where((chosen == 3)[:, None], x + w[2], x * w[1])
    assert (result.outputs["Y"] == wanted).all()


@pytest.mark.parametrize("rounds", [10**5 + 1, 10**12, 10**30])
def test_a_loop_of_more_rounds_than_are_followed_is_refused_without_being_walked(rounds: int, tmp_path: Path) -> None:
    (tmp_path / "scale.rdf").write_text(EXPERT)
    long = f"for i in 0..3 {{ for r in 0..{rounds} {{ copy X -> D }} }}"
    source = Source(str(tmp_path / "routed.rdf"), ROUTED.replace("copy X -> D", long))
    (found,) = check(source, library=library).errors
    assert (found.code, found.message) == ("RDF061", "the schedule launches more than 100000 kernels")
    assert source.text[found.labels[0].span.start :].startswith("for r in")
