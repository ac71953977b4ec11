"""Checks a `pcu` line: which nest it runs, which inputs are prefixes of it, what it reduces, how many PCUs it takes (A4)."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.checked import Compute
from rdflow.dsl.compute_inputs import check_input
from rdflow.dsl.compute_line import Line
from rdflow.dsl.compute_nest import find_shape
from rdflow.dsl.compute_order import check_order
from rdflow.dsl.compute_pcus import chained
from rdflow.dsl.compute_reduced import draft_result
from rdflow.dsl.compute_results import check_result
from rdflow.dsl.report import plural
from rdflow.dsl.scope import Scope


def check_compute(scope: Scope, unit: syntax.Unit, body: syntax.Pcu) -> Compute:
    """The checked line; raises Abandon (reported) where it has no type."""
    line = Line(scope, unit, body)
    if len(unit.names) != len(body.results):
        raise scope.report.fail(
            "RDF043",
            f"{plural(len(unit.names), 'name')} for {plural(len(body.results), 'result')}",
            [(unit.names[0].span.to(unit.names[-1].span), "these names"), (body.span, "these results")],
            help="one name on the left for each expression on the right",
        )
    drafts = [draft_result(line, expr) for expr in body.results]
    shape = find_shape(line, drafts)
    inputs = [check_input(line, operand, shape, drafts) for operand in line.operands]
    for draft, name in zip(drafts, unit.names, strict=True):
        line.results.append(check_result(line, draft, name, shape, last=name is unit.names[-1]))
    if line.explicit is not None:
        check_order(line, line.results[-1].stream.order)
    return Compute(
        tuple(inputs),
        tuple(line.results),
        shape.nest,
        shape.lanes,
        shape.copies,
        shape.sockets,
        shape.systolic,
        shape.outer,
        shape.wide,
        shape.narrow,
        chained(line.results, inputs, line.scope.program.stages),
        unit.span,
    )
