"""Where routes meet: which links are servers, and the exact cycles of tokens that meet there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from random_netlists import Case
from test_engine_equals_oracle import check_in_slices, check_to_the_end

import rdflow
from rdflow.dsl.netlist import ALWAYS, Actor, Loop, Netlist, Port, Queue, UnitInfo, ends
from rdflow.dsl.source import NOWHERE
from rdflow.interpreter.flows import Wires
from rdflow.interpreter.image import Status, advance, build, counters
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.mapped import Mapped, QueueTiming, Server, Stage
from rdflow.interpreter.network import Crossing, Link, meetings, traffic
from rdflow.interpreter.profile import profile
from rdflow.interpreter.route import Route, Switch, straight

LINK = Server("link", shared=True)


def netlist(flows: list[tuple[int, ...]], count: int = 1, packets: int = 1) -> Netlist:
    """Sources that give the queues of one flow the same `count` tokens each; every queue has a sink."""
    queues = [Queue(f, -1, 32, packets) for f, flow in enumerate(flows) for _ in flow]
    numbers = iter(range(len(queues)))
    made = Netlist("by hand", units=[UnitInfo(f"u{i}", "pcu", "pcu", NOWHERE, "", 1) for i in range(99)])
    for f, flow in enumerate(flows):
        ports = tuple(Port((next(numbers),), ALWAYS, packets, source=0) for _ in flow)
        made.actors.append(Actor(f"from{f}", f, "pcu", (Loop(count),), (), ports))
    for q, queue in enumerate(queues):
        made.queues.append(replace(queue, sink=len(made.actors)))
        port = Port((q,), ALWAYS, packets)
        made.actors.append(Actor(f"to{q}", len(made.actors), "pcu", (Loop(count),), (port,), ()))
    return made


def mapped(made: Netlist, stages: list[tuple[Stage, ...]], flows: list[int], servers: int = 1) -> Mapped:
    """First arrival two cycles after the push, credits in a cycle, room enough."""
    timings = [QueueTiming(0, 1, 9, 2, s, flow) for s, flow in zip(stages, flows, strict=True)]
    return Mapped(made, timings, [LINK] * servers)


def sinks(case: Mapped, column: str) -> list[int]:
    """A counter of every sink; the oracle must agree on all of them."""
    check_to_the_end(Case(case, None, False))
    check_in_slices(Case(case, None, False), [1, 2, 4, 5, 9])
    image = build(case)
    assert advance(image) is Status.FINISHED
    found: list[int] = getattr(counters(image), column).tolist()
    return found[-len(case.netlist.queues) :]


# -- cycles ------------------------------------------------------------------------------------------------------------


def test_two_flows_meet_at_a_link() -> None:
    """Both arrive at 2: one is ready at 2 + 1 + 3 = 6, the other a cycle later, which it has waited for the link."""
    case = mapped(netlist([(0,), (1,)]), [(Stage(0, 3),)] * 2, [-1, -1])
    assert sinks(case, "first") == [6, 7]
    assert sinks(case, "starved") == [6, 6]
    assert sinks(case, "link") == [0, 1]


def test_flows_that_meet_take_turns() -> None:
    """Each asks for every cycle and gets every second one: 0 1 0 1 .. for tokens that arrive in the same cycle."""
    case = mapped(netlist([(0,), (1,)], count=8), [(Stage(0, 0),)] * 2, [-1, -1])
    assert sinks(case, "last") == [2 + 1 + 14, 2 + 1 + 15]
    assert sinks(case, "busy") == [8, 8]
    assert sinks(case, "starved") == [3, 3]
    assert sinks(case, "link") == [7, 8]


def test_a_tree_crosses_a_link_once() -> None:
    """Queues 0 and 1 carry the same packets; the other flow waits one cycle for both."""
    stages = [(Stage(0, 0),), (Stage(0, 5),), (Stage(0, 0),)]
    case = mapped(netlist([(0, 1), (2,)]), stages, [0, 0, 2])
    assert sinks(case, "first") == [3, 8, 4]
    assert sinks(case, "link") == [0, 0, 1]
    image = build(case)
    advance(image)
    assert counters(image).packets.tolist() == [2]
    apart = mapped(netlist([(0, 1), (2,)]), stages, [-1, -1, -1])
    assert sinks(apart, "first") == [3, 9, 5]


def test_ties_rotate_over_flows_not_over_queues() -> None:
    """Tree, other, tree, other: the tree has two queues and one turn."""
    case = mapped(netlist([(0, 1), (2,)], count=3), [(Stage(0, 0),)] * 3, [0, 0, 2])
    assert sinks(case, "last") == [2 + 5, 2 + 5, 2 + 6]


def test_packets_of_a_token_travel_together() -> None:
    """Three packets each: the first goes on to the second link as soon as it is over the first one (at 3, there at 4),
    the token is ready when all three are over it (at 7). The other token starts at 5, behind the third packet."""
    stages = [(Stage(0, 1), Stage(1, 0))] * 2
    case = mapped(netlist([(0,), (1,)], packets=3), stages, [-1, -1], servers=2)
    assert sinks(case, "first") == [7, 10]
    assert sinks(case, "link") == [0, 3]


def test_a_second_link_in_a_row() -> None:
    """Flows 0 and 1 share link 0, where 1 gets cycles 3, 5 and 7. At link 1 it meets flow 2, there at 2, 3 and 4: in
    cycle 4 it is flow 1's turn, so the last token of flow 2 waits a cycle; the others of flow 1 meet nobody."""
    stages = [(Stage(0, 0),), (Stage(0, 0), Stage(1, 0)), (Stage(1, 0),)]
    case = mapped(netlist([(0,), (1,), (2,)], count=3), stages, [-1, -1, -1], servers=2)
    assert sinks(case, "first") == [3, 5, 3]
    assert sinks(case, "last") == [7, 9, 6]
    assert sinks(case, "link") == [0 + 1 + 1, 1 + 1 + 1, 0 + 0 + 1]
    assert sinks(case, "starved") == [3, 4, 3]


