"""Mapping: exact cycles of every queue of hand-made kernels, places that repeat, errors where things do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sketch import Sketch, chains, pipeline

from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.netlist import Affine, Burst, Netlist, Queue
from rdflow.dsl.source import Span
from rdflow.interpreter.allocate import UnitCopy, bases, table_text, unit_copies, unit_table
from rdflow.interpreter.floorplan import Floorplan
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage
from rdflow.interpreter.mapping import map_netlist


@pytest.fixture(scope="module")
def toy() -> Machine:
    return load_machine("toy")


@pytest.fixture(scope="module")
def sn40l() -> Machine:
    return load_machine("sn40l")


def mapped(netlist: Netlist, machine: Machine) -> tuple[Mapped, Floorplan]:
    return map_netlist(netlist, machine)


def only_error(netlist: Netlist, machine: Machine) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        map_netlist(netlist, machine)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


# -- cycles ------------------------------------------------------------------------------------------------------------


def test_all_queues_of_a_pipeline(toy: Machine) -> None:
    """All but one AGCU sit at one switch, so wires are one hop; latencies are those of the machine file."""
    result, plan = mapped(pipeline(), toy)
    assert result.queues == [
        QueueTiming(latency=101, credit=0, slots=128, first=1, stages=(Stage(BY_ADDRESS, 100),)),  # request -> respond
        QueueTiming(latency=15 + 1, credit=1, slots=16 + 15 + 2, first=16),  # respond -> write
        QueueTiming(latency=7, credit=0, slots=2, first=7),  # write -> read: a full tile
        QueueTiming(latency=1, credit=0, slots=2, first=1),  # read -> write: a credit
        QueueTiming(latency=8 + 1, credit=1, slots=(16 + 8 + 2) // 2, first=9),  # read -> pcu, two packets a token
        QueueTiming(latency=8 + 1, credit=1, slots=3 + 8 + 2, first=9),  # pcu -> store, FIFO of 3
        QueueTiming(latency=101, credit=0, slots=64, first=1, stages=(Stage(BY_ADDRESS, 100),)),  # store -> acknowledge
    ]
    assert plan.wire_length == 1
    assert sorted(len(way) for way in plan.routes if way) == [1, 1, 2]


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
    assert result.servers[0] == Server("hbm[0]", 14, 9)
    assert result.servers[31:33] == [Server("hbm[31]", 14, 9), Server("ddr[0]", 59, 16)]
    assert len(result.servers) == 38
    assert result.channels == [(0, 32, 0), (32, 6, 0), (0, 32, 2048)]


def test_addresses_start_at_the_first_channel(sn40l: Machine) -> None:
    sketch = Sketch()
    for name, size, tier in (("A", 1, "hbm"), ("B", 2049, "hbm"), ("C", 385, "ddr"), ("D", 64, "hbm"), ("E", 6, "ddr")):
        sketch.tensor(name, size, tier)
    assert bases(sketch.netlist, sn40l) == [0, 2048, 0, 2048 + 4096, 768]


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
