"""What `rdflow run` and `rdflow profile` do, without the command line's library. Options are texts, as they were typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.console import Told, ending, note, print_json, print_rich, show_diagnostics, write_whole
from rdflow.dsl.records import dataclass
from rdflow.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rdflow.api import Program, Progress, Result
    from rdflow.generation import Generated
    from rdflow.interpreter.execution import Execution
    from rdflow.interpreter.profile import Profile
    from rdflow.interpreter.what_if import Doubled
    from rdflow.unchecked import Unchecked

SLICES = 300  # of a timeline, where no other number is asked for


def unchecked(
    file: str,
    set_: list[str] | None,
    machine: str | None,
    changes: list[str] | None,
    collective: str | None = None,
    threads: int | None = None,
    policy: str | None = None,
) -> Unchecked:
    """The text of a program, and all that is asked of it. Raises CompileError."""
    from rdflow import options
    from rdflow.api import find
    from rdflow.unchecked import Unchecked

    values, source = options.settings(set_), find(file)
    target = options.machine(machine, changes)
    found = Unchecked(source, values, target, options.form(collective), threads, options.policy(policy))
    if policy is not None and not found.caching:
        options.nothing_cached(source.name)
    return found


def load(
    file: str,
    set_: list[str] | None,
    machine: str | None,
    changes: list[str] | None,
    told: Told,
    collective: str | None = None,
    threads: int | None = None,
    policy: str | None = None,
) -> Program:
    """The program on its machine, its warnings told. Raises CompileError."""
    program = unchecked(file, set_, machine, changes, collective, threads, policy).checked()
    if not (told.quiet or told.as_json):
        show_diagnostics(program.warnings, program.checked.program.source)
    return program


def announce_compilation(with_values: bool, told: Told) -> None:
    from rdflow.interpreter.image import compile_needed

    if compile_needed(with_values):
        note("compiling the engine, which happens once and takes some 20 s ...", told)


def _tell_warnings(program: Program, profile: Profile, told: Told) -> None:
    """What the mapping warns of, once it is known."""
    if not (told.quiet or told.as_json):
        show_diagnostics(profile.warnings, program.checked.program.source)


def fits(program: Program) -> None:
    """Refuse tensors that no memory tier holds before values are made for them. Raises CompileError."""
    from rdflow.interpreter.memory import plan

    plan(program.checked, program.machine)


def run(
    file: str,
    told: Told,
    set_: list[str] | None = None,
    machine: str | None = None,
    machine_set: list[str] | None = None,
    input_: list[str] | None = None,
    output: Path | None = None,
    verify: bool = False,
    seed: int = 0,
    collective: str | None = None,
    threads: int | None = None,
    memory: bool = False,
    policy: str | None = None,
) -> None:
    """Execute a program with values, and print outputs, cycles and what limited them. Leaves where it cannot."""
    with ending(told):
        from rdflow import options

        program = load(file, set_, machine, machine_set, told, collective, threads, policy)
        fits(program)
        given = options.inputs(input_, program.checked.program, seed)
        values = program.inputs(given, seed)
        folder = options.folder(output) if output else None
        with Meter(told) as meter:
            result = execute(program, values, told, verify, meter)
        random = options.random_inputs(program.checked.program, given, seed)
        tell(program, result, told, folder, random, memory)


def execute(program: Program, values: Mapping[str, NDArray[Any]], told: Told, verify: bool, meter: Progress) -> Result:
    """A run with values; what takes long, or is odd about the mapping, is told."""
    announce_compilation(True, told)
    result = program.run_on(values, verify, meter)
    _tell_warnings(program, result.profile, told)
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
        print_rich(*show.summary(program, result.profile), *_memory(result.profile, memory))
        if result.verification is not None and result.verification.passed:
            print(show.verified(result.verification))
    if result.verification is not None and not result.verification.passed:
        from rdflow.show import verified

        raise AssertionError(verified(result.verification))


def _memory(profile: Profile, wanted: bool) -> list[Any]:
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


@dataclass(frozen=True)
class Asked:
    """What a profile is asked for beside itself; files are written where a path is given."""

    what_if: bool = False
    trace: Path | None = None
    slices: int = SLICES
    report: Path | None = None
    ports: bool = False
    memory: bool = False
    points: int | None = None
    extrapolate: str | None = None

    @property
    def executing(self) -> list[str]:
        """The options, as they are typed, that show what units do."""
        options = {"--what-if": self.what_if, "--ports": self.ports, "--trace": self.trace, "--report": self.report}
        return [name for name, value in options.items() if value]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.trace, self.report) if path is not None)

    @property
    def run(self) -> bool:
        """Whether something is asked for that a kept profile has not."""
        return self.what_if or bool(self.paths)


def profile(
    file: str,
    told: Told,
    set_: list[str] | None = None,
    machine: str | None = None,
    machine_set: list[str] | None = None,
    input_: list[str] | None = None,
    seed: int = 0,
    asked: Asked | None = None,
    collective: str | None = None,
    threads: int | None = None,
    policy: str | None = None,
    cache: bool = True,
) -> None:
    """Execute a program without values (with them, where they decide the cycles), and print where the cycles went. Leaves
    where it cannot. `cache`: what is known from an earlier profile is not executed again."""
    with ending(told):
        from rdflow import options, profiles

        asked = asked or Asked()
        rival = options.rival(machine, machine_set)
        if rival is not None:
            from rdflow import modelling

            program = load(file, set_, None, None, told, policy=policy)
            modelling.profile(program, rival, told, input_, seed, asked.executing, policy)
            return
        _writable(asked)
        shown = [option for option in asked.executing if option != "--ports"]
        estimate = options.estimate(asked.points, asked.extrapolate, shown)
        program = load(file, set_, machine, machine_set, told, collective, threads, policy)
        program = replace(program, estimate=estimate)
        given = options.inputs(input_, program.checked.program, seed)
        if given and not program.bounding and not program.reading:
            note("the cycles of this program do not depend on values: --input changes nothing", told)
        found = profiles.read(program, given, seed) if cache and not asked.run else None
        doubled = None
        if found is None:
            execution = program.timed(given, seed)
            found, doubled = _profiled(program, execution, asked, told)
            profiles.write(program, found, given, seed)
        _tell_warnings(program, found, told)
        if told.as_json:
            from rdflow.document import document

            print_json(document(program, found, doubled=doubled))
        elif not told.quiet:
            from rdflow.show import depends, summary
            from rdflow.show_profile import doublings, profiled
            from rdflow.show_schedule import chosen_at_random, scheduled

            random = options.random_inputs(program.checked.program, given, seed)
            print_rich(
                *depends(program, random),
                *chosen_at_random(program.drawn(given, seed)),
                *summary(program, found)[:1],
                *profiled(program, found, asked.ports),
                *scheduled(found.agenda, program.machine),
                *_memory(found, asked.memory),
                *doublings(doubled or ()),
            )


def _profiled(program: Program, execution: Execution, asked: Asked, told: Told) -> tuple[Profile, list[Doubled] | None]:
    """The profile of a run; with what doubling gives and files, where they are asked for."""
    from rdflow.interpreter.profile import profile as profile_of

    announce_compilation(bool(program.bounding), told)
    if execution.values is not None and not program.bounding:
        note(f"what is launched depends on the values of {', '.join(program.reading)}: they are computed", told)
    with Meter(told) as meter:
        execution.advance(progress=meter)
        doubled = _doubled(execution, meter) if asked.what_if else None
        found = profile_of(execution)
        if asked.paths:
            _write_files(program, execution, found, doubled, asked, meter)
    return found, doubled


def _writable(asked: Asked) -> None:
    """Refuse files that cannot be written before the program runs. Raises CompileError."""
    for path in asked.paths:
        from rdflow.options import target

        target(path)


def _doubled(execution: Execution, meter: Meter) -> list[Doubled]:
    """What twice of each resource gives, with the progress of each run."""
    from rdflow.interpreter.what_if import what_if

    def progress(resource: str, again: Execution) -> None:
        meter.doing = f"twice {resource}: "
        meter(again)

    return what_if(execution, progress)


def _write_files(
    program: Program,
    execution: Execution,
    profile: Profile,
    doubled: list[Doubled] | None,
    asked: Asked,
    meter: Meter,
) -> None:
    """The trace and the report, from one more run in slices of time."""
    from rdflow.interpreter.timeline import timeline

    def progress(cycles: int) -> None:
        meter.say(f"timeline: {cycles:,} of {execution.time:,} cycles")

    slices = timeline(execution, asked.slices, progress, max(1, asked.slices // 3) if asked.report is not None else 1)
    if asked.trace is not None:
        from rdflow.trace import trace

        content = trace(slices, program.name, program.machine.name, profile.agenda.timetable.entries)
        write_whole(asked.trace, lambda path: path.write_bytes(content))
    if asked.report is not None:
        from rdflow.report import report

        text = report(program, execution, profile, slices, doubled)
        write_whole(asked.report, lambda path: path.write_text(text, encoding="utf-8"))
