"""Bytes and bandwidth of channels, ports and links, beside what the program must move."""

from __future__ import annotations

import pytest

import rdflow
from rdflow.interpreter.bandwidth import Carrier
from rdflow.interpreter.figures import KernelProfile


def kernel(name: str, **params: int) -> KernelProfile:
    return rdflow.load(name, **params).profile().kernels[0]


def named(found: KernelProfile) -> dict[str, Carrier]:
    return {c.name: c for c in found.carriers}


def test_channels_carry_the_bytes_of_their_tier() -> None:
    found = kernel("hello", N=65536)
    channels = [c for c in found.carriers if c.kind == "channel" and c.name.startswith("hbm[")]
    assert len(channels) == 32 and sum(c.bytes for c in channels) == found.bytes
    assert sum(c.peak for c in channels) == pytest.approx(found.tiers["hbm"].sustained)
    assert sum(c.achieved for c in channels) == pytest.approx(found.tiers["hbm"].achieved)


def test_ports_of_attention() -> None:
    size, depth = 256, 64
    found = kernel("attention", S=size, D=depth)
    carried = named(found)
    pairs = size // 32 * size // 8 * depth  # firings of s: a tile of 32 queries, 8 keys, and d
    assert carried["qt into s"].bytes == carried["kt into s"].bytes == 64 * pairs
    assert carried["s out of s"].bytes == 2 * 64 * size // 32 * size  # 32 f32 lanes are two packets
    assert carried["s into m"].bytes == carried["s into sb"].bytes == carried["s out of s"].bytes


def test_a_unit_that_fires_every_cycle_has_a_full_port() -> None:
    found = kernel("attention", S=256)
    units = {u.name: u for u in found.units}
    assert named(found)["qt into s"].utilization == pytest.approx(units["s"].busy / units["s"].total, rel=1e-9)


def test_copies_have_a_port_each() -> None:
    found = rdflow.load("monarch_fft_unfused").profile().kernels[0]
    units = {u.name: u for u in found.units}
    port = named(found)["i0 into g"]
    assert units["g"].copies == 4
    assert port.utilization == pytest.approx(units["g"].firings / units["g"].total)


def test_nothing_carries_more_than_it_can_and_the_busiest_comes_first() -> None:
    for name in ("attention", "transpose", "monarch_fft_unfused", "online_softmax"):
        for found in rdflow.load(name).profile().kernels:
            shares = [c.utilization for c in found.carriers]
            assert shares == sorted(shares, reverse=True)
            assert all(c.utilization <= 1.0 for c in found.carriers if c.kind != "mesh link")  # flows may pass unqueued
            assert {c.kind for c in found.carriers} >= {"channel", "port", "mesh link"}
            links = sum(c.bytes for c in found.carriers if c.kind == "mesh link")
            assert links == found.link_bytes


def test_links_between_sockets_carry_parts_of_an_all_reduce() -> None:
    """Each socket sends each other one an eighth to be summed, then the eighth that it has summed."""
    size = 8192
    text = f"""\
axis g = 8, n = {size}
tensor X: f32[g @socket, n] in hbm input
tensor Y: f32[n] in hbm output
kernel all_reduce {{
    x = load X       as [g @socket, n/H | n%H]
    y = pcu sum(g) x as [n/H | n%H]
    store y -> Y
}}
"""
    program = rdflow.loads(text, "all_reduce.rdf")
    (found,) = program.profile().kernels
    between = [c for c in found.carriers if c.kind == "socket link"]
    assert [c.bytes for c in between] == [2 * size // 8 * 4] * (8 * 7)
    assert {d.resource for d in program.what_if() if d.how == "run again"} >= {"links", "hbm", "compute"}
