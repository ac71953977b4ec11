"""Reductions over sockets: the collective of a compute line, and what is done once a result (A2)."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.all_reduce import reduce_over_sockets
from rdflow.dsl.checked import Reduction, Result
from rdflow.dsl.collectives import Choose, Collective
from rdflow.dsl.drafts import Endpoint, Sink
from rdflow.dsl.elaborate_trees import COMBINE, Trees
from rdflow.dsl.elaborate_unit import Unit, finish
from rdflow.dsl.joins import connect
from rdflow.dsl.netlist import In, Operand, Temp
from rdflow.dsl.rows import Rows


def over_sockets(unit: Unit, trees: Trees, result: Result, form: Choose) -> None:
    """A collective over the links; what is done once a result comes before the results are spread, unless it reads
    streams."""
    nets, late = unit.nets, _reads(result)
    endpoints = reduce_over_sockets(_collective(unit, result, late), form)
    if late:
        source = replace(nets.sources[result.stream.name], dtype="f32", endpoints=tuple(endpoints))
        nets.sources[result.stream.name] = source
        endpoints = _at_the_end(unit, trees, result)
    nets.define(result.stream, endpoints)


def _collective(unit: Unit, result: Result, late: bool) -> Collective:
    """The reduction that is left over sockets. `late`: the sums are spread as they are."""
    reduction, source = result.reduction, unit.nets.sources[result.stream.name]
    assert reduction is not None
    kind = result.ops[reduction.value].kind

    def done(rows: Rows, reduced: Operand) -> Temp:
        if late:
            return rows.rounded(reduced, "f32")
        return finish(rows, result, unit.reading(rows, {}), [], reduced)

    return Collective(
        unit.nets,
        result.stream,
        f"{'i' if kind == 'i' else ''}{reduction.op}",
        COMBINE[kind][reduction.op],
        reduction.sockets,
        replace(source, dtype=_partial(unit, result, reduction)),
        "f32" if late else result.stream.dtype,
        done,
    )


def _partial(unit: Unit, result: Result, reduction: Reduction) -> str:
    """The type of what a socket adds: a stream's own where it is summed as it is."""
    summed = result.ops[reduction.value]
    as_it_is = summed.name == "stream" and not (reduction.time + reduction.lanes + unit.tree)
    return unit.line.inputs[summed.source].stream.dtype if as_it_is else "f32"


def _at_the_end(unit: Unit, trees: Trees, result: Result) -> list[Endpoint]:
    """A unit on every socket for what reads other streams once a result."""
    source = unit.nets.sources[result.stream.name]
    drafts = [trees.node(e.draft.space) for e in source.endpoints]
    connect(unit.nets, source, [Sink(d, d.starts(len(d.loops))) for d in drafts])
    return trees.finished(result, [(draft, In(len(draft.scalars))) for draft in drafts])


def _reads(result: Result) -> bool:
    """Whether what is done once a result reads streams or counters."""
    assert result.reduction is not None
    left, seen = [result.value], {result.reduction.value}
    while left:
        number = left.pop()
        if number not in seen:
            seen.add(number)
            left.extend(result.ops[number].args)
            if result.ops[number].name in ("stream", "index"):
                return True
    return False
