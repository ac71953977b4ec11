"""Why a unit is idle: its wait, the wait of whom it waits for, and so on to what keeps them all."""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from rdflow.dsl.netlist import Actor, Port
from rdflow.dsl.records import dataclass
from rdflow.interpreter.allocate import MAIN
from rdflow.interpreter.image import Image, Status, counters
from rdflow.interpreter.waiting import counters_of, waiting

PARTS = {
    "read": "reader",
    "write": "writer",
    "drain": "drain",
    "route": "selectors",
    "count": "counts",
    "round": "rounds",
    "systolic": "array",
    "request": "request",
    "respond": "answers",
    "store": "bursts",
    "acknowledge": "acknowledgements",
}
"""the parts of a unit that others of it wait for, by kind of actor"""
SLOW = 1.5  # cycles between tokens from which on their source is said to be slow

Cause = Literal["fires", "busy", "memory", "link", "finished", "loop"]


@dataclass(frozen=True, slots=True)
class Step:
    """An actor that waits: for tokens (`input`) or for room (`output`) in a queue, whose other end is `other`."""

    actor: int
    side: str
    queue: int
    other: int


@dataclass(frozen=True, slots=True)
class Why:
    """The waits from a unit to their cause. `actor` is what the last of them waits for, `until` when it goes on."""

    unit: str
    steps: tuple[Step, ...]
    actor: int
    cause: Cause
    until: int | None
    parts: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return "; ".join(self.parts)


def main_actors(image: Image, unit: int) -> list[int]:
    """The actors of a unit whose firings are its own: one a copy."""
    return [i for i, actor in image.mapped.netlist.actors_of(unit) if actor.kind in MAIN]


def fires_now(image: Image, actor: int) -> bool:
    """Whether the next firing is in the cycle that comes."""
    _, _, until = waiting(image, actor)
    return until is not None and until <= image.time


def why(image: Image, unit: int, start: int = 0) -> Why:
    """Why a unit does not fire in the cycle that comes: of its copies, the first that does not. `start`: the cycle at
    which the launch began; all cycles are counted from the start of the program."""
    actors = main_actors(image, unit)
    idle = [a for a in actors if not fires_now(image, a)]
    return _Search(image, start).follow((idle or actors)[0])


def state(image: Image, actor: int, start: int = 0) -> str:
    """What an actor does in the cycle that comes, in a few words."""
    search = _Search(image, start)
    side, queue, until = waiting(image, actor)
    if side == "done":
        return "finished"
    if until is not None and until <= image.time:
        return "fires"
    if side == "interval" or queue is None:
        return f"fires at {search.cycle(until)}"
    step = search.step(actor, side, queue)
    return search.short(step, until)


