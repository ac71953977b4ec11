"""Loads and stores of one tensor wait for each other in time (A9): how long, who, and what can never go on."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from random_netlists import Case
from test_balance import codes, run
from test_cycles import AGCU, MACHINE, STAGES, answered, on_one_channel, wire
from test_engine_equals_oracle import check_to_the_end
from test_engine_programs import filled

import rdflow
from rdflow.api import Program
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.evaluate import evaluate
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.waits import READ, WRITTEN
from rdflow.interpreter.image import Status, advance, build, counters
from rdflow.interpreter.mapping import map_netlist
from rdflow.interpreter.why import why
from rdflow.units import kernel_costs

N = 1024  # tokens of a matrix: 64 rows of 256 f32, 16 a token

BESIDE = """
param A = 4, P = 1, Q = 1
axis a = A, n = 64, c = 256
tensor W: f32[a, n, c] in hbm
tensor V: f32[a, n, c] in hbm
tensor Z: f32[a, n, c] in hbm input
tensor O: f32[a, n, c] in hbm output
kernel k {{
    w = load W @P as [a, n, c/H | c%H]
    z = load Z @Q as [a, n, c/H | c%H]
    o = pcu w + 1
    store z @Q -> {target}
    store o @P -> O
}}
schedule {{ launch k }}
"""

RAGGED = """
axis b = 4, u = 40, c = 64
tensor LEN: int32[b] in hbm input
tensor W: f32[b, u, c] in hbm
tensor Z: f32[b, u, c] in hbm input
tensor Y: f32[b, c] in hbm output
kernel k {{
    len = load LEN as [b]
    w = load W as [b, u < len, c/H | c%H]
    wb = pmu w as [b; c/H, u < len | c%H]
    z = load Z as [b, {bound}, c/H | c%H]
    y = pcu sum(u) wb
    store z -> W
    store y -> Y
}}
schedule {{ launch k }}
"""

REVERSED = """
axis n = 256, c = 64
tensor W: f32[n, c] in hbm
tensor O: f32[n, c] in hbm output
kernel k {{
    w = {load} W as [{tile}n, c/H | c%H]
    y = pcu w * 2
    store y -> W(n = 255 - n)
    store y -> O
}}
schedule {{ launch k }}
"""

AGAIN = """
axis n = 64, c = 256
tensor W: f32[n, c] in hbm
tensor Z: f32[n, c] in hbm input
tensor O: f32[n, c] in hbm output
kernel k {{
    z = load Z as [n, c/H | c%H]
    store z -> W
    w = load W as [c/H, n | c%H]
    wt = pmu w as [; n, c/H | c%H]
    {hold}
    o = pcu wt + {held}
    store o -> O
}}
schedule {{ launch k }}
"""


def beside(target: str, **sizes: int) -> Program:
    return rdflow.loads(BESIDE.format(target=target), **sizes)


def netlist(program: Program) -> Netlist:
    (kernel,) = program.checked.kernels.values()
    return elaborate(kernel)


def waits(found: Netlist) -> list[tuple[str, str, int]]:
    """The tokens between units: names of the actors that wait and that are waited for, and how often."""
    ends = [(found.actors[q.sink], found.actors[q.source], q) for q in found.queues]
    return [
        (a.name, b.name, q.slots or 0) for a, b, q in ends if q.stream.endswith((READ, WRITTEN)) and a.unit != b.unit
    ]


# -- how long ----------------------------------------------------------------------------------------------------------


def stored_after(program: Program, source: str, tokens: int) -> int:
    """Cycles until all is stored where the store waits for the first `tokens` of `w`, and then for nothing: the last of
    them is answered, its token passes an AGCU and the wire, the store follows with all of `source`."""
    kernel = program.execution().begin().compiled
    stored = program.checked.program.axes["a"].length * N
    return answered() + tokens - 1 + AGCU + wire(kernel, "w", f"store.{source}") + stored - 1 + answered() + 1


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_store_waits_for_the_last_read_of_its_iteration(layers: int) -> None:
    """Row n goes to the place of row 63 - n: each layer waits for all of its own reads, and for no other layer's."""
    program = beside("W(n = 63 - n)", A=layers)
    assert on_one_channel(layers * N * 64)
    assert waits(netlist(program)) == [("store.z", "w.respond", layers)]
    assert program.profile().cycles == stored_after(program, "z", N)


