"""Checks a program that is still being typed: nothing is wrong that a later entry may cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rdflow.api import library
from rdflow.dsl import syntax
from rdflow.dsl.check import Checked, check_kernels
from rdflow.dsl.checked import Kernel
from rdflow.dsl.declare import declare
from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.launched import Judges
from rdflow.dsl.launches import LaunchSpec, steps
from rdflow.dsl.parse import parse_lines
from rdflow.dsl.program import STAGES
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import NOWHERE, Source, Span
from rdflow.session_state import DECLARES, KERNEL, Parsed, State, parsed


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
    walked = steps(program, report)
    specs: list[LaunchSpec] = []
    kernels: dict[LaunchSpec, Kernel] = {}
    judges = Judges()
    if not report.failed:
        _, specs, kernels = check_kernels(program, walked, report, judges)
    return Examined(source, Checked(program, kernels, specs, report.found, judges=judges), parts, current, pending)


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


def redefined(diagnostic: Diagnostic, entry: str) -> Diagnostic:
    """A name that there is already can be defined anew."""
    if diagnostic.code != "RDF011" or not entry or "\n" in entry:
        return diagnostic
    return replace(diagnostic, help=f"{diagnostic.help}, or define it anew in its place: `:replace {entry.strip()}`")


def with_known_settings(state: State) -> State:
    """Without the settings whose param is not declared yet: they wait for it."""
    declared = {i.name.text for at in state.placed() for i in parsed(*at)[0] if isinstance(i, syntax.Param)}
    return replace(state, settings={name: value for name, value in state.settings.items() if name in declared})
