"""Checks that the cut points of an axis divide each other."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.axes import Cuts
from rdflow.dsl.program import PREDEFINED
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span


def clashes(cuts: Cuts, tree: syntax.Kernel, scope: Scope, report: Reporter) -> bool:
    """Report axes whose cuts do not divide each other."""
    found = False
    for root in cuts.points:
        clash = cuts.clash(root)
        if clash is not None:
            found = True
            a, b = clash
            report.add(
                "RDF021",
                f"`{root}` is cut at {a} and at {b}, and {a} does not divide {b}",
                [label for cut in (a, b) for label in _cut(tree, scope, root, cut)]
                or [(tree.name.span, "in this kernel")],
                notes=["counters, copies and lanes are digits of one number: each cut is a multiple of the one before"],
                help=_dividing(a, b),
            )
    return found


def _dividing(a: int, b: int) -> str:
    """The cuts near by that would divide; a predefined one is best left alone."""
    if a in PREDEFINED.values():
        return f"cut at {' or '.join(str(n) for n in dict.fromkeys((b // a * a, -(-b // a) * a)))} instead of {b}"
    below = next(n for n in range(a - 1, 0, -1) if b % n == 0)
    above = next(n for n in range(a + 1, b + 1) if b % n == 0)
    return f"cut at {below} or {above} instead of {a}" if below > 1 else f"cut at {above} instead of {a}"


def _cut(tree: syntax.Kernel, scope: Scope, root: str, point: int) -> list[tuple[Span, str]]:
    """The first place in a kernel that cuts an axis at a point."""
    for line in tree.lines:
        annotation = getattr(line, "annotation", None)
        order = annotation.order if annotation is not None else None
        for place in (*(order.tile or ()), *order.rest, *order.lanes) if order is not None else ():
            axis = scope.axes.get(place.term.axis.text)
            if axis is None or axis.root != root:
                continue
            try:
                where = scope.interval(place.term)
            except Abandon:
                continue
            if point in (where.low, where.high):
                return [(place.span, f"cut at {point} here")]
    return []
