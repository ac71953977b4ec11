"""What `rdflow run` does, and what `rdflow profile` does alike, without the command line's library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.console import Told, ending, note, print_json, print_rich, show_diagnostics, write_whole
from rdflow.dsl.records import dataclass
from rdflow.meter import Meter
from rdflow.typed import Typed, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rdflow.api import Program, Result
    from rdflow.generation import Generated
    from rdflow.interpreter.figures import Profile


@dataclass(frozen=True)
class Wanted:
    """What a run is asked for beside itself. `output`: a folder for its outputs; `verify`: held against the NumPy evaluator;
    `memory`: the decisions of the memory manager."""

    output: Path | None = None
    verify: bool = False
    memory: bool = False


ITSELF = Wanted()
"""nothing beside"""


def announce_compilation(with_values: bool, told: Told) -> None:
    from rdflow.interpreter.image import compile_needed

    if compile_needed(with_values):
        note("compiling the engine, which happens once and takes some 20 s ...", told)


def tell_warnings(program: Program, profile: Profile, told: Told) -> None:
    """What the mapping warns of, once it is known."""
    if not (told.quiet or told.as_json):
        show_diagnostics(profile.warnings, program.checked.program.source)


def fits(program: Program) -> None:
    """Refuse tensors that no memory tier holds before values are made for them. Raises CompileError."""
    from rdflow.interpreter.memory import plan

    plan(program.checked, program.machine)


def run(typed: Typed, told: Told, wanted: Wanted = ITSELF) -> None:
    """Execute a program with values, and print outputs, cycles and what limited them. Leaves where it cannot."""
    with ending(told):
        from rdflow import options

        program = load(typed, told)
        fits(program)
        given = options.inputs(typed.inputs, program.checked.program, typed.seed)
        values = program.inputs(given, typed.seed)
        folder = options.folder(wanted.output) if wanted.output else None
        with Meter(told) as meter:
            result = execute(program, values, told, wanted.verify, meter)
        random = options.random_inputs(program.checked.program, given, typed.seed)
        tell(program, result, told, folder, random, wanted.memory)


def execute(program: Program, values: Mapping[str, NDArray[Any]], told: Told, verify: bool, meter: Meter) -> Result:
    """A run with values; what takes long, or is odd about the mapping, is told."""
    announce_compilation(True, told)
    meter.say("mapping the kernels")
    result = program.run_on(values, verify, meter)
    tell_warnings(program, result.profile, told)
    return result


def tell(
    program: Program,
    result: Result,
    told: Told,
    folder: Path | None,
    random: Mapping[str, int],
    memory: bool = False,
    generated: Generated | None = None,
) -> None:
    """Write and print what a run gave. `random`: the seeds of inputs that nobody gave; `memory`: with the decisions of the
    memory manager. Raises AssertionError where it was held against the evaluator, and differs."""
    files = _write(program, result.outputs, folder) if folder else {}
    if told.as_json:
        from rdflow.document import document

        print_json(document(program, result.profile, result.outputs, files, result.verification, generated=generated))
    elif not told.quiet:
        from rdflow import show

        said = show.generated(generated) if generated is not None else []
        print_rich(*said, *([show.seeds(random)] if random else []), show.outputs(program, result.outputs, files))
        print_rich(*show.summary(program, result.profile), *decisions(result.profile, memory))
        if result.verification is not None and result.verification.passed:
            print(show.verified(result.verification))
    if result.verification is not None and not result.verification.passed:
        from rdflow.show import verified

        raise AssertionError(verified(result.verification))


def decisions(profile: Profile, wanted: bool) -> list[Any]:
    """The decisions of the memory manager, where they are asked for."""
    if not wanted:
        return []
    from rdflow.show_schedule import memory

    return memory(profile.agenda.plan)


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
