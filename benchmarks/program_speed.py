"""Speed on whole programs and of whole commands.

python benchmarks/program_speed.py [--json] [--cold]

Programs: million firings a second of the engine, without and with values. Commands: seconds from the shell, warm, the
best of several; --cold adds the first run ever, with an empty cache of compiled code.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import rdflow

REPEATS = 3
PROGRAMS: tuple[tuple[str, dict[str, int]], ...] = (
    ("attention", {}),
    ("attention", {"S": 4096}),
    ("rmsnorm", {}),
    ("swiglu_mlp", {}),
)
COMMANDS = (("check", "attention"), ("run", "hello"), ("profile", "attention"))


def firings(name: str, params: dict[str, int], with_values: bool) -> float:
    """Million firings a second of the engine itself, the best of several runs."""
    program = rdflow.load(name, **params)
    best = float("inf")
    count = 0
    for _ in range(REPEATS):
        profile = program.run().profile if with_values else program.profile()
        best = min(best, profile.host_seconds)
        count = profile.firings
    return count / best / 1e6


def seconds(words: tuple[str, ...], cache: str | None = None) -> float:
    """Wall seconds of an rdflow command."""
    environment = dict(os.environ) | ({"RDFLOW_CACHE_DIR": cache} if cache is not None else {})
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "rdflow.entry", *words], check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cold", action="store_true")
    chosen = parser.parse_args()
    results: dict[str, float] = {}
    for name, params in PROGRAMS:
        label = name + "".join(f" {key}={value}" for key, value in params.items())
        results[f"{label}, timing, repeats counted [M firings/s]"] = firings(name, params, with_values=False)
        if not params:
            results[f"{label}, values [M firings/s]"] = firings(name, params, with_values=True)
    for words in COMMANDS:
        results[f"rdflow {' '.join(words)} [s]"] = min(seconds(words) for _ in range(REPEATS))
    if chosen.cold:
        with tempfile.TemporaryDirectory() as empty:
            results["rdflow run hello, first ever [s]"] = seconds(("run", "hello"), empty)
    if chosen.json:
        print(json.dumps({label: round(value, 3) for label, value in results.items()}))
        return
    for label, value in results.items():
        print(f"{label:48} {value:9.2f}")


if __name__ == "__main__":
    main()
