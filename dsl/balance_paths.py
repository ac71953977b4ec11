"""What is said where one path takes in more of a stream than the other keeps: a hold is missing (A12)."""

from __future__ import annotations

from rdflow.dsl.axes import size
from rdflow.dsl.checked import Hold, Line, Stream, name_of, span_of
from rdflow.dsl.deadlock import Deadlock
from rdflow.dsl.flow_builder import FIFO
from rdflow.dsl.report import Reporter


def unheld(deadlock: Deadlock, report: Reporter) -> None:
    """One path must take in more of a stream than the other can keep."""
    fork = deadlock.fork
    source, waiting, blocked = deadlock.channel(fork).stream, deadlock.name(fork - 1), deadlock.name(fork + 1)
    if not source or deadlock.channel(fork - 1).stream != source:
        _circular(deadlock, report)
        return
    stream = deadlock.kernel.stream(source)
    needed = deadlock.channel(fork - 1).pop.tokens(deadlock.needs[fork - 1])
    join, tile = _join(deadlock), _tile(stream, needed)
    over = ", ".join(deadlock.kernel.writer.digits(stream.order.time[tile:]))
    message = (
        f"deadlock: `{source}` feeds both `{waiting}` and `{blocked}`; `{waiting}` needs all {needed} tokens over `{over}` before "
        f"`{join}` may go on, and the queue to `{blocked}` holds {FIFO} packets"
    )
    labels = [
        (span_of(deadlock.line(fork + 1)), f"`{blocked}` cannot take in more of `{source}` until `{join}` goes on"),
        (stream.span, f"`{source}` is {deadlock.kernel.writer.order(stream.order)}"),
        (span_of(deadlock.line(fork - 1)), f"`{waiting}` takes in {needed} tokens of `{source}` first"),
    ]
    help = cure(deadlock, stream, deadlock.line(fork + 1), tile, needed)
    report.add("RDF050", message, labels, deadlock.notes(), help)


def _circular(deadlock: Deadlock, report: Reporter) -> None:
    """A loop of waits without one stream that goes both ways."""
    places = range(len(deadlock.loop))
    names = dict.fromkeys(map(deadlock.name, places))
    message = f"deadlock: {', '.join(f'`{n}`' for n in names)} wait for each other"
    labels = [(span_of(line), "waits") for line in {id(line): line for line in map(deadlock.line, places)}.values()]
    cure = "hold the stream that finds no room: `x = pmu s as [tile; ..]`"
    report.add("RDF050", message, labels, deadlock.notes(), cure)


def _join(deadlock: Deadlock) -> str:
    """The node that starves while its other input is full."""
    loop = deadlock.loop
    return deadlock.name(next((i for i, wait in enumerate(loop) if not wait.full and loop[i - 1].full), 0))


def _tile(stream: Stream, needed: int) -> int:
    """The most outer loops of a stream such that what lies inside them is at least what is needed."""
    time = stream.order.time
    return max((t for t in range(len(time)) if size(time[t:]) >= needed), default=0)


def cure(deadlock: Deadlock, stream: Stream, reader: Line, tile: int, needed: int) -> str:
    """Hold the stream where a reader takes it in; a reader that is a hold keeps more."""
    inside = max(1, size(stream.order.time[tile:]))
    if isinstance(reader, Hold):
        return f"let `{name_of(reader)}` keep more: a tile of at least {inside} tokens, or `depth {-(-needed // max(1, _kept(reader))) + 1}`"
    name = f"{stream.name}b"
    order = deadlock.kernel.writer.order(stream.order, tile)
    return f"hold it: `{name} = pmu {stream.name} as {order}`, and read `{name}` in `{name_of(reader)}`"


def _kept(hold: Hold) -> int:
    return size(hold.source.order.time[hold.tile :])
