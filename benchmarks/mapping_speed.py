"""Speed and quality of place and route.

python benchmarks/mapping_speed.py

A kernel that fills the socket (52 loads, 52 chains of 20 scratchpads and 20 compute units each, 52 stores: 1040 PCUs, 1040
PMUs, 104 AGCUs), another one whose copies all read each other, and small ones: seconds of a mapping that nothing is
kept of, and what it achieves. The first run of all also compiles, which takes some seconds more.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import rdflow
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.netlist import Netlist
from rdflow.interpreter import kept
from rdflow.interpreter.floorplan import floorplan
from rdflow.interpreter.machine import load_machine

COPIES, STAGES = 52, 20


def full() -> str:
    """A program of as many units as a socket has."""
    order, tile = f"[m @{COPIES}, n/L | n%L]", f"[m @{COPIES}; n/L | n%L]"
    lines = [
        f"axis m = {4 * COPIES}, n = 1024",
        "tensor X: bf16[m, n] in hbm input",
        "tensor Y: bf16[m, n] in hbm output",
    ]
    lines += ["kernel full {", f"    h0 = load X @{COPIES} as {order}"]
    for stage in range(STAGES):
        lines += [f"    p{stage} = pmu h{stage} as {tile}", f"    h{stage + 1} = pcu p{stage} * 2 as bf16 {order}"]
    return "\n".join([*lines, f"    store h{STAGES} @{COPIES} -> Y", "}"])


def netlists() -> dict[str, Netlist]:
    programs = {
        "full socket": rdflow.loads(full()),
        "swiglu_mlp P=32": rdflow.load("swiglu_mlp", P=32, T=1024, C=1024, V=1024),
        "mlp_backward_adam": rdflow.load("mlp_backward_adam"),
        "attention": rdflow.load("attention"),
        "hello": rdflow.load("hello"),
    }
    return {n: coalesce(elaborate(next(iter(p.checked.kernels.values())))) for n, p in programs.items()}


def main() -> None:
    machine = load_machine("sn40l")
    found = netlists()
    for name, netlist in found.items():
        with tempfile.TemporaryDirectory() as empty:
            kept.folder = lambda empty=empty: Path(empty)  # type: ignore[assignment, misc]
            began = time.perf_counter()
            plan = floorplan(netlist, machine)
            print(f"{name:20} {time.perf_counter() - began:7.3f} s  {plan.summary(netlist)}")


if __name__ == "__main__":
    main()
