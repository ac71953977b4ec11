"""The standard library: its layers, what their doc comments say, and what they cost.

A doc comment is the lines of comment right above `layer`: sentences in Markdown, then the program of an example, indented
by four more spaces. The first sentence is what a list shows.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib import resources

from rdflow.api import loads
from rdflow.dsl import syntax
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.parse import parse
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.dsl.writer import Writer
from rdflow.interpreter.machine import Machine
from rdflow.units import KernelCost, kernel_costs

CODE = "    "


@dataclass(frozen=True)
class Entry:
    """Something of a file of the library. `doc`: its sentences."""

    library: str
    name: str
    signature: str
    doc: str

    @property
    def about(self) -> str:
        return first_sentence(self.doc)


@dataclass(frozen=True)
class LibraryKernel(Entry):
    """A kernel of the library: what a schedule launches where a program uses the file."""


@dataclass(frozen=True)
class LibraryLayer(Entry):
    """A layer of the library. `example`: a whole program that calls it, `use` included."""

    example: str


def first_sentence(text: str) -> str:
    """The first sentence, on one line and without its stop."""
    return re.split(r"\.\s", text + " ", maxsplit=1)[0].replace("\n", " ")


@cache
def libraries() -> dict[str, str]:
    """The files of the library, `std.norm` and what its head says."""
    return {f"std.{name}": _comment(_lines(source), 0)[0] for name, source in sources().items()}


@cache
def layers() -> dict[str, LibraryLayer]:
    """All layers by name, in the order of the files and of their texts."""
    return {layer.name: layer for name, source in sources().items() for layer in _layers(f"std.{name}", source)}


@cache
def kernels() -> dict[str, LibraryKernel]:
    """All kernels by name."""
    return {kernel.name: kernel for name, source in sources().items() for kernel in _kernels(f"std.{name}", source)}


def find(name: str) -> LibraryLayer:
    """A layer by name. Raises CompileError (RDF304) if there is none."""
    from difflib import get_close_matches

    if name in layers():
        return layers()[name]
    near = get_close_matches(name, list(layers()), n=1)
    help = f"did you mean `{near[0]}`?" if near else "`rdflow layers` lists those that ship"
    raise CompileError([Diagnostic("RDF304", f"there is no layer `{name}`", (), (), help)])


def cost(layer: LibraryLayer, machine: Machine) -> KernelCost:
    """The units that the call in the layer's example expands to."""
    checked = loads(layer.example, layer.name).checked
    lines = (line for kernel in checked.program.kernels.values() for line in kernel.lines)
    calls = (u for u in lines if isinstance(u, syntax.Unit) and isinstance(u.body, syntax.LayerCall))
    path = next(f"{u.names[0].text}." for u in calls if u.body.layer.text == layer.name)  # type: ignore[union-attr]
    (whole,) = kernel_costs(checked, machine)
    units = tuple(u for u in whole.units if u.name.startswith(path))
    return replace(whole, name=layer.name, units=units, rows=tuple(r for r in whole.rows if r.name.startswith(path)))


def page() -> str:
    """All layers as one page of Markdown."""
    parts = ["# The standard library", INTRODUCTION.strip()]
    for library, about in libraries().items():
        parts += [f"## {library}", about]
        for layer in layers().values():
            if layer.library == library:
                parts += [f"### {layer.name}", f"```rdf\n{layer.signature}\n```", layer.doc, _fenced(layer.example)]
        for kernel in kernels().values():
            if kernel.library == library:
                parts += [f"### {kernel.name}", f"```rdf\n{kernel.signature}\n```", kernel.doc]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """
Layers in the language, from the files of `stdlib/`: `use std.norm` brings the layers of norm.rdf into a program. A call is
expanded in place, as hardware is, so what a layer costs is what its lines cost: `rdflow layers NAME` counts them for the
example. Two orders run through the library: tiles, `[t/L, c | t%L]`, with 32 tokens on the lanes, and rows, `[t, c/L | c%L]`,
as they lie in memory; `tiles` and `rows` go between them. `..` is any loops, `E` the dtype of the first argument that has
it, `P` copies. Every example runs as a test: cycle by cycle, bit for bit against the NumPy evaluator, and against PyTorch.

Kernels of a file are launched by the schedule of the program that uses it; they read the program's params and axes by name.

This page is written by `python -m rdflow.layers` from the doc comments.
"""


def _fenced(text: str) -> str:
    return f"```rdf\n{text.rstrip()}\n```"


@cache
def sources() -> dict[str, Source]:
    """The files by name, without `.rdf`."""
    folder = resources.files("rdflow.stdlib")
    files = sorted((e for e in folder.iterdir() if e.name.endswith(".rdf")), key=lambda e: e.name)
    return {e.name[:-4]: Source(f"std/{e.name}", e.read_text(encoding="utf-8")) for e in files}


def _lines(source: Source) -> list[str]:
    return source.text.split("\n")


def _layers(library: str, source: Source) -> list[LibraryLayer]:
    found = []
    for item in parse(source)[0].items:
        if isinstance(item, syntax.Layer):
            doc, code = _above(source, item)
            uses = f"use {library}\n" if f"use {library}\n" not in code else ""
            found.append(LibraryLayer(library, item.name.text, Writer(source.text).header(item), doc, uses + code))
    return found


def _kernels(library: str, source: Source) -> list[LibraryKernel]:
    kernels = [item for item in parse(source)[0].items if isinstance(item, syntax.Kernel)]
    signed = [(item, Writer(source.text).header(item)) for item in kernels]
    return [LibraryKernel(library, item.name.text, signature, _above(source, item)[0]) for item, signature in signed]


def _above(source: Source, item: syntax.Kernel | syntax.Layer) -> tuple[str, str]:
    """The sentences and the program of the doc comment of an item."""
    start = source.position(item.span.start)[0] - 1
    while start > 0 and _lines(source)[start - 1].startswith("#"):
        start -= 1
    return _comment(_lines(source), start)


def _comment(lines: list[str], start: int) -> tuple[str, str]:
    """The sentences and the program of the comment that begins at a line."""
    text: list[str] = []
    for line in lines[start:]:
        if not line.startswith("#"):
            break
        text.append(line.removeprefix("#").removeprefix(" "))
    code = [line.removeprefix(CODE) for line in text if line.startswith(CODE)]
    doc = [line for line in text if not line.startswith(CODE)]
    return "\n".join(doc).strip(), "".join(line + "\n" for line in code)


if __name__ == "__main__":
    print(page(), end="")
