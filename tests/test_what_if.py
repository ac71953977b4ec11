"""Twice of a resource: the same program in half cycles, with one part that works at twice its rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estimated_program import ended, estimated

import rdflow
from rdflow.api import Program
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import advance, build
from rdflow.interpreter.what_if import ABOUT, Doubled, doubled, launch_cycles, what_if

REDUCED = """\
param N = 64
axis t = 64, n = N
tensor X: f32[t, n] in {tier} input
tensor Y: f32[t] in {tier} output
kernel sums {{
    x = load X as [t/H, n | t%H]
    s = pcu sum(n) x as f32 [t/H | t%H]
    store s -> Y
}}
"""
COMPUTE = """\
axis t = 4, k = 32, i = 16, j = 256
tensor A: f32[t, k, i] in hbm input
tensor B: f32[k, j] in hbm input
tensor C: f32[t, i, j] in hbm output
kernel gemm {
    a = pmu load A as [t; j/8, k | i]
    b = pmu load B as [; t, j/8, k | j%8]
    c = pcu sum(k) a * b as f32 [t, j | i]
    ct = pmu c as [t; i, j/H | j%H]
    store ct -> C
}
"""


def finished(program: Program) -> Execution:
    execution = program.execution()
    execution.advance()
    return execution


def half_cycles(execution: Execution, resource: str) -> int:
    compiled = {s: replace(c, mapped=doubled(c.mapped, resource)) for s, c in execution.compiled.items()}
    again = Execution(execution.checked, execution.machine, None, compiled=compiled)
    again.advance()
    return again.time


def by_resource(program: Program) -> dict[str, Doubled]:
    return {d.resource: d for d in program.what_if()}


@pytest.mark.parametrize("name", ["attention", "transpose", "softmax", "topk_router"])
def test_half_cycles_without_a_doubling_change_nothing(name: str) -> None:
    """On a machine without fractions of cycles: the last firing, in cycle c, is in half cycle 2 c."""
    subject = finished(rdflow.load(name, **({"S": 256} if name == "attention" else {})).on("toy"))
    assert half_cycles(subject, "nothing") == 2 * subject.time - len(subject.launched)


def test_twice_the_ddr_is_what_a_machine_with_twice_the_ddr_gives() -> None:
    program = rdflow.loads(REDUCED.format(tier="ddr"), "ddr.rdf")
    found = by_resource(program)["ddr"]
    faster = program.on(program.machine.replace(ddr_bandwidth="400GB/s")).profile()
    assert found.how == "run again"
    assert found.cycles == pytest.approx(faster.cycles, rel=0.01)


def test_twice_the_compute_halves_what_compute_limits() -> None:
    program = rdflow.loads(COMPUTE, "gemm.rdf").on("toy")
    unit = program.profile().kernels[0]
    assert unit.bound == "compute" and max(u.utilization for u in unit.units if u.kind == "pcu") > 0.9
    found = by_resource(program)
    assert 1.7 < found["compute"].speedup <= 2.0
    assert found["sram"].speedup < 1.1 and found["hbm"].speedup < 1.1


def test_twice_of_all_units_is_at_most_twice_as_fast() -> None:
    found = by_resource(rdflow.load("attention", S=256))
    assert 1.5 < found["all units"].speedup <= 2.0
    assert found["all units"].speedup >= max(found["compute"].speedup, found["sram"].speedup)


def test_launches_are_reckoned_and_what_is_unused_is_not_run() -> None:
    program = rdflow.load("hello", N=4096)
    subject = finished(program)
    found = {d.resource: d for d in what_if(subject)}
    clock = float(program.machine.socket.clock)
    assert found["launch"].how == "reckoned" and found["launch"].cycles == subject.time
    assert found["launch"].total == pytest.approx((subject.time + launch_cycles(subject) / 2) / clock)
    assert (found["ddr"].how, found["ddr"].speedup) == ("unused", 1.0)


def test_the_most_useful_comes_first_and_all_are_there() -> None:
    found = rdflow.load("monarch_fft_unfused").what_if()
    assert {d.resource for d in found} == set(ABOUT)
    rates = [round(d.total_speedup, 4) for d in found]
    assert rates == sorted(rates, reverse=True)


def test_progress_names_the_resource_that_is_doubled() -> None:
    seen = []
    what_if(finished(rdflow.load("hello", N=4096)), lambda resource, execution: seen.append(resource))
    assert {"compute", "hbm"} <= set(seen) and "ddr" not in seen


def test_what_is_estimated_is_estimated_again_from_launches_with_twice_of_the_resource() -> None:
    """A carry of 12 lies on the line through 3 and 6, each run on the doubled machine by hand."""
    execution = ended(estimated(COUNT=0))
    (kind,) = execution.estimates._kinds.values()  # type: ignore[union-attr]
    halves = []
    for run in kind.runs:
        (compiled,) = run.compiled.values()
        image = build(doubled(compiled.mapped, "hbm"))
        advance(image)
        halves.append(image.cycles)
    found = next(d for d in what_if(execution) if d.resource == "hbm")
    assert halves[0] < halves[1] and found.how == "estimated again"
    assert found.cycles == -(-(halves[0] + 3 * (halves[1] - halves[0]) + 1) // 2)


def test_an_estimate_of_twice_a_resource_is_close_to_a_run_of_all() -> None:
    exact = {d.resource: d for d in what_if(ended(replace(estimated(), estimate=None)))}
    for one in what_if(ended(estimated())):
        assert (one.how == "estimated again") == (exact[one.resource].how == "run again")
        assert one.cycles == pytest.approx(exact[one.resource].cycles, rel=0.03)
        assert one.speedup == pytest.approx(exact[one.resource].speedup, rel=0.03)