class _Search:
    """Follows waits in one image."""

    def __init__(self, image: Image, start: int):
        self.image = image
        self.start = start
        self.netlist = image.mapped.netlist

    # -- following -----------------------------------------------------------------------------------------------------

    def follow(self, actor: int) -> Why:
        first = actor
        steps: list[Step] = []
        while True:
            side, queue, until = waiting(self.image, actor)
            if side == "done":
                return self.found(first, steps, actor, "finished", None, self.finished(actor))
            if side == "interval" or queue is None:
                now = until is not None and until <= self.image.time
                return self.found(
                    first, steps, actor, "fires" if now else "busy", until, self.busy(actor, until, bool(steps))
                )
            if until is not None and until <= self.image.time:
                return self.found(first, steps, actor, "fires", until, self.busy(actor, until, bool(steps)))
            step = self.step(actor, side, queue)
            steps.append(step)
            if until is not None or self.asked(step):
                cause: Cause = "memory" if self.netlist.queues[queue].server == "memory" else "link"
                return self.found(first, steps[:-1], actor, cause, until, self.under_way(step, until), steps)
            if any(step.other == s.actor for s in steps):
                return self.found(first, steps, step.other, "loop", None, self.loop(step))
            actor = step.other

    def found(
        self,
        first: int,
        told: list[Step],
        actor: int,
        cause: Cause,
        until: int | None,
        last: str,
        steps: list[Step] | None = None,
    ) -> Why:
        at = until + self.start if until is not None else None
        return Why(
            self.unit(first), tuple(told if steps is None else steps), actor, cause, at, (*self.told(told), last)
        )

    def step(self, actor: int, side: str, queue: int) -> Step:
        ends = self.netlist.queues[queue]
        return Step(actor, side, queue, ends.source if side == "input" else ends.sink)

    def asked(self, step: Step) -> bool:
        """Whether what is waited for is on its way to a server: a burst asked for, a token at a link."""
        row = self.image.tables.queues[step.queue]
        return step.side == "input" and bool(row["pushed"] > row["available"])

    # -- saying --------------------------------------------------------------------------------------------------------

    def unit(self, actor: int) -> str:
        return self.netlist.units[self.netlist.actors[actor].unit].name

    def cycle(self, cycle: int | None) -> str:
        return f"cycle {(cycle or 0) + self.start:,}"

    def told(self, steps: list[Step]) -> list[str]:
        """Each wait, with how far the one is that is waited for."""
        parts = ((self.wait(step), self.rhythm(step)) for step in steps)
        return [", which ".join(filter(None, part)) for part in parts]

    def wait(self, step: Step) -> str:
        """`p` waits for `m`."""
        queue = self.netlist.queues[step.queue]
        here, there = self.unit(step.actor), self.unit(step.other)
        slots = self.image.mapped.queues[step.queue].slots
        if self.netlist.actors[step.actor].unit == self.netlist.actors[step.other].unit:
            return self.inside(step, slots)
        if step.side == "input" and not queue.width:
            return f"`{here}` waits for `{there}` until {queue.stream}"
        if step.side == "input":
            return (
                f"`{here}` waits for `{queue.stream}` from `{there}`"
                if queue.stream != there
                else f"`{here}` waits for `{there}`"
            )
        return f"`{here}` cannot push `{queue.stream}`: its queue to `{there}` is full ({slots} of {slots} tokens)"

    def inside(self, step: Step, slots: int) -> str:
        """A wait of one end of a unit for the other."""
        unit = self.unit(step.actor)
        kinds = (self.netlist.actors[step.actor].kind, self.netlist.actors[step.other].kind)
        match step.side, kinds:
            case "input", (("write" | "count"), "route"):
                return f"the selectors of what `{unit}` takes in have not come"
            case "input", ("route", ("read" | "count")):
                return f"all tiles of `{unit}` are full, and the oldest is not read to its end"
            case "output", ("route", "write"):
                return f"`{unit}` has selectors for tokens that have not come"
            case "input", ("read", "count"):
                return f"how many tokens the next expert of `{unit}` has is not known yet"
            case "input", ("round", "write"):
                return f"the next round of `{unit}` is not complete"
            case "input", ("write", "round"):
                return f"both rounds of `{unit}` are full, and the older one is not read to its end"
            case "input", ("read", "write" | "round"):
                return f"what `{unit}` gives back next is not written yet"
            case "input", ("write", "read"):
                return f"all tiles of `{unit}` are full, and the oldest is not read to its end"
            case "input", ("systolic", "drain"):
                return f"the sums of `{unit}` are not drained"
            case "input", ("drain", "systolic"):
                return f"the sums of `{unit}` are not complete"
            case "input", ("respond" | "acknowledge", _):
                return f"`{unit}` has not asked the memory for it yet"
            case "output", ("request" | "store", _):
                return f"`{unit}` has {slots} bursts outstanding, as many as it may"
        return f"`{unit}` waits for a part of itself"

    def rhythm(self, step: Step) -> str:
        """How often the one that is waited for gives a token, and how far it is, if that is not every firing."""
        if step.side != "input":
            return ""
        source = self.netlist.actors[step.other]
        port = next((p for p in source.outputs if step.queue in p.queues), None)
        if port is None:
            return ""
        period = _period(source, port, counters_of(self.image, step.other))
        if period is None or period[0] <= 1:
            return ""
        what = "takes" if source.kind == "write" else "gives a token after"
        return f"{what} {period[0]:,} firings and has made {period[1]:,}"

    def busy(self, actor: int, until: int | None, waited_for: bool) -> str:
        name = self.unit(actor)
        done = int(self.image.tables.actors[self.image.rank[actor]]["firings"])
        if not waited_for and until is not None and until <= self.image.time:
            return f"`{name}` is not idle: it fires in {self.cycle(self.image.time)}, for the {_nth(done + 1)} time"
        now = until is not None and until <= self.image.time
        what = f"fires in {self.cycle(self.image.time)}" if now else f"is busy until {self.cycle(until)}"
        cause = f"`{name}` is the cause: it {what}" if waited_for else f"`{name}` {what}"
        return f"{cause}, with {done:,} firings made"

    def finished(self, actor: int) -> str:
        row = self.image.tables.actors[self.image.rank[actor]]
        return f"`{self.unit(actor)}` has finished: its {int(row['firings']):,} firings ended in {self.cycle(int(row['last']))}"

    def under_way(self, step: Step, until: int | None) -> str:
        queue = self.netlist.queues[step.queue]
        here, there = self.unit(step.actor), self.unit(step.other)
        at = f", there in {self.cycle(until)}" if until is not None else ""
        if queue.server == "memory":
            burst = self.netlist.actors[queue.source].burst
            assert burst is not None
            tensor = self.netlist.tensors[burst.tensor]
            return f"`{here}` waits for {tensor.tier.upper()}: a burst of `{tensor.name}` is asked for{at or ', and not served yet'}"
        if step.side == "output":
            return f"`{here}` waits for a free place in its queue to `{there}`{at}"
        if not queue.width:
            return f"{self.wait(step)}; its token is under way{at}"
        pace = self.pace(step)
        slow = f"; `{there}` is the cause: it gives one in {pace:.3g} cycles" if pace > SLOW else ""
        return f"`{here}` waits for a token of `{queue.stream}` that is under way{at}{slow}"

    def pace(self, step: Step) -> float:
        """Cycles between the tokens of a queue, on average so far."""
        counted = counters(self.image)
        source = self.netlist.queues[step.queue].source
        pushes = int(counted.pushes[step.queue])
        return (self.image.time - int(counted.first[source])) / pushes if pushes > 1 else 0.0

    def loop(self, step: Step) -> str:
        stopped = ": a deadlock" if self.image.status is Status.DEADLOCK else ""
        return f"`{self.unit(step.actor)}` and `{self.unit(step.other)}` wait for each other{stopped}"

    def short(self, step: Step, until: int | None) -> str:
        """A wait in a few words."""
        queue = self.netlist.queues[step.queue]
        same = self.netlist.actors[step.actor].unit == self.netlist.actors[step.other].unit
        if queue.server == "memory":
            burst = self.netlist.actors[queue.source].burst
            assert burst is not None
            return f"waits for {self.netlist.tensors[burst.tensor].tier.upper()}"
        if same:
            return f"waits for its {PARTS.get(self.netlist.actors[step.other].kind, 'other part')}"
        if step.side == "output":
            return f"queue to `{self.unit(step.other)}` is full"
        what = f"`{queue.stream}`" if queue.width else f"`{self.unit(step.other)}` until {queue.stream}"
        return f"waits for {what}" + (f" until {until + self.start:,}" if until is not None else "")


def _nth(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _period(actor: Actor, port: Port, indices: tuple[int, ...]) -> tuple[int, int] | None:
    """Firings from one token of a port to the next, and how many of these are made; None if that is not regular."""
    gate = port.gate
    if gate.first or gate.not_first or gate.not_last or len(port.queues) > 1:
        return None
    level = next((l for l in range(len(actor.loops)) if gate.last >> l & 1), len(actor.loops))
    if gate.last != ((1 << len(actor.loops)) - 1) & ~((1 << level) - 1):
        return None
    if any(loop.port >= 0 for loop in actor.loops[level:]):
        return None
    sizes = [loop.iterations(indices[:i]) for i, loop in enumerate(actor.loops)][level:]
    made = int(np.ravel_multi_index(indices[level:], sizes)) if sizes else 0
    return prod(sizes), made
