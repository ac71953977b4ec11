"""The network under uniform random traffic: flat at low load, a knee below saturation, the bisection as the limit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from head_of_line import two_flows, two_flows_engine
from network_load import PIPELINE, dimension_order, measure


def test_latency_against_load() -> None:
    """Mean distance of two nodes of 8 x 8: 2 x 21 / 8 x 64 / 63 = 5.33 hops. Half of all packets cross the middle in one
    direction, over 8 links: at most half a packet a cycle and node."""
    low, middle, high, over = (measure(load, cycles=1600, samples=100) for load in (0.05, 0.3, 0.42, 0.7))
    nothing = PIPELINE + 16 / 3
    assert low.latency == pytest.approx(nothing, rel=0.08)
    assert nothing < middle.latency < 1.4 * nothing
    assert 1.4 * nothing < high.latency < 4 * nothing
    assert over.latency > 10 * nothing
    for point in (low, middle, high):
        assert point.accepted == pytest.approx(point.offered, rel=0.04)
    assert 0.42 < over.accepted < 0.55


def test_routes_go_along_the_row_first() -> None:
    assert dimension_order((0, 0), (2, 1)) == ((0, 0), (0, 1), (1, 1), (2, 1))
    assert dimension_order((2, 1), (2, 1)) == ((2, 1),)


def test_a_stalled_consumer_blocks_its_own_queue_only() -> None:
    """The engine's end-to-end credits; with FIFOs that flows share the other flow is held to the same pace."""
    slow, free = two_flows_engine(8, cycles=4000)
    assert (slow, free) == (pytest.approx(1 / 8, rel=0.02), pytest.approx(7 / 8, rel=0.02))
    slow, free = two_flows(8, depth=16, cycles=4000)
    assert (slow, free) == (pytest.approx(1 / 8, rel=0.02), pytest.approx(1 / 8, rel=0.1))
