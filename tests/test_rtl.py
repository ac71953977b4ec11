"""The RTL witness: small Verilog models of the chip's parts, simulated by Icarus, give the engine's very cycles.

The models in tests/rtl/ are written from the machine's published description and its parameters: registers, FIFOs,
credits, counters, an arbiter's backlog. They know nothing of the engine, which has none of these and computes with times.
`transpose` and `gemm` are whole chips for these programs, with data; the others are parts under loads of their own.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rdflow
from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Burst, Loop, Netlist, Port, Queue
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import Image, Status, advance, build, counters
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage

pytestmark = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")

SOURCES = Path(__file__).parent / "rtl"
MACHINE = load_machine("sn40l")
SERVICE = MACHINE.cycles_per_burst(MACHINE.hbm)
CHIP = {
    "LANES": MACHINE.pcu.lanes,
    "FIFO": MACHINE.pcu.fifo,
    "AGCU": MACHINE.agcu.latency,
    "READ": MACHINE.pmu.read_latency,
    "WRITE": MACHINE.pmu.write_latency,
    "OUTSTANDING": MACHINE.hbm.outstanding,
    "CHANNELS": MACHINE.hbm.channels,
    "NUMERATOR": SERVICE.numerator,
    "DENOMINATOR": SERVICE.denominator,
    "MEMORY": MACHINE.cycles(MACHINE.hbm.latency),
}
Figures = dict[str, list[int]]


def simulate(folder: Path, top: str, **parameters: int) -> Figures:
    """What the model prints: a name and its numbers a line."""
    sources = [str(SOURCES / f"{name}.v") for name in (top, "stream", "memory", "units")]
    settings = [f"-Ptop.{name}={value}" for name, value in parameters.items()]
    subprocess.run(["iverilog", "-g2005", "-s", "top", "-o", "model", *settings, *sources], cwd=folder, check=True)
    run = subprocess.run(["vvp", "-n", "model"], cwd=folder, check=True, capture_output=True, text=True, timeout=300)
    lines = [line.split() for line in run.stdout.splitlines()]
    return {name: [int(n) for n in numbers] for name, *numbers in lines if numbers and numbers[0].lstrip("-").isdigit()}


def write_words(path: Path, array: NDArray[Any]) -> None:
    """Words of 32 elements of 16 bits, lane 0 last, as $readmemh wants them."""
    rows = array.reshape(-1, 32)[:, ::-1] & 0xFFFF
    path.write_text("\n".join("".join(f"{v:04x}" for v in row) for row in rows.tolist()))


def read_words(path: Path, shape: tuple[int, ...]) -> NDArray[np.int16]:
    lines = [line.strip() for line in path.read_text().splitlines() if not line.startswith("//")]
    rows = [[int(line[i : i + 4], 16) for i in range(0, len(line), 4)][::-1] for line in lines]
    return np.array(rows, dtype=np.uint16).astype(np.int16).reshape(shape)


def figures(image: Image) -> Figures:
    """The same of the engine, by actor: firings, cycles starved (memory included), cycles blocked."""
    seen = counters(image)
    starved = seen.starved + seen.memory
    names = [actor.name for actor in image.mapped.netlist.actors]
    return {n: [int(c[i]) for c in (seen.firings, starved, seen.blocked)] for i, n in enumerate(names)}


def agree(model: Figures, engine: Figures) -> None:
    """All that both name, and this is not nothing."""
    both = model.keys() & engine.keys()
    assert both
    assert {name: model[name] for name in both} == {name: engine[name] for name in both}


# -- whole programs ----------------------------------------------------------------------------------------------------


def executed(name: str, inputs: dict[str, NDArray[Any]], **params: int) -> Execution:
    program = rdflow.load(name, **params)
    execution = program.execution(program.inputs({k: v.astype(np.float32) for k, v in inputs.items()}))
    execution.advance()
    return execution


def wires(execution: Execution, **streams: tuple[str, str]) -> dict[str, int]:
    """The hops of a stream between two units, by the name of the model's parameter."""
    compiled = execution.launched[0].compiled
    names = [unit.name for unit in compiled.netlist.units]
    ends = [
        (names[compiled.netlist.actors[q.source].unit], names[compiled.netlist.actors[q.sink].unit])
        for q in compiled.netlist.queues
    ]
    ways = dict(zip(ends, compiled.floorplan.routes, strict=True))
    return {name: max(1, len(ways[stream]) - 1) * MACHINE.network.hop for name, stream in streams.items()}


