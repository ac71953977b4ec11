"""Machines: units are exact, mistakes are all reported, and at the line that holds them."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from fractions import Fraction
from pathlib import Path

import pytest

import rdflow
from rdflow.dsl.codes_machine import MACHINE_CODES
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.program import LANES, STAGES
from rdflow.interpreter.machine import Machine, load_machine, machines
from rdflow.interpreter.machine_files import SHIPPED
from rdflow.units import kernel_costs


@pytest.fixture(scope="module")
def sn40l() -> Machine:
    return load_machine("sn40l")


def mistakes(path: Path, text: str) -> CompileError:
    path.write_text(text)
    with pytest.raises(CompileError) as caught:
        load_machine(str(path))
    return caught.value


def setting_error(machine: Machine, setting: str) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        machine.with_setting(setting)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def lines(error: CompileError) -> list[tuple[str, int, str]]:
    """Code, line and the text under the caret of every diagnostic."""
    found = []
    for diagnostic in error.diagnostics:
        label = diagnostic.labels[0]
        source = label.source or error.source
        assert source is not None
        at = source.text[label.span.start : label.span.end]
        found.append((diagnostic.code, source.position(label.span.start)[0], at))
    return found


# -- what ships --------------------------------------------------------------------------------------------------------


def test_machines_that_ship_have_a_name_and_a_line() -> None:
    assert [name for name, _ in machines()] == ["dgx_a100", "dgx_h100", "sn40l", "sn40l_1socket", "toy"]
    assert all(about and "\n" not in about for _, about in machines())


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_number_states_its_source(path: Path) -> None:
    numbers = [line for line in path.read_text().splitlines() if re.match(r"\w+ = ", line)]
    unmarked = [line for line in numbers if not re.search(r"# (read|derived|assumed|fitted): \S", line)]
    assert [line.split(" = ")[0] for line in unmarked] in (["about"], ["base", "about"], ["model", "about"])


def test_sn40l_is_the_published_chip(sn40l: Machine) -> None:
    assert (sn40l.pcus, sn40l.pmus, sn40l.agcus) == (1040, 1040, 104)
    assert sn40l.pmus * sn40l.pmu.capacity == 520 * 2**20
    flops = sn40l.pcus * sn40l.pcu.lanes * sn40l.pcu.stages * 2 * sn40l.socket.clock
    assert flops == 638_976 * 10**9


def test_cycles_a_burst_are_small_fractions(sn40l: Machine) -> None:
    assert sn40l.cycles_per_burst(sn40l.hbm) == Fraction(14, 9)
    assert sn40l.cycles_per_burst(sn40l.ddr) == Fraction(59, 16)
    peak = sn40l.replace(hbm_efficiency=1.0, ddr_efficiency=1)
    assert peak.cycles_per_burst(peak.hbm) == Fraction(15, 11)
    assert peak.cycles_per_burst(peak.ddr) == Fraction(30, 13)


def test_a_tier_sustains_its_efficiency_of_its_peak(sn40l: Machine) -> None:
    assert sn40l.sustained(sn40l.hbm) == pytest.approx(1.58e12, rel=2e-3)
    assert sn40l.sustained(sn40l.ddr) == pytest.approx(125e9, rel=2e-3)


def test_times_become_cycles_rounded_up(sn40l: Machine) -> None:
    assert sn40l.cycles(sn40l.hbm.latency) == 120
    assert sn40l.cycles(Fraction(1, 10**9)) == 2
    assert sn40l.cycles(Fraction(0)) == 0


def test_a_boundary_grows_with_the_units_configured(sn40l: Machine) -> None:
    assert sn40l.boundary_cycles(0) == 12_000
    assert sn40l.boundary_cycles(2080) == 12_000 + 19_200


def test_a_base_gives_what_is_left_out(sn40l: Machine) -> None:
    one = load_machine("sn40l_1socket")
    assert (one.name, one.node.sockets) == ("sn40l_1socket", 1)
    assert (one.hbm, one.launch) == (sn40l.hbm, sn40l.launch)


def test_toy_is_easy_to_reckon_with() -> None:
    toy = load_machine("toy")
    assert (toy.pcus, toy.agcus) == (64, 16)
    assert [toy.cycles_per_burst(tier) for tier in toy.tiers.values()] == [1, 2]
    assert toy.cycles(toy.hbm.latency) == 100


# -- units and changes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("hbm.capacity=64GiB", 64 * 2**30),
        ("hbm.capacity=64GB", 64 * 10**9),
        ("hbm.capacity=1.5 TiB", 3 * 2**39),
        ("hbm.bandwidth=3.6TB/s", 3_600 * 10**9),
        ('hbm.bandwidth="512GiB/s"', 512 * 2**30),
        ("hbm.latency=100ns", Fraction(1, 10**7)),
        ("hbm.latency=0.1us", Fraction(1, 10**7)),
        ("hbm.latency=1e2ns", Fraction(1, 10**7)),
        ("launch.host_step=15ms", Fraction(15, 1000)),
        ("launch.queued=0s", Fraction(0)),
        ("socket.clock=1.25GHz", 1_250_000_000),
        ("socket.clock=900MHz", 900_000_000),
        ("hbm.channels=16", 16),
    ],
)
def test_quantities_are_exact(sn40l: Machine, setting: str, value: object) -> None:
    section, key = setting.partition("=")[0].split(".")
    assert getattr(getattr(sn40l.with_setting(setting), section), key) == value


def test_a_replaced_value_leaves_the_rest(sn40l: Machine) -> None:
    twice = sn40l.replace(hbm_bandwidth="3.6TB/s", pcu_fifo=32)
    assert (twice.hbm.bandwidth, twice.pcu.fifo) == (3_600 * 10**9, 32)
    assert (twice.hbm.channels, twice.name) == (32, "sn40l")
    assert sn40l.hbm.bandwidth == 1_800 * 10**9
    assert twice.with_setting("pcu.fifo=16").replace(hbm_bandwidth="1.8TB/s").hbm == sn40l.hbm


def test_a_machine_cannot_be_changed_in_place(sn40l: Machine) -> None:
    with pytest.raises(FrozenInstanceError):
        sn40l.hbm.channels = 1  # type: ignore[misc]


# -- mistakes ----------------------------------------------------------------------------------------------------------


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    text = """\
base = "sn40l"
about = "wrong in many ways"
[hbm]
bandwith = "3.6TB/s"
bandwidth = 3.6       # of what?
channels = 0
[pcu]
lanes = "32"
stages = 8.5
[pmuu]
capacity = "1MiB"
"""
    error = mistakes(tmp_path / "mine.toml", text)
    assert sorted(lines(error), key=lambda found: found[1]) == [
        ("RDF201", 4, "bandwith"),
        ("RDF202", 5, "3.6"),
        ("RDF203", 6, "0"),
        ("RDF202", 8, '"32"'),
        ("RDF202", 9, "8.5"),
        ("RDF201", 10, "pmuu"),
    ]
    helps = {d.message: d.help for d in error.diagnostics}
    assert helps["the section `hbm` has no `bandwith`"] == "did you mean `bandwidth`?"
    assert helps["`hbm.bandwidth` is not a bandwidth"] == 'write `bandwidth = "3.6TB/s"`'
    assert helps["`pcu.lanes` is not a whole number"] == "write `lanes = 32`"
    assert helps["a machine has no `pmuu`"] == "did you mean `pmu`?"


def test_the_expected_unit_is_in_the_label(sn40l: Machine) -> None:
    diagnostic = setting_error(sn40l, "hbm.latency=100")
    assert diagnostic.code == "RDF202"
    assert diagnostic.labels[0].text == 'expected a time with its unit, as in "100ns"'
    assert diagnostic.notes == ("units: s, ms, us, ns, ps",)
    assert diagnostic.help == 'write `latency = "100ns"`'


def test_a_unit_in_another_case_is_recognised(sn40l: Machine) -> None:
    assert setting_error(sn40l, "hbm.bandwidth=900gb/s").help == 'write `bandwidth = "900GB/s"`'


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("hbm.channels=0", "`hbm.channels` must be at least 1"),
        ("pcu.lanes=64", "`pcu.lanes` must be at most 32"),
        ("pcu.lanes=16", "`pcu.lanes` must be 32: the tokens of the language have that many lanes"),
        ("hbm.latency=-1ns", "`hbm.latency` must not be negative"),
        ("hbm.bandwidth=0TB/s", "`hbm.bandwidth` must be more than 0"),
        ("hbm.capacity=0.5B", "`hbm.capacity` must be a whole number of B"),
        ("hbm.bandwidth=100TB/s", "`hbm.bandwidth` is more than its channels can give: 32 of at most 1228GB/s"),
        ("hbm.efficiency=1.2", "`hbm.efficiency` must be more than 0 and at most 1"),
        ("ddr.efficiency=0", "`ddr.efficiency` must be more than 0 and at most 1"),
    ],
)
def test_impossible_values(sn40l: Machine, setting: str, message: str) -> None:
    diagnostic = setting_error(sn40l, setting)
    assert (diagnostic.code, diagnostic.message) == ("RDF203", message)
    span = diagnostic.labels[0].span
    assert setting[span.start : span.end] == setting.partition("=")[2]


@pytest.mark.parametrize(
    ("setting", "code"),
    [("hbm.bandwith=3TB/s", "RDF201"), ("memory=3", "RDF201"), ("hbm=3", "RDF202"), ("hbm.bandwidth", "RDF202")],
)
def test_settings_that_set_nothing(sn40l: Machine, setting: str, code: str) -> None:
    assert setting_error(sn40l, setting).code == code


def test_a_missing_key_points_at_its_section(tmp_path: Path) -> None:
    complete = (SHIPPED / "toy.toml").read_text()
    error = mistakes(tmp_path / "mine.toml", re.sub(r"channels = 4.*\n", "", complete))
    assert [(code, at) for code, _, at in lines(error)] == [("RDF208", "hbm")]
    assert error.diagnostics[0].message == "the machine lacks `hbm.channels`"


def test_broken_toml_is_reported_where_it_breaks(tmp_path: Path) -> None:
    error = mistakes(tmp_path / "mine.toml", 'base = "sn40l"\n[hbm\nchannels = 3\n')
    assert [(code, line) for code, line, _ in lines(error)] == [("RDF204", 2)]
    assert error.diagnostics[0].labels[0].text == "expected ']' at the end of a table declaration"


def test_a_mistake_in_the_base_points_into_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('base = "sn40l"\n[hbm]\nchannels = 0\n')
    error = mistakes(tmp_path / "mine.toml", 'base = "base.toml"\n[pcu]\nfifo = 0\n')
    assert sorted(lines(error)) == [("RDF203", 3, "0"), ("RDF203", 3, "0")]
    sources = [d.labels[0].source for d in error.diagnostics]
    assert [source.name if source else None for source in sources] == [None, str(tmp_path / "base.toml")]


def test_no_such_machine(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        load_machine("sn40")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.help) == ("RDF205", "did you mean `sn40l`?")
    error = mistakes(tmp_path / "mine.toml", 'about = "x"\nbase = "sn30"\n')
    assert lines(error) == [("RDF205", 2, '"sn30"')]


def test_a_base_may_not_lead_back(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('base = "b.toml"\n')
    error = mistakes(tmp_path / "b.toml", 'base = "a.toml"\n')
    assert lines(error) == [("RDF203", 1, '"b.toml"')]


MACHINE_FILES = [
    entry for entry in MACHINE_CODES if entry[0] not in ("RDF206", "RDF207", *(f"RDF{n}" for n in range(209, 215)))
]


@pytest.mark.parametrize(("code", "title", "why", "wrong", "right"), MACHINE_FILES, ids=lambda text: text[:6])
def test_explained_codes(tmp_path: Path, code: str, title: str, why: str, wrong: str, right: str) -> None:
    assert {d.code for d in mistakes(tmp_path / "wrong.toml", wrong).diagnostics} == {code}
    (tmp_path / "right.toml").write_text(right)
    assert load_machine(str(tmp_path / "right.toml")).about
    assert title and why


# -- stages ------------------------------------------------------------------------------------------------------------


def test_the_language_has_the_stages_of_the_usual_machine() -> None:
    machine = load_machine("sn40l")
    assert (machine.pcu.lanes, machine.pcu.stages) == (LANES, STAGES)


def test_st_is_the_stages_of_the_machine() -> None:
    """With 16 stages the array has twice the rows: half the firings, the same product."""
    program = rdflow.load("gemm", M=64, N=64, K=64)
    twice = program.on(load_machine("sn40l").with_setting("pcu.stages=16"))
    firings = [{u.name: u.firings for u in p.profile().kernels[0].units}["c"] for p in (program, twice)]
    assert firings == [64 * 64 * 64 // (32 * 8), 64 * 64 * 64 // (32 * 16)]
    result = twice.run(verify=True)
    assert result.verification is not None and result.verification.passed


def test_more_stages_shorten_chains() -> None:
    text = "param N = 64\naxis n = N\ntensor X: f32[n] in hbm input\ntensor Y: f32[n] in hbm output\nkernel k {\n"
    text += "    x = load X\n    y = pcu " + " + ".join(["x"] * 14) + "\n    store y -> Y\n}\n"
    program = rdflow.loads(text)
    chains = [
        {u.name: u.pcus for k in kernel_costs(p.checked, p.machine) for u in k.units}["y"]
        for p in (program, program.on(program.machine.with_setting("pcu.stages=16")))
    ]
    assert chains == [2, 1]
