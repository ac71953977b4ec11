"""A program and what is asked of it, as it was typed: options are texts here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdflow.console import Told, show_diagnostics
from rdflow.dsl.records import dataclass

if TYPE_CHECKING:
    from rdflow.api import Program
    from rdflow.unchecked import Unchecked


@dataclass(frozen=True)
class Typed:
    """A file or the name of a program that ships, with the options that commands share; see `arguments` for what they mean."""

    file: str
    settings: list[str] | None = None
    machine: str | None = None
    changes: list[str] | None = None
    """of the machine"""
    inputs: list[str] | None = None
    seed: int = 0
    collective: str | None = None
    threads: int | None = None
    policy: str | None = None


def unchecked(typed: Typed) -> Unchecked:
    """The text of a program, and all that is asked of it. Raises CompileError."""
    from rdflow import options
    from rdflow.api import find
    from rdflow.unchecked import Unchecked

    values, source = options.settings(typed.settings), find(typed.file)
    target, form = options.machine(typed.machine, typed.changes), options.form(typed.collective)
    found = Unchecked(source, values, target, form, typed.threads, options.policy(typed.policy))
    if typed.policy is not None and not found.caching:
        options.nothing_cached(source.name)
    return found


def load(typed: Typed, told: Told) -> Program:
    """The program on its machine, its warnings told. Raises CompileError."""
    program = unchecked(typed).checked()
    if not (told.quiet or told.as_json):
        show_diagnostics(program.warnings, program.checked.program.source)
    return program
