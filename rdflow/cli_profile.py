"""`rdflow profile`: where the cycles go, and what more of a resource would give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rdflow import profiling
from rdflow.arguments import (
    Collective,
    Extrapolate,
    Input,
    Json,
    MachineName,
    MachineSet,
    Memory,
    Points,
    Policy,
    ProgramName,
    Quiet,
    Report,
    Seed,
    Set,
    Threads,
)
from rdflow.console import Told
from rdflow.typed import Typed

app = typer.Typer()

WhatIf = Annotated[
    bool, typer.Option("--what-if", help="Run again with twice of each resource, and say what that gives.")
]
Ports = Annotated[bool, typer.Option("--ports", help="Print the bandwidth of the busiest channels, ports and links.")]
Trace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE.pftrace", help="Write what happens when, for ui.perfetto.dev."),
]
Slices = Annotated[
    int,
    typer.Option("--trace-slices", metavar="N", min=1, help="Into how many slices of time traces and reports are cut."),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Simulate again what an earlier profile found out, and keep it anew.")
]


@app.command(
    epilog="Examples: `rdflow profile attention --set S=4096 --machine-set hbm.bandwidth=900GB/s`; "
    "`rdflow profile monarch_fft --what-if --report fft.html`"
)
def profile(
    file: ProgramName,
    set_: Set = None,
    input_: Input = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    collective: Collective = None,
    threads: Threads = None,
    what_if: WhatIf = False,
    ports: Ports = False,
    trace: Trace = None,
    slices: Slices = profiling.SLICES,
    report: Report = None,
    memory: Memory = False,
    policy: Policy = None,
    points: Points = None,
    extrapolate: Extrapolate = None,
    no_cache: NoCache = False,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Execute without values, and say where the cycles went: kernels, memory tiers, units, what limited each.

    Where a stream bounds loops the cycles depend on values: then values are computed, from --input and --seed.
    """
    typed = Typed(file, set_, machine, machine_set, input_, seed, collective, threads, policy)
    asked = profiling.Asked(what_if, trace, slices, report, ports, memory, points, extrapolate)
    profiling.profile(typed, Told(as_json, quiet), asked, cache=not no_cache)
