"""What `rdflow profile` does, without the command line's library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.console import Told, ending, note, print_json, print_rich, write_whole
from rdflow.dsl.records import dataclass
from rdflow.meter import Meter
from rdflow.running import announce_compilation, decisions, tell_warnings
from rdflow.typed import Typed, load

if TYPE_CHECKING:
    from rdflow.api import Program
    from rdflow.interpreter.execution import Execution
    from rdflow.interpreter.figures import Profile
    from rdflow.interpreter.what_if import Doubled

SLICES = 300  # of a timeline, where no other number is asked for


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


ITSELF = Asked()
"""nothing beside"""


def profile(typed: Typed, told: Told, asked: Asked = ITSELF, cache: bool = True) -> None:
    """Execute a program without values (with them, where they decide the cycles), and print where the cycles went. Leaves
    where it cannot. `cache`: what is known from an earlier profile is not executed again."""
    with ending(told):
        from rdflow import options

        rival = options.rival(typed.machine, typed.changes)
        if rival is not None:
            from rdflow import modelling

            own = replace(typed, machine=None, changes=None, collective=None, threads=None)
            modelling.profile(load(own, told), rival, told, typed, asked.executing)
            return
        _writable(asked)
        estimate = options.estimate(asked.points, asked.extrapolate)
        _simulated(replace(load(typed, told), estimate=estimate), told, typed, asked, cache)


def _simulated(program: Program, told: Told, typed: Typed, asked: Asked, cache: bool) -> None:
    """Profile a program on a machine that is simulated, or take what is known of it, and print it."""
    from rdflow import options, profiles

    given = options.inputs(typed.inputs, program.checked.program, typed.seed)
    if given and not program.bounding and not program.reading:
        note("the cycles of this program do not depend on values: --input changes nothing", told)
    found = profiles.read(program, given, typed.seed) if cache and not asked.run else None
    doubled = None
    if found is None:
        execution = program.timed(given, typed.seed)
        found, doubled = _profiled(program, execution, asked, told)
        profiles.write(program, found, given, typed.seed)
    tell_warnings(program, found, told)
    if told.as_json:
        from rdflow.document import document

        print_json(document(program, found, doubled=doubled))
    elif not told.quiet:
        print_rich(*_shown(program, found, asked, given, typed.seed), *_doublings(doubled))


def _shown(program: Program, found: Profile, asked: Asked, given: dict[str, Any], seed: int) -> list[Any]:
    """A profile as tables and texts."""
    from rdflow import options
    from rdflow.show import depends, summary
    from rdflow.show_profile import profiled
    from rdflow.show_schedule import chosen_at_random, scheduled

    random = options.random_inputs(program.checked.program, given, seed)
    return [
        *depends(program, random),
        *chosen_at_random(program.drawn(given, seed)),
        *summary(program, found)[:1],
        *profiled(program, found, asked.ports),
        *scheduled(found.agenda, program.machine),
        *decisions(found, asked.memory),
    ]


def _doublings(doubled: list[Doubled] | None) -> list[Any]:
    from rdflow.show_profile import doublings

    return doublings(doubled or ())


def _profiled(program: Program, execution: Execution, asked: Asked, told: Told) -> tuple[Profile, list[Doubled] | None]:
    """The profile of a run; with what doubling gives and files, where they are asked for."""
    from rdflow.interpreter.profile import profile as profile_of

    announce_compilation(bool(program.bounding), told)
    if execution.values is not None and not program.bounding:
        note(f"what is launched depends on the values of {', '.join(program.reading)}: they are computed", told)
    with Meter(told) as meter:
        meter.say("mapping the kernels")
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
