"""The command line: what it prints where, how it ends, and that no mistake of a user ends in a traceback."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rdflow import __version__
from rdflow.cli import app
from rdflow.console import Told, ending
from rdflow.dsl.codes import CODES
from rdflow.meter import Meter

SCALE = """\
# scale: twice the values
param N = 64, E = f32

axis n = N

tensor X: E[n] in hbm input
tensor Y: E[n] in hbm output

kernel scale {
    x = load X as [n/H | n%H]
    y = pcu 2 * x
    store y -> Y
}
"""
ALL_REDUCE = """\
axis g = 4, n = 256
tensor X: f32[g @socket, n] in hbm input
tensor Y: f32[n] in hbm output

kernel all_reduce {
    x = load X       as [g @socket, n/H | n%H]
    y = pcu sum(g) x as [n/H | n%H]
    store y -> Y
}
"""
WRONG = SCALE.replace("2 * x", "2 * z")
MESSY = SCALE.replace("    y = pcu 2 * x", "  y   =   pcu 2*x   # twice")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with programs in it, and the current one."""
    for name, text in {"scale": SCALE, "wrong": WRONG, "messy": MESSY}.items():
        (tmp_path / f"{name}.rdf").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def call(*arguments: str, given: str | None = None) -> Any:
    """A command in this process: `exit_code`, `stdout`, `stderr`. Whatever goes wrong, it says so in words."""
    result = CliRunner().invoke(app, arguments, input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def codes(*arguments: str) -> list[str]:
    """The codes of a command that refuses, from its JSON."""
    result = call(*arguments, "--json")
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    return [d["code"] for d in (document["diagnostics"] if isinstance(document, dict) else document)]


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rdflow.cli", *arguments]
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_says_that_there_is_nothing_wrong(folder: Path) -> None:
    result = call("check", "scale.rdf", "hello")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "scale.rdf: no mistakes in 1 kernel\nhello.rdf: no mistakes in 1 kernel\n"


def test_check_reports_all_files(folder: Path) -> None:
    result = call("check", "wrong.rdf", "nope.rdf", "scale.rdf")
    assert result.exit_code == 1
    assert "error[RDF010]" in result.stderr and "error[RDF304]" in result.stderr
    assert "wrong.rdf: 1 error" in result.stdout and "scale.rdf: no mistakes" in result.stdout


def test_check_json_is_a_list_of_diagnostics(folder: Path) -> None:
    result = call("check", "wrong.rdf", "--json")
    (found,) = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (1, "")
    assert set(found) == {
        "code", "severity", "message", "file", "line", "column", "end_line", "end_column", "labels", "notes", "help",
    }  # fmt: skip
    assert (found["file"], found["line"]) == ("wrong.rdf", 11)


def test_check_json_of_a_right_program_is_an_empty_list(folder: Path) -> None:
    assert json.loads(call("check", "scale.rdf", "--json").stdout) == []


def test_check_quietly_prints_errors_only(folder: Path) -> None:
    assert call("check", "scale.rdf", "--quiet").output == ""
    assert "RDF010" in call("check", "wrong.rdf", "--quiet").stderr


def test_units(folder: Path) -> None:
    result = call("check", "scale.rdf", "--units", "--machine", "toy")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["y", "pcu", "[n/H", "|", "n%H]", "1", "1", "4", "4"] in rows
    assert "At least 4 cycles" in result.stdout


def test_units_json(folder: Path) -> None:
    document = json.loads(call("check", "scale.rdf", "--units", "--json").stdout)
    (kernel,) = document["kernels"]
    assert document["diagnostics"] == [] and kernel["cycles_at_least"] == 4
    assert kernel["resources"] == {"pcu": 1, "pmu": 0, "agcu": 2}
    assert [u["name"] for u in kernel["units"]] == ["x", "y", "store.y"]


def test_units_count_loops_that_end_early() -> None:
    document = json.loads(call("check", "attention_causal", "--units", "--json").stdout)
    units = {u["name"]: u for u in document["kernels"][0]["units"]}
    whole = 1024 * 1024 // 32
    assert whole / 2 < units["p"]["firings"] < whole * 0.6


def test_units_of_a_kernel_that_is_too_large_are_printed_with_the_mistake(folder: Path) -> None:
    big = SCALE.replace("[n/H |", "[n/H @2048 |").replace("N = 64", "N = 65536").replace("load X", "load X @2048")
    (folder / "big.rdf").write_text(big.replace("store y", "store y @2048"))
    assert "RDF206" in codes("check", "big.rdf", "--units")


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("run",), ("profile",), ("profile", "--machine", "dgx_a100")])
def test_a_policy_is_for_a_cache_of_experts(command: tuple[str, ...], folder: Path) -> None:
    result = call(*command, "scale.rdf", "--policy", "lru")
    assert result.exit_code == 2 and result.stdout == ""
    assert "--policy" in result.stderr and "no pool of experts" in result.stderr
    (folder / "unread.rdf").write_text("pool p: scale.rdf\n" + SCALE)  # a pool that cannot be read may have one
    assert call(*command, "unread.rdf", "--policy", "lru").exit_code == 1


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("NN=3", "RDF010"),
        ("N=abc", "RDF017"),
        ("N=1.5", "RDF013"),
        ("N=0", "RDF013"),
        ("E=bf17", "RDF017"),
        ("N=inf", "RDF013"),
    ],
)
def test_wrong_settings(folder: Path, setting: str, expected: str) -> None:
    assert codes("check", "scale.rdf", "--set", setting) == [expected]


