"""The state behind the REPL and the notebook: a program that grows entry by entry, on a machine, and its execution.

Knows no terminal. What is typed becomes a Reply: what to print, or what is wrong. An entry with a mistake leaves the
session as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rdflow.api import MACHINE, Program, library
from rdflow.dsl import syntax
from rdflow.dsl.check import Checked, check_kernel
from rdflow.dsl.checked import Kernel
from rdflow.dsl.constants import Value
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.launches import LaunchSpec, launches
from rdflow.dsl.parse import parse, parse_lines
from rdflow.dsl.program import STAGES, declare
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import NOWHERE, Source, Span

if TYPE_CHECKING:
    from rdflow.interpreter.execution import Execution
    from rdflow.interpreter.machine import Machine

KERNEL = "main"
JOINS = re.compile(r"(as|depth)\b")  # a line that begins so belongs to the unit before it
DECLARES = re.compile(r"(param|axis|tensor|use|pool|kernel|layer|schedule)\b(?!\s*=)")


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


# -- entries -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """A program as it was typed, the params that are set, the machine (None: the usual one). Undo goes back to one."""

    entries: tuple[str, ...] = ()
    settings: Mapping[str, Value] = field(default_factory=dict)
    machine: Machine | None = None
    name: str = "session"

    @property
    def text(self) -> str:
        return "\n".join(self.entries)

    def placed(self) -> Iterator[tuple[int, str]]:
        """Every entry and where it begins in the text."""
        offset = 0
        for entry in self.entries:
            yield offset, entry
            offset += len(entry) + 1


Parsed = tuple[tuple[syntax.Item, ...], tuple[syntax.Line, ...], tuple[Diagnostic, ...]]


@lru_cache(maxsize=1024)
def parsed(offset: int, text: str) -> Parsed:
    """An entry's declarations and lines, with spans that count from the beginning of the session."""
    items, lines, found = parse_lines(Source("entry", " " * offset + text))
    return items, lines, tuple(found)


def statements(text: str) -> list[str]:
    """A text cut into entries: a line each, or several where a bracket is open or a line goes on."""
    from rdflow.dsl.parse import is_incomplete

    found: list[str] = []
    gathered: list[str] = []
    for line in text.split("\n"):
        gathered.append(line)
        if is_incomplete("\n".join(gathered)):
            continue
        if found and JOINS.match(line.lstrip()) and len(gathered) == 1:
            found[-1] += "\n" + line
        else:
            found.append("\n".join(gathered))
        gathered = []
    return [*found, "\n".join(gathered)] if gathered else found


# -- checking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Examined:
    """A state, checked. `pending`: carries whose feedback is not typed yet; `parts`: by entry, what it was read as."""

    source: Source
    checked: Checked
    parts: tuple[Parsed, ...]
    kernel: str
    pending: tuple[str, ...]

    @property
    def errors(self) -> list[Diagnostic]:
        return self.checked.errors


def examine(state: State) -> Examined:
    """Check a whole session. Nothing is warned of that a later line may cure."""
    source = Source(state.name, state.text)
    parts = tuple(parsed(offset, entry) for offset, entry in state.placed())
    report = Reporter(list(_syntax_errors(state, parts)))
    items, current, pending = _items(parts)
    module = syntax.Module(source, items, (), ())
    stages = STAGES if state.machine is None else state.machine.pcu.stages
    program = declare(module, state.settings, report, library, stages)
    specs = launches(program, report)
    kernels: dict[LaunchSpec, Kernel] = {}
    if not report.failed:
        for spec in specs:
            kernel = check_kernel(program, spec, report)
            if kernel is not None:
                kernels[spec] = kernel
    return Examined(source, Checked(program, kernels, specs, report.found), parts, current, pending)


def _syntax_errors(state: State, parts: tuple[Parsed, ...]) -> Iterator[Diagnostic]:
    """What could not be read. A unit is read again as a line of a kernel, for what is said then is more to the point."""
    for (offset, entry), (_, _, found) in zip(state.placed(), parts, strict=True):
        if not found:
            continue
        before = state.text[:offset]
        header = "" if DECLARES.match(entry.lstrip()) else f"kernel {KERNEL} {{\n"
        again = parse_lines(Source("entry", before + header + entry + ("\n}" if header else "")))[2]
        inside = [d for d in again if all(offset + len(header) <= l.span.start for l in d.labels)]
        yield from (_moved(d, -len(header)) for d in inside) if inside else found


def _moved(diagnostic: Diagnostic, by: int) -> Diagnostic:
    labels = (replace(l, span=Span(l.span.start + by, l.span.end + by)) for l in diagnostic.labels)
    return replace(diagnostic, labels=tuple(labels))


