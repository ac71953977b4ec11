"""Several sockets: collectives against their closed forms, the naive oracle and the NumPy evaluator."""

from __future__ import annotations

import os
from dataclasses import astuple, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import rdflow
from rdflow import CompileError
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.collectives import Form, Message
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.evaluate import evaluate
from rdflow.dsl.netlist import Loop
from rdflow.interpreter import execution, launched
from rdflow.interpreter.allocate import unit_table
from rdflow.interpreter.collectives import chosen, direct_cycles, ring_cycles
from rdflow.interpreter.image import Status, advance, blank, build, counters, memory_words
from rdflow.interpreter.kernel.layout import FAR
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.mapping import map_netlist
from rdflow.interpreter.sockets import cycles_per_packet, ports_a_peer, shard
from rdflow.interpreter.waiting import tokens
from tests.test_engine_equals_oracle import Case, check_to_the_end

NODE = load_machine("sn40l")
HEADER = """
param G = 4, N = 256, P = 1, E = f32
axis g = G, n = N
tensor X: E[g @socket, n] in hbm input
"""
ALL_REDUCE = (
    HEADER
    + """
tensor Y: E[n] in hbm output
kernel k {
    x = load X @P      as [g @socket, n/H @P | n%H]
    y = pcu OP(g) x    as [n/H @P | n%H]
    store y @P -> Y
}
"""
)
IN_LANES_AND_TIME = (
    HEADER
    + """
axis t = 3
tensor Z: E[g @socket, t, n] in hbm input
tensor W: E[t] in hbm input
tensor Y: E[t] in hbm output
kernel k {
    z = load Z as [g @socket, t, n/L | n%L]
    w = load W as [t]
    y = pcu (sum(g, n) z * z) / 2 + w as E [t]
    store y -> Y
}
"""
)
OVER_COPIES = (
    HEADER
    + """
tensor Y: E[n] in hbm output
axis c = 3
tensor Z: E[g @socket, c, n] in hbm input
kernel k {
    z = load Z as [g @socket, c @, n/H | n%H]
    y = pcu sum(g, c) z as [n/H | n%H]
    store y -> Y
}
"""
)
REDUCE_SCATTER = """
param G = 4, N = 64, E = f32
axis g = G, s = G, m = N, n = s * m
tensor X: E[g @socket, n] in hbm input
tensor Y: E[s @socket, m] in hbm output
kernel k {
    x = load X as [g @socket, s, m/H | m%H]
    y = pcu sum(g) x as [s @socket, m/H | m%H]
    store y -> Y
}
"""
ALL_GATHER = (
    HEADER
    + """
tensor Y: E[g, n] in hbm output
kernel k {
    x = load X as [g @socket, n/H | n%H]
    y = UNIT x as ORDER
    store y -> Y
}
"""
)
LIBRARY = (
    "use std.collective"
    + HEADER
    + """
tensor Y: E[ORDER] in hbm output
kernel k {
    x = load X as [g @socket, n/H | n%H]
    y = LAYER
    store y -> Y
}
"""
)
LAYERS = {
    "all_reduce(x)": "n",
    "all_gather(x)": "g, n",
    "multicast(x, root = 2)": "n",
    "send(x)": "g @socket, n",
    "send(x, distance = 3)": "g @socket, n",
    "receive(x)": "g @socket, n",
}
SCATTER = """
use std.collective
param G = 4
axis g = G, s = G, m = 64, n = s * m
tensor X: f32[g @socket, n] in hbm input
tensor Y: f32[s @socket, m] in hbm output
kernel k {
    x = load X as [g @socket, n/H | n%H]
    y = reduce_scatter(x)
    store y -> Y
}
"""
MOVED_COPIES = """
axis z = 3, n = 64
tensor X: f32[z, n] in hbm input
tensor Y: f32[z, n] in hbm output
kernel k {
    x = load X         as [z @, n/H | n%H]
    y = pmu x(z = z - 1) as [; z @, n/H | n%H]
    store y -> Y
}
"""
GATHERS = {
    "in time": ALL_GATHER.replace("UNIT", "pcu 2 *").replace("ORDER", "[g, n/H | n%H]"),
    "in copies": ALL_GATHER.replace("UNIT", "pcu 2 *").replace("ORDER", "[g @, n/H | n%H]"),
    "in a scratchpad": ALL_GATHER.replace("UNIT", "pmu").replace("ORDER", "[; n/H, g | n%H]"),
}


