"""What links carry, in words: the most loaded one, its streams, and a warning where it is too much."""

from __future__ import annotations

from dataclasses import replace

import rdflow
from rdflow.dsl.codes import CODES
from rdflow.dsl.diagnostics import Diagnostic, Severity
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.links import crowded, streams
from rdflow.show import costs
from rdflow.units import kernel_costs


def compiled(text: str) -> Compiled:
    return rdflow.loads(text).execution().begin().compiled


def warnings(text: str) -> list[Diagnostic]:
    found = compiled(text)
    return found.floorplan.warnings(found.netlist)


def test_seven_full_streams_into_one_switch_are_too_many() -> None:
    (warning,) = warnings(CODES["RDF210"].wrong)
    assert (warning.code, warning.severity) == ("RDF210", Severity.WARNING)
    assert warning.message == "kernel `total` wants 2.00 packets a cycle on one link of the network, which carries 1"
    text = CODES["RDF210"].wrong
    assert {text[label.span.start : label.span.end].split()[1:3] == ["=", "load"] for label in warning.labels} == {True}
    assert warning.notes[0].startswith("the link from switch (") and warning.notes[0].count("` to `y`") == 2
    assert warnings(CODES["RDF210"].right) == []


def test_a_line_is_pointed_at_once() -> None:
    """Two units of one line, a load and the scratchpad that it fills, may share a link."""
    netlist, found = compiled(CODES["RDF210"].wrong).netlist, compiled(CODES["RDF210"].wrong).floorplan.loads
    (before,) = crowded(netlist, found)
    first = before.labels[0].span
    netlist.units[:] = [replace(unit, span=first) for unit in netlist.units]
    (after,) = crowded(netlist, found)
    assert len(before.labels) == 2 and [label.span for label in after.labels] == [first]


def test_the_most_loaded_link_comes_first_with_its_streams() -> None:
    found = compiled(CODES["RDF210"].wrong)
    plan = found.floorplan
    assert [load.rate for load in plan.loads] == sorted((load.rate for load in plan.loads), reverse=True)
    assert len(streams(found.netlist, plan.loads[0])) == 2
    assert plan.shared == sum(len(load.flows) > 1 for load in plan.loads) >= 3
    words = plan.summary(found.netlist)
    assert words.startswith(f"wires of {plan.wire_length} hops; {plan.shared} of {len(plan.loads)} links shared, ")
    assert "at most 2.00 (" in words


def test_the_figures_of_hello() -> None:
    """One AGCU sits at the switch of `y`, the other one a hop away."""
    found = rdflow.load("hello").execution().begin().compiled
    plan = found.floorplan
    (way,) = {way for way in plan.routes if len(way) > 1}
    assert (plan.wire_length, len(plan.loads), plan.shared, len(way)) == (1, 1, 0, 2)
    assert plan.figures(found.netlist) | {"streams": []} == {
        "hops": 1, "links": 1, "shared": 0, "mean_load": 1.0, "most_load": 1.0, "streams": [], "rounds": 1,
    }  # fmt: skip
    assert plan.figures(found.netlist)["streams"][0] in ("`x` to `y`", "`y` to `store.y`")


def test_check_tells_what_place_and_route_achieve() -> None:
    program = rdflow.load("hello")
    (cost,) = kernel_costs(program.checked, program.machine)
    streams_of = cost.network["streams"][0]
    words = "Wires of 1 hop over 1 link, 0 of them shared; without waits the busiest carries 1.00 packets a cycle: "
    assert words + streams_of + "." in [str(part) for part in costs(cost, "sn40l")]
    assert cost.crowded == ()
