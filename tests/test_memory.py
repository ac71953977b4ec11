"""The memory manager: lifetimes, addresses, what is spilled; no two live symbols overlap, and no tier is overfull."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rdflow
from rdflow.dsl.codes import CODES
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.source import NOWHERE
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.memory import addresses, plan
from rdflow.interpreter.symbols import BEFORE, Symbol

CHAIN = """axis n = {n}
tensor X: f32[n] in hbm input
{tensors}
tensor Y: f32[n] in hbm output

kernel add(x: f32[n], y: f32[n]) {{
    a = load x as [n/H | n%H]
    b = pcu a + 1
    store b -> y
}}

schedule {{
{launches}
}}
"""
SMALL = {"hbm_capacity": "64KiB", "ddr_capacity": "1MiB"}


def chain(stages: int, n: int = 1024) -> str:
    """X -> T0 -> T1 -> .. -> Y, each through a launch."""
    names = ["X", *(f"T{i}" for i in range(stages)), "Y"]
    tensors = "\n".join(f"tensor {name}: f32[n] in hbm" for name in names[1:-1])
    pairs = itertools.pairwise(names)
    return CHAIN.format(n=n, tensors=tensors, launches="\n".join(f"    launch add({a}, {b})" for a, b in pairs))


def toy(**changes: Any) -> Any:
    return load_machine("toy").replace(**{**SMALL, **changes})


def test_what_is_not_needed_at_once_shares_addresses() -> None:
    """Twelve vectors of 4 KiB, of which two are needed at a time: 8 KiB are enough."""
    program = rdflow.loads(chain(10), "chain.rdf")
    found = plan(program.checked, toy(hbm_capacity="8KiB"))
    assert found.spilled == {}
    assert max(p.end for p in found.placed) == 8 * 1024
    assert [(p.symbol.first, p.symbol.last) for p in found.placed][:3] == [(BEFORE, 0), (0, 1), (1, 2)]


def test_the_least_moved_is_spilled_first() -> None:
    """X and R are moved once, M and Y five times: these stay."""
    text = """axis n = 1024
tensor X: f32[n] in hbm input
tensor R: f32[n] in hbm input
tensor M: f32[n] in hbm
tensor Y: f32[n] in hbm output
kernel add(x: f32[n], y: f32[n]) {
    a = load x as [n/H | n%H]
    b = pcu a + 1
    store b -> y
}
schedule {
    launch add(X, M)
    for i in 0..4 { launch add(M, Y) }
    launch add(R, Y)
}
"""
    program = rdflow.loads(text, "spill.rdf").on(toy(hbm_capacity="8KiB"))
    found = plan(program.checked, program.machine)
    assert found.spilled == {"X": "ddr", "R": "ddr"}
    assert {p.symbol.name: p.symbol.moved // 4096 for p in found.placed} == {"X": 1, "R": 1, "M": 5, "Y": 5}
    assert [d.code for d in found.warnings] == ["RDF213", "RDF213"]
    result = program.run(verify=True)
    assert result.verification is not None and result.verification.passed
    assert result.profile.tiers["ddr"].read == 8192 and result.profile.tiers["ddr"].written == 0
    assert [d.code for d in result.profile.warnings] == ["RDF213", "RDF213"]


def test_nothing_fits() -> None:
    program = rdflow.loads(chain(1), "chain.rdf")
    with pytest.raises(CompileError) as caught:
        program.on(toy(hbm_capacity="2KiB", ddr_capacity="4KiB")).run()
    (found,) = caught.value.diagnostics
    assert (found.code, len(found.labels)) == ("RDF207", 2) and found.help


def test_a_value_that_is_read_is_needed_until_then() -> None:
    text = """axis n = 64, b = 2
