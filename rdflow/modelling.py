"""What `rdflow profile --machine dgx_a100` does: the times that a roofline model gives a program. Nothing is executed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rdflow.console import Told, note, print_json, print_rich
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.rivals import on_rival
from rdflow.typed import Typed

if TYPE_CHECKING:
    from rdflow.api import Program
    from rdflow.interpreter.rival import Rival
    from rdflow.interpreter.roofline import Cost, Modelled


def profile(program: Program, rival: Rival, told: Told, typed: Typed, executing: list[str]) -> None:
    """Print where the time of a program goes by the model. `executing`: options that need an execution. Raises CompileError
    (RDF307) for what a model cannot say."""
    from rdflow import options

    _refuse(rival, executing)
    given = options.inputs(typed.inputs, program.checked.program, typed.seed)
    found = on_rival(program, rival, given, typed.seed, typed.policy)
    note(f"{rival.name} is a roofline model: times follow from bytes and FLOPs of formulas, nothing is executed", told)
    if told.as_json:
        print_json(document(program, found))
    elif not told.quiet:
        from rdflow.show_rival import shown

        print_rich(*shown(program, found))


def _refuse(rival: Rival, given: list[str]) -> None:
    """What needs an execution."""
    if given:
        what = f"`{given[0]}` shows what units do, and `{rival.name}`, a roofline model, has none"
        help = f"leave out {', '.join(given)}, or profile on a machine that is simulated"
        raise CompileError([Diagnostic("RDF307", what, help=help)])


def document(program: Program, found: Modelled) -> dict[str, Any]:
    """A modelled program as JSON. `model` says that nothing in it is simulated."""
    from rdflow import __version__

    return {
        "rdflow": __version__,
        "program": program.name,
        "machine": found.rival.name,
        "model": found.rival.model,
        "params": dict(program.checked.program.params),
        "seconds": found.seconds,
        "kernels_launched": found.kernels,
        "kernels": [
            {"name": spec.kernel, "home": spec.home, "scalars": dict(scalars), "launches": times} | costs(cost)
            for (spec, scalars), (times, cost) in found.launched.items()
        ],
        "timeline": [asdict(entry) for entry in found.agenda.timetable.entries],
        "switches": [asdict(one) | {"expert": str(one.expert), "evicted": list(map(str, one.evicted))}
                     for one in found.agenda.switches],
    }  # fmt: skip


def costs(cost: Cost) -> dict[str, Any]:
    """A launch's cost, its times in seconds."""
    times = {name: float(getattr(cost, name)) for name in ("launching", "memory", "compute", "seconds")}
    return asdict(cost) | times | {"bound": cost.bound}
