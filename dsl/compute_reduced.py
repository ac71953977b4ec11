"""Finds the operands of a result and what it reduces."""

from __future__ import annotations

from functools import partial

from rdflow.dsl import syntax
from rdflow.dsl.compute_line import Draft, Line
from rdflow.dsl.expressions import REDUCTIONS, abandoned, names_in, product, reductions_in
from rdflow.dsl.report import Abandon


def draft_result(line: Line, expr: syntax.Expr) -> Draft:
    """Find the operands of a result and its one reduction, with the factors that lie inside of it."""
    scope = line.scope
    found = reductions_in(expr)
    if len(found) > 1:
        raise scope.report.fail(
            "RDF038",
            "one reduction a line",
            [(found[1].span, "the second"), (found[0].span, "the first")],
            notes=["a unit has one set of accumulators; a second reduction is a second unit"],
            help=f"give it a line of its own: `{scope.unused(line.own[0] + 'b')} = pcu {scope.text(found[1].span)}`",
        )
    draft = Draft(expr, found[0] if found else None)
    if any([abandoned(partial(line.operand, name)) for name in names_in(expr)]):  # a list: all are reported
        raise Abandon
    if draft.reduce is None:
        for name in names_in(expr):
            line.mark(name)
        return draft
    split_factors(line, draft, draft.reduce)
    return draft


def split_factors(line: Line, draft: Draft, reduce: syntax.Reduce) -> None:
    """Decide what is reduced: the digits, the factors inside, and those applied once a result."""
    scope = line.scope
    draft.op = reduce.op.text
    if draft.op not in REDUCTIONS:
        raise scope.report.unknown("reduction", draft.op, reduce.op.span, REDUCTIONS)
    named = [d for term in reduce.terms for d in scope.digits(term)]
    present = {d for n in names_in(reduce.body) for d in line.mentioned(n)}
    draft.digits = tuple(d for d in named if d in present)
    for term in reduce.terms:
        digits = scope.digits(term)
        if digits and not set(digits) & present:
            labels = [(term.span, f"no `{term.axis.text}` inside"), *line.ends(reduce.body)]
            raise scope.report.fail(
                "RDF038",
                f"`{term.axis.text}` is not an axis of what is reduced",
                labels,
                notes=["a reduction combines what differs along a digit; along this one nothing differs"],
                help="reduce over an axis that one of the operands has, or multiply by its length: `len(..)`",
            )
    factors = product(reduce.body)
    reduced = set(draft.digits)
    inner = [f for f in factors if reduced & {d for n in names_in(f[1]) for d in line.mentioned(n)}]
    if not reduced:  # axes of length 1 have no digits: what is a stream is inside
        inner = [f for f in factors if any(line.operand(n) is not None for n in names_in(f[1]))]
    if draft.op != "sum" or not inner or inner[0][0] == "/":
        inner = factors
    draft.inner = inner
    draft.after = [f for f in factors if f not in inner]
    for _, factor in draft.inner:
        for name in names_in(factor):
            line.mark(name)
