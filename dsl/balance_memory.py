"""What is said where a wait of a load for a store, or of a store for a load, closes a circle (A9)."""

from __future__ import annotations

from rdflow.dsl.axes import size
from rdflow.dsl.balance_paths import cure
from rdflow.dsl.checked import Load, Store
from rdflow.dsl.deadlock import Deadlock
from rdflow.dsl.nests import Nests
from rdflow.dsl.report import Reporter
from rdflow.dsl.waits import loops_of, wait_level


def memory_wait(deadlock: Deadlock, place: int, report: Reporter) -> None:
    """Report a circle that is closed by the wait at `place`: a store's for a load above it, or a load's for a store."""
    second, first = deadlock.line(place), deadlock.line(place + 1)
    assert isinstance(first, Load | Store) and isinstance(second, Load | Store)
    tensor, done = first.view.tensor.name, "read" if isinstance(first, Load) else "written"
    waiting, awaited = deadlock.name(place), deadlock.name(place + 1)
    level = wait_level(Nests(deadlock.kernel), first, deadlock.space(place + 1), second, deadlock.space(place)) or 0
    shared = ", ".join(deadlock.kernel.writer.digits(loops_of(first)[:level]))
    which = f" in the iteration of `{shared}`" if shared else ""
    message = (
        f"deadlock: `{waiting}` waits until `{awaited}` has {done} the last of `{tensor}`{which}, "
        f"and `{awaited}` cannot go on until `{waiting}` does"
    )
    labels = [(second.span, f"waits for `{awaited}`"), (first.span, f"`{tensor}` is {done} here")]
    report.add("RDF056", message, labels, deadlock.notes(), _cure(deadlock, place, level, tensor))


def _cure(deadlock: Deadlock, place: int, level: int, tensor: str) -> str:
    """Hold the stream that finds no room, else part the tensors."""
    places = range(place + 1, place + len(deadlock.loop))
    full = next((i for i in places if deadlock.loop[i % len(deadlock.loop)].full and deadlock.channel(i).stream), None)
    if full is None:
        return f"keep what is stored in a tensor of its own beside `{tensor}`"
    stream = deadlock.kernel.stream(deadlock.channel(full).stream)
    held = cure(deadlock, stream, deadlock.line(full + 1), level, size(stream.order.time[level:]))
    return f"{held}; or load and store in the same loops: then each token waits for its own only"
