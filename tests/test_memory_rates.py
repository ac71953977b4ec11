"""What memory gives: streams at the machine's stated efficiency, walks across rows by the burst, copies between tiers."""

from __future__ import annotations

import pytest

import rdflow
from rdflow.interpreter.figures import Profile
from rdflow.interpreter.machine import Machine, load_machine

MOVE = """
param P = 4
axis n = 4096, d = 512
tensor X: bf16[n, d] in {source} input
tensor Y: bf16[n, d] in {target} output
kernel move {{
    x = load X as [n @P, d/L | d%L]
    store x -> Y
}}
schedule {{ launch move }}
"""

COLUMNS = """
param P = 4
axis n = 8192, d = 64
tensor X: bf16[n, d] in hbm input
tensor Y: bf16[{shape}] in hbm output
kernel turn {
    x = load X as [{order}]
    store x -> Y
}
schedule { launch turn }
"""


@pytest.fixture(scope="module")
def sn40l() -> Machine:
    return load_machine("sn40l")


def moved(source: str, target: str, copies: int) -> Profile:
    return rdflow.loads(MOVE.format(source=source, target=target), P=copies).profile()


def rate(found: Profile, tier: str) -> float:
    """Bytes a second over the whole run, fill and drain included."""
    return (found.tiers[tier].read + found.tiers[tier].written) / found.seconds


def test_long_streams_reach_the_stated_efficiency(sn40l: Machine) -> None:
    stated = float(sn40l.hbm.bandwidth * sn40l.hbm.efficiency)
    assert rate(moved("hbm", "hbm", 32), "hbm") == pytest.approx(stated, rel=0.03)


@pytest.mark.parametrize("copies", [4, 8])
def test_a_copy_from_ddr_to_hbm_is_as_fast_as_ddr_gives(sn40l: Machine, copies: int) -> None:
    """125 GB/s a socket, as measured; HBM, which takes it, has nearly nothing to do."""
    found = moved("ddr", "hbm", copies)
    assert found.tiers["ddr"].read / found.seconds == pytest.approx(125e9, rel=0.02)
    assert found.tiers["hbm"].busy < 0.1
    assert found.kernels[0].limiter == "ddr"


def test_one_stream_of_ddr_is_held_back_by_what_it_may_have_under_way(sn40l: Machine) -> None:
    """128 bursts in the 15 cycles of its pipeline, 1 to the controller, 4 of service and 180 of latency."""
    found = moved("ddr", "hbm", 1)
    under_way = sn40l.ddr.outstanding * 64 / (1 + 4 + 180)
    assert rate(found, "ddr") == pytest.approx(under_way * float(sn40l.socket.clock), rel=0.05)


def walked(shape: str, order: str) -> Profile:
    return rdflow.loads(COLUMNS.replace("{shape}", shape).replace("{order}", order)).profile()


def test_a_walk_across_rows_pays_a_burst_an_element() -> None:
    """Along a row 32 elements are a burst; down a column each is one of its own, of which 62 bytes are not used."""
    along, across = walked("n, d", "n @P, d/L | d%L"), walked("d, n", "d @P, n/L | n%L")
    elements = 8192 * 64
    assert along.tiers["hbm"].read == along.tiers["hbm"].written == across.tiers["hbm"].written == 2 * elements
    assert across.tiers["hbm"].read == 64 * elements
    assert 0.9 * 32 < across.cycles / along.cycles <= 32


def test_eight_sockets_move_what_was_measured_on_the_node() -> None:
    """More than 1 TB/s from DDR to HBM (the paper, section VI-C): 125 GB/s a socket, here but for the first burst's latency."""
    found = rdflow.load("ddr_to_hbm").profile()
    moved = found.tiers["ddr"].read
    assert moved == found.tiers["hbm"].written == 2 << 24
    assert 0.98e12 <= moved / found.seconds <= 1.0e12


def test_sockets_without_links_run_with_values_and_stop_where_they_are_told() -> None:
    program = rdflow.load("ddr_to_hbm", N=4096)
    execution = program.execution(program.inputs())
    execution.advance(100)
    assert (execution.time, execution.finished) == (100, False)
    result = program.run(verify=True)
    assert result.verification is not None and result.verification.passed
