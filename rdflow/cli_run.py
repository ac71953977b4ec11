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
from rdflow.typed import Typed

app = typer.Typer()

Output = Annotated[
    Path | None, typer.Option("--output", metavar="DIR", help="Write each output as NAME.npy, bf16 as float32.")
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="DIR", help="Take weights and params from a Hugging Face folder."),
]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", metavar="TEXT|IDS", help="What to go on from; several are a batch. Needs --weights."),
]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, metavar="N", help="Tokens that follow the prompt. Default: 16.")
]
Table = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE.toml", help="Which weights the tensors are, if not beside the program."),
]
Verify = Annotated[bool, typer.Option("--verify", help="Compare the outputs with the NumPy evaluator.")]


@app.command(
    epilog="Examples: `rdflow run attention --set S=256 --verify`; "
    "`rdflow run my.rdf --input X=x.npy --input W=random:7 --output results`, "
    '`rdflow run llama --weights DIR --prompt "Once upon a time" --steps 32`'
)
def run(
    file: ProgramName,
    set_: Set = None,
    input_: Input = None,
    output: Output = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    collective: Collective = None,
    threads: Threads = None,
    weights: Weights = None,
    prompt: Prompts = None,
    steps: Steps = None,
    table: Table = None,
    verify: Verify = False,
    memory: Memory = False,
    policy: Policy = None,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Execute a program with values, cycle by cycle, and print outputs, cycles and what limited them."""
    typed = Typed(file, set_, machine, machine_set, input_, seed, collective, threads, policy)
    told, wanted = Told(as_json, quiet), running.Wanted(output, verify, memory)
    if weights is not None:
        from rdflow import generating

        generating.run(typed, told, generating.Checkpoint(weights, table, tuple(prompt or ()), steps), wanted)
        return
    for option, given in (("--prompt", prompt), ("--steps", steps), ("--table", table)):
        if given is not None:
            raise typer.BadParameter("it needs the weights of a model: `--weights DIR`", param_hint=option)
    running.run(typed, told, wanted)
