"""`rdflow run`: execute a program with values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdflow.arguments import Json, MachineName, MachineSet, ProgramName, Quiet, Set, announce_compilation, load
from rdflow.console import Meter, Told, ending, print_json, print_rich, write_whole
from rdflow.dsl.diagnostics import CompileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rdflow.api import Program

app = typer.Typer()


def _fits(program: Program) -> None:
    """Refuse tensors that no memory tier holds before values are made for them. Raises CompileError."""
    from math import prod

    sizes = (prod(tensor.shape) for tensor in program.checked.program.tensors.values())
    if sum(sizes) > sum(tier.capacity for tier in program.machine.tiers.values()):
        from rdflow.units import too_large

        raise CompileError(too_large(program.checked, program.machine), program.checked.program.source)


@app.command(
    epilog="Examples: `rdflow run attention --set S=256 --verify`; "
    "`rdflow run my.rdf --input X=x.npy --input W=random:7 --output results`"
)
def run(
    file: ProgramName,
    set_: Set = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=FILE.npy|random[:SEED]", help="Values of a tensor. Default: random."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Write each output as NAME.npy, bf16 as float32.")
    ] = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the outputs with the NumPy evaluator.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of inputs that are random.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Execute a program with values, cycle by cycle, and print outputs, cycles and what limited them."""
    told = Told(as_json, quiet)
    with ending(told):
        from rdflow import options

        program = load(file, set_, machine, machine_set, told)
        _fits(program)
        given = options.inputs(input_, program.checked.program, seed)
        values = program.inputs(given, seed)
        folder = options.folder(output) if output else None
        announce_compilation(True, told)
        with Meter(told) as meter:
            result = program.run_on(values, verify, meter)
        files = _write(program, result.outputs, folder) if folder else {}
        if as_json:
            from rdflow.document import document

            print_json(document(program, result.profile, result.outputs, files, result.verification))
        elif not quiet:
            from rdflow import show

            random = options.random_inputs(program.checked.program, given, seed)
            print_rich(*([show.seeds(random)] if random else []), show.outputs(program, result.outputs, files))
            print_rich(*show.summary(program, result.profile))
            if result.verification is not None and result.verification.passed:
                print(show.verified(result.verification))
        if result.verification is not None and not result.verification.passed:
            from rdflow.show import verified

            raise AssertionError(verified(result.verification))


def _write(program: Program, outputs: Mapping[str, NDArray[Any]], folder: Path) -> dict[str, Path]:
    """A file for each output, written whole."""
    import numpy as np

    types = {"int8": np.int8, "bool": np.bool_}
    found = {}
    for name, array in outputs.items():
        typed = array.astype(types.get(program.checked.program.tensors[name].dtype, array.dtype))
        found[name] = folder / f"{name}.npy"

        def save(path: Path, typed: NDArray[Any] = typed) -> None:
            with path.open("wb") as stream:
                np.save(stream, typed)

        write_whole(found[name], save)
    return found
