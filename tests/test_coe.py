"""Experts in a cache: hits and evictions of every policy as a naive oracle has them, bytes moved once, and Samba-CoE."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rdflow
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.numerics import bf16
from rdflow.dsl.pools import Expert
from rdflow.dsl.source import Span
from rdflow.interpreter.agenda import Agenda
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.floorplan import Floorplan
from rdflow.interpreter.memory import plan
from rdflow.interpreter.profile import profile as rdflow_profile
from rdflow.interpreter.timetable import overlapping

EXPERT = """param N = 1024
axis n = N
tensor X: f32[n] in hbm input
tensor W: f32[n] in hbm input
tensor S: f32[n] in hbm
tensor Y: f32[n] in hbm output

kernel scale {
    x = load X as [n/H | n%H]
    w = load W as [n/H | n%H]
    y = pcu x * w
    store y -> Y
}

kernel count {
    x = load X as [n/H | n%H]
    s = load S as [n/H | n%H]
    t = pcu s + x
    store t -> S
}
"""
REQUESTS = """param B = 8, N = 12
axis n = 1024, b = B
tensor X: f32[n] in hbm input
tensor C: int32[b] in hbm input
tensor Y: f32[n] in hbm output

pool expert: work[N] in ddr cached in hbm evict lru

schedule {
    for k in 0..B { STATEMENTS }
}
"""
ONE = "activate expert[C(b = k)]\n launch expert[C(b = k)].scale(X = X, Y = Y)"
Policies = ["lru", "lfu", "belady", "pinned"]


def executed(folder: Path, choices: list[int], room: int, statements: str = ONE, experts: int = 12) -> Execution:
    """Requests for these experts, of which HBM holds `room`; without values."""
    (folder / "work.rdf").write_text(EXPERT)
    (folder / "requests.rdf").write_text(REQUESTS.replace("STATEMENTS", statements))
    program = rdflow.load(folder / "requests.rdf", B=len(choices), N=experts)
    found = plan(program.checked, program.machine)
    size, first = found.footprints["expert"].size, found.regions["hbm"].address
    machine = program.machine.replace(hbm_capacity=f"{first + room * size + 100}B")
    execution = Execution(program.checked, machine, None, choices=lambda read: choices[dict(read.element.fixed)["b"]])
    execution.advance()
    return execution


def follow(folder: Path, choices: list[int], room: int, policy: str | None = None, statements: str = ONE) -> Agenda:
    return executed(folder, choices, room, statements).agenda(policy)


def oracle(requests: list[int], room: int, policy: str) -> tuple[list[bool], list[list[int]]]:
    """Hits, and who leaves, request by request."""
    inside: list[int] = []  # in the order of their loading
    hits, gone, uses = [], [], Counter[int]()
    for now, expert in enumerate(requests):
        hits.append(expert in inside)
        gone.append([])
        if expert not in inside and len(inside) == room:
            age = {e: max(i for i in range(now) if requests[i] == e) for e in inside}
            after = {e: next((i for i in range(now, len(requests)) if requests[i] == e), 10**9) for e in inside}
            ranks: dict[str, dict[int, Any]] = {
                "lru": age,
                "lfu": {e: (uses[e], age[e]) for e in inside},
                "belady": {e: (-after[e], age[e]) for e in inside},
                "pinned": {e: -inside.index(e) for e in inside},
            }
            gone[-1] = [min(inside, key=ranks[policy].__getitem__)]
            inside.remove(gone[-1][0])
            uses[gone[-1][0]] = 0
        inside += [] if expert in inside else [expert]
        uses[expert] += 1
    return hits, gone


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], Execution]:
    """A thousand requests for 150 experts, some of them much more often than others, where there is room for 40."""
    requests = (np.random.default_rng(11).zipf(1.3, 1000) % 150).tolist()
    return requests, executed(tmp_path_factory.mktemp("coe"), requests, 40, experts=150)


@pytest.mark.parametrize("policy", Policies)
def test_a_thousand_requests_as_the_oracle_has_them(thousand: tuple[list[int], Execution], policy: str) -> None:
    requests, execution = thousand
    agenda = execution.agenda(policy)
    hits, gone = oracle(requests, 40, policy)
    assert [s.hit for s in agenda.switches] == hits
    assert [[e.number for e in s.evicted] for s in agenda.switches] == gone
    assert 200 < sum(hits) < 1000


def test_belady_is_a_bound(thousand: tuple[list[int], Execution]) -> None:
    hits = {p: sum(s.hit for s in thousand[1].agenda(p).switches) for p in Policies}
    assert hits["belady"] == max(hits.values()) > hits["lru"]


def test_the_same_expert_again_costs_nothing(tmp_path: Path) -> None:
    agenda = follow(tmp_path, [3, 3, 3], 2)
    assert [s.there - s.asked for s in agenda.switches][1:] == [0, 0]
    assert sum(e.part == "copy" for e in agenda.timetable.entries) == 1


def test_what_is_only_read_is_not_copied_back(tmp_path: Path) -> None:
    """S is written by `count`: 4 KiB of each expert that leaves, but for one that was not launched since it came."""
    agenda = follow(tmp_path, [0, 1, 0, 1], 1)
    assert [s.written_back for s in agenda.switches] == [0, 0, 0, 0]
    wrote = ONE.replace(".scale(X = X, Y = Y)", ".count(X = X)")
    agenda = follow(tmp_path, [0, 1, 0, 1], 1, statements=wrote)
    assert [s.written_back for s in agenda.switches] == [0, 4096, 4096, 4096]


def test_a_launch_activates_what_nobody_activated(tmp_path: Path) -> None:
    plain = follow(tmp_path, [0, 1, 0], 2, statements="launch expert[C(b = k)].scale(X = X, Y = Y)")
    assert [(s.expert.number, s.hit) for s in plain.switches] == [(0, False), (1, False)]


def test_warnings_of_an_experts_kernel_point_into_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Diagnostic("RDF210", "a busy link", (Label(Span(0, 5), "here"),))]
    monkeypatch.setattr(Floorplan, "warnings", lambda self, netlist: found)
    (warning,) = rdflow_profile(executed(tmp_path, [1], 2)).warnings
    assert [label.source is not None and Path(label.source.name).name for label in warning.labels] == ["work.rdf"]
    program = rdflow.load("hello", N=64)
    assert program.profile().warnings == tuple(found)  # its own text: nothing to say


AHEAD = """if k == 0 { activate expert[C(b = 0)] }
        if k + 1 < B { async activate expert[C(b = k + 1)] }
        launch expert[C(b = k)].scale(X = X, Y = Y)"""


def test_loading_ahead_hides_switches(tmp_path: Path) -> None:
    """The same values, experts and bytes; the second load runs while the first expert does."""
    requests = list(range(8))
    plain, ahead = follow(tmp_path, requests, 8), follow(tmp_path, requests, 8, statements=AHEAD)
    assert plain.moved == ahead.moved
    assert ahead.timetable.end < plain.timetable.end
    copies = [e for e in ahead.timetable.entries if e.part == "copy"]
    loads = [e for e in ahead.timetable.entries if e.part == "program load"]
    assert copies[1].start == loads[0].start == copies[0].end
    policy = follow(tmp_path, requests, 8, "prefetch")
    assert policy.timetable.end == ahead.timetable.end and policy.moved == ahead.moved


def test_what_is_waited_for_stays(tmp_path: Path) -> None:
    statements = "if k == 0 { activate expert[0] activate expert[1] }\n launch expert[C(b = k)].scale(X = X, Y = Y)"
    with pytest.raises(CompileError) as caught:
        follow(tmp_path, [2], 2, statements=statements)
    assert [d.code for d in caught.value.diagnostics] == ["RDF214"]


def test_what_runs_stays_until_it_has_ended(tmp_path: Path) -> None:
    statements = "activate expert[C(b = k)]\n async launch expert[C(b = k)].scale(X = X, Y = Y)"
    agenda = follow(tmp_path, [0, 1], 1, statements=statements)
    execute = next(e for e in agenda.timetable.entries if e.part == "execute")
    second = [e for e in agenda.timetable.entries if e.part == "copy"][1]
    assert second.start == execute.end


# -- properties --------------------------------------------------------------------------------------------------------

SHAPES = [
    ONE,
    AHEAD,
    "async activate expert[C(b = k)]\n launch expert[C(b = k)].count(X = X)",
    "launch expert[C(b = k)].count(X = X)\n async launch expert[C(b = k)].scale(X = X, Y = Y)",
    "activate expert[C(b = k)]\n async launch expert[C(b = k)].count(X = X)\n copy X -> Y",
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 11), min_size=1, max_size=12),
    st.integers(2, 6),
    st.sampled_from([*Policies, "prefetch"]),
    st.sampled_from(SHAPES),
)
def test_bytes_are_moved_once(tmp_path: Path, requests: list[int], room: int, policy: str, statements: str) -> None:
    """Every byte that an activation moves is read from DDR once and written to HBM once; those copied back the other way;
    no resource does two things at a time; residents are apart and inside of the tier."""
    agenda = follow(tmp_path, requests, room, policy, statements)
    copies = [s for s in agenda.switches if not s.hit]
    loaded, back = sum(s.loaded for s in copies), sum(s.written_back for s in copies)
    beside = 4096 * sum(e.what.startswith("copy") for e in agenda.timetable.entries)
    assert agenda.moved == {"hbm": [back + beside, loaded + beside], "ddr": [loaded, back]}
    assert loaded == agenda.plan.footprints["expert"].size * len(copies)
    assert not list(overlapping(agenda.timetable.entries))
    cache, inside = agenda.caches["hbm"], set[Expert]()
    for switch in agenda.switches:
        assert switch.hit == (switch.expert in inside)
        inside = (inside - set(switch.evicted)) | {switch.expert}
        assert len(inside) <= room
    assert inside == set(cache.residents)
    spans = sorted((r.address, r.end) for r in cache.residents.values())
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert all(cache.address <= a and b <= cache.address + cache.size for a, b in spans)


# -- the composition ---------------------------------------------------------------------------------------------------


def composed(q: int, b: int, m: int, **params: int) -> tuple[rdflow.api.Program, dict[str, Any]]:
    """Samba-CoE with small experts, and values whose products are about 1."""
    program = rdflow.load("samba_coe", Q=q, B=b, M=m, **params)
    random = np.random.default_rng(2)
    inputs: dict[str, Any] = {}
    for name, tensor in program.checked.program.held.items():
        if tensor.dtype == "int32":
            inputs[name] = random.integers(0, 64, tensor.shape)
        else:
            scale = 1 / np.sqrt(tensor.shape[-1]) if name.startswith("expert.W") else 1
            full = (random.standard_normal(tensor.shape) * scale).astype(np.float32)
            inputs[name] = bf16(full) if tensor.dtype == "bf16" else full
    given = {n: v for n, v in inputs.items() if program.checked.program.held[n].given}
    return program, given


def test_samba_coe_is_its_router_and_its_experts() -> None:
    """The router's choices are NumPy's, and the tokens those of each expert's program run alone."""
    program, inputs = composed(1, 5, 2)
    result = program.run(**inputs)
    rows = inputs["TABLE"][inputs["PROMPT"][:, :, 0]]
    total = rows[:, :, 0]
    for t in range(1, rows.shape[2]):
        total = total + rows[:, :, t]
    mean = bf16((total / np.float32(rows.shape[2])).astype(np.float32))
    chosen = (mean @ inputs["WR"].T).argmax(axis=-1)
    assert (result.outputs["CHOICE"] == chosen).all() and len(set(chosen.ravel().tolist())) > 3
    params = {
        n: v
        for n, v in program.checked.program.params.items()
        if n in ["T", "M", "NL", "C", "F", "V", "G", "R", "W", "D", "E"]
    }
    alone = rdflow.load("llama", **params, B=1, U=params["T"] + params["M"])  # type: ignore[operator]
    for q, b in np.ndindex(*chosen.shape):
        own = {n.removeprefix("expert."): v[chosen[q, b]] for n, v in inputs.items() if n.startswith("expert.")}
        own |= {"PROMPT": inputs["PROMPT"][q, b], "COS": inputs["COS"], "SIN": inputs["SIN"]}
        wanted = alone.evaluate(**own)
        assert (result.outputs["IDS"][q, b] == wanted["IDS"]).all()


