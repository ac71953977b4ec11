"""Cycles that an architect derives on paper, from the machine's parameters and the hops of the placement.

Latencies are written as a chain: what the first token meets, then one token a cycle, then what the last one meets. Only
the hops are read from the mapped netlist; everything else follows from the program's sizes and the machine.
"""

from __future__ import annotations

from functools import cache
from math import ceil

import pytest

import rdflow
from rdflow.interpreter.figures import Profile
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.mapping import map_netlist
from rdflow.interpreter.route import hops

MACHINE = load_machine("sn40l")
LANES, STAGES = MACHINE.pcu.lanes, MACHINE.pcu.stages
AGCU, READ, WRITE = MACHINE.agcu.latency, MACHINE.pmu.read_latency, MACHINE.pmu.write_latency
BURST = 64  # bytes: a burst, a packet, and 32 elements of bf16


@cache
def profile(name: str, **params: int | str) -> Profile:
    return rdflow.load(name, **params).profile()


def compiled(name: str, **params: int | str) -> Compiled:
    """The only kernel of a program, mapped."""
    execution = rdflow.load(name, **params).execution()
    return execution.begin().compiled


def wire(kernel: Compiled, source: str, sink: str) -> int:
    """Cycles on the wire from a unit to another, both with one copy."""
    names = [unit.name for unit in kernel.netlist.units]
    ways = {
        way
        for queue, way in zip(kernel.netlist.queues, kernel.floorplan.routes, strict=True)
        if (names[kernel.netlist.actors[queue.source].unit], names[kernel.netlist.actors[queue.sink].unit])
        == (source, sink)
    }
    (way,) = ways
    return hops(way) * MACHINE.network.hop


def answered(place: int = 1) -> int:
    """Cycles from a request at cycle 0 to its burst, as the `place`-th in the queue of an idle channel: to the controller,
    the bursts before it and itself on the channel, and the latency of the memory."""
    service = MACHINE.cycles_per_burst(MACHINE.hbm)
    return MACHINE.agcu.to_memory + ceil(place * service) + MACHINE.cycles(MACHINE.hbm.latency)


def on_one_channel(*sizes: int) -> bool:
    """Tensors of these bytes, one behind the other, all start on the first channel."""
    return all(size % (BURST * MACHINE.hbm.channels) == 0 for size in sizes)


# -- hello: streaming --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [65536, 1048576, 2097152])
def test_hello_streams_a_packet_a_cycle(n: int) -> None:
    """Load, AGCU and wire, stages and wire, store: N / 32 packets, a cycle each, behind the latency of the first one."""
    kernel = compiled("hello", N=n)
    first = answered() + AGCU + wire(kernel, "x", "y") + STAGES + wire(kernel, "y", "store.y") + answered()
    assert profile("hello", N=n).cycles == first + n // LANES


@pytest.mark.parametrize(("dtype", "size"), [("bf16", 2), ("f32", 4)])
def test_hello_moves_64_bytes_a_cycle_in_each_direction(dtype: str, size: int) -> None:
    """The slope alone, whatever the latencies are: 32 elements of bf16 a cycle, 16 of f32."""
    fewer, more = (profile("hello", N=n, E=dtype).cycles for n in (1 << 20, 1 << 21))
    assert (more - fewer) * BURST == (1 << 20) * size


def test_hello_with_32_copies_reaches_the_bandwidth_of_memory() -> None:
    """32 copies ask for 2048 bytes a cycle in each direction; memory gives 1317 in all: 64 x 32 x 9 / 14."""
    found = profile("hello", N=1 << 22, P=32)
    tier = found.tiers["hbm"]
    assert tier.read == tier.written == 2 << 22
    assert tier.peak == pytest.approx(1.8e12, rel=2e-3)
    stated = float(MACHINE.hbm.bandwidth * MACHINE.hbm.efficiency)
    assert (tier.read + tier.written) / found.seconds == pytest.approx(stated, rel=0.03)
    assert (found.kernels[0].limiter, found.kernels[0].bound) == ("hbm", "hbm")


