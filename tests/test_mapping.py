"""Mapping: exact cycles of every queue of hand-made kernels, places that repeat, errors where things do not fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Burst, Loop, Netlist, Port, Queue, TensorUse, UnitInfo
from rdflow.dsl.source import Span
from rdflow.interpreter.allocate import UnitCopy, bases, table_text, unit_copies, unit_table
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage
from rdflow.interpreter.mapping import Floorplan, map_netlist
from rdflow.interpreter.place import Grid, neighbours, order, place, sites
from rdflow.interpreter.route import hops, route

KINDS = {"load": "agcu", "store": "agcu", "pmu": "pmu"}
PLAIN = Queue(0, 0, 32)
ENDS = {"load": ("request", "respond"), "store": ("store", "acknowledge"), "pmu": ("write", "read")}


@pytest.fixture(scope="module")
def toy() -> Machine:
    return load_machine("toy")


@pytest.fixture(scope="module")
def sn40l() -> Machine:
    return load_machine("sn40l")


class Sketch:
    """A netlist drawn by hand: units with their actors, and queues by the names of actors."""

    def __init__(self) -> None:
        self.netlist = Netlist("sketch")

    def unit(
        self, name: str, verb: str, copies: int = 1, pcus: int = 0, pmus: int = 0, agcus: int = 0, bytes: int = 0
    ) -> int:
        line = Span(10 * len(self.netlist.units), 10 * len(self.netlist.units) + len(name))
        self.netlist.units.append(
            UnitInfo(name, KINDS.get(verb, "pcu"), verb, line, "[]", copies, pcus, pmus, agcus, bytes)
        )
        for _ in range(copies):
            for kind in ENDS.get(verb, (verb,)):
                self.actor(len(self.netlist.units) - 1, kind)
        return len(self.netlist.units) - 1

    def actor(self, unit: int, kind: str, stages: int = 8) -> int:
        burst = Burst(0, Affine()) if kind in ("request", "store") else None
        name = f"{self.netlist.units[unit].name}.{len(self.netlist.actors)}"
        self.netlist.actors.append(Actor(name, unit, kind, (Loop(4),), (), (), stages=stages, burst=burst))
        return len(self.netlist.actors) - 1

    def queue(self, source: int, sink: int, queue: Queue = PLAIN) -> int:
        """All queues of an actor carry the same: a multicast."""
        self.netlist.queues.append(replace(queue, source=source, sink=sink))
        number, actor = len(self.netlist.queues) - 1, self.netlist.actors[source]
        port = Port((number,), ALWAYS, queue.packets, source=0)
        self.netlist.actors[source] = replace(actor, outputs=(*actor.outputs, port))
        return number

    def tensor(self, name: str, size: int, tier: str = "hbm") -> None:
        self.netlist.tensors.append(TensorUse(name, (size // 2,), "bf16", tier, None, (2,), size))


def pipeline() -> Netlist:
    """load x -> pmu h -> pcu y -> store: actors 0 1 | 2 3 | 4 | 5 6."""
    sketch = Sketch()
    sketch.tensor("X", 1024)
    sketch.unit("x", "load", agcus=1)
    sketch.unit("h", "pmu", pmus=1)
    sketch.unit("y", "pcu", pcus=1)
    sketch.unit("s", "store", agcus=1)
    sketch.queue(0, 1, Queue(0, 0, 32, server="memory"))
    sketch.queue(1, 2)
    sketch.queue(2, 3, Queue(0, 0, 0, slots=2))
    sketch.queue(3, 2, Queue(0, 0, 0, slots=2, initial=2))
    sketch.queue(3, 4, Queue(0, 0, 32, packets=2))
    sketch.queue(4, 5, Queue(0, 0, 32, depth=3))
    sketch.queue(5, 6, Queue(0, 0, 0, slots=64, server="memory"))
    return sketch.netlist


def chains(count: int, length: int) -> Netlist:
    """`count` copies of a chain of PCUs and PMUs behind one load that is multicast to all."""
    sketch = Sketch()
    sketch.tensor("X", 1024)
    sketch.unit("x", "load", agcus=1)
    sketch.queue(0, 1, Queue(0, 0, 32, server="memory"))
    heads = [(1, 1)] * count
    for step in range(length):
        first = len(sketch.netlist.actors)
        verb = ("pcu", "pmu")[step % 2]
        sketch.unit(f"u{step}", verb, count, pcus=int(verb == "pcu"), pmus=int(verb == "pmu"))
        width = (len(sketch.netlist.actors) - first) // count
        new = [(first + width * i, first + width * i + width - 1) for i in range(count)]
        for (_, source), (sink, last) in zip(heads, new, strict=True):
            sketch.queue(source, sink)
            if sink != last:
                sketch.queue(sink, last, Queue(0, 0, 0, slots=2))
        heads = new
    return sketch.netlist


def mapped(netlist: Netlist, machine: Machine) -> tuple[Mapped, Floorplan]:
    return map_netlist(netlist, machine)


def only_error(netlist: Netlist, machine: Machine) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        map_netlist(netlist, machine)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


# -- cycles ------------------------------------------------------------------------------------------------------------


def test_all_queues_of_a_pipeline(toy: Machine) -> None:
    """Everything sits around the first switch, so wires are one hop; latencies are those of the machine file."""
    result, plan = mapped(pipeline(), toy)
    assert {name: taken[0].switch for name, taken in plan.sites.items()} == {
        (0, 0): (0, 0),
        (1, 0): (0, 0),
        (2, 0): (0, 0),
        (3, 0): (1, 0),
    }
    assert result.queues == [
        QueueTiming(latency=101, credit=0, slots=128, first=1, stages=(Stage(BY_ADDRESS, 100),)),  # request -> respond
        QueueTiming(latency=15 + 1, credit=1, slots=16 + 15 + 2, first=16),  # respond -> write
        QueueTiming(latency=7, credit=0, slots=2, first=7),  # write -> read: a full tile
        QueueTiming(latency=1, credit=0, slots=2, first=1),  # read -> write: a credit
        QueueTiming(latency=8 + 1, credit=1, slots=(16 + 8 + 2) // 2, first=9),  # read -> pcu, two packets a token
        QueueTiming(latency=8 + 1, credit=1, slots=3 + 8 + 2, first=9),  # pcu -> store, FIFO of 3
        QueueTiming(latency=101, credit=0, slots=64, first=1, stages=(Stage(BY_ADDRESS, 100),)),  # store -> acknowledge
    ]
    assert plan.wire_length == 3


def test_hops_cost_their_cycles(toy: Machine) -> None:
    slow, _ = mapped(pipeline(), toy.replace(network_hop=3))
    assert slow.queues[1] == QueueTiming(latency=15 + 3, credit=3, slots=16 + 15 + 6, first=18)


def test_a_queue_holds_two_tokens_at_least(toy: Machine) -> None:
    netlist = pipeline()
    netlist.queues[5] = replace(netlist.queues[5], depth=1, packets=16)
    assert mapped(netlist, toy)[0].queues[5].slots == 2


def test_memory_queues_take_the_tier_of_their_tensor(toy: Machine) -> None:
    netlist = pipeline()
    netlist.tensors[0] = replace(netlist.tensors[0], tier="ddr")
    result, _ = mapped(netlist, toy.replace(ddr_outstanding=32))
    assert result.queues[0] == QueueTiming(latency=151, credit=0, slots=32, first=1, stages=(Stage(BY_ADDRESS, 150),))


def test_a_systolic_unit_and_its_drain(toy: Machine) -> None:
    sketch = Sketch()
    unit = sketch.unit("o", "systolic", pcus=1)
    drain = sketch.actor(unit, "drain", stages=12)
    sketch.queue(0, drain, Queue(0, 0, 0, slots=2))
    sketch.queue(drain, 0, Queue(0, 0, 0, slots=2, initial=2))
    result, plan = mapped(sketch.netlist, toy)
    assert [(q.latency, q.credit) for q in result.queues] == [(8, 0), (1, 0)]
    assert list(plan.sites) == [(0, 0)] and plan.routes == [(), ()]


def test_ports_are_servers_behind_the_channels(toy: Machine) -> None:
    sketch = Sketch()
    sketch.unit("a", "pcu", 2, pcus=1)
    unit = sketch.unit("h", "pmu", pmus=1)
    second = sketch.actor(unit, "write")
    sketch.queue(2, 3, Queue(0, 0, 0, slots=2))
    sketch.queue(second, 3, Queue(0, 0, 0, slots=2))
    sketch.netlist.servers = 1
    ports = [sketch.queue(copy, writer, Queue(0, 0, 32, server=("port", 0))) for copy, writer in ((0, 2), (1, second))]
    result, plan = mapped(sketch.netlist, toy)
    assert result.servers[6:] == [Server("port[0]", 1, 1)]
    assert [result.queues[q] for q in ports] == [QueueTiming(9, 1, 16 + 8 + 2, 9, (Stage(6, 7),))] * 2
    assert set(plan.sites) == {(0, 0), (0, 1), (1, 0)}


def test_channels_are_servers_by_tier(sn40l: Machine) -> None:
    netlist = pipeline()
    netlist.tensors.append(replace(netlist.tensors[0], name="Y", tier="ddr"))
    netlist.tensors.append(replace(netlist.tensors[0], name="Z"))
    result, _ = mapped(netlist, sn40l)
    assert result.servers[0] == Server("hbm[0]", 15, 11)
    assert result.servers[31:33] == [Server("hbm[31]", 15, 11), Server("ddr[0]", 30, 13)]
    assert len(result.servers) == 38
    assert result.channels == [(0, 32, 0), (32, 6, 0), (0, 32, 2048)]


def test_addresses_start_at_the_first_channel(sn40l: Machine) -> None:
    sketch = Sketch()
    for name, size, tier in (("A", 1, "hbm"), ("B", 2049, "hbm"), ("C", 385, "ddr"), ("D", 64, "hbm"), ("E", 6, "ddr")):
        sketch.tensor(name, size, tier)
    assert bases(sketch.netlist, sn40l) == [0, 2048, 0, 2048 + 4096, 768]


# -- places and routes -------------------------------------------------------------------------------------------------


def test_routes_go_along_the_row_first() -> None:
    assert route((2, 5), (0, 3)) == ((2, 5), (2, 4), (2, 3), (1, 3), (0, 3))
    assert route((4, 4), (4, 4)) == ((4, 4),)
    assert (hops((2, 5), (0, 3)), hops((4, 4), (4, 4))) == (4, 1)


def test_a_socket_has_its_sites(sn40l: Machine) -> None:
    grid = sites(sn40l)
    assert {kind: len(list_) for kind, list_ in grid.items()} == {"pcu": 1040, "pmu": 1040, "agcu": 104}
    assert len({site.switch for site in grid["pcu"]}) == 1040
    assert {site.switch[1] for site in grid["agcu"]} == {0, 20, 21, 41}
    within_tiles = [hops(a.switch, b.switch) for a, b in pairwise(grid["pcu"][:260])]
    assert set(within_tiles) == {1}


def test_a_tile_may_have_any_number_of_agcus(toy: Machine) -> None:
    odd = sites(toy.replace(tile_agcus=5))["agcu"]
    assert [site.switch for site in odd] == [(0, 0), (2, 0), (5, 0), (0, 8), (4, 8)]


def test_the_nearest_free_site_is_taken_once(toy: Machine) -> None:
    grid = Grid(sites(toy))
    first = grid.nearest("pcu", [((4, 4), 1)])
    grid.take(first, 0)
    second = grid.nearest("pcu", [((4, 4), 1)])
    assert first.switch == (4, 4) and hops(second.switch, (4, 4)) == 1 and second != first


def test_chains_are_placed_depth_first() -> None:
    assert order([{1: 1, 2: 1}, {0: 1, 3: 1}, {0: 1, 4: 1}, {1: 1}, {2: 1}]) == [0, 1, 3, 2, 4]


def test_connected_units_are_neighbours(sn40l: Machine) -> None:
    result, plan = mapped(chains(60, 6), sn40l)
    lengths = [len(way) - 1 for way in plan.routes[1 + 60 :] if way]
    assert len(plan.routes) == len(result.queues)
    assert max(lengths) <= 4 and sum(lengths) < 0.8 * len(lengths)


def test_a_copy_of_several_sites_takes_adjacent_ones(sn40l: Machine) -> None:
    sketch = Sketch()
    sketch.unit("a", "pcu", pcus=3, pmus=2)
    sketch.unit("b", "pcu", pcus=1)
    sketch.queue(0, 1)
    _, plan = mapped(sketch.netlist, sn40l)
    taken = plan.sites[0, 0]
    assert [site.kind for site in taken] == ["pcu", "pcu", "pcu", "pmu", "pmu"]
    assert all(hops(taken[0].switch, site.switch) == 1 for site in taken)
    assert len(set(taken) | set(plan.sites[1, 0])) == 6


def test_no_site_is_taken_twice_and_places_repeat(sn40l: Machine) -> None:
    netlist = chains(100, 8)
    copies = unit_copies(netlist, sn40l)
    first, again = place(netlist, sn40l, copies), place(netlist, sn40l, copies)
    taken = [site for list_ in first for site in list_]
    assert first == again
    assert len(set(taken)) == len(taken) == 801


def test_swaps_shorten_the_wires(sn40l: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    netlist = chains(100, 8)
    copies = unit_copies(netlist, sn40l)
    near = neighbours(netlist, copies)
    improved = wire(near, [taken[0].switch for taken in place(netlist, sn40l, copies)])
    monkeypatch.setattr("rdflow.interpreter.place.TRIES_A_COPY", 0)
    greedy = wire(near, [taken[0].switch for taken in place(netlist, sn40l, copies)])
    assert improved < greedy


def wire(near: list[dict[int, int]], at: Sequence[tuple[int, int]]) -> int:
    ends = ((at[a], at[b], n) for a, others in enumerate(near) for b, n in others.items() if a < b)
    return sum(n * (abs(r - s) + abs(c - d)) for (r, c), (s, d), n in ends)


def test_a_thousand_units_are_placed_quickly(sn40l: Machine) -> None:
    netlist = chains(125, 8)
    copies = unit_copies(netlist, sn40l)
    start = time.process_time()
    place(netlist, sn40l, copies)
    assert time.process_time() - start < 1.0  # 0.3 s on an idle core


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_copies_are_groups_of_actors(toy: Machine) -> None:
    assert unit_copies(pipeline(), toy) == [
        UnitCopy(0, 0, "agcu", (0, 1), 0, 0, 1),
        UnitCopy(1, 0, "pmu", (2, 3), 0, 1, 0),
        UnitCopy(2, 0, "pcu", (4,), 1, 0, 0),
        UnitCopy(3, 0, "agcu", (5, 6), 0, 0, 1),
    ]


def test_bytes_take_pmus_of_the_machine(toy: Machine, sn40l: Machine) -> None:
    sketch = Sketch()
    sketch.unit("h", "pmu", pmus=1, bytes=200 * 1024)
    assert [unit_table(sketch.netlist, machine)[0].pmus for machine in (toy, sn40l)] == [4, 1]


def test_nodes_of_a_tree_are_counted(toy: Machine) -> None:
    sketch = Sketch()
    unit = sketch.unit("o", "pcu", 4, pcus=2)
    for _ in range(3):
        sketch.actor(unit, "pcu")
    rows = unit_table(sketch.netlist, toy)
    assert [(row.name, row.totals) for row in rows] == [("o", (8, 0, 0)), ("o (tree)", (3, 0, 0))]
    assert table_text(rows, (64, 64, 16)) == (
        "unit      copies       PCUs  PMUs  AGCUs\n"
        "o              4  4 x 2 = 8     0      0\n"
        "o (tree)       3          3     0      0\n"
        "total                    11     0      0\n"
        "socket                   64    64     16"
    )


def test_a_kernel_larger_than_the_socket(toy: Machine) -> None:
    diagnostic = only_error(chains(33, 5), toy)
    assert diagnostic.code == "RDF206"
    assert diagnostic.message == ("kernel `sketch` is larger than the socket: it takes 99 PCUs of 64 and 66 PMUs of 64")
    assert [(label.span, label.text) for label in diagnostic.labels] == [
        (Span(10, 12), "33 PCUs here"),
        (Span(20, 22), "33 PMUs here"),
    ]
    assert diagnostic.notes[0].splitlines()[-2:] == [
        "total             99    66      1",
        "socket            64    64     16",
    ]


def test_a_kernel_as_large_as_the_socket_fits(toy: Machine) -> None:
    _, plan = mapped(chains(64, 2), toy)
    assert len({site for taken in plan.sites.values() for site in taken}) == 129


def test_a_full_tier(toy: Machine) -> None:
    netlist = pipeline()
    netlist.tensors[0] = replace(netlist.tensors[0], bytes=3 * 2**28)
    netlist.tensors.append(replace(netlist.tensors[0], name="Y", bytes=2**29))
    netlist.actors[5] = replace(netlist.actors[5], burst=Burst(1, Affine()))
    diagnostic = only_error(netlist, toy)
    assert (diagnostic.code, diagnostic.message) == ("RDF207", "`Y` does not fit into hbm")
    assert [(label.span, label.text) for label in diagnostic.labels] == [
        (Span(30, 31), "`Y` has 512 MiB, 256 MiB are left"),
        (Span(0, 1), "`X` is there with 768 MiB"),
    ]
    assert diagnostic.notes == ("hbm holds 1 GiB a socket; in it: X 768 MiB",)
    assert diagnostic.help == "shard it over the sockets (`@socket`), or declare it `in ddr`"


def test_a_tier_may_be_filled_to_the_last_byte(toy: Machine) -> None:
    netlist = pipeline()
    netlist.tensors[0] = replace(netlist.tensors[0], bytes=2**30)
    assert mapped(netlist, toy)[0].channels == [(0, 4, 0)]
    netlist.tensors[0] = replace(netlist.tensors[0], bytes=2**30 + 1)
    assert only_error(netlist, toy).code == "RDF207"


def test_all_that_does_not_fit_is_reported_at_once(toy: Machine) -> None:
    netlist = chains(33, 5)
    netlist.tensors[0] = replace(netlist.tensors[0], bytes=2**40)
    with pytest.raises(CompileError) as caught:
        map_netlist(netlist, toy)
    assert [d.code for d in caught.value.diagnostics] == ["RDF206", "RDF207"]