def mapped(text: str, form: Form | None = None, machine: Machine = NODE, **params: int | str) -> Mapped:
    program = rdflow.loads(text, **params)
    (kernel,) = program.checked.kernels.values()
    return map_netlist(coalesce(elaborate(kernel, chosen(machine, form))), machine)[0]


def case(text: str, form: Form | None, **params: int | str) -> Case:
    found = mapped(text, form, **params)
    inputs = rdflow.loads(text, **params).inputs()
    return Case(found, {i: inputs[use.name] for i, use in enumerate(found.netlist.tensors)}, wild=False)


def check_values(text: str, form: Form | None, **params: int | str) -> None:
    """Every socket has what the evaluator says, bit for bit."""
    given = case(text, form, **params)
    image = build(given.mapped, given.values)
    assert advance(image) is Status.FINISHED
    program = rdflow.loads(text, **params)
    wanted = evaluate(program.checked, program.inputs())
    for number, memory in enumerate(given.mapped.netlist.memories):
        if memory.tensor is not None and "#" in memory.name:
            use = given.mapped.netlist.tensors[memory.tensor]
            part = np.ascontiguousarray(shard(use, wanted[use.name], memory.socket)).reshape(-1)
            words = memory_words(image, number)[: part.size]
            assert words.view(np.int32).tolist() == part.view(np.int32).tolist(), (memory.name, memory.socket)


CASES = [
    pytest.param(ALL_REDUCE.replace("OP", "sum"), {}, id="sum"),
    pytest.param(ALL_REDUCE.replace("OP", "sum"), {"N": 250, "G": 8}, id="sum, a short last token"),
    pytest.param(ALL_REDUCE.replace("OP", "sum"), {"N": 40, "G": 8}, id="sum, fewer tokens than sockets"),
    pytest.param(ALL_REDUCE.replace("OP", "sum"), {"N": 1000, "P": 3, "E": "bf16"}, id="sum of bf16 in copies"),
    pytest.param(ALL_REDUCE.replace("OP", "max"), {"N": 100, "G": 2}, id="max"),
    pytest.param(ALL_REDUCE.replace("OP", "sum"), {"N": 100, "G": 3, "E": "int32"}, id="sum of int32"),
    pytest.param(ALL_REDUCE.replace("OP", "sum"), {"N": 2048, "G": 2}, id="sum in rounds"),
    pytest.param(
        ALL_REDUCE.replace("OP", "sum"), {"N": 8192, "P": 2, "E": "bf16"}, id="sum of bf16 in copies and rounds"
    ),
    pytest.param(ALL_REDUCE.replace("OP", "max"), {"N": 3072, "G": 3, "E": "int32"}, id="max of int32 in rounds"),
    pytest.param(IN_LANES_AND_TIME, {"N": 128}, id="sum over sockets, time and lanes"),
    pytest.param(OVER_COPIES, {"N": 64}, id="sum over sockets and copies"),
    pytest.param(REDUCE_SCATTER, {}, id="reduce-scatter"),
    pytest.param(REDUCE_SCATTER, {"G": 8, "E": "bf16"}, id="reduce-scatter of bf16"),
    *(pytest.param(text, {}, id=f"all-gather {name}") for name, text in GATHERS.items()),
    *(pytest.param(LIBRARY.replace("LAYER", l).replace("ORDER", o), {}, id=f"std {l}") for l, o in LAYERS.items()),
    pytest.param(SCATTER, {}, id="std reduce_scatter(x)"),
    pytest.param(MOVED_COPIES, {}, id="a view that moves copies"),
]
forms = pytest.mark.parametrize("form", ["direct", "ring"])