def test_an_unknown_param_has_a_suggestion_and_no_place(folder: Path) -> None:
    result = call("check", "scale.rdf", "--set", "NN=3")
    assert "did you mean `N`?" in result.stderr and "-->" not in result.stderr


@pytest.mark.parametrize("setting", ["N", "N=", "=3"])
def test_settings_that_set_nothing_are_wrong_usage(folder: Path, setting: str) -> None:
    result = call("check", "scale.rdf", "--set", setting)
    assert result.exit_code == 2 and "NAME=VALUE" in result.stderr and result.stdout == ""


def test_a_param_given_twice_is_wrong_usage(folder: Path) -> None:
    assert call("check", "scale.rdf", "--set", "N=64", "--set", "N=32").exit_code == 2


def test_settings_are_whole_numbers_numbers_or_dtypes(folder: Path) -> None:
    document = json.loads(call("profile", "scale.rdf", "--set", "N=2e2", "--set", "E=bf16", "--json").stdout)
    assert document["params"] == {"N": 200, "E": "bf16"}


@pytest.mark.parametrize("command", ["check", "run", "profile", "fmt", "graph"])
def test_files_that_are_no_programs(folder: Path, command: str) -> None:
    (folder / "binary.rdf").write_bytes(bytes(range(128, 256)))
    for file in ("nope.rdf", "binary.rdf", str(folder)):
        result = call(command, file)
        assert result.exit_code == 1 and "error[RDF304]" in result.stderr, file


def test_a_misspelt_program_has_a_suggestion() -> None:
    assert "did you mean `hello`?" in call("run", "hallo").stderr


def test_wrong_machines(folder: Path) -> None:
    (folder / "broken.toml").write_text('base = "sn40l"\n[hbm\n')
    (folder / "key.toml").write_text('base = "sn40l"\n[hbm]\nbandwith = "1TB/s"\n')
    found = [
        codes("profile", "hello", "--machine", name) for name in ("broken.toml", "key.toml", "nope.toml", "sn40", ".")
    ]
    assert found == [["RDF204"], ["RDF201"], ["RDF205"], ["RDF205"], ["RDF205"]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("foo", "RDF202"), ("hbm=3", "RDF202"), ("hbm.bandwidth=3", "RDF202"), ("hbm.bandwith=3TB/s", "RDF201"),
        ("pcu.lanes=64", "RDF203"), ("a.b.c=2", "RDF201"), ("hbm.channels=[", "RDF202"),
    ],
)  # fmt: skip
def test_wrong_machine_settings(change: str, expected: str) -> None:
    assert codes("profile", "hello", "--machine-set", change) == [expected]


def test_a_refusal_in_json_is_one_document(folder: Path) -> None:
    document = json.loads(call("run", "wrong.rdf", "--json").stdout)
    assert set(document) == {"rdflow", "diagnostics"} and document["diagnostics"][0]["code"] == "RDF010"


# -- run ---------------------------------------------------------------------------------------------------------------


def test_run_prints_outputs_cycles_and_what_limited_them(folder: Path) -> None:
    result = call("run", "scale.rdf", "--verify", "--seed", "3")
    assert result.exit_code == 0
    assert "X random (seed 3)" in result.stdout
    assert ["Y", "[64]", "f32"] in [line.split()[:3] for line in result.stdout.splitlines()]
    assert "cycles, " in result.stdout and "limited by " in result.stdout
    assert "equal to the NumPy evaluator, bit for bit" in result.stdout


