"""A schedule that profiles estimate in seconds: a kernel with a carry, and launches that differ in one number."""

from __future__ import annotations

import rdflow
from rdflow.api import Program
from rdflow.interpreter.execution import Execution

TEXT = """\
param NL = 12, COUNT = 6
axis l = NL, n = 4096, u = 4096
tensor X: f32[n], W: f32[l, n], V: f32[u, n] in hbm input
tensor Y: f32[n], Z: f32[n] in hbm output

kernel chain {
    x0 = load X              as [n/H | n%H]
    x  = carry x2 from x0 over l as [l, n/H | n%H]
    w  = load W              as [l, n/H | n%H]
    x2 = pcu x * w           as f32 [l, n/H | n%H]
    y  = pcu last(l) x2      as f32 [n/H | n%H]
    store y -> Y
}

kernel total(pos: int32) {
    v = load V       as [n/H, u < pos | n%H]
    s = pcu sum(u) v as f32 [n/H | n%H]
    store s -> Z
}

schedule {
    launch chain
    for i in 0..COUNT { launch total(100 * (i + 1)) }
}
"""


def estimated(**params: int) -> Program:
    """Its ends, and two lengths of its carry, are simulated."""
    return rdflow.loads(TEXT, "between.rdf", **params).estimated(points=2, NL=(3, 6))


def ended(program: Program) -> Execution:
    execution = program.execution()
    execution.advance()
    return execution
