"""Pictures: well-formed, self-contained, everything in them, and boxes that do not overlap."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

import rdflow
from rdflow.api import Program
from rdflow.dsl.check import checked
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.source import Source
from rdflow.floor import load_color
from rdflow.graph import draw, palette, streams
from rdflow.interpreter.machine import load_machine
from rdflow.layered import layout

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", ["hello", "attention", "monarch_fft_unfused", "topk_router"])
def test_every_unit_and_order_is_in_the_picture(name: str) -> None:
    program = rdflow.load(name)
    found = texts(draw(program))
    for kernel in program.checked.kernels.values():
        netlist = elaborate(kernel)
        feeding = {netlist.actors[q.source].unit for q in netlist.queues}
        assert kernel.name in found
        for number, unit in enumerate(netlist.units):
            assert any(text.split()[0] == unit.name for text in found if text)
            assert unit.verb == "store" or number not in feeding or unit.order in found


def test_a_picture_needs_nothing_else() -> None:
    picture = draw(rdflow.load("attention"))
    assert not re.search(r"href|<script|<style|url\(", picture)
    assert picture.count("http") == 1


def test_pictures_are_the_same_every_time() -> None:
    assert draw(rdflow.load("softmax")) == draw(rdflow.load("softmax"))


def test_other_machines_and_unusual_names() -> None:
    program: Program = rdflow.load("hello").on("toy")
    assert "on toy" in " ".join(texts(draw(program)))


def test_streams_join_the_queues_of_copies() -> None:
    (kernel,) = rdflow.load("hello", P=4).checked.kernels.values()
    assert [s.edge for s in streams(elaborate(kernel)) if s.data] == [(0, 1), (1, 2)]


def test_loaded_links_are_drawn_with_their_streams() -> None:
    picture = draw(rdflow.load("attention"))
    titles = [node.text or "" for node in ElementTree.fromstring(picture).iter(f"{SVG}title")]
    plan = rdflow.load("attention").execution().begin().compiled.floorplan
    told = [title for title in titles if "packets a cycle: `" in title]
    assert len(told) == len(plan.loads)
    assert f"wires of {plan.wire_length} hops; 0 of {len(plan.loads)} links shared" in picture
    assert picture.count(load_color(1)) > picture.count(load_color(0.5)) == 1  # in the legend


def test_a_load_has_a_colour() -> None:
    assert [load_color(rate) for rate in (0, 1, 1.7)] == ["#fad65a", "#b2182b", "#b2182b"]


def test_colours_differ() -> None:
    assert len(set(palette(60))) == 60


# -- layers ------------------------------------------------------------------------------------------------------------


def test_producers_are_above_their_consumers() -> None:
    found = layout([10.0] * 4, [(0, 1), (1, 2), (0, 3), (3, 2), (0, 2)])
    assert [found.layer[n] for n in range(4)] == [0, 1, 2, 1]
    assert len(found.ways[(0, 2)]) == 1 and found.back == set()


def test_an_edge_that_closes_a_cycle_leads_back() -> None:
    found = layout([10.0] * 3, [(0, 1), (1, 2), (2, 1)])
    assert found.back == {(2, 1)} and [found.layer[n] for n in range(3)] == [0, 1, 2]


def test_what_nothing_feeds_stands_near_its_consumer() -> None:
    found = layout([10.0] * 4, [(0, 1), (1, 2), (3, 2)])
    assert found.layer[3] == 1


def test_boxes_do_not_overlap() -> None:
    widths = [40.0 + 7 * n for n in range(12)]
    edges = [(a, b) for a, b in combinations(range(12), 2) if (a * b) % 5 == 1 or b == a + 3]
    found = layout(widths, edges, gap=10)
    for a, b in combinations(range(12), 2):
        if found.layer[a] == found.layer[b]:
            assert abs(found.x[a] - found.x[b]) >= (widths[a] + widths[b]) / 2 + 9.99
    assert all(width / 2 - 0.01 <= found.x[n] <= found.width - width / 2 + 0.01 for n, width in enumerate(widths))


def test_nothing_is_laid_out_as_nothing() -> None:
    assert layout([], []).width == 0.0


@pytest.mark.parametrize(
    "text", ["", "axis n = 4\ntensor X: f32[n] in hbm\ntensor Y: f32[n] in hbm output\nschedule { copy X -> Y }\n"]
)
def test_a_program_without_kernels_is_no_picture(text: str) -> None:
    with pytest.raises(CompileError) as caught:
        draw(Program(checked(Source("none.rdf", text)), load_machine("sn40l")))
    (told,) = caught.value.diagnostics
    assert (told.code, told.message) == ("RDF321", "there is nothing to draw in `none.rdf`")
