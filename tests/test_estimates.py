"""Estimated schedules: what is simulated is exact, what is not lies close to it and is marked, and the default is exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import rdflow
from rdflow import profiles
from rdflow.cli import app
from rdflow.dsl.diagnostics import CompileError
from rdflow.interpreter.image import advance, build
from rdflow.interpreter.launched import Counted
from rdflow.interpreter.mixed import mixed
from rdflow.interpreter.profile import profile
from rdflow.interpreter.states import STATES
from rdflow.interpreter.transfer import Transfers, under_copy

SOURCE = rdflow.api.find("llama_decode").text
TEXT = SOURCE[: SOURCE.index("schedule")] + "schedule {\n    for i in 0..COUNT { launch decode(POS + BY * i) }\n}\n"
SIZES = {"C": 32, "F": 64, "U": 900, "G": 2, "R": 2, "W": 8, "K": 1, "B": 1}


def loaded(count=9, by=64, layers=8, **more):
    text = f"param COUNT = {count}, BY = {by}\n{TEXT}"
    return rdflow.loads(text, "steps.rdf", **SIZES | more, POS=250, NL=layers)


@pytest.fixture(scope="module")
def exact():
    execution = loaded().execution()
    execution.advance()
    return execution


def counted(program):
    execution = program.execution()
    execution.advance()
    return execution


def test_without_an_estimate_nothing_is_modelled(exact):
    assert exact.estimates is None and not any(one.modelled for one in exact.launched)
    assert profile(exact).modelled == ()


def test_some_steps_are_simulated_and_the_others_lie_between():
    whole, execution = counted(loaded(by=75)), counted(loaded(by=75).estimated(points=3))
    modelled = [one.modelled for one in execution.launched]
    assert not modelled[0] and not modelled[-1] and 2 < sum(modelled) <= 6
    for one, other in zip(execution.launched, whole.launched, strict=True):
        assert one.call == other.call
        assert one.counted.cycles == pytest.approx(other.counted.cycles, rel=0.03 if one.modelled else 0)
    starts = [one.start for one in execution.launched]
    assert starts[1:] == [one.end for one in execution.launched[:-1]]
    found = profile(execution)
    assert found.modelled == (
        f"decode: pos = 250, 475, 850 are simulated, {sum(modelled)} values between are interpolated",
    )
    assert found.launches_modelled == sum(modelled) == sum(entry["modelled"] for entry in found.schedule)


def test_steps_that_are_alike_one_that_is_simulated_are_exact():
    """Sixteen positions of one tile, then one of the next: the first and the last are simulated."""
    program = loaded(count=12, by=8, layers=2)
    whole, execution = counted(program), counted(program.estimated(points=2))
    same = [
        one.counted.cycles == other.counted.cycles
        for one, other in zip(execution.launched, whole.launched, strict=True)
    ]
    known = [not one.modelled for one in execution.launched]
    assert 2 < sum(known) < 12 and all(same[i] for i, exact in enumerate(known) if exact)


def test_a_carry_is_extrapolated_on_the_places_of_the_whole(exact):
    execution = counted(loaded().estimated(NL=(2, 4)))
    for one, whole in zip(execution.launched, exact.launched, strict=True):
        assert one.modelled
        assert one.counted.cycles == pytest.approx(whole.counted.cycles, rel=0.02)
        assert np.array_equal(one.counted.counters.firings, whole.counted.counters.firings)
        assert np.array_equal(one.counted.counters.pushes, whole.counted.counters.pushes)
        assert (one.counted.states.sum(axis=1) == one.counted.cycles).all()
    found, wanted = profile(execution), profile(exact)
    assert (found.flops, found.tiers["hbm"].read) == (wanted.flops, wanted.tiers["hbm"].read)
    assert found.modelled == ("decode: 2 and 4 steps of its carry are simulated, its 8 are extrapolated",)
    assert found.firings_simulated == 0 and found.firings == wanted.firings


def test_both_together_and_a_line_through_the_ends_by_hand():
    program = loaded().estimated(points=2, NL=(2, 4))
    execution = counted(program)
    cycles = [one.counted.cycles for one in execution.launched]
    ends = []
    for layers in (2, 4):  # on the same places: a program of that length has others
        (run,) = (
            r
            for k in execution.estimates._kinds.values()
            for r, n in zip(k.runs, k.lengths, strict=True)
            if n == layers
        )
        compiled = next(iter(run.compiled.values()))
        image = build(compiled.mapped, scalars={"pos": 250})
        advance(image, forward=False)
        ends.append(Counted.of(image))
    assert cycles[0] == ends[0].cycles + 3 * (ends[1].cycles - ends[0].cycles)
    between = {cycles[0] + round((cycles[-1] - cycles[0]) * i / 8) for i in range(9)}
    assert set(cycles) <= between
    assert mixed(*ends, (2, 4), 4).cycles == ends[1].cycles


def test_kernels_without_a_carry_are_simulated():
    program = rdflow.load("samba_coe", N=4, Q=1, B=2, T=4, M=3, NL=6).estimated(NL=(2, 3))
    found = program.profile()
    assert [note.partition(":")[0] for note in found.modelled] == ["prefill", "decode"]
    assert [entry["modelled"] for entry in found.schedule] == [False, *[True] * 6]
    whole = rdflow.load("samba_coe", N=4, Q=1, B=2, T=4, M=3, NL=6).profile()
    assert found.cycles == pytest.approx(whole.cycles, rel=0.02)
    assert [s.expert for s in found.agenda.switches] == [s.expert for s in whole.agenda.switches]


def test_no_shorter_carry_is_exact(exact):
    found = profile(counted(loaded().estimated(NL=(8, 16))))
    assert found.modelled == () and found.cycles == exact.time


@pytest.mark.parametrize(("name", "ends"), [("C", (8, 16)), ("NL", (1, 2))])
def test_what_cannot_be_extrapolated_is_refused(name, ends):
    """No kernel carries over C; a carry of one layer is none."""
    with pytest.raises(CompileError) as caught:
        counted(loaded(count=1).estimated(**{name: ends}))
    assert [d.code for d in caught.value.diagnostics] == ["RDF309"]


def test_an_estimate_that_is_none_is_refused():
    for wrong in ({"points": 1}, {"NL": (4, 2)}, {"NL": (2, 4), "B": (1, 2)}):
        with pytest.raises(ValueError):
            loaded().estimated(**wrong)


def test_it_is_kept_apart_from_what_is_exact(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "folder", lambda: tmp_path)
    program = loaded(count=4, by=200, layers=4)
    estimated = program.estimated(points=2, NL=(2, 3))
    profiles.write(estimated, estimated.profile())
    assert profiles.read(program) is None and profiles.read(program.estimated(points=3)) is None
    kept = profiles.read(estimated)
    assert kept.modelled and kept.launches_modelled == 4


def test_what_is_printed_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "folder", lambda: tmp_path)
    path = tmp_path / "steps.rdf"
    path.write_text(f"param COUNT = 4, BY = 200\n{TEXT}")
    sets = [part for name, value in (SIZES | {"POS": 250, "NL": 6}).items() for part in ("--set", f"{name}={value}")]
    given = ["profile", str(path), *sets, "--points", "2", "--extrapolate", "NL=2,3"]
    for _ in range(2):  # simulated, then from the cache
        told = CliRunner().invoke(app, given)
        assert told.exit_code == 0 and "4 of 4 launches are modelled" in " ".join(told.output.split())
    document = json.loads(CliRunner().invoke(app, [*given, "--json"]).stdout)
    assert document["simulation"]["launches_modelled"] == 4 and len(document["simulation"]["modelled"]) == 2
    assert all(
        sum(unit[s] for s in STATES) == document["cycles"] * unit["copies"]
        for k in document["kernels"]
        for unit in k["units"]
    )
    for wrong in ([*given[:-1], "NL"], [*given[:-1], "NL=3,2"]):
        assert CliRunner().invoke(app, wrong).exit_code == 2


def test_beside_a_copy_launches_are_estimated_as_they_are_alone():
    """Simulated they are the kernel with a slower HBM, estimated they lie on the same lines as without a copy."""
    program = loaded(count=3, C=256, F=1024)  # enough bytes for a slower HBM to be felt
    exact, execution = counted(program), counted(program.estimated(points=3, NL=(2, 4)))
    slower = 0
    for one, other in zip(execution.launched, exact.launched, strict=True):
        slow = exact.slowed(other.call)
        slower += slow - other.counted.cycles
        assert execution.slowed(one.call) == pytest.approx(slow, rel=0.03)
    assert slower > 0
    last = exact.launched[-1]
    mapped = under_copy(last.compiled.mapped, exact.machine, Transfers(exact.machine))
    image = build(mapped, scalars=last.call.numbers)
    advance(image)
    assert image.cycles == exact.slowed(last.call)