def test_a_store_waits_for_all_reads_where_no_loop_is_shared() -> None:
    """The first of the store comes with the token of the last read, the others behind it a cycle each."""
    program = beside("W(a = 3 - a)")
    assert waits(netlist(program)) == [("store.z", "w.respond", 1)]
    kernel = program.execution().begin().compiled
    image = build(kernel.mapped, None)
    assert Status(advance(image)) is Status.FINISHED
    names = [actor.name for actor in image.mapped.netlist.actors]
    read, stored = names.index("w.respond"), names.index("store.z")
    found = counters(image)
    assert found.first[stored] == found.last[read] + AGCU + wire(kernel, "w", "store.z")
    assert found.last[stored] == found.first[stored] + 4 * N - 1


def test_a_store_that_follows_the_reads_loses_nothing() -> None:
    """A token each: the load is a wire ahead, and both take a packet a cycle."""
    program, apart = beside("W"), beside("V")
    assert waits(netlist(program)) == [("store.z", "w.respond", 4 * N)]
    assert waits(netlist(apart)) == []
    kernel = apart.execution().begin().compiled
    first = answered() + AGCU + wire(kernel, "w", "o") + STAGES + wire(kernel, "o", "store.o") + answered()
    assert program.profile().cycles == apart.profile().cycles == first + 4 * N


def test_what_is_made_of_the_loaded_token_needs_no_wait() -> None:
    """Its data says so: no token, no cycle."""
    program, apart = (rdflow.loads(BESIDE.format(target="V").replace("o @P -> O", f"o @P -> {t}")) for t in ("W", "O"))
    assert waits(netlist(program)) == []
    assert program.profile().cycles == apart.profile().cycles


# -- who ---------------------------------------------------------------------------------------------------------------


def test_copies_that_touch_other_parts_do_not_wait() -> None:
    """Copies along rows on both sides: copy i for copy i. Along rows and columns: each for each."""
    text = BESIDE.format(target="W").replace("@P as [a, n,", "as [a, n @4,").replace("@Q as [a, n,", "as [a, n @4,")
    program = rdflow.loads(text.replace(" @Q", "").replace(" @P", ""))
    found = waits(netlist(program))
    assert [(a[-3:], b[-3:]) for a, b, _ in found] == [(f"[{i}]", f"[{i}]") for i in range(4)]
    assert {times for *_, times in found} == {N}


def test_each_agcu_waits_for_each() -> None:
    """The streams of a load and of a store are dealt out by other loops."""
    program = beside("W(n = 63 - n)", P=4, Q=2)
    found = waits(netlist(program))
    assert len(found) == len(set(found)) == 8
    assert {times for *_, times in found} == {4}


def test_loops_that_run_differently_are_not_shared() -> None:
    same, other = (rdflow.loads(RAGGED.format(bound=b)) for b in ("u < len", "u"))
    assert [times for *_, times in waits(netlist(same))] == [4 * 40 * 4]
    assert [times for *_, times in waits(netlist(other))] == [4]


def test_a_profile_and_the_units_name_the_wait() -> None:
    program = beside("W(a = 3 - a)")
    (wait,) = next(iter(kernel_costs(program.checked, program.machine))).ordered
    assert (wait.unit, wait.on, wait.until, wait.times) == ("store.z", "w", "W is read", 1)
    (kernel,) = program.profile().kernels
    assert "`store.z` waits 50% for `w`" in kernel.why


def test_why_names_the_wait() -> None:
    program = beside("W(a = 3 - a)")
    image = build(map_netlist(netlist(program), MACHINE)[0], None)
    advance(image, 2000)
    names = [unit.name for unit in image.mapped.netlist.units]
    assert why(image, names.index("store.z")).parts[0].startswith("`store.z` waits for `w` until W is read")


# -- values ------------------------------------------------------------------------------------------------------------

SOCKETS = """
param G = 2
axis g = G, n = 8, c = 64
tensor W: f32[g @socket, n, c] in hbm
tensor Z: f32[g @socket, n, c] in hbm input
tensor O: f32[g @socket, n, c] in hbm output
kernel k {
    w = load W as [g @socket, n, c/H | c%H]
    z = load Z as [g @socket, n, c/H | c%H]
    o = pcu w + z
    store z -> W(n = 7 - n)
    store o -> O
    v = load W as [g @socket, c/H, n | c%H]
    vt = pmu v as [g @socket; n, c/H | c%H]
    store vt -> W
}
schedule { launch k }
"""
TEXTS = {
    "beside": BESIDE.format(target="W(n = 63 - n)"),
    "ragged": RAGGED.format(bound="u < len"),
    "held": REVERSED.format(load="pmu load", tile="; "),
    "sockets": SOCKETS,
}


