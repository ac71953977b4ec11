"""Library files: the layers and the kernels that `use` brings into a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rdflow.dsl import syntax
from rdflow.dsl.diagnostics import Label
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import Source, Span

if TYPE_CHECKING:
    from rdflow.dsl.program import Program, Resolve

Layers = dict[str, tuple[syntax.Layer, Source]]


@dataclass(frozen=True, slots=True)
class Library:
    """A file of the library. `callable`: the layers that its lines may call, its own and those of what it uses."""

    source: Source
    kernels: tuple[syntax.Kernel, ...]
    callable: Layers

    @property
    def layers(self) -> Layers:
        """Its own."""
        return {name: entry for name, entry in self.callable.items() if entry[1].name == self.source.name}


@dataclass(frozen=True, slots=True)
class Brought:
    """Where a kernel of a program comes from that is not in its own text: the file, and the `use` that brings it."""

    source: Source
    span: Span

    @property
    def label(self) -> Label:
        """For a mistake in the kernel: the place in the program."""
        return Label(self.span, "brought by this", None)


def read(program: Program, item: syntax.Use, report: Reporter, library: Resolve | None) -> Library:
    """The file of a `use`. What it uses itself is known to its own lines, not to those who use it."""
    from rdflow.dsl.parse import parse

    path = ".".join(name.text for name in item.path)
    source = library(path) if library else None
    if source is None:
        raise report.fail(
            "RDF010", f"there is no library `{path}`", [(item.span, "unknown")], help="`rdflow layers` lists what ships"
        )
    if source.name in program.libraries:
        return program.libraries[source.name]
    module, found = parse(source)
    for mistake in found:
        report.found.append(replace(mistake, labels=tuple(replace(label, source=source) for label in mistake.labels)))
    known: Layers = {each.name.text: (each, source) for each in module.items if isinstance(each, syntax.Layer)}
    kernels = tuple(each for each in module.items if isinstance(each, syntax.Kernel))
    own = program.libraries[source.name] = Library(source, kernels, known)
    for each in module.items:
        if isinstance(each, syntax.Use):
            known.update(read(program, each, report, library).layers)
    return own


def mentioned(statements: Iterable[syntax.Statement]) -> Iterator[str]:
    """The kernels that a schedule launches somewhere: a branch may be left out as params are."""
    for statement in statements:
        match statement:
            case syntax.Launch(target):
                yield target.name.text
            case syntax.For(body=body):
                yield from mentioned(body)
            case syntax.If(_, then, otherwise):
                yield from mentioned(then)
                yield from mentioned(otherwise)
            case syntax.Async(inner):
                yield from mentioned((inner,))
