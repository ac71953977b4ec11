"""Profiles that are kept: the same as simulated ones, of the same program alone, and none where a file is not whole."""

import os
import pickle
import zlib
from hashlib import sha256

import numpy as np
import pytest

import rdflow
from rdflow import profiles, profiling
from rdflow.console import Told
from rdflow.document import document
from rdflow.typed import Typed

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


def kept(program, given, seed=0):
    """Simulated and kept: what is read then says the same."""
    profile = program.profile(seed=seed, **given)
    profiles.write(program, profile, given, seed)
    found = profiles.read(program, given, seed)
    assert found.kernels == profile.kernels and told(program, found) == told(program, profile)
    return profile


def test_values_that_decide_cycles_are_part_of_the_key():
    """Lengths of rows: other ones take other cycles, and are another profile; so are those of another seed."""
    program = loaded(RAGGED)
    short, long = ({"LEN": np.full(4, n, np.int32)} for n in (3, 40))
    drawn = kept(program, {}, 5)
    found = [kept(program, given).cycles for given in (short, long)]
    assert found[0] < found[1] and drawn.cycles not in found
    for given, seed in (({}, 0), ({}, 6), ({"LEN": short["LEN"] + 1}, 0), ({"LEN": 5}, 0), (short, 1)):
        assert profiles.read(program, given, seed) is None
    same = short["LEN"].copy()
    assert profiles.read(program, {"LEN": same}).cycles == found[0]
    same[3] = 4
    assert profiles.read(program, {"LEN": same}) is None


@pytest.mark.parametrize("group", [0, 1])
def test_choices_that_decide_what_is_launched_are_part_of_the_key(group):
    """Without values choices are drawn; with GROUP the order of prompts is computed, from all inputs."""
    program = rdflow.load("samba_coe", N=4, Q=2, B=2, T=4, M=2, GROUP=group)
    other = kept(program, {}, 1)
    chosen = {"CHOICE": np.array([[0, 1], [1, 0]], np.int32)} if not group else {"PROMPT": 7}
    profile = kept(program, chosen)
    assert profiles.read(program) is None and profiles.read(program, chosen, 2) is None
    assert profiles.read(program, seed=1).cached and told(program, profiles.read(program, {}, 1)) == told(
        program, other
    )
    if not group:
        asked = [(s.expert.number, s.hit) for s in profiles.read(program, chosen).agenda.switches]
        assert asked == [(0, False), (1, False), (1, True), (0, True)]
        assert told(program, profiles.read(program, chosen)) == told(program, profile)


def test_values_change_nothing_of_a_profile_that_none_decide():
    program = loaded()
    profiles.write(program, program.profile())
    assert profiles.read(program, {"X": 3}, 4) is not None


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
        profiling.profile(Typed(str(path)), Told(False, False), cache=cache)
        printed.append(" ".join(capsys.readouterr().out.split()))
    assert ["from the cache, simulated on 20" in text for text in printed] == [False, True, False]
    assert (
        printed[0] == printed[2] == printed[1].partition("; from the cache")[0] + printed[1].partition("it again)")[2]
    )


def test_the_command_says_what_was_drawn_of_a_kept_profile_too(capsys):
    typed = Typed("samba_coe", ["N=4", "Q=1", "B=2", "T=4", "M=2"], seed=3)
    printed = []
    for _ in range(2):
        profiling.profile(typed, Told(False, False))
        printed.append(" ".join(capsys.readouterr().out.split()))
    assert "from the cache" not in printed[0] and "from the cache" in printed[1]
    assert all("CHOICE (below 4) drawn at random, seed 3" in text for text in printed)


def test_what_needs_a_run_runs(tmp_path, capsys):
    path = tmp_path / "scale.rdf"
    path.write_text(TEXT)
    profiling.profile(Typed(str(path)), Told(False, True))
    report = tmp_path / "scale.html"
    profiling.profile(Typed(str(path)), Told(False, False), asked=profiling.Asked(report=report))
    assert "from the cache" not in capsys.readouterr().out and report.exists()