@forms
@pytest.mark.parametrize(("text", "params"), CASES)
def test_every_socket_has_the_values_of_the_evaluator(text: str, params: dict[str, int | str], form: Form) -> None:
    check_values(text, form, **params)


@forms
@pytest.mark.parametrize(("text", "params"), CASES)
def test_the_engine_equals_the_oracle(text: str, params: dict[str, int | str], form: Form) -> None:
    check_to_the_end(case(text, form, **params))


PROGRAMS = {
    "llama_decode": {"C": 32, "F": 256, "U": 40, "NL": 2, "R": 2, "W": 8, "POS": 20},
    "llama_prefill_layer": {"T": 64, "C": 32, "F": 256, "R": 2, "W": 8},
    "llama_unfused": {"T": 64, "C": 32, "F": 256, "R": 2, "W": 8, "NL": 1},
}


@pytest.mark.parametrize("sockets", [2, 4, 8])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_over_sockets_verify(name: str, sockets: int) -> None:
    result = rdflow.load(name, G=sockets, **PROGRAMS[name]).run(verify=True)
    assert result.verification is not None and result.verification.passed


# -- threads -----------------------------------------------------------------------------------------------------------


def ended(given: Case, threads: int | None, stops: tuple[int, ...] = ()) -> list[object]:
    """Status, cycles, all counters and all words at each stop and at the end."""
    image = build(given.mapped, given.values, threads)
    found: list[object] = []
    for until in (*stops, FAR):
        found += [advance(image, until), image.cycles]
        counted = counters(image)
        found += [getattr(counted, field.name).tolist() for field in fields(counted)]
        found += [memory_words(image, i).tobytes() for i in range(len(given.mapped.netlist.memories))]
        found += [[ready for ready, _ in tokens(image, q)] for q in range(len(given.mapped.netlist.queues))]
    return found


@forms
@pytest.mark.parametrize(("text", "params"), CASES)
def test_sockets_apart_are_sockets_together(text: str, params: dict[str, int | str], form: Form) -> None:
    """Any number of threads, whole and in slices: as one image does it, bit for bit."""
    given = case(text, form, **params)
    together = ended(given, None)
    assert all(ended(given, threads) == together for threads in (1, 2, 3, 8))


def test_sockets_apart_stop_where_they_are_told() -> None:
    given = case(ALL_REDUCE.replace("OP", "sum"), "direct", N=1000, P=3)
    stops = (1, 139, 140, 300, 411, 412, 413, 600, 700)
    together = ended(given, None, stops)
    assert ended(given, 1, stops) == together == ended(given, 2, stops)


