"""`rdflow serve`: how long requests wait for a composition of experts, under each policy of its cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rdflow import serving_command
from rdflow.arguments import Extrapolate, Json, MachineName, MachineSet, Points, ProgramName, Quiet, Report, Seed, Set
from rdflow.console import Told
from rdflow.typed import Typed

app = typer.Typer()

Trace = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE.csv",
        help="Requests as in Azure's traces: TIMESTAMP, ContextTokens, GeneratedTokens, and Topic if you like.",
    ),
]
Rate = Annotated[
    float | None, typer.Option("--poisson", metavar="RATE", help="Draw requests, so many a second on average.")
]
Burst = Annotated[
    float,
    typer.Option(
        "--burst",
        metavar="CV",
        help="Standard deviation of the times between requests, of their mean: 1 is Poisson.",
    ),
]
Count = Annotated[int, typer.Option("--requests", metavar="N", min=1, help="How many are drawn.")]
Prompts = Annotated[
    str | None,
    typer.Option("--prompt", metavar="N|LOW..HIGH", help="Tokens of prompts that are drawn. Default: the program's T."),
]
Answers = Annotated[
    str | None,
    typer.Option("--answer", metavar="N|LOW..HIGH", help="Tokens of answers that are drawn. Default: the program's M."),
]
Skew = Annotated[
    float,
    typer.Option("--skew", metavar="S", min=0, help="Topics by Zipf's law with this exponent; 0: all as often."),
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="NAME",
        help="lru, lfu, belady, pinned or prefetch; repeatable. Default: each of them.",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", metavar="B", min=1, help="Prompts that the router takes at once. Default: the program's B."
    ),
]
Group = Annotated[bool, typer.Option("--group", help="Run the prompts of a batch expert by expert.")]
Overlap = Annotated[bool, typer.Option("--overlap", help="Load the next expert while one runs.")]


@app.command(
    epilog="Examples: `rdflow serve samba_coe --poisson 50 --requests 200 --skew 1.2 --report coe.html`; "
    "`rdflow serve samba_coe --trace azure.csv --policy lru --policy belady --batch 8 --group --overlap`"
)
def serve(
    file: ProgramName,
    trace: Trace = None,
    poisson: Rate = None,
    burst: Burst = 1.0,
    requests: Count = 200,
    prompt: Prompts = None,
    answer: Answers = None,
    skew: Skew = 1.0,
    policy: Policies = None,
    batch: Batch = None,
    group: Group = False,
    overlap: Overlap = False,
    points: Points = None,
    extrapolate: Extrapolate = None,
    set_: Set = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    report: Report = None,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Serve requests that come over time: latencies, hits, throughput and queues, under each policy of the cache.

    Times are of launches that are simulated at the lengths at hand. The exit code is 0, 1 for what is wrong with the
    program or the trace, 2 for wrong usage.
    """
    asked = serving_command.Asked(
        trace, poisson, burst, requests, prompt, answer, skew, batch, group, overlap, report, seed, points, extrapolate
    )
    serving_command.serve(Typed(file, set_, machine, machine_set), Told(as_json, quiet), asked, policy)