def test_run_takes_and_writes_arrays(folder: Path) -> None:
    x = np.arange(64, dtype=np.float64)
    np.save("x.npy", x)
    result = call("run", "scale.rdf", "--input", "X=x.npy", "--output", "out/deep", "--json")
    y = np.load("out/deep/Y.npy")
    assert y.dtype == np.float32 and np.array_equal(y, 2 * x)
    output = {"shape": [64], "dtype": "f32", "file": os.path.join("out", "deep", "Y.npy")}
    assert json.loads(result.stdout)["outputs"] == {"Y": output}
    assert [p.name for p in Path("out/deep").iterdir()] == ["Y.npy"]


def test_random_inputs_follow_their_seeds(folder: Path) -> None:
    arrays = []
    for name, arguments in {"a": ["--seed", "5"], "b": ["--input", "X=random:5"], "c": ["--input", "X=random"]}.items():
        assert call("run", "scale.rdf", "--quiet", "--output", name, *arguments).output == ""
        arrays.append(np.load(f"{name}/Y.npy"))
    assert np.array_equal(arrays[0], arrays[1]) and not np.array_equal(arrays[0], arrays[2])


def _archive(path: str) -> None:
    np.savez(path.removesuffix(".npy"), a=np.zeros(64))
    os.replace(path.removesuffix(".npy") + ".npz", path)


