"""Names of declarations: each is new, and none is predefined."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.program import PREDEFINED, Program
from rdflow.dsl.report import Abandon, Reporter


def claim(program: Program, name: syntax.Name, report: Reporter) -> None:
    """Make sure that a name is new and not predefined."""
    if name.text in PREDEFINED:
        raise predefined(name, report)
    if name.text in program.spans:
        labels = [(name.span, "declared again"), (program.spans[name.text], "first declared here")]
        raise report.fail("RDF011", f"`{name.text}` is declared twice", labels, help="rename one of them")
    program.spans[name.text] = name.span


def predefined(name: syntax.Name, report: Reporter) -> Abandon:
    return report.fail(
        "RDF012",
        f"`{name.text}` is predefined",
        [(name.span, f"already {PREDEFINED[name.text]}")],
        notes=["L is the lanes of a unit, ST its stages, H = L/2; orders are written with them"],
        help=f"choose another name, as `{name.text.lower()}0`",
    )
