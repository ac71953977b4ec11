"""Which kernels a schedule launches, with which sizes: what must be checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from rdflow.dsl.program import Program
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.schedule import UNROLLED, Walk, too_long
from rdflow.dsl.steps import LaunchCall, LaunchSpec, Step
from rdflow.dsl.unknown import UNKNOWN, Unknown

__all__ = [
    "UNROLLED",
    "LaunchCall",
    "LaunchSpec",
    "Step",
    "Walked",
    "calls",
    "follow",
    "respecified",
    "signatures",
    "steps",
]


def signatures(walked: Iterable[Step]) -> list[LaunchSpec]:
    """Those of the launches among steps."""
    specs = dict.fromkeys(step.spec for step in walked if isinstance(step, LaunchCall))
    return [spec for spec in specs if not any(isinstance(value, Unknown) for _, value in spec.constants)]


def respecified(program: Program, call: LaunchCall) -> LaunchCall:
    """The launch, after a check has found which numbers decide how its kernel is built."""
    decide = program.home(call.spec.home).constant.get((call.spec.kernel, call.spec.shapes), frozenset())
    constants = tuple((n, v) for n, v in call.scalars if n in decide)
    return call if constants == call.spec.constants else replace(call, spec=replace(call.spec, constants=constants))


def calls(program: Program, report: Reporter) -> list[LaunchCall]:
    """Every launch in order. Without a schedule: each kernel without parameters once."""
    return [step for step in steps(program, report) if isinstance(step, LaunchCall)]


@dataclass(frozen=True)
class Walked:
    """Steps of a schedule, and the stretches of them, from one to the other, that repeat nobody knows how often."""

    steps: list[Step]
    repeated: list[tuple[int, int]]


def steps(program: Program, report: Reporter) -> list[Step]:
    """Every step in order, as far as they are known before anything runs."""
    return follow(program, report).steps


def follow(program: Program, report: Reporter, most: int | None = None) -> Walked:
    """The steps, with what is not known about them. `most`: the first of them, who asks knows what the others do."""
    found: list[Step] = []
    walk = Walk(program, lambda _: UNKNOWN, report)
    for step in islice(walk.steps(), most):
        found.append(step)
        if len(found) > UNROLLED:
            too_long(step.span, report)
            break
    return Walked(found, walk.repeated)
