"""The balance of a kernel's paths, before anything runs: deadlocks, copies that wait for each other, holds too shallow (A12).

The run is the exact judge. An error here is a proof that the run would stop; what this page does not see, the run tells.
"""

from __future__ import annotations

from rdflow.dsl.balance_copies import coupled, idle
from rdflow.dsl.balance_memory import memory_wait
from rdflow.dsl.balance_paths import unheld
from rdflow.dsl.checked import Hold, Kernel, Route, span_of
from rdflow.dsl.deadlock import Deadlock, deadlocks
from rdflow.dsl.depths import Shallow, deepen
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import Span


def balance(kernel: Kernel, report: Reporter) -> None:
    """Report paths that starve each other (RDF050 to RDF053, RDF056), and deepen holds beside longer paths."""
    for shallow in deepen(kernel):
        _shallow(kernel, shallow, report)
    found = list(deadlocks(kernel))
    for deadlock in found:
        _tell(deadlock, report)
    if not found:
        idle(kernel, report)


def _tell(deadlock: Deadlock, report: Reporter) -> None:
    copied, place = deadlock.copied(), deadlock.at_memory
    if place is not None:
        memory_wait(deadlock, place, report)
    elif copied:
        coupled(deadlock, copied[0], report)
    else:
        unheld(deadlock, report)


def _shallow(kernel: Kernel, shallow: Shallow, report: Reporter) -> None:
    """A depth that the user gave and that stops the path beside."""
    hold = kernel.lines[shallow.line]
    assert isinstance(hold, Hold | Route)
    name = hold.stream.name
    labels: list[tuple[Span, str]] = [(span_of(hold), f"depth {hold.depth}")]
    if shallow.fork != shallow.line:
        labels.append((span_of(kernel.lines[shallow.fork]), "the paths part here"))
        labels.append(
            (
                span_of(kernel.lines[shallow.join]),
                f"and meet here; the other keeps {shallow.needed - 2} tiles more on the way",
            )
        )
        why = "the shorter path must keep as many tiles as the longer has on the way"
    else:
        why = "one tile is written and read in turn; with two, one is written while the other is read"
    report.warn(
        "RDF053",
        f"`{name}` with depth {hold.depth} slows the kernel down about {shallow.factor:.2f} times",
        labels,
        notes=[why],
        help=f"`depth {shallow.needed}`, or leave the depth out",
    )
