"""Rival machines: their times are those of closed forms by hand, they are read like machines, and they execute nothing."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rdflow
from rdflow.cli import app
from rdflow.dsl.diagnostics import CompileError
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.rival import Rival, load_rival
from rdflow.interpreter.roofline import cost, modelled
from rdflow.rivals import on_rival

TOKEN_BYTES_7B = 13_214_154_752  # of the weights of 32 layers and the classifier: 2 x (32 x (4 x 4096^2 + 3 x 4096 x 11008) + 32000 x 4096)
LLAMA_2_7B = {"NL": 32, "C": 4096, "F": 11008, "V": 32000, "G": 32, "R": 1, "D": 8}


@pytest.fixture(scope="module")
def a100() -> Rival:
    found = load_rival("dgx_a100")
    assert found is not None
    return found


def test_rivals_are_read_and_machines_are_not_rivals(a100: Rival) -> None:
    assert (a100.name, a100.model, a100.memory) == ("dgx_a100", "roofline", 640 * 10**9)
    assert (a100.host.capacity, a100.host.bandwidth) == (2 * 10**12, 32 * 10**9)
    assert load_rival("sn40l") is None


def test_launches_of_a_token_are_the_constants_that_were_fitted() -> None:
    """4.2 and 3.0 ms of a token that no roof explains, for 32 layers of ten kernels."""
    for name, seconds in (("dgx_a100", 4.2e-3), ("dgx_h100", 3.0e-3)):
        rival = load_rival(name)
        assert rival is not None
        assert float(320 * rival.launch.kernel) == pytest.approx(seconds, rel=0.005)


def test_a_kernel_of_vectors_by_hand(a100: Rival) -> None:
    """n elements of 4 bytes in and out, n products, on one GPU; one launch."""
    text = (
        "param N = 1048576\naxis n = N\ntensor X: f32[n] in hbm input\ntensor Y: f32[n] in hbm output\n"
        "kernel twice {\n    x = load X as [n/H | n%H]\n    y = pcu x * 2\n    store y -> Y\n}\n"
    )
    (kernel,) = rdflow.loads(text).checked.kernels.values()
    found = cost(kernel, {}, a100)
    assert (found.bytes, found.flops, found.kernels, found.devices) == (8 * 2**20, 2**20, 1, 1)
    assert found.memory == Fraction(8 * 2**20) / (2040 * 10**9) / Fraction("0.89")
    assert found.compute == Fraction(2**20) / (312 * 10**12) / Fraction("0.89")
    assert found.seconds == a100.launch.kernel + found.memory
    assert found.bound == "launches"


def test_a_step_of_llama_2_7b_by_hand(a100: Rival) -> None:
    """All weights once over eight GPUs, and ten kernels a layer; the rest (norms, caches, tables) is below 2 %."""
    program = rdflow.load("llama", **LLAMA_2_7B, M=2, T=200, U=256)
    found = on_rival(program, a100)
    (_, decode) = found.launched.values()
    times, step = decode
    assert (times, step.kernels, step.devices) == (1, 320, 8)
    assert TOKEN_BYTES_7B <= step.bytes <= 1.02 * TOKEN_BYTES_7B
    roof = step.bytes / (8 * 2.04e12 * 0.89)
    assert float(step.seconds) == pytest.approx(320 * 13.1e-6 + roof, rel=1e-9)


def test_unfused_programs_launch_a_kernel_an_operator(a100: Rival) -> None:
    sizes = {"NL": 2, "C": 64, "F": 96, "V": 96, "G": 8, "R": 1, "W": 4, "D": 8, "T": 40, "U": 48, "M": 1}
    assert on_rival(rdflow.load("llama_operators", **sizes), a100).kernels == 23 * 2 + 4


POOL = """param B = 6
axis n = 1024, b = B
tensor X: f32[n] in hbm input
tensor C: int32[b] in hbm input
tensor Y: f32[n] in hbm output
pool expert: work[4] in ddr cached in hbm evict lru
schedule {
    for k in 0..B {
        activate expert[C(b = k)]
        launch expert[C(b = k)].scale(X = X, Y = Y)
    }
}
"""
WORK = """param N = 1024
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


def test_experts_come_over_the_host_link_once_and_stay(tmp_path: Path, a100: Rival) -> None:
    (tmp_path / "work.rdf").write_text(WORK)
    (tmp_path / "pool.rdf").write_text(POOL)
    program = rdflow.load(tmp_path / "pool.rdf")
    found = on_rival(program, a100, {"C": [0, 1, 0, 1, 2, 0]})
    assert [one.hit for one in found.agenda.switches] == [False, False, True, True, False, True]
    loaded = {one.loaded for one in found.agenda.switches if not one.hit}
    (size,) = loaded
    copies = 3 * ceil(Fraction(size * 10**9, a100.host.bandwidth))
    assert found.agenda.timetable.spent()["copy"] == copies
    each = ceil((found.launched[next(iter(found.launched))][1].seconds) * 10**9)
    assert found.agenda.timetable.end == copies + 6 * each


def test_more_experts_than_the_host_holds_are_refused(a100: Rival) -> None:
    """142 of 14 GB fit 2 TB."""
    text = "pool expert: hello(N = 3500000000)[{n}] in ddr cached in hbm\nschedule {{ launch expert[1].hello }}\n"
    fits = rdflow.loads(text.format(n=142))
    assert modelled(fits.checked, a100, lambda _: 0).kernels == 1
    with pytest.raises(CompileError) as caught:
        modelled(rdflow.loads(text.format(n=143)).checked, a100, lambda _: 0)
    assert [d.code for d in caught.value.diagnostics] == ["RDF212"]


def test_the_command_line_says_model_and_executes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = CliRunner().invoke
    shown = call(app, ["profile", "samba_coe", "--set", "Q=1", "--machine", "dgx_h100", "--json", "-q"])
    found = json.loads(shown.stdout)
    assert (found["model"], found["machine"]) == ("roofline", "dgx_h100")
    assert found["kernels_launched"] == 1 + 8 * (10 + 3 * 10)
    assert found["seconds"] == pytest.approx(sum(k["launches"] * k["seconds"] for k in found["kernels"]), rel=0.01)
    faster = call(app, ["profile", "samba_coe", "--set", "Q=1", "--machine", "dgx_h100", "--json", "-q",
                        "--machine-set", "launch.kernel=1us"])  # fmt: skip
    assert json.loads(faster.stdout)["seconds"] < found["seconds"] / 5
    for words in (["run", "hello"], ["profile", "hello", "--what-if"]):
        refused = call(app, [*words, "--machine", "dgx_a100"])
        assert refused.exit_code == 1 and "RDF307" in refused.stderr and "roofline model" in refused.stderr
    assert json.loads(call(app, ["machines", "dgx_a100", "--json"]).stdout)["device"]["compute"] == 312 * 10**12


def test_a_rival_is_no_machine_to_execute_on() -> None:
    with pytest.raises(CompileError) as caught:
        load_machine("dgx_a100")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RDF307" and "rdflow profile" in str(diagnostic.help)


def test_mistakes_in_a_rival_are_told_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "dgx_a100"\n[host]\nbandwith = "64GB/s"\n[device]\ncompute = 312\n')
    with pytest.raises(CompileError) as caught:
        load_rival(str(path))
    assert sorted(d.code for d in caught.value.diagnostics) == ["RDF201", "RDF202"]
    path.write_text('base = "dgx_a100"\n[host]\nbandwidth = "64GB/s"\n')
    found = load_rival(str(path))
    assert found is not None and found.host.bandwidth == 64 * 10**9