def test_a_token_that_is_late_for_another_reason_has_not_waited_for_the_link() -> None:
    """The sink of a join waits for a slow stream anyway: what the other token queued costs nothing."""
    made = netlist([(0,), (1,), (2,)])
    slow = mapped(made, [(Stage(0, 0),), (Stage(0, 0),), ()], [-1, -1, -1])
    slow.queues[2] = QueueTiming(20, 1, 9)
    sink = replace(made.actors[4], inputs=(*made.actors[4].inputs, *made.actors[5].inputs))
    made.actors[4:] = [sink]
    made.queues[2] = replace(made.queues[2], sink=4)
    check_to_the_end(Case(slow, None, False))
    image = build(slow)
    advance(image)
    assert (counters(image).link[4], counters(image).starved[4]) == (0, 20)


# -- routes ------------------------------------------------------------------------------------------------------------


def vector(start: Switch, end: Switch) -> Link:
    return Link(0, Wires.VECTOR, start, end)


def ways(*pairs: tuple[tuple[int, int], tuple[int, int]]) -> list[Route]:
    return [straight(start, end) for start, end in pairs]


def test_only_the_link_where_flows_come_together_is_a_server() -> None:
    """Two flows share the links from (0, 1) to (0, 4): the first of them puts the packets in a row for the others."""
    met = meetings(netlist([(0,), (1,)]), ways(((0, 0), (0, 4)), ((1, 1), (0, 4))))
    assert met.links == []  # the second comes down the last column
    met = meetings(netlist([(0,), (1,)]), ways(((0, 0), (0, 4)), ((0, 1), (0, 4))))
    assert met.links == [vector((0, 1), (0, 2))]
    assert met.crossings == [(Crossing(0, 1),), (Crossing(0, 0),)]


def test_a_multicast_meets_nobody() -> None:
    assert meetings(netlist([(0, 1)]), ways(((0, 0), (0, 4)), ((0, 0), (1, 4)))).links == []


def test_words_and_vectors_have_links_of_their_own() -> None:
    made = netlist([(0,), (1,)])
    made.queues[1] = replace(made.queues[1], width=1)
    assert meetings(made, ways(((0, 0), (0, 2)), ((0, 0), (0, 2)))).links == []


def test_traffic_counts_a_multicast_once_and_a_reduction_apart() -> None:
    made = netlist([(0, 1)], count=8)
    routes = ways(((0, 0), (0, 2)), ((0, 0), (0, 1)))
    assert traffic(made, routes, [8, 8]) == {
        vector((0, 0), (0, 1)): 8,
        vector((0, 1), (0, 2)): 8,
    }
    ports = made.actors[0].outputs
    made.actors[0] = replace(made.actors[0], outputs=(ports[0], replace(ports[1], gate=ends(0, 1))))
    assert traffic(made, routes, [8, 1])[vector((0, 0), (0, 1))] == 9


def compiled(name: str, **params: int | str) -> Compiled:
    return rdflow.load(name, **params).execution().begin().compiled


@pytest.mark.parametrize(("name", "params"), [("attention", {"P": 8}), ("softmax", {}), ("online_softmax", {})])
def test_a_token_that_waits_nowhere_takes_what_its_hops_take(name: str, params: dict[str, int]) -> None:
    kernel = compiled(name, **params)
    seen = 0
    for queue, timing in zip(kernel.netlist.queues, kernel.mapped.queues, strict=True):
        if timing.stages and all(kernel.mapped.servers[s.server].shared for s in timing.stages if s.server >= 0):
            if queue.server is not None:
                continue
            between = sum(1 + stage.after for stage in timing.stages[:-1])
            assert timing.first + between + queue.packets + timing.stages[-1].after == timing.latency
            seen += 1
    assert seen or not any(server.shared for server in kernel.mapped.servers)


def test_every_cycle_has_a_cause_where_links_are_late() -> None:
    program = rdflow.load("softmax")
    execution = program.execution()
    execution.advance()
    (kernel,) = profile(execution).kernels
    for unit in kernel.units:
        assert unit.busy + unit.starved + unit.blocked + unit.memory + unit.link + unit.idle == unit.total
    moved = sum(
        traffic(
            execution.launched[0].compiled.netlist,
            execution.launched[0].compiled.floorplan.routes,
            counters(execution.launched[0].image).pushes.tolist(),
        ).values()
    )
    assert kernel.link_bytes == 64 * moved > 0
