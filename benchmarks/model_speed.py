"""Host time of a token: a Llama of 134 million random parameters decodes with values, on one socket and on eight.

python benchmarks/model_speed.py [--json] [--sockets 1 8] [--steps 4]

Seconds of a clock on the wall, and of the processor (over all threads), all that a launch takes included: tables,
tensors, the engine, results. The first launch of each kernel places and routes it. Each number of sockets has a process of its own, for its memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

import rdflow
from rdflow import tables
from rdflow.interpreter.execution import Execution

SIZES = {"NL": 12, "C": 768, "F": 2048, "V": 32000, "G": 8, "R": 2, "W": 32}
PROMPT = 8


def model(sockets: int, steps: int) -> rdflow.Program:
    return rdflow.load("llama", **SIZES, D=sockets, B=1, T=PROMPT, M=steps, U=PROMPT + steps)


def values(program: rdflow.Program) -> dict[str, Any]:
    """Weights as small as those of a model that begins to learn, from one seed for any number of sockets."""
    random = np.random.default_rng(0)
    found: dict[str, Any] = {"PROMPT": random.integers(0, SIZES["V"], (1, PROMPT))}
    found |= dict(zip(("COS", "SIN"), tables.rope(PROMPT + program.checked.program.params["M"], 64), strict=True))
    for name, tensor in program.checked.program.tensors.items():
        if tensor.direction == "input" and name not in found:
            gain = name.startswith("N")
            drawn = np.ones if gain else random.standard_normal
            found[name] = drawn(tensor.shape, dtype=np.float32) * np.float32(1 if gain else 0.05)
    return program.inputs(found)


def parameters(program: rdflow.Program) -> int:
    kept = ("PROMPT", "COS", "SIN")
    inputs = [t for n, t in program.checked.program.tensors.items() if t.direction == "input" and n not in kept]
    return sum(prod(tensor.shape) for tensor in inputs)


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def measured(sockets: int, steps: int) -> dict[str, Any]:
    """Seconds of each launch, million firings a second of the engine, and the most memory."""
    program = model(sockets, steps)
    execution, ends = program.execution(values(program)), [clocks()]

    def progress(now: Execution) -> None:
        if sum(launched.finished for launched in now.launched) == len(ends):
            ends.append(clocks())

    execution.advance(progress=progress)
    wall, busy = ([round(b[i] - a[i], 2) for a, b in pairwise(ends)] for i in range(2))
    warm = execution.launched[2:]
    assert execution.values is not None
    return {
        "sockets": sockets,
        "parameters": parameters(program),
        "prompt": wall[0],
        "first token after it": wall[1],
        "each further token": wall[2:],
        "processor, each further token": busy[2:],
        "firings a token": warm[0].firings,
        "M firings/s": round(sum(l.firings for l in warm) / sum(l.host_seconds for l in warm) / 1e6, 1),
        "GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "ids": execution.values["IDS"].ravel().tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sockets", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--steps", type=int, default=5)
    chosen = parser.parse_args()
    if len(chosen.sockets) == 1:
        print(json.dumps(measured(chosen.sockets[0], chosen.steps)))
        return
    for sockets in chosen.sockets:
        words = [sys.executable, __file__, "--sockets", str(sockets), "--steps", str(chosen.steps)]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        print(json.dumps(found) if chosen.json else "\n".join(f"{key:32} {value}" for key, value in found.items()))


if __name__ == "__main__":
    main()