def test_sockets_apart_take_memory_for_what_is_on_them() -> None:
    """Each has words at the addresses of all; pages without any of its own stay untouched, as Linux can tell."""
    resident = Path("/proc/self/statm")
    if not resident.is_file():
        pytest.skip("the system does not say how many pages are in use")
    text = """
    axis d = 8, n = 4194304
    tensor X: f32[d @socket, n] in hbm input
    tensor Y: f32[n] in hbm output
    kernel add {
        x = load X    as [d @socket, n/L | n%L]
        y = pcu sum(d) x
        store y -> Y
    }
    """
    machine = load_machine("sn40l")
    checked = rdflow.loads(text).checked
    mapped, _ = map_netlist(elaborate(checked.kernels[checked.launches[0]], chosen(machine)), machine)
    before = int(resident.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    image = blank(mapped, True, threads=2)
    grown = int(resident.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") - before
    assert image.apart is not None and len(image.apart.values) == 8
    assert image.apart.values[0].words.nbytes > 256 << 20
    assert grown < image.apart.values[0].words.nbytes


def test_a_deadlock_over_sockets_is_told() -> None:
    """A token too few on one socket: the others wait for it for ever."""
    given = case(ALL_REDUCE.replace("OP", "sum"), "direct")
    netlist = given.mapped.netlist
    number = next(i for i, a in enumerate(netlist.actors) if a.name == "x.request[1@1]")
    actors = list(netlist.actors)
    actors[number] = replace(actors[number], loops=(Loop(actors[number].loops[0].size - 1),))
    short = replace(given.mapped, netlist=replace(netlist, actors=actors))
    assert advance(build(short, None, 2)) is Status.DEADLOCK is advance(build(short))


# -- time --------------------------------------------------------------------------------------------------------------

HELD = """
param G = 8, N = 256, P = 1, R = 2
axis g = G, n = N, r = R
tensor X: f32[g @socket, n] in hbm input
tensor Y: f32[r, n] in hbm output
kernel k {
    x = pmu load X @P as [; g @socket, r, n/H @P | n%H]
    y = pcu sum(g) x  as [r, n/H @P | n%H]
    store y @P -> Y
}
"""
"""copies of R n/(H P) tokens from scratchpads, so that no memory is in the way"""


@cache
def spent(form: Form, sockets: int, copies: int, tokens: int) -> int:
    """Cycles of an all-reduce: from the first unit's first firing to the last that gives the result on."""
    machine = NODE.with_setting(f"node.sockets={sockets}")
    rounds = 1 + (tokens % 2 == 0)
    found = mapped(HELD, form, machine, G=sockets, N=tokens // rounds * copies * 16, P=copies, R=rounds)
    image = build(found)
    assert advance(image) is Status.FINISHED
    counted = counters(image)
    names = [actor.name.partition("[")[0] for actor in found.netlist.actors]
    first = min(int(f) for f, name in zip(counted.first, names, strict=True) if name == "y")
    reads = (actor.kind == "read" and name == "y.all" for actor, name in zip(found.netlist.actors, names, strict=True))
    return max(int(f) for f, read in zip(counted.last, reads, strict=True) if read) - first + 1


SIZES = [(1, 2), (1, 128), (1, 4096), (4, 2), (4, 128), (4, 1024), (4, 4096), (8, 16), (8, 128), (8, 4096)]
sizes = pytest.mark.parametrize(("copies", "tokens"), SIZES)


@sizes
def test_a_direct_all_reduce_takes_what_links_allow(copies: int, tokens: int) -> None:
    """n bytes = 64 x tokens x copies on each of eight sockets."""
    wanted = direct_cycles(Message(8, copies, tokens, 1, 1, 1), NODE)
    assert spent("direct", 8, copies, tokens) == pytest.approx(wanted, rel=0.05)


@sizes
def test_a_ring_takes_what_links_allow(copies: int, tokens: int) -> None:
    wanted = ring_cycles(Message(8, copies, tokens, 1, 1, 1), NODE)
    assert spent("ring", 8, copies, tokens) == pytest.approx(wanted, rel=0.05)


def test_long_messages_fill_the_links() -> None:
    """The bandwidth alone: 2/8 of the message passes each link in a direct exchange, twice the message in a ring."""
    packets = 4096 * 8 * cycles_per_packet(NODE)
    assert spent("direct", 8, 8, 4096) == pytest.approx(float(packets * 2 / 8), rel=0.05)
    assert spent("ring", 8, 8, 4096) == pytest.approx(float(packets * 2), rel=0.05)


@pytest.mark.parametrize(("copies", "tokens"), [(4, 3), (8, 1), (8, 2), (8, 3), (8, 4), (16, 1), (16, 5), (16, 7)])
def test_fewer_tokens_than_sockets_take_what_links_allow(copies: int, tokens: int) -> None:
    message = Message(8, copies, tokens, 1, 1, 1)
    assert spent("direct", 8, copies, tokens) == pytest.approx(direct_cycles(message, NODE), rel=0.01)
    assert spent("ring", 8, copies, tokens) == pytest.approx(ring_cycles(message, NODE), rel=0.01)


def test_a_sum_stands_beside_what_it_sums() -> None:
    """With fewer tokens than sockets no socket has the sums of all copies: those that it has keep their copy's place."""
    found = mapped(HELD, "direct", G=8, N=8 * 16, P=8, R=1)
    actors = found.netlist.actors
    far = [
        time.first + time.stages[-1].after - 15 - 240
        for queue, time in zip(found.netlist.queues, found.queues, strict=True)
        if actors[queue.source].kind == "send" and time.stages
    ]
    assert len(far) == 2 * 8 * 7 and max(far) <= 6


@pytest.mark.parametrize(("sockets", "form"), [(2, "direct"), (4, "direct"), (2, "ring"), (4, "ring")])
def test_smaller_nodes_take_what_links_allow(sockets: int, form: Form) -> None:
    cost = direct_cycles if form == "direct" else ring_cycles
    wanted = cost(Message(sockets, 2, 256, 1, 1, 1), NODE.with_setting(f"node.sockets={sockets}"))
    assert spent(form, sockets, 2, 256) == pytest.approx(wanted, rel=0.05)


ONE = """
axis g = 2, n = 16
tensor X: f32[g @socket, n] in hbm input
tensor Y: f32[g, n] in hbm output
kernel k {
    x = load X as [g @socket | n%H]
    y = pcu x  as [g | n%H]
    store y -> Y
}
"""


def test_a_token_over_a_link_at_exact_cycles() -> None:
    """Sent at t: through the AGCU, a packet's service, the link's latency, the wire to the unit that takes it."""
    machine = NODE.with_setting("node.sockets=2")
    found = mapped(ONE, "direct", machine)
    image = build(found)
    advance(image)
    counted = counters(image)
    senders = {actor.name: i for i, actor in enumerate(found.netlist.actors) if actor.kind == "send"}
    assert sorted(senders) == ["x.send[0@0]", "x.send[1@1]"]
    sender = senders["x.send[1@1]"]
    (way,) = (t for q, t in zip(found.netlist.queues, found.queues, strict=True) if q.source == sender)
    sent, service = int(counted.first[sender]), cycles_per_packet(machine)
    (stage,) = way.stages
    assert (way.first, stage.after) == (15, way.credit) and way.credit >= 240 and service < 1
    taker = next(i for i, actor in enumerate(found.netlist.actors) if actor.name == "y[@0]")
    assert int(counted.last[taker]) == sent + way.first + 1 + stage.after
    assert [n for n, s in zip(counted.packets, found.servers, strict=True) if s.name == "p2p[1,0]"] == [1]


# -- the machine -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sockets", "ports"), [(2, 10), (4, 3), (8, 1)])
def test_the_ports_of_a_socket_are_shared_among_its_peers(sockets: int, ports: int) -> None:
    machine = NODE.with_setting(f"node.sockets={sockets}")
    assert ports_a_peer(machine) == ports
    asked = 64 * 1.2e9 / (ports * 50e9)
    assert float(cycles_per_packet(machine)) == pytest.approx(asked, rel=1 / 16)


def test_what_a_collective_takes() -> None:
    """Of each socket: the line's own units, an AGCU that deals and one that shares, a PCU that adds with the scratchpad
    that receives, and the scratchpad of the result."""
    rows = {row.name: row.totals for row in unit_table(mapped(HELD, "direct", P=4, N=1024).netlist, NODE)}
    assert rows["y"] == (4, 0, 0) and rows["y.sum"] == (4, 4, 0)
    assert rows["y.deal"] == rows["y.share"] == (0, 0, 4) and rows["y.all"] == (0, 4, 0)


def test_what_a_collective_in_rounds_takes() -> None:
    """Beside that a scratchpad each for the rounds that are dealt and those that have come."""
    rows = {row.name: row.totals for row in unit_table(mapped(HELD, "direct", P=4, N=1 << 15).netlist, NODE)}
    assert rows["y"] == (4, 0, 0) and rows["y.sum"] == (4, 0, 0)
    assert rows["y.turn"] == rows["y.gather"] == rows["y.all"] == (0, 4, 0)
    assert rows["y.deal"] == rows["y.share"] == (0, 0, 4)


def test_what_a_carry_cuts_goes_token_by_token() -> None:
    """A layer waits for the sums of the one before: its own message is short, however many layers there are."""
    text = """
    param G = 2, N = 64, J = 40
    axis g = G, n = N, l = J
    tensor X: f32[n] in hbm input
    tensor W: f32[g @socket, l, n] in hbm input
    tensor Y: f32[n] in hbm output
    kernel k {
        w = load W as [g @socket, l, n/H | n%H]
        i = load X as [n/H | n%H]
        x = carry y from i over l as f32 [l, n/H | n%H]
        p = pcu x * w
        y = pcu sum(g) p as [l, n/H | n%H]
        z = pmu y as [l; n/H | n%H]
        o = pcu last(l) z as [n/H | n%H]
        store o -> Y
    }
    """
    names = {unit.name for unit in mapped(text, "direct").netlist.units}
    assert "y.deal" in names and "y.turn" not in names


def test_tensors_are_charged_where_they_are() -> None:
    netlist = mapped(HELD).netlist
    assert {use.name: use.bytes for use in netlist.tensors} == {"X": 256 * 4, "Y": 2 * 256 * 4}


def test_a_node_that_is_too_small() -> None:
    with pytest.raises(CompileError) as caught:
        mapped(HELD, "direct", load_machine("sn40l_1socket"))
    assert [d.code for d in caught.value.diagnostics] == ["RDF209"]
    assert "8 sockets, the machine has 1" in caught.value.diagnostics[0].message


def test_a_node_with_more_sockets_than_ports() -> None:
    """It has no port for each peer, whatever its sums would take."""
    small = {"NL": 1, "C": 32, "F": 64, "U": 40, "G": 2, "R": 2, "W": 8, "POS": 20}
    with pytest.raises(CompileError) as caught:
        rdflow.load("llama_decode", **small).on(NODE.replace(node_sockets=16)).profile()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RDF209" and "10 ports cannot reach 15 others" in diagnostic.message


def test_the_faster_form_is_chosen() -> None:
    direct = mapped(HELD)
    assert direct.netlist == mapped(HELD, "direct").netlist != mapped(HELD, "ring").netlist


def test_an_argument_is_sharded_as_its_parameter() -> None:
    text = """
axis g = 2, n = 64
tensor X: f32[g, n] in hbm input
tensor Y: f32[g @socket, n] in hbm output
kernel k(x: f32[g @socket, n], y: f32[g @socket, n]) {
    a = load x as [g @socket, n/H | n%H]
    store a -> y
}
schedule { launch k(X, Y) }
"""
    with pytest.raises(CompileError) as caught:
        rdflow.loads(text)
    assert [d.code for d in caught.value.diagnostics] == ["RDF060"]
    assert rdflow.loads(text.replace("f32[g, n]", "f32[g @socket, n]")).run(verify=True).verification


def test_what_repeats_little_goes_on_with_its_sockets_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """From cycle 0, so that everything is counted once."""
    text = ALL_REDUCE.replace("OP", "sum")

    def counted(patience: int) -> tuple[bool, list[object]]:
        monkeypatch.setattr(launched, "PATIENCE", patience)
        monkeypatch.setattr(execution, "FIRST_SLICE", 16)
        monkeypatch.setattr(execution.Execution, "cores", 2)
        run = rdflow.loads(text, N=4096, P=3).timed()
        run.advance()
        (only,) = run.launched
        return only.image.apart is not None, [
            only.counted.cycles,
            *(c.tolist() for c in astuple(only.counted.counters)),
        ]

    apart, found = counted(100)
    together, expected = counted(1 << 40)
    assert apart and not together and found == expected
