"""`rdflow run`: execute a program with values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rdflow import running
from rdflow.arguments import (
    Collective,
    Input,
    Json,
    MachineName,
    MachineSet,
    Memory,
    Policy,
    ProgramName,
    Quiet,
    Seed,
    Set,
    Threads,
)
from rdflow.console import Told

app = typer.Typer()


@app.command(
    epilog="Examples: `rdflow run attention --set S=256 --verify`; "
    "`rdflow run my.rdf --input X=x.npy --input W=random:7 --output results`"
)
def run(
    file: ProgramName,
    set_: Set = None,
    input_: Input = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Write each output as NAME.npy, bf16 as float32.")
    ] = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    collective: Collective = None,
    threads: Threads = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the outputs with the NumPy evaluator.")] = False,
    memory: Memory = False,
    policy: Policy = None,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Execute a program with values, cycle by cycle, and print outputs, cycles and what limited them."""
    running.run(
        file,
        Told(as_json, quiet),
        set_,
        machine,
        machine_set,
        input_,
        output,
        verify,
        seed,
        collective,
        threads,
        memory,
        policy,
    )
