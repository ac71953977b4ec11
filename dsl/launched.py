"""A kernel, or its netlist, with the numbers that a launch gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from rdflow.dsl.arguments import Argument, Scalars
from rdflow.dsl.axes import Digit, Linear
from rdflow.dsl.checked import Kernel, Line, sources_of, streams_of
from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.formulas import flops_of
from rdflow.dsl.nests import Nests, too_far, whole_steps
from rdflow.dsl.netlist import Affine, Blocks, Gate, Loop, Netlist, Port
from rdflow.dsl.source import Source, Span
from rdflow.dsl.steps import LaunchCall, LaunchSpec
from rdflow.dsl.unknown import Unknown

T = TypeVar("T")
PLAIN = (int, float, str, bool, type(None), Source, Span, Digit, Gate)


def launched_kernel(kernel: Kernel, scalars: Scalars) -> Kernel:
    """The kernel with numbers for its arguments: what it would be if they were written in its text. Made once."""
    if not kernel.scalars:
        return kernel
    key = tuple(scalars.items())
    if key not in kernel.launched:
        kernel.launched[key] = _launched(kernel, scalars)
    return kernel.launched[key]


def _launched(kernel: Kernel, scalars: Scalars) -> Kernel:
    """Lines without an argument in them are looked at for the first launch only: these it leaves as they are."""
    lines = list(kernel.lines)
    for at in kernel.given or range(len(lines)):
        lines[at] = with_numbers(lines[at], scalars)
    if not kernel.given:
        changed = (at for at, (old, new) in enumerate(zip(kernel.lines, lines, strict=True)) if old is not new)
        kernel.given = tuple(changed)
    return replace(kernel, lines=lines, scalars=(), launched={}, given=())


def launched_netlist(netlist: Netlist, kernel: Kernel, scalars: Scalars) -> Netlist:
    """The netlist of a kernel (not yet launched) with numbers for its arguments."""
    if not kernel.scalars:
        return netlist
    work = flops_of(launched_kernel(kernel, scalars))
    units = [replace(u, flops=work.get(u.name, u.flops)) for u in netlist.units]
    return replace(netlist, units=units, actors=[with_numbers(actor, scalars) for actor in netlist.actors])


def total(launched: Linear | Affine, scalars: Scalars) -> int:
    """The constant of a form in a launch."""
    return launched.const + sum(int(a.number(scalars)) * c for a, c in launched.arguments)


def with_numbers(part: T, scalars: Scalars) -> T:
    """A part of a kernel or netlist with numbers for the arguments in it."""
    return _with_numbers(part, scalars)  # type: ignore[no-any-return]


def _with_numbers(part: Any, scalars: Scalars) -> Any:
    if isinstance(part, PLAIN):
        return part
    match part:
        case Argument():
            return part.number(scalars)
        case Linear():
            return replace(part, const=total(part, scalars), arguments=()) if part.arguments else part
        case Affine():
            return part._replace(const=total(part, scalars), arguments=()) if part.arguments else part
        case Loop():
            return _loop(part, scalars) if part.limit is not None and part.limit.arguments else part
        case Port(blocks=Blocks(limit=limit) as blocks):
            counts = blocks.counts(total(limit, scalars), len(part.counts))
            return replace(part, counts=counts, blocks=None)
    if isinstance(part, tuple):
        found = tuple(_with_numbers(p, scalars) for p in part)
        return part if all(a is b for a, b in zip(part, found, strict=True)) else found
    if not is_dataclass(part) or isinstance(part, type):
        return part
    old = {f.name: getattr(part, f.name) for f in fields(part)}
    new = {name: _with_numbers(value, scalars) for name, value in old.items()}
    changed = {name: value for name, value in new.items() if value is not old[name]}
    return replace(part, **changed) if changed else part


def _loop(loop: Loop, scalars: Scalars) -> Loop:
    assert loop.limit is not None
    limit = loop.limit._replace(const=total(loop.limit, scalars), arguments=())
    if loop.unlimited is None or limit.const % loop.unlimited[0]:
        return loop._replace(limit=limit, unlimited=None)
    end = loop.unlimited[1]
    return Loop(loop.size) if end is None else Loop(loop.size, loop.stride, Affine(end), loop.base)


# -- mistakes ----------------------------------------------------------------------------------------------------------


class Judge:
    """Says what is wrong with the numbers of a kernel's launches. Looks at the kernel once, and at each launch's numbers
    alone, unless these may be wrong: a schedule has as many launches as an answer has tokens. Numbers without a mistake are
    looked at once: other experts are launched with the same."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.arguments = tuple(dict.fromkeys(_arguments_in(kernel.lines))) if kernel.scalars else ()
        bounds = ((root, bound) for line in kernel.lines for order in _orders(line) for root, bound in order.bounds)
        self.bounds = tuple(dict.fromkeys((r, b) for r, b in bounds if isinstance(b, Linear) and b.arguments))
        self.harmless: set[object] = set()

    def mistakes(self, call: LaunchCall) -> list[Diagnostic]:
        """An operation without a value, a bound beyond its axis."""
        if call.scalars in self.harmless:
            return []
        found = self._mistakes(call)
        if not found:
            self.harmless.add(call.scalars)
        return found

    def _mistakes(self, call: LaunchCall) -> list[Diagnostic]:
        kernel = self.kernel
        if not kernel.scalars or any(isinstance(value, Unknown) for _, value in call.scalars):
            return []
        try:
            for argument in self.arguments:
                argument.number(call.numbers)
            if not any(self._beyond(root, bound, call.numbers) for root, bound in self.bounds):
                return []
        except (ArithmeticError, ValueError) as error:
            given = ", ".join(f"{name} = {value}" for name, value in call.scalars)
            label = Label(call.span, f"launched here with {given}")
            message = f"an expression over arguments of `{kernel.name}` has no value: {error}"
            return [Diagnostic("RDF013", message, (label,))]
        found = _too_far(kernel, launched_kernel(kernel, call.numbers))
        return [replace(d, labels=(*self._there(d, call), Label(call.span, "launched here"))) for d in found]

    def _there(self, found: Diagnostic, call: LaunchCall) -> Iterator[Label]:
        """What is said of the kernel, in the text that it is in: an expert's is another one."""
        source = self.kernel.program.source if call.spec.home else None
        return (replace(label, source=label.source or source) for label in found.labels)

    def _beyond(self, root: str, bound: Linear, scalars: Scalars) -> bool:
        """Whether a bound reaches beyond its axis, which is a mistake inside of a tile."""
        return bound.high + total(bound, scalars) - bound.const > self.kernel.lengths[root]