# -- gemm: a systolic product ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "n", "k"), [(512, 512, 512), (64, 64, 256), (128, 32, 64), (32, 128, 32), (256, 64, 1024)]
)
def test_gemm_on_one_unit(m: int, n: int, k: int) -> None:
    """32 x 8 multiply-adds a cycle without a pause, after B has come and before the last tile of C has gone."""
    kernel = compiled("gemm", M=m, N=n, K=k)
    assert on_one_channel(2 * m * k, 2 * k * n)
    # A and B ask the same channel in the same cycle, B second. All of B is on the chip before its first read, for it is
    # replayed: k n / 32 bursts, a cycle each. (A's first tile, k bursts, is there before.)
    fill = answered(2) + k * n // LANES - 1
    fill += AGCU + wire(kernel, "b.load", "b") + WRITE + READ + wire(kernel, "b", "c")
    product = m * n * k // (LANES * STAGES)
    # The last sums leave the stages, then 8 columns one behind another (the drain, a pipeline of its own).
    drain = STAGES + STAGES + STAGES + wire(kernel, "c", "ct")
    # The last tile of C is written before it is read row by row, 32 rows of n / 32 packets: the store and its answer.
    store = WRITE + LANES * n // LANES - 1 + READ + wire(kernel, "ct", "store.ct") + answered()
    found = profile("gemm", M=m, N=n, K=k)
    (unit,) = (u for u in found.kernels[0].units if u.name == "c")
    assert unit.firings == unit.busy == product
    assert unit.blocked == 0
    assert unit.starved == fill
    assert found.cycles == fill + product - 1 + drain + store


