"""A program on a roofline model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rdflow.api import Program
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.interpreter.choices import drawn
from rdflow.interpreter.rival import Rival
from rdflow.interpreter.roofline import Modelled, modelled


def on_rival(
    program: Program, rival: Rival, given: Mapping[str, Any] | None = None, seed: int = 0, policy: str | None = None
) -> Modelled:
    """A program on a rival. Which expert runs is drawn from `seed` unless it is given. Raises CompileError."""
    choices = drawn(program.checked.program, given or {}, seed)
    if choices is None:
        what = f"the schedule of {program.name} goes by values of {', '.join(program.reading)}, which a model has not"
        raise CompileError([Diagnostic("RDF307", what, help=f"give them: `--input {program.reading[0]}=FILE.npy`")])
    return modelled(program.checked, rival, choices, policy)
