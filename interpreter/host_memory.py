"""Whether the values of a run fit the memory of the computer that runs it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import prod

from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.program import Tensor

COPIES = 2  # of a tensor while a program runs: a word of 4 bytes for each number here, and one in the engine


def refuse_too_many(tensors: Iterable[Tensor]) -> None:
    """Raise CompileError (RDF320) where the memory of this computer cannot hold the numbers of all tensors."""
    numbers, memory = sum(prod(tensor.shape) for tensor in tensors), physical_memory()
    if memory is not None and 4 * COPIES * numbers > memory:
        message = f"a run with values needs {4 * COPIES * numbers / 1e9:,.0f} GB for {numbers / 1e9:,.1f} G numbers"
        note = f"this computer has {memory / 1e9:,.0f} GB; every number is a word of 4 bytes, in the tensors and in the engine"
        help = "profile the program, which takes no values: `rdflow profile`, or `rdflow check --memory` for where everything is; or "
        help += "set smaller params with `--set`"
        raise CompileError([Diagnostic("RDF320", message, (), (note,), help)])


def physical_memory() -> int | None:
    """Bytes of this computer, where the system says so."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
