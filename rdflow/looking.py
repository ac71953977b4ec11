"""What the REPL shows of an execution that stands still: queues, units, tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from rdflow.dsl.firings import firings
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import Status, counters, memory_words
from rdflow.interpreter.launched import Launched
from rdflow.interpreter.waiting import counters_of, tokens, waiting
from rdflow.interpreter.why import fires_now, main_actors, state
from rdflow.show import table

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENS = 8  # tokens of a queue that are shown
LANES = 6  # lanes of a token that are shown


def where(execution: Execution) -> str:
    """`cycle 1,000, in attention`."""
    current = execution.current
    if current is None:
        return "cycle 0"
    kernel = current.call.spec.kernel
    if execution.finished:
        return f"cycle {execution.time:,}: finished"
    launch = f" (launch {len(execution.launched)})" if len(execution.launched) > 1 else ""
    match current.image.status:
        case Status.DEADLOCK:
            return f"cycle {execution.time:,}: `{kernel}` deadlocks{launch}"
        case Status.FINISHED:
            return f"cycle {execution.time:,}: `{kernel}` has ended{launch}"
        case _:
            return f"cycle {execution.time:,}, in `{kernel}`{launch}"


# -- queues ------------------------------------------------------------------------------------------------------------


def streams(launched: Launched) -> list[str]:
    """The streams of the kernel that runs."""
    names = [queue.stream for queue in launched.compiled.netlist.queues if queue.width or queue.server]
    return list(dict.fromkeys(names))


def queues_of(launched: Launched, stream: str) -> list[int]:
    """The queues that tokens of a stream are in; of a load that is held at once, those of the load."""
    queues = launched.compiled.netlist.queues
    return [i for i, q in enumerate(queues) if q.stream == stream and (q.width or q.server)]


def queue_fill(launched: Launched, queue: int) -> tuple[int, int]:
    """Tokens in a queue, and how many have room in it."""
    row = launched.image.tables.queues[queue]
    return int(row["pushed"] - row["popped"]), int(row["capacity"])


def peek(launched: Launched, stream: str) -> Iterator[str]:
    """The tokens of a stream in each of its queues: when they can be popped, and their first lanes."""
    netlist = launched.compiled.netlist
    kernel = launched.compiled.kernel
    dtype = next((s.dtype for s in _streams(kernel) if s.name == stream), "f32")
    yield from _scratchpad(launched, stream)
    for number in queues_of(launched, stream):
        queue = netlist.queues[number]
        source, sink = netlist.actors[queue.source].name, netlist.actors[queue.sink].name
        held, room = queue_fill(launched, number)
        if queue.server == "memory":
            yield f"`{source}` to `{sink}`: {held} bursts outstanding of {room} at most"
        else:
            lanes = f"{dtype}, {queue.width} lane{'s' if queue.width != 1 else ''}"
            full = ", full" if held >= room else ", empty" if held == 0 else ""
            yield f"`{source}` to `{sink}`: {held} of {room} tokens ({lanes}{full})"
        found = tokens(launched.image, number)
        for ready, words in found[:TOKENS]:
            at = "not served yet" if ready is None else _ready(ready, launched)
            yield f"    {at:<16}{_lanes(words, dtype)}".rstrip()
        if len(found) > TOKENS:
            yield f"    and {len(found) - TOKENS} more"


def _streams(kernel: Any) -> Iterator[Any]:
    from rdflow.dsl.checked import streams_of

    return (stream for line in kernel.lines for stream in streams_of(line))


def _ready(ready: int, launched: Launched) -> str:
    return "ready now" if ready <= launched.image.time else f"ready at {ready + launched.start:,}"


def _lanes(words: NDArray[np.float32] | None, dtype: str) -> str:
    if words is None:
        return ""
    values = words if dtype in ("bf16", "f32") else words.view(np.int32)
    shown = "  ".join(f"{v:.5g}" if values.dtype.kind == "f" else str(v) for v in values[:LANES])
    return shown + ("  .." if len(values) > LANES else "")


def _scratchpad(launched: Launched, stream: str) -> Iterator[str]:
    """How much of a hold is written and read."""
    netlist = launched.compiled.netlist
    unit = next((i for i, u in enumerate(netlist.units) if u.name == stream and u.kind == "pmu"), None)
    if unit is None:
        return
    fired = counters(launched.image).firings
    written = sum(int(fired[i]) for i, a in netlist.actors_of(unit) if a.kind == "write")
    read = sum(int(fired[i]) for i, a in netlist.actors_of(unit) if a.kind == "read")
    yield f"scratchpad of `{stream}`: {written:,} tokens written, {read:,} read"


# -- units -------------------------------------------------------------------------------------------------------------


def unit_number(launched: Launched, name: str) -> int | None:
    """A unit by the name of its stream; `yt` also finds `store.yt`'s unit by its whole name."""
    return next((i for i, u in enumerate(launched.compiled.netlist.units) if u.name == name), None)