def bases(execution: Execution, *names: str) -> dict[str, int]:
    """The first burst of every tensor."""
    return {
        n: base // 64 for n, (_, _, base) in zip(names, execution.launched[0].compiled.mapped.channels, strict=True)
    }


@pytest.mark.parametrize(("m", "n"), [(32, 32), (64, 64), (128, 96), (96, 128)])
def test_transpose(tmp_path: Path, m: int, n: int) -> None:
    """A double-buffered PMU between two AGCUs."""
    x = np.random.default_rng(1).integers(0, 128, (m, n))
    write_words(tmp_path / "x.hex", x)
    execution = executed("transpose", {"X": x}, M=m, N=n)
    image = execution.launched[0].image
    ways = wires(execution, LOAD_WIRE=("x.load", "x"), STORE_WIRE=("x", "store.x"))
    model = simulate(tmp_path, "transpose", M=m, N=n, Y=bases(execution, "X", "Y")["Y"], **ways, **CHIP)
    assert model["cycles"] == [image.cycles]
    agree(model, figures(image))
    assert execution.values is not None
    assert (read_words(tmp_path / "y.hex", (n, m)) == x.T).all()
    assert (execution.values["Y"] == x.T).all()


@pytest.mark.parametrize(("m", "n", "k"), [(64, 32, 32), (32, 64, 128), (96, 96, 32), (64, 64, 64)])
def test_gemm(tmp_path: Path, m: int, n: int, k: int) -> None:
    """A systolic PCU with two banks of sums, three PMUs, three AGCUs on the same memory channels."""
    random = np.random.default_rng(2)
    a, b = random.integers(-1, 2, (m, k)), random.integers(-1, 2, (k, n))
    write_words(tmp_path / "a.hex", a)
    write_words(tmp_path / "b.hex", b)
    execution = executed("gemm", {"A": a, "B": b}, M=m, N=n, K=k)
    image = execution.launched[0].image
    streams = {"A_LOAD": ("a.load", "a"), "B_LOAD": ("b.load", "b"), "A": ("a", "c"), "B": ("b", "c")}
    streams |= {"C": ("c", "ct"), "CT": ("ct", "store.ct")}
    ways = wires(execution, **{f"{name}_WIRE": ends for name, ends in streams.items()})
    sizes = {"M": m, "N": n, "K": k, "STAGES": MACHINE.pcu.stages}
    model = simulate(tmp_path, "gemm", **sizes, **bases(execution, "A", "B", "C"), **ways, **CHIP)
    assert model["cycles"] == [image.cycles]
    agree(model, figures(image))
    assert execution.values is not None
    assert (read_words(tmp_path / "c.hex", (m, n)) == a @ b).all()
    assert (execution.values["C"] == a @ b).all()


# -- parts -------------------------------------------------------------------------------------------------------------


def actor(name: str, count: int, **more: Any) -> Actor:
    more = {"inputs": (), "outputs": ()} | more
    return Actor(name, 0, "pcu", (Loop(count),), **more)


def finished(netlist: Netlist, timings: list[QueueTiming], **more: Any) -> Image:
    image = build(Mapped(netlist, timings, **more))
    assert advance(image) is Status.FINISHED
    return image


@pytest.mark.parametrize(
    ("units", "pipeline", "wire", "fifo", "step", "spread"),
    [(4, 8, 1, 16, 3, 4), (6, 8, 5, 2, 5, 7), (3, 1, 1, 1, 1, 1), (8, 3, 12, 4, 2, 5)],
)
def test_fifo_chain(tmp_path: Path, units: int, pipeline: int, wire: int, fifo: int, step: int, spread: int) -> None:
    """Units of different pace behind one another."""
    count = 300
    shape = {"UNITS": units, "COUNT": count, "PIPELINE": pipeline, "WIRE": wire}
    model = simulate(tmp_path, "chain", **shape, FIFO=fifo, STEP=step, SPREAD=spread)
    actors = [
        actor(
            f"u{i}",
            count,
            inputs=(Port((i - 1,), ALWAYS),) if i else (),
            outputs=(Port((i,), ALWAYS),) if i + 1 < units else (),
            interval=1 + i * step % spread,
        )
        for i in range(units)
    ]
    timing = QueueTiming(pipeline + wire, wire, fifo + pipeline + 2 * wire)
    netlist = Netlist("chain", actors=actors, queues=[Queue(i, i + 1, 0) for i in range(units - 1)])
    image = finished(netlist, [timing] * (units - 1))
    lasts = counters(image).last.tolist()
    assert model == {name: [*row, last] for (name, row), last in zip(figures(image).items(), lasts, strict=True)}