BAD_INPUTS = {
    "shape": (lambda path: np.save(path, np.zeros(32)), "RDF302"),
    "scalar": (lambda path: np.save(path, np.float32(1)), "RDF302"),
    "complex": (lambda path: np.save(path, np.zeros(64, np.complex64)), "RDF303"),
    "text": (lambda path: np.save(path, np.array(["a"] * 64)), "RDF303"),
    "objects": (lambda path: np.save(path, np.array([{}] * 64, dtype=object)), "RDF305"),
    "garbage": (lambda path: Path(path).write_bytes(b"hello"), "RDF305"),
    "empty": (lambda path: Path(path).write_bytes(b""), "RDF305"),
    "zip": (lambda path: Path(path).write_bytes(b"PK\x03\x04 and no more"), "RDF305"),
    "archive": (_archive, "RDF305"),
    "folder": (lambda path: Path(path).mkdir(), "RDF305"),
    "missing": (lambda path: None, "RDF305"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_wrong_inputs(folder: Path, name: str) -> None:
    make, expected = BAD_INPUTS[name]
    make("x.npy")
    assert codes("run", "scale.rdf", "--input", "X=x.npy") == [expected]


def test_a_file_that_was_cut_off(folder: Path) -> None:
    np.save("x.npy", np.zeros(64))
    Path("x.npy").write_bytes(Path("x.npy").read_bytes()[:200])
    assert codes("run", "scale.rdf", "--input", "X=x.npy") == ["RDF305"]


def test_integers_out_of_range(folder: Path) -> None:
    (folder / "ints.rdf").write_text(SCALE.replace("E = f32", "E = int32"))
    np.save("x.npy", np.full(64, 2**40))
    assert codes("run", "ints.rdf", "--input", "X=x.npy") == ["RDF303"]


def test_a_value_for_no_tensor(folder: Path) -> None:
    assert codes("run", "scale.rdf", "--input", "Z=random") == ["RDF301"]
    assert call("run", "scale.rdf", "--input", "X").exit_code == 2


def test_outputs_that_cannot_be_written(folder: Path) -> None:
    assert codes("run", "scale.rdf", "--output", "scale.rdf") == ["RDF306"]


def test_tensors_that_no_memory_holds(folder: Path) -> None:
    assert codes("run", "scale.rdf", "--set", "N=99999999999999999999") == ["RDF207"]


def test_a_wrong_result_is_a_bug_of_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rdflow.api import Program
    from rdflow.verification import Verification

    monkeypatch.setattr(Program, "verified", lambda *_: Verification(False, 0.5, 0.0, "Y"))
    result = call("run", "scale.rdf", "--verify")
    assert result.exit_code == 3 and "`Y` differs by up to 0.5" in result.stderr


# -- profile -----------------------------------------------------------------------------------------------------------


def test_profile_prints_kernels_units_and_resources(folder: Path) -> None:
    result = call("profile", "scale.rdf")
    assert result.exit_code == 0
    for word in ("roofline", "scale: limited by", "store.y", "busy", "resources", "1 of 1040 (0.1%)"):
        assert word in result.stdout


def test_profile_prints_ports_where_they_are_asked_for(folder: Path) -> None:
    asked, plain = (call("profile", "scale.rdf", *more).stdout for more in (["--ports"], []))
    assert "x into y" in asked and "mesh link" in asked and "x into y" not in plain


def test_profile_says_what_twice_of_each_resource_gives(folder: Path) -> None:
    result = call("profile", "scale.rdf", "--what-if", "--machine", "toy")
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert "run again" in rows["hbm"] and "unused" in rows["ddr"] and "reckoned" in rows["launch"]
    found = json.loads(call("profile", "scale.rdf", "--what-if", "--json").stdout)["what_if"]
    assert [set(one) for one in found] == [
        {"resource", "cycles", "seconds", "total", "speedup", "total_speedup", "how"}
    ] * len(found)


def test_threads_change_no_result(tmp_path: Path) -> None:
    """Not of a run, nor of a profile, whose sockets then run apart instead of as one."""
    file = tmp_path / "all_reduce.rdf"
    file.write_text(ALL_REDUCE)
    for command in ("run", "profile"):
        found = [json.loads(call(command, str(file), "--json", *more).stdout) for more in ([], ["--threads", "3"])]
        for document in found:
            document.pop("simulation")
        assert found[0] == found[1] and found[0]["cycles"] > 0
    assert call("run", str(file), "--threads", "0").exit_code == 2


def test_bars_are_full() -> None:
    from rdflow.interpreter.figures import UnitProfile
    from rdflow.show_profile import BAR, bar

    for shares in ((1, 1, 1, 1, 1, 1), (0, 0, 0, 0, 0, 7), (997, 1, 1, 0, 0, 1), (333, 333, 334, 0, 0, 0)):
        assert len(bar(UnitProfile("u", "pcu", "pcu", "", 1, 1, *shares, flops=0)).plain) == BAR


# -- texts -------------------------------------------------------------------------------------------------------------


def test_fmt(folder: Path) -> None:
    Path("messy.rdf").chmod(0o640)
    assert call("fmt", "--check", "messy.rdf", "scale.rdf").exit_code == 1
    assert Path("messy.rdf").read_text() == MESSY
    result = call("fmt", "messy.rdf", "scale.rdf")
    assert (result.exit_code, result.stdout) == (0, "changed messy.rdf\n")
    assert "y = pcu 2 * x  # twice" in Path("messy.rdf").read_text()
    assert stat.S_IMODE(Path("messy.rdf").stat().st_mode) == 0o640
    assert call("fmt", "--check", "messy.rdf", "scale.rdf").exit_code == 0


def test_fmt_of_stdin(folder: Path) -> None:
    assert call("fmt", "-", given=MESSY).stdout == call("fmt", "-", given=call("fmt", "-", given=MESSY).stdout).stdout
    assert call("fmt", "--check", "-", given=MESSY).exit_code == 1


def test_fmt_leaves_what_it_cannot_read(folder: Path) -> None:
    Path("broken.rdf").write_text("kernel k {\n    x = = load X\n}\n")
    result = call("fmt", "broken.rdf", "messy.rdf")
    assert result.exit_code == 1 and "error[RDF001]" in result.stderr and result.stdout == "changed messy.rdf\n"
    assert Path("broken.rdf").read_text() == "kernel k {\n    x = = load X\n}\n"


def test_explain() -> None:
    text = call("explain", "rdf001").stdout
    assert text.startswith("RDF001: ") and "wrong:" in text and "right:" in text
    assert call("explain", "1").stdout == text
    assert "RDF206" in call("explain").stdout
    assert call("explain", "RDF999").exit_code == 2


# -- what ships --------------------------------------------------------------------------------------------------------


def test_layers() -> None:
    listed = call("layers").stdout
    assert "std.norm: " in listed and "rmsnorm" in listed
    shown = call("layers", "rmsnorm").stdout
    assert shown.startswith("layer rmsnorm(x: E[l, .., c | t], g: tensor[l?, c], eps = 1e-5)")
    assert "use std.norm" in shown and "y.r" in shown
    found = json.loads(call("layers", "linear", "--json").stdout)
    assert found["costs"]["resources"] == {"pcu": 1, "pmu": 2, "agcu": 1}
    assert {"name", "library", "about"} == set(json.loads(call("layers", "--json").stdout)[0])
    assert call("layers", "score").stdout.startswith("kernel score(") and "  score " in listed
    assert json.loads(call("layers", "score", "--json").stdout)["library"] == "std.operators"
    wrong = call("layers", "rmsnrm")
    assert wrong.exit_code == 1 and "did you mean `rmsnorm`?" in wrong.stderr


def test_programs() -> None:
    assert "scale a vector" in call("programs").stdout
    assert call("programs", "hello").stdout.startswith("# hello: ")
    assert {"name", "about"} == set(json.loads(call("programs", "--json").stdout)[0])


def test_machines(folder: Path) -> None:
    assert "sn40l_1socket" in call("machines").stdout
    assert "# read: paper" in call("machines", "sn40l").stdout
    assert call("machines", "sn40").exit_code == 1
    document = json.loads(call("machines", "sn40l", "--json").stdout)
    assert document["name"] == "sn40l" and document["hbm"]["latency"] == 1e-7


@pytest.mark.parametrize("command", [("run",), ("profile", "--no-cache")])
def test_what_comes_before_the_first_cycle_is_said(
    command: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Meter, "say", lambda self, text: said.append(text))
    assert call(*command, "scale.rdf").exit_code == 0
    assert said[0] == "mapping the kernels"


def test_graph(folder: Path) -> None:
    assert call("graph", "scale.rdf").stdout == "scale.svg\n"
    assert Path("scale.svg").read_text() == call("graph", "scale.rdf", "-o", "-").stdout.removesuffix("\n")
    assert codes_of_text(call("graph", "scale.rdf", "-o", "no/such/folder.svg").stderr) == ["RDF306"]


def codes_of_text(text: str) -> list[str]:
    return [line[6:12] for line in text.splitlines() if line.startswith("error[")]


# -- the whole ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        [],
        *(
            [name]
            for name in [
                "check",
                "run",
                "profile",
                "serve",
                "fmt",
                "explain",
                "graph",
                "programs",
                "layers",
                "machines",
                "repl",
            ]
        ),
    ],
)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0 and "Example" in result.stdout


