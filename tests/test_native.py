"""The compiled loops by address: the same code whether numba or the linker put it there, and no numba where it is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rdflow
from rdflow.interpreter.kernel import cache, layout, native

NAMES = (*native.TIMING, *native.VALUED)
LEFT_OUT = {
    "numba",
    "prompt_toolkit",
    "pygments",
    "rdflow.dsl.evaluate",
    "rdflow.graph",
    "rdflow.session",
    "rdflow.repl",
}


@pytest.fixture(scope="module")
def kept() -> Path:
    """The folder of compiled code, with all of it."""
    program = rdflow.load("hello", N=1000)
    assert program.run(verify=True).cycles == program.profile().cycles
    return cache.folder()


def modules(*words: str) -> set[str]:
    """What a command has imported when it ends."""
    code = (
        f"import json, sys; sys.argv = ['rdflow', *{words!r}]\n"
        "from rdflow.entry import main\n"
        "try: main()\n"
        "finally: print(json.dumps(list(sys.modules)), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(found.stderr.splitlines()[-1]))


@pytest.mark.parametrize("command", ["run", "profile"])
def test_a_warm_run_imports_no_compiler(kept: Path, command: str) -> None:
    imported = modules(command, "hello", "--set", "N=1000")
    assert "rdflow.interpreter.kernel.native" in imported
    assert not LEFT_OUT & imported


@pytest.mark.parametrize("command", ["run", "profile"])
def test_a_plain_run_does_not_wait_for_the_command_line(kept: Path, command: str) -> None:
    assert "typer" not in modules(command, "hello", "--quiet")


@pytest.mark.parametrize("name", NAMES)
def test_code_is_kept(kept: Path, name: str) -> None:
    assert (kept / f"{name}.object").is_file() and cache.holds(name)


def test_code_that_is_damaged_is_not_linked(kept: Path, tmp_path: Path) -> None:
    content = bytearray((kept / "compute.object").read_bytes())
    content[-1] ^= 1
    (tmp_path / "compute.object").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        native.loaded("damaged", tmp_path / "compute.object")


def test_a_symbol_that_is_not_there_is_an_error_and_no_crash(kept: Path, tmp_path: Path) -> None:
    code = (kept / "compute.object").read_bytes().split(b"\n", 2)[2]
    native.keep(tmp_path / "compute.object", "compute", code)
    with pytest.raises(RuntimeError):
        native.loaded("nameless", tmp_path / "compute.object")


def test_without_the_object_numba_gives_the_code(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = rdflow.load("hello", N=1000)
    wanted = program.profile()
    linked = native.address("advance_timing")
    monkeypatch.setattr(native, "_owners", {})
    monkeypatch.setattr(native, "address", lambda name: native.compiled(name, tmp_path / "none"))
    assert program.profile().kernels == wanted.kernels
    assert native.address("advance_timing") != linked


def test_what_is_kept_is_whole_or_nothing(tmp_path: Path) -> None:
    native.keep(tmp_path / "no" / "folder", "f", b"code")
    native.keep(tmp_path / "f.object", "f", b"one\ntwo")
    native.keep(tmp_path / "f.object" / "f.object", "f", b"code")
    assert [path.name for path in tmp_path.iterdir()] == ["f.object"]
    assert (tmp_path / "f.object").read_bytes().endswith(b"\none\ntwo")


@pytest.mark.parametrize("wrong", [np.zeros(4), np.zeros((2, 2), np.int64), np.zeros(8, np.int64)[::2]])
def test_arrays_are_what_the_code_was_compiled_for(wrong: np.ndarray) -> None:
    """A dtype, a dimension, a stride."""
    with pytest.raises(AssertionError):
        native.flat((wrong,), (layout.TABLES.ready,))


def test_the_signatures_are_those_of_the_tables(kept: Path) -> None:
    """Words of all arguments: by array two owners, two counts, an address, and a shape and a stride a dimension."""
    words = native.flat(layout.TABLES, layout.TABLES)
    assert len(words) == sum(5 + 2 * array.ndim for array in layout.TABLES)
    assert words[:4] == [0, 0, 1, layout.CLOCK.itemsize]


def test_parts_are_compiled_apart_wherever_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rdflow").mkdir()
    (tmp_path / "rdflow" / "__init__.py").write_text("raise ImportError")
    monkeypatch.chdir(tmp_path)
    process = cache.apart("import rdflow.interpreter.kernel.native")
    assert process is not None and process.wait() == 0
