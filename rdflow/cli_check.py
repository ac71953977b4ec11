"""`rdflow check`, as the command line has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdflow.arguments import Json, MachineName, MachineSet, Memory, Quiet, Set
from rdflow.checking import Outcome, outcome, tell
from rdflow.console import Told, ending, print_json, print_rich
from rdflow.dsl.diagnostics import CompileError

if TYPE_CHECKING:
    from rdflow.interpreter.machine import Machine

app = typer.Typer()


@app.command(epilog="Example: `rdflow check attention --units`. See `rdflow explain CODE` for what a diagnostic means.")
def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Program files, or names of programs that ship.")
    ],
    set_: Set = None,
    units: Annotated[
        bool, typer.Option("--units", help="Print what each unit takes, and the cycles it needs.")
    ] = False,
    memory: Memory = False,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check programs without running them: every mistake of every file."""
    told = Told(as_json, quiet)
    with ending(told):
        from rdflow.options import machine as chosen
        from rdflow.options import settings

        values, target = settings(set_), chosen(machine, machine_set)
        results = [outcome(file, values, target) for file in files]
        if units:
            kernels = _unit_tables(results, target, told)
        if memory and not as_json:
            _memory_tables(results, target)
        if as_json and units:
            print_json({"diagnostics": [d for r in results for d in r.json()], "kernels": kernels})
            tell(results, told, shown=False)
        else:
            tell(results, told)


def _memory_tables(results: list[Outcome], target: Machine) -> None:
    """Print where everything of each program without mistakes is; add what does not fit."""
    from rdflow.interpreter.memory import plan
    from rdflow.show_schedule import memory

    for result in results:
        if result.checked is None or not result.passed:
            continue
        try:
            found = plan(result.checked, target)
        except CompileError as error:
            result.diagnostics += [d for d in error.diagnostics if d not in result.diagnostics]
            continue
        print_rich(*memory(found))


def _unit_tables(results: list[Outcome], target: Machine, told: Told) -> list[dict[str, Any]]:
    """Print the units of every program without mistakes; add to its diagnostics what does not fit the machine."""
    from rdflow.fitting import too_large
    from rdflow.units import costs_json, kernel_costs

    documents = []
    for result in results:
        if result.checked is None or not result.passed:
            continue
        try:
            kernels = list(kernel_costs(result.checked, target))
            result.diagnostics += [] if result.held else too_large(result.checked, target)
            result.diagnostics += [warning for kernel in kernels for warning in kernel.crowded]
        except CompileError as error:
            result.diagnostics += error.diagnostics
            continue
        documents += [{"file": result.file} | costs_json(kernel) for kernel in kernels]
        if not told.as_json:
            from rdflow.show import costs

            print_rich(*(part for kernel in kernels for part in costs(kernel, target.name)))
    return documents