def test_gemm_of_one_row_costs_what_32_rows_cost() -> None:
    """One lane of 32 works: n k / 8 firings for n k multiply-adds."""
    one, tile = profile("gemm", M=1, N=512, K=512), profile("gemm", M=32, N=512, K=512)
    firings = [next(u.firings for u in p.kernels[0].units if u.name == "c") for p in (one, tile)]
    assert firings == [512 * 512 // STAGES] * 2
    assert tile.kernels[0].flops == 32 * one.kernels[0].flops


# -- attention ---------------------------------------------------------------------------------------------------------


def attention_cycles(s: int, d: int) -> int:
    """Attention on one copy of the path: K comes, S / 32 tiles of queries pass the scores, the last tile passes the rest.

    `s` never waits once K is there, and each tile takes it S D / 8 cycles; the rest of the path keeps up (exponentials
    take 2 S). So the end is the end of `s` and what its last tile still has to pass.
    """
    kernel = compiled("attention", S=s, D=d)
    assert on_one_channel(2 * s * d)
    # Q, K and V ask the same channel at once, K second; all of K comes before its first read, a burst a cycle.
    fill = answered(2) + s * d // LANES - 1
    fill += AGCU + wire(kernel, "kt.load", "kt") + WRITE + READ + wire(kernel, "kt", "s")
    scores = s * s * d // (LANES * STAGES)
    # Scores are f32, two packets a token: the last of 8 columns leaves 2 x 7 cycles after the first, and goes to `m`.
    last_maximum = STAGES + 2 * (STAGES - 1) + STAGES + wire(kernel, "s", "m")
    # The maximum opens the last tile of `p`: S tokens from `sb`, two packets each.
    exponentials = STAGES + wire(kernel, "m", "p") + 2 * (s - 1)
    # All of the tile is in `pb` before it is read; then the context takes S D / 8 cycles.
    context = STAGES + wire(kernel, "p", "pb") + WRITE + READ + wire(kernel, "pb", "o") + s * d // STAGES - 1
    # Drained like the scores, divided, turned around: a tile of 32 queries is d packets.
    divided = STAGES + 2 * (STAGES - 1) + STAGES + wire(kernel, "o", "y") + STAGES + wire(kernel, "y", "yt")
    stored = WRITE + d - 1 + READ + wire(kernel, "yt", "store.yt") + answered()
    return fill + scores - 1 + last_maximum + exponentials + context + divided + stored + 1


@pytest.mark.parametrize(("s", "d"), [(1024, 64), (512, 32), (256, 128), (2048, 64)])
def test_attention_to_the_cycle(s: int, d: int) -> None:
    found = profile("attention", S=s, D=d)
    assert found.cycles == attention_cycles(s, d)
    units = {u.name: u for u in found.kernels[0].units}
    assert units["s"].firings == units["o"].firings == s * s * d // (LANES * STAGES)
    assert units["s"].blocked == 0


def test_attention_of_1024_tokens() -> None:
    """The figures of the program's header. 262,144 at the least; 274,895 = 2,204 until K is there + 262,144 of scores
    + 2,085 until the last exponential + 8,216 for the last context + 246 until the answer of the last store."""
    found = profile("attention", S=1024, D=64)
    (kernel,) = found.kernels
    assert found.cycles == 274_895
    assert 262_144 < found.cycles < 1.10 * 262_144
    assert kernel.limiter in ("s", "o")
    assert kernel.bound == "compute"
    assert kernel.bytes == 4 * 1024 * 64 * 2  # Q, K and V once, O once: no score leaves the chip


@pytest.mark.parametrize(("s", "least"), [(1024, 5.5), (4096, 7.0)])
def test_eight_copies_of_the_path(s: int, least: float) -> None:
    """Filling and draining stay what they are, 1.5 tiles: (32 + 1.5) / (4 + 1.5) = 6.1, (128 + 1.5) / (16 + 1.5) = 7.4."""
    speedup = profile("attention", S=s).cycles / profile("attention", S=s, P=8).cycles
    assert least <= speedup < 8


ATTENTION = """
axis q = 1024, k = 1024, d = 64
tensor Q: bf16[q, d] in hbm input
tensor K: bf16[k, d] in hbm input
tensor V: bf16[k, d] in hbm input
tensor O: bf16[q, d] in hbm output
kernel attention {
    qt = pmu load Q                   as [q/L; k/ST, d | q%L]
    kt = pmu load K                   as [; q/L, k/ST, d | k%ST]
    vt = pmu load V                   as [; q/L, d/ST, k | d%ST]
    s  = pcu sum(d) qt * kt / sqrt(64) as f32 [q/L @8, k | q%L]
    m  = pcu max(k) s                 as f32 [q/L | q%L]
    sb = pmu s                        as [; q/L, k | q%L]
    p  = pcu exp(sb - m)              as bf16 [q/L, k | q%L]
    l  = pcu sum(k) p                 as f32 [q/L | q%L]
    pb = pmu p                        as [q/L; d/ST, k | q%L]
    o  = pcu sum(k) pb * vt           as f32 [q/L @8, d | q%L]
    y  = pcu o / l                    as bf16 [q/L, d | q%L]
    yt = pmu y                        as [; q, d/L | d%L]
    store yt -> O
}
schedule { launch attention }
"""


def test_copies_of_the_products_alone_are_refused_with_the_path_to_carry_them_along() -> None:
    """Queries are dealt tile by tile to copies that wait for each other where the scores are gathered again."""
    with pytest.raises(rdflow.CompileError) as refused:
        rdflow.loads(ATTENTION)
    (error,) = (d for d in refused.value.diagnostics if d.code == "RDF051")
    assert {d.code for d in refused.value.diagnostics} == {"RDF051"}
    assert "dealt" in error.message or "multicast" in error.message
    assert error.help is not None
    assert "from `qt` to `y`" in error.help
    for line in ("qt", "s", "m", "sb", "p", "l", "pb", "o", "y"):
        assert f"`{line}`" in error.help


# -- the Monarch FFT of the paper --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "transfers", "intensity", "without"),
    [
        ("monarch_fft", 12, 171.0, 513.0),
        ("monarch_fft_partial", 28, 73.3, 102.6),
        ("monarch_fft_unfused", 60, 34.2, 39.5),
    ],
)
def test_the_three_levels_of_fusion(name: str, transfers: int, intensity: float, without: float) -> None:
    """Bytes as executed, in units of 256 KiB: tensors of 1024 x 128 are one, of 1024 x 1024 eight.

    fused: W0, I0, W1, OUT and SCALE. partial: T written and read besides. unfused: G0 and G written and read besides.
    The scale is 8 of them; who does not count it finds the second intensities.
    """
    found = profile(name)
    flops = 2 * (2 * 1024 * 1024 * 128) + 1024 * 1024
    moved = sum(kernel.bytes for kernel in found.kernels)
    scale = sum(kernel.tensor_bytes.get("SCALE", 0) for kernel in found.kernels)
    assert sum(kernel.flops for kernel in found.kernels) == found.flops == flops
    assert moved == transfers << 18
    assert scale == 8 << 18
    assert round(found.intensity, 1) == round(flops / moved, 1) == intensity
    assert round(flops / (moved - scale), 1) == without