tensor X: f32[b, n] in hbm input
tensor C: int32[b] in hbm
tensor Y: f32[n] in hbm output
kernel choose {
    x = load X as [b, n/H | n%H]
    m = pcu sum(n) x as f32 [b]
    c = pcu where(m > 0, 2, 1) as int32 [b]
    store c -> C
}
kernel add(x: f32[n], y: f32[n]) {
    a = load x as [n/H | n%H]
    b = pcu a + 1
    store b -> y
}
schedule {
    launch choose
    launch add(X(b = 0), Y)
    for i in 0..C(b = 1) { launch add(X(b = 1), Y) }
    let e = C(b = 0)
}
"""
    found = {p.symbol.name: p.symbol for p in plan(rdflow.loads(text, "read.rdf").checked, toy()).placed}
    assert (found["C"].first, found["C"].last) == (0, 4) and found["C"].moved != 0
    assert found["X"].first == BEFORE and found["X"].last == 3


@pytest.mark.parametrize("code", ["RDF211", "RDF212", "RDF213", "RDF214"])
def test_explained_codes(code: str) -> None:
    entry = CODES[code]
    assert code in told(entry.wrong) and told(entry.right) == []


def told(text: str) -> list[str]:
    """What is said of a program when it is run for its cycles."""
    try:
        program = rdflow.loads(text, "program.rdf")
        found = program.profile()
    except CompileError as error:
        return [d.code for d in error.diagnostics]
    return [d.code for d in (*program.warnings, *found.warnings)]


def test_memory_is_explained(tmp_path: Path) -> None:
    from rdflow.show_schedule import memory

    program = rdflow.loads(chain(3), "chain.rdf")
    tables = memory(plan(program.checked, toy()))
    rows = [list(column.cells) for column in tables[0].columns]
    assert "T0" in map(str, rows[0]) and any("at other times" in str(why) for why in rows[-1])


# -- properties --------------------------------------------------------------------------------------------------------

lifetimes = st.tuples(st.integers(1, 5000), st.integers(-1, 20), st.integers(0, 8))


@settings(max_examples=200, deadline=None)
@given(st.lists(lifetimes, max_size=25), st.sampled_from([64, 256, 2048]))
def test_live_symbols_do_not_overlap(drawn: list[tuple[int, int, int]], turn: int) -> None:
    found = [Symbol(f"S{i}", size, "hbm", a, a + n, 1, size, NOWHERE) for i, (size, a, n) in enumerate(drawn)]
    at = addresses(found, turn)
    for step in range(-1, 30):
        live = sorted((at[s.name], at[s.name] + s.size) for s in found if s.first <= step <= s.last)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(live))
    assert all(address % turn == 0 for address in at.values())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=12).filter(
        lambda launched: any(a != b for a, b in launched)
    ),
    st.integers(2, 12),
    st.booleans(),
)
def test_plans_of_random_schedules(launched: list[tuple[int, int]], kib: int, asynchronous: bool) -> None:
    """No two live symbols overlap, no tier is overfull at any step, and what ran is what NumPy says."""
    tensors = "\n".join(
        f"tensor T{i}: f32[n] in hbm{' input' if i < 2 else ' output' if i > 5 else ''}" for i in range(8)
    )
    word = "async launch" if asynchronous else "launch"
    lines = "\n".join(f"    {word} add(T{a}, T{b})" for a, b in launched if a != b)
    text = CHAIN.format(n=256, tensors=tensors, launches=lines).replace("tensor X: f32[n] in hbm input\n", "")
    text = text.replace("tensor Y: f32[n] in hbm output\n", "")
    program = rdflow.loads(text, "random.rdf").on(toy(hbm_capacity=f"{kib}KiB"))
    found = plan(program.checked, program.machine)
    for step in range(-1, len(launched) + 1):
        for tier in ("hbm", "ddr"):
            live = sorted(
                (p.address, p.end) for p in found.placed if p.tier == tier and p.symbol.first <= step <= p.symbol.last
            )
            assert all(before[1] <= after[0] for before, after in itertools.pairwise(live))
            assert all(end <= program.machine.tiers[tier].capacity for _, end in live)
    values = program.inputs()
    execution = program.execution(values)
    execution.advance()
    wanted = program.evaluate()
    assert execution.values is not None
    assert all(np.array_equal(execution.values[name], wanted[name]) for name in wanted)
