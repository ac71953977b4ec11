"""The engine beside what a user could pick instead, as ratios in one run.

python -m venv env && env/bin/pip install . -r benchmarks/peers.txt && env/bin/python benchmarks/peers.py [--json]

- C: the same loop, compiled with -O3 (pipeline.c; needs a C compiler, else it is left out).
- SimPy: the same pipeline as processes and bounded stores.
- SCALE-Sim: a GEMM of 512 cubed on a 32 x 32 output-stationary array; cycles and seconds.
Speeds are best of several runs of this process's time. Equal work is asserted: cycles and waits of C, cycles of SimPy.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine_speed import pipeline

import rdflow
from rdflow.interpreter.image import Status, advance, build, counters
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.mapped import Mapped

HERE = Path(__file__).parent
FIRINGS = 40_000_000
CASES = ((64, 16), (64, 2), (1024, 16), (1024, 2), (8192, 16))
REPEATS = 5
SIMPY_UNITS, SIMPY_DEPTH, SIMPY_COUNT = 64, 16, 1000
GEMM = 512


def engine(units: int, count: int, depth: int) -> dict[str, float]:
    """Seconds of the best run, cycles, and sums of waits."""
    best = float("inf")
    for _ in range(REPEATS):
        image = build(pipeline(units, count, depth))
        started = time.process_time()
        assert advance(image, forward=False) is Status.FINISHED
        best = min(best, time.process_time() - started)
    seen = counters(image)
    waits = {"starved": int(seen.starved.sum()), "blocked": int(seen.blocked.sum())}
    return {"seconds": best, "cycles": image.cycles, **waits}


def beside_c() -> list[dict[str, Any]]:
    """The pipelines of the speed table, here and in C; alternating, so that both see the same machine."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return []
    found = []
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/pipeline"
        subprocess.run([compiler, "-O3", "-march=native", "-o", program, str(HERE / "pipeline.c")], check=True)
        for units, depth in CASES:
            count = FIRINGS // units
            ours = engine(units, count, depth)
            run = subprocess.run(
                [program, *map(str, (units, count, depth, REPEATS))], check=True, capture_output=True, text=True
            )
            theirs = json.loads(run.stdout)
            assert {k: ours[k] for k in ("cycles", "starved", "blocked")} == {
                k: theirs[k] for k in ("cycles", "starved", "blocked")
            }
            speeds = {name: units * count / row["seconds"] / 1e6 for name, row in (("engine", ours), ("c", theirs))}
            found.append({"units": units, "depth": depth, **speeds, "c_over_engine": speeds["c"] / speeds["engine"]})
    return found