def unit_names(launched: Launched) -> list[str]:
    return [unit.name for unit in launched.compiled.netlist.units]


def fired(launched: Launched, unit: int) -> int:
    """Firings of all copies of a unit so far."""
    found = counters(launched.image).firings
    return sum(int(found[a]) for a in main_actors(launched.image, unit))


def total(launched: Launched, unit: int) -> int:
    actors = launched.compiled.netlist.actors
    return sum(firings(actors[a]) for a in main_actors(launched.image, unit))


def is_waiting(launched: Launched, unit: int) -> bool:
    """Whether a unit stands still because of another: no copy fires or is busy with a token."""
    actors = main_actors(launched.image, unit)
    sides = {waiting(launched.image, a)[0] for a in actors}
    return not any(fires_now(launched.image, a) for a in actors) and bool(sides) and not sides & {"interval", "done"}


def unit_table(launched: Launched) -> Table:
    """Loop counters, firings and what every unit does in the cycle that comes."""
    made = table("unit", "kind", ">copies", "counters", ">fired", ">of", "now")
    image, netlist = launched.image, launched.compiled.netlist
    for number, info in enumerate(netlist.units):
        actors = main_actors(image, number)
        if not actors:
            continue
        states = [state(image, a, launched.start) for a in actors]
        common = max(dict.fromkeys(states), key=states.count)
        others = f" ({states.count(common)} of {len(states)} copies)" if states.count(common) < len(states) else ""
        counts = _counters(launched, actors[0])
        made.add_row(
            info.name, info.verb, str(info.copies), Text(counts), f"{fired(launched, number):,}",
            f"{total(launched, number):,}", Text(common + others),
        )  # fmt: skip
    return made


def _counters(launched: Launched, actor: int) -> str:
    """The loops of the next firing, outermost first: each its counter and its size."""
    loops = launched.compiled.netlist.actors[actor].loops
    counts = counters_of(launched.image, actor)
    if waiting(launched.image, actor)[0] == "done":
        return "done"
    return " ".join(f"{c}/{loop.size}" for c, loop in zip(counts, loops, strict=True))


# -- tensors -----------------------------------------------------------------------------------------------------------


def tensor_values(execution: Execution, name: str) -> NDArray[Any]:
    """A tensor now: what the kernel that runs has stored so far included."""
    assert execution.values is not None
    current = execution.current
    if current is not None and current.image.status is not Status.FINISHED:
        netlist = current.compiled.netlist
        use = next((u for u in netlist.tensors if u.name == name), None)
        stored = [
            i
            for i, m in enumerate(netlist.memories)
            if m.tensor is not None and netlist.tensors[m.tensor] is use and "#" in m.name
        ]
        if use is not None and stored and name in execution.values:
            words = memory_words(current.image, stored[-1])
            array = words if use.dtype in ("bf16", "f32") else words.view(np.int32)
            return array[: max(1, int(np.prod(use.shape)))].reshape(use.shape)
    return execution.values[name]


def array_text(array: NDArray[Any]) -> str:
    return np.array2string(array, threshold=60, edgeitems=3, precision=5, suppress_small=True)
