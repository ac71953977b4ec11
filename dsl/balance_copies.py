"""What is said of copies that wait for each other, and of copies that buy little (A12)."""

from __future__ import annotations

from collections.abc import Iterator

from rdflow.dsl.axes import Digit
from rdflow.dsl.checked import Compute, Kernel, Load, Store, name_of, sources_of, space_of, span_of
from rdflow.dsl.deadlock import Deadlock
from rdflow.dsl.flow_builder import FIFO
from rdflow.dsl.report import Reporter
from rdflow.dsl.turns import Turn, multicasts, producers, turns, wasted


def coupled(deadlock: Deadlock, digit: Digit, report: Reporter) -> None:
    """Copies of one multicast, dealt to or gathered from in turns longer than the queues."""
    kernel = deadlock.kernel
    lines = {deadlock.flow.nodes[w.node].line for w in deadlock.loop}
    shared = next((r for r, d in multicasts(kernel) if d == digit and r.line in lines), None)
    near = [t for t in turns(kernel) if t.digit == digit and (t.read.line in lines or t.producer in lines)]
    longest = max(near, key=lambda t: t.tokens, default=None)
    shortest = min(near, key=lambda t: t.tokens, default=None)
    copies, over = kernel.lines[shared.line] if shared is not None else deadlock.twice(), terms(kernel, digit)
    labels = [(span_of(copies), f"copies along `{over}`")]
    message = f"deadlock: the copies of `{name_of(copies)}` along `{over}` wait for each other"
    if longest is not None:
        name = longest.read.stream.name
        message += f": `{name}` is {longest.verb} them in turns of {longest.tokens} tokens"
        labels.append((span_of(kernel.lines[longest.read.line]), f"`{name}` is {longest.verb} copies here"))
    if shared is not None:
        message += f", and each token of `{shared.stream.name}` goes to all at once"
        labels.append((shared.stream.span, f"`{shared.stream.name}` has no `{over}`: it is multicast"))
    elif shortest is not None and shortest is not longest:
        name = shortest.read.stream.name
        message += f", but `{name}` is {shortest.verb} them in turns of {shortest.tokens}"
        labels.append((span_of(kernel.lines[shortest.read.line]), f"`{name}` is {shortest.verb} copies here"))
    report.add("RDF051", message, labels, deadlock.notes(), _cure(kernel, digit, longest))


def _cure(kernel: Kernel, digit: Digit, longest: Turn | None) -> str:
    """Copies all along the path; where a load feeds them, first of all copies of the load."""
    if longest is not None and isinstance(kernel.lines[longest.producer], Load):
        over = terms(kernel, digit)
        return f"load with the copies, on a line of its own: `load .. as [.., {over}, ..]`, and hold that"
    return path_cure(kernel, digit)


def terms(kernel: Kernel, digit: Digit) -> str:
    """A digit of copies as the user writes it: `q/L @8`."""
    return kernel.writer.run((digit,)).split("%")[0] + f" @{digit.extent}"


def path_cure(kernel: Kernel, digit: Digit) -> str:
    """The lines that need the copies: those that have the digit in time or copies and do not merely replay over it."""
    names = [name_of(kernel.lines[i]) for i in copied_path(kernel, digit)]
    if not names:
        return "deal and gather in turns that the queues hold, or hold the streams in between"
    every = ", ".join(f"`{n}`" for n in names)
    return f"carry `@{digit.extent}` along the path from `{names[0]}` to `{names[-1]}`: {every}"


def copied_path(kernel: Kernel, digit: Digit) -> list[int]:
    """The lines from the first scratchpad that has the digit to the last unit that computes with it."""
    number = producers(kernel)
    found: set[int] = set()
    for i, line in enumerate(kernel.lines):
        if isinstance(line, Load | Store) or digit not in line.stream.order.digits + space_of(line):
            continue
        if any(d.root == digit.root for s in sources_of(line) for d in s.order.digits):
            found.add(i)
    onwards = {i for i in found if isinstance(kernel.lines[i], Compute)}
    for i in sorted(found, reverse=True):
        if i in onwards:
            onwards.update(number[s.name] for s in sources_of(kernel.lines[i]) if number[s.name] in found)
    return sorted(onwards)


# -- copies that buy little --------------------------------------------------------------------------------------------


def idle(kernel: Kernel, report: Reporter) -> None:
    """Warn of copies that work one after another."""
    for turn in _once(wasted(kernel)):
        _wasted(kernel, turn, report)


def _once(found: Iterator[Turn]) -> Iterator[Turn]:
    """The longest turn of each stream and digit."""
    best: dict[tuple[str, Digit], Turn] = {}
    for turn in found:
        key = (turn.read.stream.name, turn.digit)
        if key not in best or best[key].tokens < turn.tokens:
            best[key] = turn
    yield from best.values()


def _wasted(kernel: Kernel, turn: Turn, report: Reporter) -> None:
    """Copies that work one after another."""
    over, n = terms(kernel, turn.digit), turn.digit.extent
    name = turn.read.stream.name
    copied = kernel.lines[turn.producer if turn.gathered else turn.read.line]
    reader = kernel.lines[turn.read.line]
    report.warn(
        "RDF052",
        f"the copies along `{over}` are worth {turn.factor():.2f}: `{name}` is {turn.verb} them in turns of {turn.tokens} tokens",
        [
            (span_of(copied), f"{n} copies"),
            (span_of(reader), f"`{name}` is read here in the order {kernel.writer.order(turn.read.order)}"),
        ],
        notes=[f"a queue holds {FIFO} packets: while one copy has its turn the others stand"],
        help=f"gather with a pmu, which takes tokens in any order, carry `@{n}` on, or move the digit further inside",
    )
