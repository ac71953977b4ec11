"""Compute lines as actors: bodies, the drains of systolic ones, and what joins their operands (A4)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import size
from rdflow.dsl.checked import Compute
from rdflow.dsl.collectives import Choose
from rdflow.dsl.drafts import Draft, Sink
from rdflow.dsl.elaborate_across import over_sockets
from rdflow.dsl.elaborate_results import Results
from rdflow.dsl.elaborate_systolic import Arrays
from rdflow.dsl.elaborate_trees import Trees
from rdflow.dsl.elaborate_unit import Unit
from rdflow.dsl.joins import connect
from rdflow.dsl.netlist import Gate
from rdflow.dsl.nets import Nets
from rdflow.dsl.sockets import Space, chips

ADDER = 8  # cycles of an accumulation: a token of an outer reduction is visited again no sooner (A4)


def elaborate_compute(nets: Nets, line: Compute, form: Choose) -> None:
    """Add the actors of a line and define its streams. `form` chooses how a sum over sockets is made."""
    unit = Unit(nets, line)
    bodies = [_body(unit, space) for space in nets.copies(unit.space, chips(line))]
    arrays = Arrays(unit) if line.systolic else None
    drains = bodies if arrays is None else [arrays.drain(body) for body in bodies]
    ports = _inputs(unit, bodies, drains)
    if arrays is not None:
        for body, drain in zip(bodies, drains, strict=True):
            arrays.sum(body, drain, ports)
    _define(unit, Results(unit, arrays), drains, ports, form)


def _define(unit: Unit, results: Results, drafts: Sequence[Draft], ports: dict[int, int], form: Choose) -> None:
    """The streams of a line: of each copy what leaves it, then reduced over copies and sockets."""
    nets, trees = unit.nets, Trees(unit)
    left = [results.leave(draft, ports) for draft in drafts]
    for number, result in enumerate(unit.line.results):
        found = [endpoints[number] for endpoints in left]
        nets.define(result.stream, trees.combine(result, found) if unit.tree else found)
        if unit.across:
            over_sockets(unit, trees, result, form)


def _body(unit: Unit, space: Space) -> Draft:
    line, nets = unit.line, unit.nets
    kind = "systolic" if line.systolic else "pcu"
    draft = nets.draft(unit.name, unit.number, kind, line.nest, unit.order, space)
    draft.stages = nets.stages * line.chain
    draft.interval = 1 if line.systolic else _interval(unit)
    return draft


def _interval(unit: Unit) -> int:
    """At least the adder's latency between two visits of one accumulator."""
    inside = unit.inside()
    folds = unit.reduced and inside and unit.line.nest[-1] not in unit.reduced
    return max(1, -(-ADDER // size(inside))) if folds else 1


def _inputs(unit: Unit, bodies: Sequence[Draft], drains: Sequence[Draft]) -> dict[int, int]:
    """Connect the operands; input number -> port number (of the body, or of the drain for those read once a result)."""
    ports: dict[int, int] = {}
    for number, operand in enumerate(unit.line.inputs):
        if operand.at_result and (unit.tree or unit.across):
            continue
        targets = drains if operand.at_result else bodies
        sinks = [Sink(d, _gate(unit, d, number)) for d in targets]
        ports[number] = len(targets[0].inputs)
        connect(unit.nets, unit.source(number), sinks)
    return ports


def _gate(unit: Unit, draft: Draft, number: int) -> Gate:
    """When an operand is popped: where its loops start anew; for those read once a result, at the last reduced iteration."""
    operand = unit.line.inputs[number]
    if not operand.at_result:
        return draft.starts(operand.level)
    kept = [d for d in draft.digits if d is not None and d not in unit.reduced]
    return Gate(first=draft.mask(kept[operand.level :]), last=draft.mask(unit.reduced))
