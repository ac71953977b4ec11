"""What the AGCU streams of a load share out: the copies that they feed, then bursts."""

from collections import defaultdict
from math import gcd

import numpy as np
import pytest

import rdflow
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.netlist import Netlist

ROWS, COLUMNS = 48, 1536


def program(copies: int, streams: int) -> rdflow.Program:
    """Row sums; each copy holds every `copies`-th row."""
    return rdflow.loads(f"""
        axis t = {ROWS}, c = {COLUMNS}
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t] in hbm output
        kernel row_sums {{
            x = pmu load X @{streams} as [; t @{copies}, c/L | c%L]
            y = pcu sum(c) x
            store y -> Y
        }}
    """)


def netlist(copies: int, streams: int) -> Netlist:
    return elaborate(next(iter(program(copies, streams).checked.kernels.values())))


def feeders(found: Netlist) -> dict[int, set[int]]:
    """By scratchpad, the streams from memory that fill it."""
    by_memory: dict[int, set[int]] = defaultdict(set)
    for queue in found.queues:
        writer = found.actors[queue.sink]
        if found.actors[queue.source].kind == "respond" and writer.kind == "write":
            by_memory[writer.rows[0].out.memory].add(queue.source)
    return by_memory


@pytest.mark.parametrize("streams", [1, 2, 3, 4, 6, 8, 12])
@pytest.mark.parametrize("copies", [1, 2, 3, 4, 6, 8, 12])
def test_streams_share_out_copies_as_far_as_both_numbers_divide(copies: int, streams: int) -> None:
    found = feeders(netlist(copies, streams))
    assert len(set.union(*found.values())) == streams
    assert [len(own) for own in found.values()] == [streams // gcd(copies, streams)] * copies


def test_a_copy_with_a_stream_of_its_own_shares_no_write_port() -> None:
    assert netlist(4, 4).servers == 0
    assert netlist(4, 2).servers == 0
    assert netlist(4, 3).servers == 4


@pytest.mark.parametrize(("copies", "streams"), [(4, 4), (4, 2), (2, 4), (4, 6), (3, 2)])
def test_who_feeds_a_copy_changes_no_value(copies: int, streams: int) -> None:
    x = np.random.default_rng(1).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    one, shared = (program(copies, n).run(X=x).outputs["Y"] for n in (1, streams))
    assert np.array_equal(one, shared)
    assert np.allclose(shared, x.sum(1), atol=1e-4)


def test_copies_with_streams_of_their_own_fill_side_by_side() -> None:
    """A write port takes a packet a cycle: three streams that fill one copy after the other are no faster than one."""
    apart, one_by_one = (program(4, n).profile().cycles for n in (4, 3))
    assert apart < 0.8 * one_by_one
