"""The state behind the REPL and the notebook: a program that grows entry by entry, on a machine, and its execution.

Knows no terminal. What is typed becomes a Reply: what to print, or what is wrong. An entry with a mistake leaves the
session as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rdflow.api import MACHINE, Program
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.checked import Kernel
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.session_check import Examined, examine, redefined, with_known_settings
from rdflow.session_state import JOINS, State
from rdflow.session_text import canonical

if TYPE_CHECKING:
    from rdflow.interpreter.execution import Execution
    from rdflow.interpreter.machine import Machine


class Mistake(Exception):
    """A command that cannot be done: one line that says why, and the cure."""


class Stopped(Exception):
    """The user stopped a run: it stands at a definite cycle."""


@dataclass(frozen=True)
class Reply:
    """What to print (texts, and tables of rich), and what is wrong: diagnostics with their source, or one line."""

    parts: tuple[Any, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    source: Source | None = None
    mistake: str | None = None
    ends: bool = False

    @property
    def failed(self) -> bool:
        return self.mistake is not None or any(d.severity is Severity.ERROR for d in self.diagnostics)

    @property
    def text(self) -> str:
        """The parts that are text."""
        return "\n".join(part for part in self.parts if isinstance(part, str))


class Session:
    """A program under construction and, once something ran, its execution. Give it lines (`enter`)."""

    def __init__(self, settings: Mapping[str, Value] | None = None, machine: Machine | None = None):
        self.state = State((), dict(settings or {}), machine)
        self.past: list[State] = []
        self.execution: Execution | None = None
        self.watched: list[str] = []
        self.stopping: Callable[[], bool] = lambda: False
        self.notify: Callable[[str], None] = lambda text: None
        self._examined: Examined | None = None
        self._refused = ""

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def examined(self) -> Examined:
        if self._examined is None:
            self._examined = examine(with_known_settings(self.state))
        return self._examined

    @property
    def machine(self) -> Machine:
        from rdflow.interpreter.machine import load_machine

        if self.state.machine is None:
            self.state = replace(self.state, machine=load_machine(MACHINE))
        assert self.state.machine is not None
        return self.state.machine

    @property
    def program(self) -> Program:
        return Program(self.examined.checked, self.machine, dict(self.state.settings))

    @property
    def text(self) -> str:
        return canonical(self.state, self.examined)

    def kernel(self) -> Kernel | None:
        """The kernel that the next unit is added to."""
        kernels = self.examined.checked.kernels
        return next((k for spec, k in kernels.items() if spec.kernel == self.examined.kernel), None)

    def names(self) -> dict[str, list[str]]:
        """Names to complete, by what they are."""
        from rdflow.dsl.checked import streams_of

        program = self.examined.checked.program
        streams = [s.name for k in self.examined.checked.kernels.values() for line in k.lines for s in streams_of(line)]
        return {
            "param": list(program.params),
            "axis": list(program.axes),
            "tensor": list(program.tensors),
            "kernel": list(program.kernels),
            "layer": list(program.layers),
            "stream": list(dict.fromkeys(streams)),
        }

    # -- what changes it -----------------------------------------------------------------------------------------------

    def enter(self, text: str) -> Reply:
        """One entry: a command (from `:`), declarations, or units. Never raises for a mistake of the user."""
        try:
            if text.lstrip().startswith(":"):
                from rdflow.commands import run

                return run(self, text.strip()[1:])
            return self._entry(text)
        except Mistake as mistake:
            return Reply(mistake=str(mistake))
        except CompileError as error:
            return Reply(diagnostics=error.diagnostics, source=error.source or self.examined.source)

    def _entry(self, text: str) -> Reply:
        text = text.strip("\n").rstrip()
        state = self.state
        if JOINS.match(text.lstrip()) and (state.entries or self._refused):
            text = (self._refused or state.entries[-1]) + "\n" + text
            state = state if self._refused else replace(state, entries=state.entries[:-1])
        if not text.strip():
            return Reply()
        return self.become(replace(state, entries=(*state.entries, text)), text)

    def become(self, state: State, entry: str = "") -> Reply:
        """Take on a state if it has no mistakes; say what its last entry is. Execution starts anew."""
        found = examine(with_known_settings(state))
        mixed = bool(found.parts and entry and found.parts[-1][0] and found.parts[-1][1])
        if mixed:
            return Reply(mistake="declarations and units in one entry: type them one after the other")
        if found.errors:
            self._refused = entry
            return Reply(diagnostics=tuple(redefined(d, entry) for d in found.errors), source=found.source)
        self._refused = ""
        self.past.append(self.state)
        self.state, self._examined = state, found
        self.execution = None
        if not entry:
            return Reply()
        from rdflow.answers import answer

        return Reply(tuple(answer(self)))

    def load(self, source: Source) -> Reply:
        """A file instead of what there is."""
        name = source.name
        reply = self.become(State((source.text.rstrip("\n"),), self.state.settings, self.state.machine, name))
        self._refused = ""
        if reply.failed:
            return reply
        from rdflow.answers import overview

        return Reply(tuple(overview(self)))

    def undo(self) -> str:
        """Go back by one change."""
        if not self.past:
            raise Mistake("there is nothing to undo")
        gone, self.state = self.state, self.past.pop()
        self._examined = None
        self.execution = None
        if len(gone.entries) == len(self.state.entries) + 1 and gone.entries[:-1] == self.state.entries:
            return f"undone: {gone.entries[-1].strip()}"
        if gone.entries != self.state.entries:
            return f"undone: the program is `{self.state.name}` again, with {len(self.state.entries)} entries"
        return "undone: params and machine are as before"

    # -- execution -----------------------------------------------------------------------------------------------------

    def runnable(self) -> Program:
        """The program, if there is something to run. Raises Mistake."""
        if self.examined.pending:
            name = self.examined.pending[0]
            raise Mistake(f"a carry waits for its feedback `{name}`: define it first, `{name} = pcu ..`")
        if not any(k.lines for k in self.examined.checked.kernels.values()):
            raise Mistake("there is nothing to run: type a unit, as `x = load X`, or `:load attention`")
        return self.program

    def started(self) -> Execution:
        """The execution, at cycle 0 if none is under way: inputs are random with seed 0."""
        program = self.runnable()
        if self.execution is None:
            self.announce(with_values=True)
            self.execution = program.execution(program.inputs())
            self.execution.begin()
        return self.execution

    def announce(self, with_values: bool) -> None:
        from rdflow.interpreter.image import compile_needed

        if compile_needed(with_values):
            self.notify("compiling the engine, which happens once and takes some 20 s ...")

    def advance(self, until: int | None) -> None:
        """Execute up to a cycle. Raises Stopped, between two cycles, where the user stops it."""
        execution = self.started()
        execution.advance(until, self.progress)

    def progress(self, execution: Execution) -> None:
        if self.stopping():
            raise Stopped

    def restart(self, at: int = 0) -> None:
        """Execute anew up to a cycle: it is deterministic."""
        self.execution = None
        self.started()
        if at:
            self.advance(at)
