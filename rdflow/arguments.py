"""The options that commands of the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProgramName = Annotated[
    str, typer.Argument(metavar="FILE", help="A program file, or the name of a program that ships.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a param: a number or a dtype. Repeatable.")
]
MachineName = Annotated[
    str | None, typer.Option("--machine", metavar="NAME|FILE", help="A machine that ships, or a TOML file.")
]
MachineSet = Annotated[
    list[str] | None,
    typer.Option("--machine-set", metavar="KEY=VALUE", help="Change the machine: hbm.bandwidth=3.6TB/s. Repeatable."),
]
Collective = Annotated[
    str | None,
    typer.Option(
        "--collective", metavar="ring|direct", help="How sums over sockets are made. Default: the faster one."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        help="Sockets of a kernel run apart, in N threads; results are the same. Default: run: one a core; profile: "
        "they run as one, so that what repeats is counted, or one a core where little repeats; of sockets that do the same "
        "in every cycle one is simulated. With N all of them are.",
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(
        "--policy", metavar="NAME", help="Who leaves the caches of experts: lru, lfu, belady, pinned or prefetch."
    ),
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", help="Write one page with all figures and pictures.")
]
Memory = Annotated[bool, typer.Option("--memory", help="Print where every tensor and expert is, and why.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="NAME=FILE.npy|random[:SEED]", help="Values of a tensor. Default: random."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of inputs that are random.")]
Points = Annotated[
    int | None,
    typer.Option(
        "--points",
        metavar="N",
        min=2,
        help="Of a kernel's launches that differ in one number simulate N; the others lie between: a model.",
    ),
]
Extrapolate = Annotated[
    str | None,
    typer.Option(
        "--extrapolate",
        metavar="NL=2,4",
        help="Simulate kernels that carry over an axis with these lengths, by a param, and go on from there: a model.",
    ),
]