class Judges:
    """The judges of a program's kernels, by signature: one each, made when the first launch is looked at."""

    def __init__(self) -> None:
        self._found: dict[LaunchSpec, Judge] = {}

    def mistakes(self, kernel: Kernel, call: LaunchCall) -> list[Diagnostic]:
        """What is wrong with the numbers of a launch of this kernel."""
        if call.spec not in self._found:
            self._found[call.spec] = Judge(kernel)
        return self._found[call.spec].mistakes(call)


def _arguments_in(part: Any) -> Iterator[Argument]:
    """The arguments in lines of a kernel."""
    if isinstance(part, Argument):
        yield part
    elif isinstance(part, tuple | list):
        for p in part:
            yield from _arguments_in(p)
    elif is_dataclass(part) and not isinstance(part, (*PLAIN, type)):
        for f in fields(part):
            yield from _arguments_in(getattr(part, f.name))


def _too_far(kernel: Kernel, launched: Kernel) -> Iterator[Diagnostic]:
    """Bounds that a launch sets beyond the end of an axis inside of a tile."""
    nests, seen = Nests(launched), set[tuple[str, Linear]]()
    for before, line in zip(kernel.lines, launched.lines, strict=True):
        for own, order in zip(_orders(before), _orders(line), strict=True):
            for (root, bound), (_, number) in zip(own.bounds, order.bounds, strict=True):
                if not isinstance(number, Linear) or bound == number or (root, number) in seen:
                    continue
                seen.add((root, number))
                inner = [d.stride * d.extent for d in order.time if d.root == root]
                ends = [c for c in inner if c < launched.lengths[root] and not whole_steps(number, c)]
                if ends and number.high > nests.padded(root):
                    yield too_far(launched, root, number)


def _orders(line: Line) -> list[Any]:
    return [s.order for s in (*streams_of(line), *sources_of(line))]
