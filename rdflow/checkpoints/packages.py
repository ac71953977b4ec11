"""The packages that checkpoints need and nothing else does: imported at first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rdflow.dsl.diagnostics import CompileError, Diagnostic


def package(name: str, purpose: str) -> Any:
    """A module of the extra `hf`. Raises CompileError (RDF319) where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        note = "rdflow runs without it; only checkpoints of Hugging Face need it"
        help = "`pip install 'rdflow[hf]'`"
        message = f"{purpose} takes the package `{name}`, which cannot be imported: {error}"
        raise CompileError([Diagnostic("RDF319", message, (), (note,), help)]) from None