@pytest.mark.parametrize(
    ("name", "sizes"), [("beside", {"A": 2, "P": 4, "Q": 2}), ("ragged", {}), ("held", {}), ("sockets", {})]
)
def test_the_engine_is_the_evaluator_and_the_oracle(name: str, sizes: dict[str, int]) -> None:
    program = rdflow.loads(TEXTS[name], **sizes)
    assert program.run(verify=True, **drawn(program)).verification.passed
    for spec in program.checked.kernels:
        mapped = program.execution().compile(spec).mapped
        check_to_the_end(Case(mapped, {i: filled(use) for i, use in enumerate(mapped.netlist.tensors)}, wild=False))


def drawn(program: Program) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    inputs = [t for t in program.checked.program.tensors.values() if t.direction == "input"]
    return {
        t.name: generator.integers(1, 30, t.shape).astype(np.float32 if t.dtype == "f32" else np.int32) for t in inputs
    }


def test_loads_above_read_what_was_there() -> None:
    """Values have versions: O is made of the old W, whatever is stored below."""
    text = TEXTS["beside"].replace("launch k", "launch k launch k")
    program = rdflow.loads(text, A=1)
    given = drawn(program)
    found = evaluate(program.checked, given)
    np.testing.assert_array_equal(found["O"], given["Z"][:, ::-1] + 1)


# -- what can never go on ----------------------------------------------------------------------------------------------


def test_a_store_that_waits_for_what_waits_for_it() -> None:
    text = REVERSED.format(load="load", tile="")
    with pytest.raises(rdflow.CompileError) as refused:
        rdflow.loads(text).profile()
    (error,) = refused.value.diagnostics
    assert error.code == "RDF056"
    assert "`store y` waits until `w` has read the last of `W`, and `w` cannot go on" in error.message
    assert error.help is not None and error.help.startswith(
        "hold it: `wb = pmu w as [; n, c/H | c%H]`, and read `wb` in `y`"
    )
    assert run(text)[0] is Status.DEADLOCK
    assert run(REVERSED.format(load="pmu load", tile="; "))[0] is Status.FINISHED


def test_a_load_that_waits_for_what_waits_for_it() -> None:
    wrong = AGAIN.format(hold="", held="z")
    assert codes(wrong) == ["RDF056"]
    assert run(wrong)[0] is Status.DEADLOCK
    right = AGAIN.format(hold="zb = pmu z as [; n, c/H | c%H]", held="zb")
    assert codes(right) == []
    assert run(right)[0] is Status.FINISHED


HELD = """
axis a = 3, n = 64, c = 256
tensor W: f32[a, n, c] in hbm
tensor O: f32[a, n, c] in hbm output
kernel k {{
    w = load W as [{loops} | c%H]
    h = {hold}
    y = {turn}
    store y {streams} -> W{view}
    v = load W as [a, c/H, n | c%H]
    vt = pmu v as [a; n, c/H | c%H]
    store vt -> O
}}
schedule {{ launch k }}
"""
HOLDS = ("pcu w", "pmu w as [a, n; c/H | c%H]", "pmu w as [a; n, c/H | c%H]", "pmu w as [; a, n, c/H | c%H]")
TURNS = ("pcu h * 2", "pmu h as [a; c/H, n | c%H]")
VIEWS = ("", "(n = 63 - n)", "(a = 2 - a)")


def test_what_is_refused_stops_and_what_is_not_refused_ends() -> None:
    """The proof against the run, over what is held, turned and stored where."""
    found = Counter[bool]()
    for hold, turn, view, streams in product(HOLDS, TURNS, VIEWS, ("", "@2")):
        text = HELD.format(loops="a, n, c/H", hold=hold, turn=turn, view=view, streams=streams)
        refused = "RDF056" in codes(text)
        assert (run(text)[0] is Status.DEADLOCK) == refused, text
        found[refused] += 1
    assert min(found[True], found[False]) >= 8, found