def beside_simpy() -> dict[str, Any]:
    """Tokens through bounded stores: a stage takes one, holds it a cycle, gives it on."""
    import simpy

    world = simpy.Environment()
    stores = [simpy.Store(world, SIMPY_DEPTH) for _ in range(SIMPY_UNITS - 1)]

    def stage(number: int) -> Any:
        for token in range(SIMPY_COUNT):
            if number > 0:
                token = yield stores[number - 1].get()
            yield world.timeout(1)
            if number < SIMPY_UNITS - 1:
                yield stores[number].put(token)

    for number in range(SIMPY_UNITS):
        world.process(stage(number))
    started = time.process_time()
    world.run()
    theirs = time.process_time() - started
    ours = engine(SIMPY_UNITS, FIRINGS // SIMPY_UNITS, SIMPY_DEPTH)["seconds"] / FIRINGS
    assert int(world.now) == engine(SIMPY_UNITS, SIMPY_COUNT, SIMPY_DEPTH)["cycles"]
    firings = SIMPY_UNITS * SIMPY_COUNT
    return {"engine": 1e-6 / ours, "simpy": firings / theirs / 1e6, "engine_over_simpy": theirs / firings / ours}


SCALE_CONFIG = """
[general]
run_name = gemm
[architecture_presets]
ArrayHeight : 32
ArrayWidth : 32
IfmapSramSzkB : 1024
FilterSramSzkB : 1024
OfmapSramSzkB : 1024
IfmapOffset : 0
FilterOffset : 10000000
OfmapOffset : 20000000
Bandwidth : 1000
Dataflow : os
MemoryBanks : 1
ReadRequestBuffer : 512
WriteRequestBuffer : 512
[layout]
IfmapCustomLayout : False
FilterCustomLayout : False
IfmapSRAMBankBandwidth : 10
IfmapSRAMBankNum : 10
IfmapSRAMBankPort : 2
FilterSRAMBankBandwidth : 10
FilterSRAMBankNum : 10
FilterSRAMBankPort : 2
[sparsity]
SparsitySupport : false
SparseRep : ellpack_block
OptimizedMapping : false
BlockSize : 8
RandomNumberGeneratorSeed : 40
[run_presets]
InterfaceBandwidth : CALC
UseRamulatorTrace : False
"""


def scale_sim() -> dict[str, float]:
    """Seconds and compute cycles of SCALE-Sim for the GEMM on a 32 x 32 array, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "array.cfg").write_text(SCALE_CONFIG)
        (folder / "gemm.csv").write_text(f"Layer,M,N,K,\ngemm,{GEMM},{GEMM},{GEMM},\n")
        (folder / "layout.csv").write_text("Layer name,\n")
        options = ["-c", "array.cfg", "-t", "gemm.csv", "-l", "layout.csv", "-i", "gemm", "-p", "out", "-s", "N"]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "scalesim.scale", *options], cwd=folder, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        (report,) = folder.glob("out/*/COMPUTE_REPORT.csv")
        (row,) = csv.DictReader(report.read_text().splitlines(), skipinitialspace=True)
        return {"seconds": seconds, "cycles": int(row["Total Cycles"])}


def beside_scale_sim() -> dict[str, Any]:
    """`gemm` on one PCU of 32 lanes x 32 stages with one bank of sums, as SCALE-Sim has it: tiles do not overlap.

    Cycles from the first product to the last sum that has left the array; both count no loading before it.
    """
    machine = load_machine("sn40l").with_setting("pcu.stages=32")
    started = time.perf_counter()
    launched = rdflow.load("gemm", M=GEMM, N=GEMM, K=GEMM).on(machine).execution().begin()
    mapped = one_bank(launched.compiled.mapped)
    compiled = time.perf_counter()
    image = build(mapped)
    assert advance(image) is Status.FINISHED
    seconds = time.perf_counter() - compiled
    names = [actor.name for actor in image.mapped.netlist.actors]
    seen = counters(image)
    cycles = int(seen.last[names.index("c.drain")] - seen.first[names.index("c")]) + 1
    theirs = scale_sim()
    return {
        "engine": {"seconds": seconds, "cycles": cycles, "seconds_of_compilation": compiled - started},
        "scale_sim": theirs,
        "cycles_over_scale_sim": cycles / theirs["cycles"],
        "engine_over_scale_sim": theirs["seconds"] / seconds,
    }


def one_bank(mapped: Mapped) -> Mapped:
    """The same with a single bank of sums in the systolic unit."""
    netlist = mapped.netlist
    banks = [queue.stream == "bank" for queue in netlist.queues]
    queues = [replace(q, slots=1, initial=1) if b else q for q, b in zip(netlist.queues, banks, strict=True)]
    timings = [replace(t, slots=1) if b else t for t, b in zip(mapped.queues, banks, strict=True)]
    return replace(mapped, netlist=replace(netlist, queues=queues), queues=timings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    advance(build(pipeline(2, 1, 2)))  # compiles
    found = {"c": beside_c(), "simpy": beside_simpy(), "scale_sim": beside_scale_sim()}
    if as_json:
        print(json.dumps(found))
        return
    print("M firings/s without values, nothing skipped")
    for row in found["c"]:
        print(
            "{units:5} units, depth {depth:2}: engine {engine:6.1f}, C {c:6.1f}; C is {c_over_engine:.2f} times as fast".format(
                **row
            )
        )
    print(
        "   64 units, depth 16: SimPy {simpy:.3f}; the engine is {engine_over_simpy:.0f} times as fast".format(
            **found["simpy"]
        )
    )
    gemm = found["scale_sim"]
    print(
        f"GEMM of {GEMM} cubed, 32 x 32 array: {gemm['engine']['cycles']} cycles in {gemm['engine']['seconds']:.3f} s"
        f" (after {gemm['engine']['seconds_of_compilation']:.2f} s from text to mapped netlist), SCALE-Sim"
        f" {gemm['scale_sim']['cycles']} in {gemm['scale_sim']['seconds']:.1f} s: {gemm['cycles_over_scale_sim']:.4f} of its"
        f" cycles, {gemm['engine_over_scale_sim']:.0f} times as fast"
    )


if __name__ == "__main__":
    main()