def test_version() -> None:
    assert call("--version").stdout == f"rdflow {__version__}\n"


def test_unknown_words_are_wrong_usage() -> None:
    assert call("frobnicate").exit_code == 2
    assert call("check").exit_code == 2
    assert call("run", "hello", "--nope").exit_code == 2


def test_a_bug_is_one_paragraph(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RDFLOW_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended, ending(Told()):
        raise KeyError("a bug of ours")
    text = capsys.readouterr().err
    assert ended.value.code == 3 and len(text.splitlines()) == 1 and "a bug of ours" in text and "report" in text


def test_a_bug_shows_its_traceback_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RDFLOW_DEBUG", "1")
    with pytest.raises(KeyError), ending(Told()):
        raise KeyError("a bug of ours")


def test_an_interrupt_says_how_far_the_run_was(capsys: pytest.CaptureFixture[str]) -> None:
    current = SimpleNamespace(call=SimpleNamespace(spec=SimpleNamespace(kernel="gemm")))
    told = Told(execution=SimpleNamespace(time=1234567, current=current, launched=[current]))  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as ended, ending(told):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert "interrupted at cycle 1,234,567 (`gemm`, launch 1); nothing was written" in capsys.readouterr().err


def test_out_of_memory_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, ending(Told()):
        raise MemoryError
    assert ended.value.code == 1 and "out of memory" in capsys.readouterr().err


def test_a_process_ends_with_its_code_and_without_colours_in_a_pipe(folder: Path) -> None:
    found = process("check", "wrong.rdf", env={"NO_COLOR": ""})
    assert found.returncode == 1 and "\033" not in found.stdout + found.stderr and "RDF010" in found.stderr


def test_colours_can_be_forced_and_forbidden(folder: Path) -> None:
    assert "\033[" in process("check", "wrong.rdf", env={"FORCE_COLOR": "1", "NO_COLOR": ""}).stderr
    assert "\033[" not in process("check", "wrong.rdf", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stderr


def test_a_reader_that_goes_away_is_no_mistake(folder: Path) -> None:
    command = f"{sys.executable} -m rdflow.cli machines sn40l | true; exit ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert found.stderr == "" and found.returncode in (0, 141)


@pytest.mark.parametrize("command", ["run", "profile"])
def test_a_link_that_is_to_carry_too_much_is_warned_of_where_the_program_runs(command: str, folder: Path) -> None:
    (folder / "seven.rdf").write_text(CODES["RDF210"].wrong)
    result = call(command, "seven.rdf")
    assert result.exit_code == 0
    assert "warning[RDF210]" in result.stderr
    assert "RDF210" not in call(command, "seven.rdf", "--quiet").stderr
