"""Routes: trees that lead from sources to sinks, and around each other where a link would carry too much."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketch import Sketch

import rdflow
from rdflow.dsl.netlist import Gate, Netlist, Queue
from rdflow.interpreter.allocate import within_unit
from rdflow.interpreter.floorplan import floorplan, is_crowded
from rdflow.interpreter.flows import Wires, flows, wires
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.negotiate import Flow, Negotiation, Sink
from rdflow.interpreter.rates import Rates, rates_of
from rdflow.interpreter.route import Route, Switch, hops, routes, straight

FULL = 100  # packets of a run, one a cycle


@pytest.fixture(scope="module")
def sn40l() -> Machine:
    return load_machine("sn40l")


def wired(ends: list[tuple[Switch, Switch]], flow: list[int]) -> Netlist:
    """A queue for each pair of switches, from the source of its flow."""
    sketch = Sketch()
    for number in range(max(flow) + 1):
        sketch.unit(f"s{number}", "pcu", pcus=1)
    for number in flow:
        sink = sketch.unit(f"t{len(sketch.netlist.units)}", "pcu", pcus=1)
        sketch.queue(number, sink)
    return sketch.netlist


def routed(
    ends: list[tuple[Switch, Switch]], flow: list[int], packets: list[int], mesh: tuple[int, int]
) -> list[Route]:
    return routes(wired(ends, flow), Rates(packets, FULL), ends, mesh)[0]


def carried(ways: list[Route], flow: list[int], packets: list[int]) -> dict[tuple[Switch, Switch], int]:
    """Packets by link, those of a flow once."""
    by_flow: dict[tuple[int, tuple[Switch, Switch]], int] = {}
    for way, number, count in zip(ways, flow, packets, strict=True):
        by_flow |= {(number, step): count for step in pairwise(way)}
    found: dict[tuple[Switch, Switch], int] = {}
    for (_, step), count in by_flow.items():
        found[step] = found.get(step, 0) + count
    return found


# -- one flow ----------------------------------------------------------------------------------------------------------


def test_straight_ways_go_along_the_row_first() -> None:
    assert straight((2, 5), (0, 3)) == ((2, 5), (2, 4), (2, 3), (1, 3), (0, 3))
    assert straight((4, 4), (4, 4)) == ((4, 4),)


def test_a_hop_is_a_link_and_the_way_to_the_switch_is_one_too() -> None:
    assert (hops(straight((2, 5), (0, 3))), hops(((4, 4),)), hops(())) == (4, 1, 0)


def test_a_flow_alone_takes_a_shortest_way() -> None:
    (way,) = routed([((1, 1), (4, 6))], [0], [FULL], (8, 8))
    assert (way[0], way[-1], len(way)) == ((1, 1), (4, 6), 9)
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in pairwise(way))


def test_a_multicast_is_a_tree_that_shares_its_trunk() -> None:
    ends = [((3, 0), (3, 6)), ((3, 0), (2, 6)), ((3, 0), (4, 6)), ((3, 0), (3, 5))]
    ways = routed(ends, [0] * 4, [FULL] * 4, (8, 8))
    steps = {step for way in ways for step in pairwise(way)}
    assert len(steps) == 8  # six of the trunk and two twigs, not 6 + 7 + 7 + 5
    assert len({end for _, end in steps}) == len(steps)  # nothing is reached twice


def test_random_trees_are_trees_and_connect() -> None:
    random = Random(5)
    for _ in range(20):
        source = (random.randrange(10), random.randrange(10))
        sinks = [(random.randrange(10), random.randrange(10)) for _ in range(random.randrange(1, 12))]
        ways = routed([(source, sink) for sink in sinks], [0] * len(sinks), [1] * len(sinks), (10, 10))
        assert [(way[0], way[-1]) for way in ways] == [(source, sink) for sink in sinks]
        steps = {step for way in ways for step in pairwise(way)}
        reached = {end for _, end in steps}
        assert len(reached) == len(steps) and source not in reached


# -- several -----------------------------------------------------------------------------------------------------------


def test_negotiation_parts_what_dimension_order_puts_on_one_link() -> None:
    """Three full flows along a row to a column: in dimension order they meet on three links, and two carry thrice."""
    ends = [((2, 0), (5, 4)), ((2, 1), (4, 4)), ((2, 2), (3, 4))]
    flow, packets = [0, 1, 2], [FULL] * 3
    in_order = carried([straight(*end) for end in ends], flow, packets)
    assert max(in_order.values()) == 3 * FULL
    assert max(carried(routed(ends, flow, packets, (8, 8)), flow, packets).values()) == FULL


def test_many_flows_share_no_more_than_they_must() -> None:
    """All switches of a row send to the row below, reversed: 8 flows of a packet a cycle within a mesh of 8 rows."""
    ends = [((3, c), (4, 7 - c)) for c in range(8)]
    flow, packets = list(range(8)), [FULL] * 8
    assert max(carried([straight(*end) for end in ends], flow, packets).values()) > FULL
    found = carried(routed(ends, flow, packets, (8, 8)), flow, packets)
    assert max(found.values()) == FULL


def test_what_must_be_shared_ends_the_negotiation() -> None:
    """Five flows to one switch, which has four links: one of them is shared, and nothing is gained by more rounds."""
    sources = (0, 4, 20, 24, 10)
    of_flow = [Flow(source, (Sink(4, 12, 10, i, 0),)) for i, source in enumerate(sources)]
    negotiation = Negotiation(of_flow, 5, 5, FULL)
    negotiation.settle()
    assert negotiation.least_shared() == 1
    assert negotiation.score()[:2] == (0, 1)
    assert negotiation.rounds < 6


def test_streams_that_want_a_whole_link_get_one_where_many_do() -> None:
    """Sixteen full flows and a hundred that trickle, on 64 switches: no link is too full, and few full ones are shared."""
    random = Random(5)
    of_flow = [
        Flow(4 * i + 1, (Sink(2, 4 * i + 2, FULL, i, 0), Sink(3, (4 * i + 9) % 64, FULL, i, 0))) for i in range(16)
    ]
    of_flow += [Flow(random.randrange(64), (Sink(1, random.randrange(64), 1, 100 + i, 0),)) for i in range(100)]
    usual, found = Negotiation(of_flow, 8, 8, FULL), Negotiation(of_flow, 8, 8, FULL, crowded=True)
    usual.settle()
    found.settle()
    assert max(found.mesh.load) <= 1.1 * FULL
    usual.prices = found.prices
    assert found.score()[1] < usual.score()[1]


def test_what_a_negotiation_ends_with_is_what_is_laid() -> None:
    random = Random(3)
    of_flow = [
        Flow(random.randrange(64), (Sink(1, random.randrange(64), random.choice([1, FULL]), i, 0),)) for i in range(80)
    ]
    found = Negotiation(of_flow, 8, 8, FULL, crowded=True)
    found.settle()
    load = [0] * len(found.mesh.load)
    for number in range(len(of_flow)):
        for link, packets in found.tree(number).items():
            load[link] += packets
    assert found.mesh.load == load and sum(load) > 0


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_compiled_trees_are_those_of_python(compiled: bool, crowded: bool) -> None:
    random = Random(11)
    of_flow = [
        Flow(
            random.randrange(64), tuple(Sink(1, random.randrange(64), 30 >> i % 2 * 3, 4 * i + j, 0) for j in range(3))
        )
        for i in range(40)
    ]
    found = Negotiation(of_flow, 8, 8, FULL, compiled, crowded)
    expected = Negotiation(of_flow, 8, 8, FULL, crowded=crowded)
    found.settle()
    expected.settle()
    assert found.ways() == expected.ways() and found.rounds == expected.rounds > 1


def test_what_is_dealt_adds_up_and_what_is_cast_does_not() -> None:
    """Along a row of four switches: on its three links."""
    dealt = [Sink(2, 2, 10, 0, 0), Sink(3, 3, 10, 1, 0)]
    cast = [Sink(2, 2, 20, 2, 1), Sink(3, 3, 20, 3, 2)]
    seldom = [Sink(1, 1, 5, 4, 3, Gate(last=1))]
    assert along(dealt) == [20, 20, 10]
    assert along(cast) == [20, 20, 20]
    assert along(dealt + cast + seldom) == [25, 20, 20]


def along(sinks: list[Sink]) -> list[int]:
    found = Negotiation([Flow(0, tuple(sorted(sinks)))], 1, 4, FULL)
    found.settle()
    return list(found.tree(0).values())


def loads(sinks: tuple[Sink, ...], ways: list[Route]) -> dict[tuple[Switch, Switch], int]:
    """Packets of a flow by step, by definition: sums within a port, the most within a gate, sums over gates."""
    found: dict[tuple[Switch, Switch], int] = {}
    for step in {step for way in ways for step in pairwise(way)}:
        sums: Counter[tuple[Gate, int]] = Counter()
        for sink, way in zip(sinks, ways, strict=True):
            sums[sink.gate, sink.port] += sink.packets * (step in pairwise(way))
        gates = {gate for gate, _ in sums}
        found[step] = sum(max(count for (g, _), count in sums.items() if g == gate) for gate in gates)
    return found


@st.composite
def many_flows(draw: st.DrawFn) -> list[Flow]:
    """Flows on a mesh of 6 x 7 with sinks behind several ports and gates, some where they begin."""
    switch, packets = st.integers(0, 41), st.sampled_from([0, 1, 30, FULL])
    gate = st.sampled_from([Gate(), Gate(last=1), Gate(first=2)])
    sink = st.builds(lambda *of: (*of,), switch, packets, st.integers(0, 2), gate)
    found, queue = [], 0
    for source, sinks in draw(
        st.lists(st.tuples(switch, st.lists(sink, min_size=1, max_size=6)), min_size=1, max_size=14)
    ):
        far = [abs(source // 7 - at // 7) + abs(source % 7 - at % 7) for at, *_ in sinks]
        made = [
            Sink(hops, at, n, queue + i, *of) for i, (hops, (at, n, *of)) in enumerate(zip(far, sinks, strict=True))
        ]
        found.append(Flow(source, tuple(sorted(made))))
        queue += len(made)
    return found


@settings(max_examples=40, deadline=None, database=None)
@given(many_flows(), st.booleans())
def test_any_flows_are_settled_alike_compiled_or_not_and_weigh_what_they_should(
    of_flow: list[Flow], crowded: bool
) -> None:
    plain, compiled = (Negotiation(of_flow, 6, 7, FULL, compiled, crowded) for compiled in (False, True))
    plain.settle()
    compiled.settle()
    assert plain.ways() == compiled.ways() and plain.rounds == compiled.rounds
    users, load = [0] * len(plain.mesh.users), [0] * len(plain.mesh.load)
    for number, (flow, ways) in enumerate(zip(of_flow, plain.ways(), strict=True)):
        assert [way[-1] for way in ways] == [divmod(sink.switch, 7) for sink in flow.sinks]
        tree = plain.tree(number)
        assert tree == compiled.tree(number)
        steps = {(divmod(link // 4, 7), divmod(plain.after[link], 7)): n for link, n in tree.items()}
        assert steps == loads(flow.sinks, ways)
        for link, n in tree.items():
            users[link] += 1
            load[link] += n
    assert (plain.mesh.users, plain.mesh.load) == (users, load)
    assert compiled.mesh.users.tolist() == users and compiled.mesh.load.tolist() == load


# -- kernels -----------------------------------------------------------------------------------------------------------


def test_networks_do_not_meet() -> None:
    """A vector, a scalar and a token without data over one link each: none is shared."""
    sketch = Sketch()
    for name in "ab":
        sketch.unit(name, "pcu", pcus=1)
    for width, temporary in ((32, 0), (1, 1), (0, -1)):
        sketch.queue(0, 1, Queue(0, 0, width), temporary)
    found, *_ = routes(sketch.netlist, Rates([FULL] * 3, FULL), [((0, 0), (0, 1))] * 3, (1, 2))
    assert found == [((0, 0), (0, 1))] * 3


@pytest.mark.parametrize("name", ["hello", "attention", "attention_causal", "gemm", "rmsnorm", "softmax"])
def test_small_programs_share_no_link(name: str) -> None:
    program = rdflow.load(name)
    plan = program.execution().begin().compiled.floorplan
    assert plan.shared == 0
    assert all(load.rate <= 1 for load in plan.loads)


def test_a_prompt_through_a_layer_is_crowded_and_a_gemm_is_not(sn40l: Machine) -> None:
    """A socket's part of the layer at full width: a stream to every PCU, and no link that is to carry much too much."""
    full = rdflow.load("llama_prefill_layer", T=64, G=1, F=1792).execution().begin().compiled
    small = rdflow.load("gemm").execution().begin().compiled.netlist
    assert is_crowded(full.netlist, sn40l, rates_of(full.netlist, sn40l))
    assert not is_crowded(small, sn40l, rates_of(small, sn40l))
    assert full.floorplan.loads[0].rate < 1.6
    assert sum(load.rate > 1.1 for load in full.floorplan.loads) < 10


@pytest.mark.parametrize("name", ["attention", "monarch_fft", "mlp_backward_adam"])
def test_routes_of_a_kernel_lead_from_unit_to_unit(name: str, sn40l: Machine) -> None:
    compiled = rdflow.load(name).execution().begin().compiled
    netlist, plan = compiled.netlist, compiled.floorplan
    homes = [
        {taken[0].switch for (u, _), taken in plan.sites.items() if u == unit} for unit in range(len(netlist.units))
    ]
    for queue, way in zip(netlist.queues, plan.routes, strict=True):
        assert (way == ()) == within_unit(netlist, queue.source, queue.sink)
        if way:
            assert way[0] in homes[netlist.actors[queue.source].unit]
            assert way[-1] in homes[netlist.actors[queue.sink].unit]
            assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in pairwise(way))
    trees: dict[tuple[int, Wires], set[tuple[Switch, Switch]]] = {}
    for flow, queue, way in zip(flows(netlist), netlist.queues, plan.routes, strict=True):
        if flow >= 0:
            trees.setdefault((flow, wires(queue)), set()).update(pairwise(way))
    assert all(len({end for _, end in tree}) == len(tree) for tree in trees.values())
    assert floorplan(netlist, sn40l) == plan
