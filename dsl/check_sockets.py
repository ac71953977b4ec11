"""Sockets of a kernel: its lines agree on how many there are, and each finds its data on its own."""

from __future__ import annotations

from collections.abc import Iterable

from rdflow.dsl.axes import Digit, Linear, size, strides
from rdflow.dsl.checked import Kernel, Load, Store, TensorView
from rdflow.dsl.report import Reporter
from rdflow.dsl.sockets import chips, count
from rdflow.dsl.turns import producers, reads


def check_sockets(kernel: Kernel, report: Reporter) -> None:
    """Report lines that disagree (RDF047), data on another socket (RDF048), and deals to sockets (RDF049)."""
    if _agree(kernel, report):
        for line in kernel.lines:
            if isinstance(line, Load | Store):
                _data(kernel, line, report)
        _deals(kernel, report)


def _agree(kernel: Kernel, report: Reporter) -> bool:
    """Every line is on all sockets, or has a digit with a value for each."""
    total = count(kernel)
    most = next((line for line in kernel.lines if size(chips(line)) == total), None)
    for line in kernel.lines:
        if size(chips(line)) not in (1, total) and most is not None:
            name, other = _name(kernel, chips(line)), _name(kernel, chips(most))
            report.add(
                "RDF047",
                f"`{name}` is on {size(chips(line))} sockets, `{other}` on {total}",
                [(line.span, f"`{name} @socket` here"), (most.span, f"`{other} @socket` here")],
                notes=["all lines of a kernel run on the same sockets: a digit on them has a value for each"],
                help=f"give `{name}` {total} values, or put it in time or copies",
            )
            return False
    return True


def _data(kernel: Kernel, line: Load | Store, report: Reporter) -> None:
    """A sharded tensor is read and written where its parts are, any other one by all sockets alike."""
    view, own = line.view, chips(line)
    verb = "stored" if isinstance(line, Store) else "loaded"
    labels = [(line.span, f"{verb} here"), (view.tensor.span, f"`{view.tensor.name}` is declared here")]
    for index, axis, sharded in zip(view.indices, view.tensor.axes, view.tensor.sharded, strict=True):
        if sharded and axis.length > 1 and index != _number(own):
            report.add(
                "RDF048",
                f"`{view.tensor.name}` is sharded along `{axis.name}`, this line is not",
                labels,
                notes=[
                    "each socket has one index of a sharded axis in its memory, and its AGCUs reach that memory alone"
                ],
                help=f"write `{axis.name} @socket` in the order, and gather or reduce in a later line, or declare "
                f"`{view.tensor.name}` without `@socket`",
            )
    if isinstance(line, Store) and size(own) > 1 and not _is_sharded(view):
        name = _name(kernel, own)
        report.add(
            "RDF048",
            f"`{line.source.name}` is sharded along `{name}`, `{view.tensor.name}` is on every socket",
            labels,
            notes=["a tensor without `@socket` is the same on every socket: each would have its own part of it alone"],
            help=f"declare `{view.tensor.name}` with `{name} @socket`, or bring `{name}` into time before: the sockets then "
            "exchange their parts",
        )


def _number(sockets: tuple[Digit, ...]) -> Linear:
    """The socket as an index over its digits."""
    return Linear.of(0, strides(sockets))


def _is_sharded(view: TensorView) -> bool:
    return any(s and a.length > 1 for s, a in zip(view.tensor.sharded, view.tensor.axes, strict=True))


def _deals(kernel: Kernel, report: Reporter) -> None:
    """A stream that every socket has is not dealt to sockets."""
    made = producers(kernel)
    for read in reads(kernel):
        line, producer = kernel.lines[read.line], kernel.lines[made[read.stream.name]]
        dealt = tuple(d for d in chips(line) if d in read.order.time)
        if dealt and size(chips(producer)) == 1:
            name = _name(kernel, dealt)
            report.add(
                "RDF049",
                f"every socket has all of `{read.stream.name}`, but this line takes the part of its own",
                [(line.span, f"`{name} @socket` here"), (read.stream.span, f"`{name}` in time here")],
                notes=["a unit sends every token to somebody: those of the other parts would have no reader here"],
                help=f"begin with the part: `{name} @socket` where `{read.stream.name}` is made",
            )


def _name(kernel: Kernel, digits: Iterable[Digit]) -> str:
    return ", ".join(kernel.writer.digits(tuple(digits)))