@pytest.mark.parametrize(
    ("streams", "channels", "base", "stride"), [(8, 4, 1, 1), (3, 32, 0, 8), (5, 4, 7, 3), (12, 6, 2, 1), (1, 32, 0, 1)]
)
def test_channel_arbiter(tmp_path: Path, streams: int, channels: int, base: int, stride: int) -> None:
    """More streams than the channels can serve, or strides that meet on a few of them."""
    count = 250
    shape = {"STREAMS": streams, "COUNT": count, "BASE": base, "STRIDE": stride, "CHANNELS": channels}
    names = ("NUMERATOR", "DENOMINATOR", "MEMORY", "OUTSTANDING")
    model = simulate(tmp_path, "channels", **shape, **{name: CHIP[name] for name in names})
    actors, queues = [], []
    for s in range(streams):
        burst = Burst(s, Affine(0, (64 * stride,)))
        actors.append(actor(f"request{s}", count, outputs=(Port((s,), ALWAYS),), burst=burst))
        actors.append(actor(f"respond{s}", count, inputs=(Port((s,), ALWAYS),)))
        queues.append(Queue(2 * s, 2 * s + 1, 0, server="memory"))
    timing = QueueTiming(1, 0, CHIP["OUTSTANDING"], MACHINE.agcu.to_memory, (Stage(BY_ADDRESS, CHIP["MEMORY"]),))
    servers = [Server(f"hbm[{c}]", SERVICE.numerator, SERVICE.denominator) for c in range(channels)]
    places = [(0, channels, 64 * base * s) for s in range(streams)]
    netlist = Netlist("channels", actors=actors, queues=queues)
    image = finished(netlist, [timing] * streams, servers=servers, channels=places)
    agree(model, figures(image))
    lasts = counters(image).last.tolist()[1::2]
    assert [model[f"last{s}"] for s in range(streams)] == [[last] for last in lasts]


@pytest.mark.parametrize(
    ("packets", "paces", "eats"),
    [
        (1, (1, 1), (1, 1)),
        (1, (1, 2), (1, 1)),
        (2, (1, 1), (1, 5)),
        (1, (3, 2), (1, 1)),
        (3, (4, 3), (1, 1)),
        (1, (1, 1), (1, 7)),
    ],
)
def test_switch_where_two_flows_meet(
    tmp_path: Path, packets: int, paces: tuple[int, int], eats: tuple[int, int]
) -> None:
    """One link, a packet a cycle, two producers that can fill it alone, and consumers that may stall."""
    count = 200
    first, after, credit, slots = 9, 3, 4, 26
    shape = {"COUNT": count, "PACKETS": packets, "FIRST": first, "AFTER": after, "CREDIT": credit, "SLOTS": slots}
    rates = {"PACE_0": paces[0], "PACE_1": paces[1], "EAT_0": eats[0], "EAT_1": eats[1]}
    model = simulate(tmp_path, "switch", **shape, **rates)
    actors, queues = [], []
    for f in range(2):
        actors.append(actor(f"produce{f}", count, outputs=(Port((f,), ALWAYS, packets),), interval=paces[f]))
        actors.append(actor(f"consume{f}", count, inputs=(Port((f,), ALWAYS, packets),), interval=eats[f]))
        queues.append(Queue(2 * f, 2 * f + 1, 32, packets, server=("port", 0)))
    timing = QueueTiming(1, credit, slots, first, (Stage(0, after),))
    image = finished(Netlist("switch", actors=actors, queues=queues), [timing] * 2, servers=[Server("link")])
    agree(model, figures(image))
    assert [model[f"last{f}"][0] for f in range(2)] == counters(image).last.tolist()[1::2]
