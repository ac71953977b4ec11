"""What the commands of the command line share: their common options, and how they load a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rdflow.console import Told, note, show_diagnostics

if TYPE_CHECKING:
    from rdflow.api import Program

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
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def load(file: str, set_: list[str] | None, machine: str | None, changes: list[str] | None, told: Told) -> Program:
    """The program on its machine, its warnings told. Raises CompileError."""
    from rdflow.api import Program, find, library
    from rdflow.dsl.check import checked
    from rdflow.options import machine as chosen
    from rdflow.options import settings

    values = settings(set_)
    source = find(file)
    program = Program(checked(source, values, library), chosen(machine, changes), values)
    if not (told.quiet or told.as_json):
        show_diagnostics(program.warnings, source)
    return program


def announce_compilation(with_values: bool, told: Told) -> None:
    from rdflow.interpreter.image import compile_needed

    if compile_needed(with_values):
        note("compiling the engine, which happens once and takes some 20 s ...", told)
