"""What went wrong in a run, in the terms of the program: a deadlock as its loop of waits."""

from __future__ import annotations

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.netlist import Netlist
from rdflow.interpreter.image import Image
from rdflow.interpreter.waiting import waiting


def blocker(image: Image, actor: int) -> tuple[str, int, int] | None:
    """Whom an actor waits for: (side, queue, the actor at the other end); None if it does not wait for another."""
    side, queue, until = waiting(image, actor)
    if queue is None or until is not None:
        return None
    ends = image.mapped.netlist.queues[queue]
    return (side, queue, ends.source if side == "input" else ends.sink)


def loop_of_waits(image: Image) -> list[tuple[int, str, int]]:
    """A cycle of actors that wait for each other: (actor, side, queue), from the first one found."""
    netlist = image.mapped.netlist
    for start in range(len(netlist.actors)):
        path: list[tuple[int, str, int]] = []
        seen: dict[int, int] = {}
        actor = start
        while actor not in seen:
            step = blocker(image, actor)
            if step is None:
                break
            seen[actor] = len(path)
            path.append((actor, step[0], step[1]))
            actor = step[2]
        else:
            return path[seen[actor] :]
    return []


def deadlock(image: Image) -> Diagnostic:
    """The diagnostic of a run that stopped: who waits for whom, and where the queues are full."""
    netlist = image.mapped.netlist
    loop = loop_of_waits(image)
    labels: list[Label] = []
    notes: list[str] = []
    for actor, side, queue in loop:
        unit = netlist.units[netlist.actors[actor].unit]
        text = _wait(netlist, image, side, queue)
        notes.append(f"`{unit.name}` {text}")
        label = Label(unit.span, f"`{unit.name}` {text}")
        if all(label.span != other.span for other in labels):
            labels.append(label)
    full = [netlist.queues[q] for _, side, q in loop if side == "output" and netlist.queues[q].width]
    stream = full[0].stream if full else ""
    help = f"hold `{stream}` where the shorter path waits: `pmu {stream} as [tile; .. | ..]`" if stream else None
    return Diagnostic(
        "RDF401",
        f"`{netlist.kernel}` deadlocks at cycle {image.cycles}",
        tuple(labels),
        tuple(dict.fromkeys(notes)),
        help,
    )


def _wait(netlist: Netlist, image: Image, side: str, queue: int) -> str:
    ends = netlist.queues[queue]
    other = netlist.units[netlist.actors[ends.source if side == "input" else ends.sink].unit].name
    inside = netlist.actors[ends.source].unit == netlist.actors[ends.sink].unit
    if not ends.width and not inside:
        return f"waits for `{other}` until {ends.stream}"
    what = f"`{ends.stream}`" if ends.width else f"the token `{ends.stream}`"
    if side == "input":
        return f"waits for {what} from `{other}`"
    return f"cannot push {what}: its queue to `{other}` is full ({image.mapped.queues[queue].slots} tokens)"
