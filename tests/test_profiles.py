"""Profiles that are kept: the same as simulated ones, of the same program alone, and none where a file is not whole."""

import os
import pickle
import zlib
from hashlib import sha256

import pytest

import rdflow
from rdflow import profiles, running
from rdflow.console import Told
from rdflow.document import document

TEXT = """
param N = 256
axis n = N, c = 64
tensor X: bf16[n, c] in hbm input
tensor Y: bf16[n, c] in hbm output
kernel scale(factor: int32) {
    x = load X as [n, c/L | c%L]
    y = pcu x * factor
    store y -> Y
}
schedule { launch scale(2) launch scale(3) launch scale(2) }
"""
RAGGED = """
axis b = 4, u = 40, c = 64
tensor LEN: int32[b] in hbm input
tensor W: f32[b, u, c] in hbm input
tensor Y: f32[b, u, c] in hbm output
kernel k {
    len = load LEN as [b]
    w = load W as [b, u < len, c/H | c%H]
    store w -> Y
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "folder", lambda: tmp_path / "profiles")
    return tmp_path / "profiles"


def loaded(text=TEXT, **params):
    return rdflow.loads(text, "test.rdf", **params)


def told(program, profile):
    """All that is printed of a profile, but for where it comes from."""
    found = document(program, profile)
    del found["simulation"]["cached"]
    return found


@pytest.mark.parametrize(
    "program", [loaded(), rdflow.load("hello"), rdflow.load("monarch_fft_unfused", M=32, N=32, B=2)]
)
def test_a_kept_profile_says_what_the_simulated_one_did(program):
    profile = program.profile()
    assert profiles.read(program) is None and not profile.cached
    profiles.write(program, profile)
    kept = profiles.read(program)
    assert kept.cached[:2] == "20" and kept.kernels == profile.kernels
    assert told(program, kept) == told(program, profile)


def test_it_is_of_this_program_with_these_params_on_this_machine_alone(monkeypatch):
    program = loaded()
    profiles.write(program, program.profile())
    assert profiles.read(loaded()) is not None
    machine = program.machine.replace(hbm_bandwidth="3.6TB/s")
    for other in (loaded(N=512), loaded(TEXT.replace("scale(3)", "scale(4)")), program.on(machine)):
        assert profiles.read(other) is None
    monkeypatch.setattr(profiles, "_versions", lambda: "another engine")
    assert profiles.read(program) is None


def test_a_file_that_is_not_whole_is_none(folder):
    program = loaded()
    profiles.write(program, program.profile())
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for broken in (b"", whole[:20], whole[:-1], whole[:50] + b"\0" + whole[51:], whole + b"x"):
        path.write_bytes(broken)
        assert profiles.read(program) is None
    path.write_bytes(whole)
    assert profiles.read(program) is not None


def test_a_file_makes_no_functions(folder, tmp_path):
    """A pickle that would call something when it is read, with a digest as it should be."""
    program, trace = loaded(), tmp_path / "was called"

    class Call:
        def __reduce__(self):
            return os.mkdir, (str(trace),)

    profiles.write(program, program.profile())
    (path,) = folder.iterdir()
    packed = zlib.compress(pickle.dumps(Call()))
    path.write_bytes(sha256(packed).digest() + packed)
    assert profiles.read(program) is None and not trace.exists()


def test_cycles_that_depend_on_values_are_not_kept():
    assert profiles.keepable(loaded()) and not profiles.keepable(loaded(RAGGED))


def test_the_longest_unused_go(folder, monkeypatch):
    monkeypatch.setattr(profiles, "MOST", 2)
    made = [loaded(N=64 * n) for n in (1, 2, 3)]
    for at, program in enumerate(made[:2]):
        profiles.write(program, program.profile())
        os.utime(profiles._path(program), (at, at))
    assert profiles.read(made[0]) is not None  # used: now the second one is the longest unused
    profiles.write(made[2], made[2].profile())
    assert [profiles.read(program) is not None for program in made] == [True, False, True]


def test_the_command_says_where_a_profile_comes_from(tmp_path, capsys):
    path = tmp_path / "scale.rdf"
    path.write_text(TEXT)
    printed = []
    for cache in (True, True, False):
        running.profile(str(path), Told(False, False), cache=cache)
        printed.append(" ".join(capsys.readouterr().out.split()))
    assert ["from the cache, simulated on 20" in text for text in printed] == [False, True, False]
    assert (
        printed[0] == printed[2] == printed[1].partition("; from the cache")[0] + printed[1].partition("it again)")[2]
    )


def test_what_needs_a_run_runs(tmp_path, capsys):
    path = tmp_path / "scale.rdf"
    path.write_text(TEXT)
    running.profile(str(path), Told(False, True))
    report = tmp_path / "scale.html"
    running.profile(str(path), Told(False, False), asked=running.Asked(report=report))
    assert "from the cache" not in capsys.readouterr().out and report.exists()
