"""`rdflow profile`: where the cycles go, and what more of a resource would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rdflow.arguments import Json, MachineName, MachineSet, ProgramName, Quiet, Set, announce_compilation, load
from rdflow.console import Meter, Told, ending, print_json, print_rich

if TYPE_CHECKING:
    from rdflow.interpreter.execution import Execution
    from rdflow.interpreter.what_if import Doubled

app = typer.Typer()


@app.command(
    epilog="Examples: `rdflow profile attention --set S=4096 --machine-set hbm.bandwidth=900GB/s`; "
    "`rdflow profile monarch_fft --what-if`"
)
def profile(
    file: ProgramName,
    set_: Set = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Run again with twice of each resource, and say what that gives.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Execute without values, and say where the cycles went: kernels, memory tiers, units, what limited each."""
    told = Told(as_json, quiet)
    with ending(told):
        from rdflow.interpreter.profile import profile as profile_of

        program = load(file, set_, machine, machine_set, told)
        announce_compilation(False, told)
        execution = program.execution()
        with Meter(told) as meter:
            execution.advance(progress=meter)
            doubled = _doubled(execution, meter) if what_if else None
        found = profile_of(execution)
        if as_json:
            from rdflow.document import document

            print_json(document(program, found, doubled=doubled))
        elif not quiet:
            from rdflow.show import summary
            from rdflow.show_profile import doublings, profiled

            print_rich(*summary(program, found)[:1], *profiled(program, found), *doublings(doubled or ()))


def _doubled(execution: Execution, meter: Meter) -> list[Doubled]:
    """What twice of each resource gives, with the progress of each run."""
    from rdflow.interpreter.what_if import what_if

    def progress(resource: str, again: Execution) -> None:
        meter.doing = f"twice {resource}: "
        meter(again)

    return what_if(execution, progress)