def test_bytes_by_tensor_add_up() -> None:
    for kernel in profile("monarch_fft_unfused").kernels:
        assert sum(kernel.tensor_bytes.values()) == kernel.bytes


# -- where all cycles go -----------------------------------------------------------------------------------------------

UNFUSED = {"T": 40, "C": 32, "F": 64, "G": 1, "R": 2, "W": 8, "NL": 1}
LAYER = {"T": 40, "C": 32, "F": 64, "G": 1, "R": 2, "W": 8}
PROGRAMS: list[tuple[str, dict[str, int | str]]] = [
    ("hello", {"N": 5000, "P": 3}),
    ("gemm", {"M": 100, "N": 40, "K": 70, "P": 4}),
    ("gemm", {"M": 33, "N": 40, "K": 20, "E": "f32"}),
    ("transpose", {"M": 100, "N": 40, "P": 3}),
    ("rmsnorm", {"T": 45, "C": 100, "P": 4}),
    ("softmax", {"T": 45, "C": 100, "P": 4}),
    ("swiglu_mlp", {"T": 37, "C": 40, "V": 100}),
    ("attention", {}),
    ("attention", {"P": 8}),
    ("attention_causal", {"S": 130, "D": 8, "P": 4}),
    ("topk_router", {"T": 45, "C": 33, "N": 20}),
    ("online_softmax", {"T": 100, "D": 40}),
    ("fftconv", {"P": 4, "NB": 2}),
    ("llama_prefill_layer", {**LAYER}),
    ("llama_unfused", {**UNFUSED}),
    ("llama_decode", {"B": 3, "C": 32, "F": 64, "U": 40, "NL": 2, "G": 1, "R": 2, "W": 8, "POS": 20}),
    ("mlp_backward_adam", {"T": 64, "C": 32, "V": 64}),
    ("monarch_fft", {}),
    ("monarch_fft_partial", {}),
    ("monarch_fft_unfused", {}),
]


def labelled(name: str, params: dict[str, int | str]) -> object:
    return pytest.param(name, params, id="-".join([name, *(f"{k}{v}" for k, v in params.items())]))


@pytest.mark.parametrize(("name", "params"), [labelled(n, p) for n, p in PROGRAMS])
def test_every_cycle_of_every_unit_has_a_cause(name: str, params: dict[str, int | str]) -> None:
    found = profile(name, **params)
    assert found.cycles == sum(kernel.cycles for kernel in found.kernels)
    for kernel in found.kernels:
        for unit in kernel.units:
            causes = (unit.busy, unit.starved, unit.blocked, unit.memory, unit.link, unit.idle)
            assert min(causes) >= 0, unit
            assert sum(causes) == unit.total == kernel.cycles * unit.copies, unit


def test_a_placement_is_the_same_every_time() -> None:
    """Golden cycles rest on it."""
    kernel = compiled("attention")
    assert map_netlist(kernel.netlist, MACHINE)[1] == kernel.floorplan