def _items(parts: tuple[Parsed, ...]) -> tuple[tuple[syntax.Item, ...], str, tuple[str, ...]]:
    """The module's items, the kernel that the next unit is added to, and the feedbacks that are still to come.

    A unit belongs to the last kernel above it; where there is none, to one that is made for the session.
    """
    items: list[syntax.Item] = []
    at = -1
    added: set[int] = set()
    taken = {
        getattr(item, "name", None) and item.name.text
        for found, _, _ in parts
        for item in found
        if not isinstance(item, syntax.Use | syntax.Schedule)
    }
    for found, lines, _ in parts:
        for item in found:
            items.append(item)
            if isinstance(item, syntax.Kernel):
                at = len(items) - 1
        if lines:
            if at < 0:
                name = syntax.Name(_free(KERNEL, taken), NOWHERE)
                items.append(syntax.Kernel(name, (), (), lines[0].span))
                at = len(items) - 1
            kernel = items[at]
            assert isinstance(kernel, syntax.Kernel)
            items[at] = replace(kernel, lines=kernel.lines + lines)
            added.add(at)
    pending: list[str] = []
    for number in added:
        kernel = items[number]
        assert isinstance(kernel, syntax.Kernel)
        closed = tuple(_closing(kernel))
        pending += [unit.names[0].text for unit in closed]
        items[number] = replace(kernel, lines=kernel.lines + closed)
    last = items[at] if at >= 0 else None
    return tuple(items), last.name.text if isinstance(last, syntax.Kernel) else KERNEL, tuple(pending)


def _free(name: str, taken: Iterable[Any]) -> str:
    used = set(taken)
    return name if name not in used else next(f"{name}{i}" for i in range(2, 1000) if f"{name}{i}" not in used)


def _closing(kernel: syntax.Kernel) -> Iterator[syntax.Unit]:
    """For every carry whose feedback is not typed yet a line that stands in for it: what it carries, unchanged."""
    known = {name.text for line in kernel.lines if isinstance(line, syntax.Unit) for name in line.names}
    for line in kernel.lines:
        if (
            isinstance(line, syntax.Unit)
            and isinstance(line.body, syntax.Carry)
            and line.body.feedback.text not in known
        ):
            known.add(line.body.feedback.text)
            yield syntax.Unit((line.body.feedback,), syntax.Fifo(line.names[0], line.span), None, None, line.span)


def _redefined(diagnostic: Diagnostic, entry: str) -> Diagnostic:
    """A name that there is already can be defined anew."""
    if diagnostic.code != "RDF011" or not entry or "\n" in entry:
        return diagnostic
    return replace(diagnostic, help=f"{diagnostic.help}, or define it anew in its place: `:replace {entry.strip()}`")


def _with_known_settings(state: State) -> State:
    """Without the settings whose param is not declared yet: they wait for it."""
    declared = {i.name.text for at in state.placed() for i in parsed(*at)[0] if isinstance(i, syntax.Param)}
    return replace(state, settings={name: value for name, value in state.settings.items() if name in declared})


# -- the canonical text ------------------------------------------------------------------------------------------------


def canonical(state: State, found: Examined) -> str:
    """The session as a file: declarations, kernels, the schedule, in the form of `rdflow fmt`."""
    from rdflow.dsl.format import format_module

    before: list[str] = []
    kernels: list[list[str]] = []
    after: list[str] = []
    comments: list[str] = []
    headed = False
    for (offset, entry), (items, lines, _) in zip(state.placed(), found.parts, strict=True):
        text = "\n".join([*comments, entry])
        if not items and not lines:
            comments = [*comments, entry] if entry.strip() else comments
            continue
        comments = []
        declared = [item for item in items if isinstance(item, syntax.Kernel)]
        if declared:
            end = declared[-1].span.end - offset - 1 + len(text) - len(entry)
            kernels.append([text[:end], text[end:]])
            headed = True
        elif lines:
            if not headed:
                kernels.append([f"kernel {found.kernel if len(kernels) == 0 else KERNEL} {{\n", "}"])
                headed = True
            kernels[-1].insert(-1, text + "\n")
        elif isinstance(items[0], syntax.Schedule):
            after.append(text)
        else:
            before.append(text)
    bodies = ["".join([k[0].rstrip() + "\n", *k[1:]]) for k in kernels]
    text = "\n\n".join(["\n".join(before), *bodies, *after, "\n".join(comments)]).strip() + "\n"
    module, mistakes = parse(Source(state.name, text))
    assert not mistakes, f"the session cannot be written as a file: {mistakes[0].message}"
    return format_module(module)


# -- the session -------------------------------------------------------------------------------------------------------


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
            self._examined = examine(_with_known_settings(self.state))
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
        found = examine(_with_known_settings(state))
        mixed = bool(found.parts and entry and found.parts[-1][0] and found.parts[-1][1])
        if mixed:
            return Reply(mistake="declarations and units in one entry: type them one after the other")
        if found.errors:
            self._refused = entry
            return Reply(diagnostics=tuple(_redefined(d, entry) for d in found.errors), source=found.source)
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
