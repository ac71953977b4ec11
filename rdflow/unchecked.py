"""A program before its params are all known: its declarations, and from there to a checked one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rdflow.api import Program, library
from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import checked as check
from rdflow.dsl.declare import declare
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.parse import parse
from rdflow.dsl.program import Program as Declared
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import Source

if TYPE_CHECKING:
    from rdflow.dsl.collectives import Form
    from rdflow.interpreter.machine import Machine


@dataclass(frozen=True)
class Unchecked:
    """A text with the params that are set so far, for a machine. See `Program` for the others."""

    source: Source
    settings: Mapping[str, Value]
    machine: Machine
    collective: Form | None = None
    threads: int | None = None
    policy: str | None = None

    @property
    def params(self) -> tuple[str, ...]:
        """The names of its params."""
        module, _ = parse(self.source)
        return tuple(item.name.text for item in module.items if isinstance(item, syntax.Param))

    @property
    def caching(self) -> bool:
        """Whether it has a cache of experts, as far as it can be read: a text with mistakes may have one."""
        module, mistakes = parse(self.source)
        return bool(mistakes) or any(isinstance(item, syntax.Pool) and item.cache is not None for item in module.items)

    def declared(self) -> Declared:
        """Its params, axes and tensors. Raises CompileError where something is wrong with these."""
        module, mistakes = parse(self.source)
        report = Reporter(list(mistakes))
        found = declare(module, self.settings, report, library, self.machine.pcu.stages)
        if report.failed:
            raise CompileError(report.found, self.source)
        return found

    def checked(self, **params: Value) -> Program:
        """It with these params too. Raises CompileError."""
        settings = {**self.settings, **params}
        found = check(self.source, settings, library, self.machine.pcu.stages)
        return Program(found, self.machine, settings, self.collective, self.threads, self.policy)
