"""What limits a kernel: who waits for whom, from the output back, with shares that are those of the units."""

from __future__ import annotations

from dataclasses import replace

import pytest

import rdflow
from rdflow.interpreter.bandwidth import Carrier
from rdflow.interpreter.figures import KernelProfile
from rdflow.interpreter.limiter import limit
from rdflow.interpreter.profile import profile

HEAD = """\
param N = 4096
axis t = 8, n = N
tensor X: bf16[t, n] in {tier} input
tensor Y: f32[t] in hbm output
"""
SLOW_MEMORY = """\
kernel sums {
    x = load X as [t, n/L | n%L]
    s = pcu sum(n) x as f32 [t]
    store s -> Y
}
"""


def kernel(text: str, machine: str = "sn40l") -> KernelProfile:
    return rdflow.loads(text, "test.rdf").on(machine).profile().kernels[0]


def test_the_waits_go_from_the_output_to_the_memory_that_is_slow() -> None:
    found = kernel(HEAD.format(tier="ddr") + SLOW_MEMORY, "toy")
    assert [(w.unit, w.state, w.on) for w in found.waits] == [
        ("store.s", "starved", "s"), ("s", "starved", "x"), ("x", "memory", "ddr"),
    ]  # fmt: skip


def test_shares_of_the_waits_are_those_of_the_units() -> None:
    found = rdflow.load("attention", S=256).profile().kernels[0]
    units = {u.name: u for u in found.units}
    assert [w.unit for w in found.waits] == ["store.yt", "yt", "y"] and found.waits[-1].on == found.limiter == "o"
    for wait in found.waits:
        assert wait.share == getattr(units[wait.unit], wait.state) / units[wait.unit].total
    assert f"`y` waits {units['y'].starved / units['y'].total:.0%} for `o`" in found.why.replace(", which", " `y`")


def test_every_wait_begins_where_the_one_before_led() -> None:
    for name in ("monarch_fft_unfused", "topk_router", "online_softmax"):
        for found in rdflow.load(name).profile().kernels:
            ons = [w.on for w in found.waits]
            assert ons[:-1] == [w.unit for w in found.waits[1:]]
            assert found.limiter in [u.name for u in found.units] + ["hbm", "ddr"]


def test_an_output_that_waits_for_nothing_keeps_step() -> None:
    found = rdflow.load("hello").profile().kernels[0]
    assert found.waits == () and found.why.endswith("and the output keeps step with it")


@pytest.mark.parametrize("bandwidth, bound", [("1.8TB/s", "compute"), ("2GB/s", "hbm")])
def test_the_bound_follows_the_machine(bandwidth: str, bound: str) -> None:
    program = rdflow.load("softmax")
    found = program.on(program.machine.replace(hbm_bandwidth=bandwidth)).profile().kernels[0]
    assert found.bound == bound


@pytest.mark.parametrize("carried, waited, bound", [(0.99, 5, "link"), (0.99, 0, "latency"), (0.5, 5, "latency")])
def test_a_link_limits_where_it_is_full_and_something_waits_for_it(carried: float, waited: int, bound: str) -> None:
    execution = rdflow.load("monarch_fft_unfused").execution()
    execution.advance()
    found = profile(execution).kernels[2]
    assert found.bound == "latency"
    units = tuple(replace(u, link=waited, idle=u.idle - waited) for u in found.units)
    link = Carrier("mesh link", "link[vector 0,0-0,1]", 0, carried, 1.0)
    told = limit(execution.launched[2].compiled.netlist, units, found.tiers, (link,))
    assert told.bound == bound and (told.limiter == link.name) == (bound == "link")