def test_prompts_by_expert_give_the_same_and_load_less() -> None:
    """GROUP = 1: the order that the chip computes is NumPy's, the tokens do not change, each expert is asked for in one go."""
    plain, grouped = (composed(1, 6, 1, N=3, GROUP=group, AHEAD=1) for group in (0, 1))
    found = [program.run(verify=True, **inputs) for program, inputs in (plain, grouped)]
    assert all(r.verification is not None and r.verification.passed for r in found)
    chosen = found[0].outputs["CHOICE"]
    assert (found[1].outputs["IDS"] == found[0].outputs["IDS"]).all()
    assert (found[1].outputs["ORDER"][0] == np.argsort(chosen[0], kind="stable")).all()
    runs = [[s.expert.number for s in r.profile.agenda.switches if not s.hit] for r in found]
    assert sorted(runs[1]) == sorted(set(chosen[0].tolist()))


def test_the_host_reads_a_value_once(tmp_path: Path) -> None:
    """It knows what it has read until the chip writes the tensor again."""
    program = rdflow.load("samba_coe", Q=1, B=2, M=1)
    execution = program.timed()
    execution.advance()
    reads = [e.what for e in execution.agenda().timetable.entries if e.part == "read"]
    assert reads == ["read CHOICE(q = 0, b = 0)", "read CHOICE(q = 0, b = 1)"]


def test_choices_may_be_drawn_or_given_where_only_experts_depend_on_them() -> None:
    program = rdflow.load("samba_coe", Q=1, B=8, M=1)
    numbers: dict[int, list[list[int]]] = {}
    for seed in (3, 3, 4):
        execution = program.timed(seed=seed)
        execution.advance()
        numbers.setdefault(seed, []).append([s.expert.number for s in execution.agenda().switches])
    assert numbers[3][0] == numbers[3][1] != numbers[4][0]
    given = program.timed({"CHOICE": np.arange(8)[None]})
    given.advance()
    assert [s.expert.number for s in given.agenda().switches] == list(range(8))
    assert rdflow.load("samba_coe", Q=1, B=2, M=1, GROUP=1, N=3).timed().values is not None
