"""The schedule as tables: what its time went to, its steps, the requests for experts, where everything is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from rdflow.interpreter.agenda import Agenda
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.choices import Drawn
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.memory import MemoryPlan, Placed
from rdflow.interpreter.symbols import BEFORE
from rdflow.interpreter.timetable import Entry
from rdflow.show import percent, table, time_text

STEPS = 24  # entries of a timetable that are shown
LOADS = "Program load, argument load and what the host takes are fitted or assumed (`rdflow machines`)."
SLOWED = "Launches beside a copy are slowed by a model: HBM without what the copy takes."


def scheduled(agenda: Agenda, machine: Machine) -> list[Any]:
    """A line for a schedule of one launch; else what the time went to, the first steps, and the switches of experts."""
    timetable, clock = agenda.timetable, float(machine.socket.clock)
    spent = timetable.spent()
    if len(agenda.timetable.entries) <= 3 and not agenda.switches:
        parts = ", ".join(f"{part} {time_text(cycles / clock)}" for part, cycles in spent.items())
        return [Text(f"With its launch: {time_text(timetable.end / clock)} ({parts}).\n", "bright_black")]
    made = table(
        "schedule", ">time", ">of all", title=f"{time_text(timetable.end / clock)} with launches, copies and the host"
    )
    for part, cycles in spent.items():
        made.add_row(part, time_text(cycles / clock), percent(cycles, timetable.end))
    notes = [LOADS, *([SLOWED] if any(e.slowed for e in timetable.entries) else [])]
    return [
        made,
        _statements(agenda, clock),
        *switches(agenda, clock),
        _steps(timetable.entries, clock),
        Text(" ".join(notes) + "\n", "bright_black"),
    ]


def chosen_at_random(choices: Drawn | None) -> list[str]:
    """Which experts ran by chance, as nobody computed the choices."""
    if choices is None or not choices.below:
        return []
    names = ", ".join(f"{name} (below {count})" for name, count in choices.below.items())
    return [f"no values: {names} drawn at random, seed {choices.seed}; `--input NAME=FILE.npy` gives them"]


def _statements(agenda: Agenda, clock: float) -> Table:
    """What the time went to, statement by statement: the experts of a pool as one, and all parts of a launch."""
    made = table("statement", ">times", ">time", ">of all", ">each", title="by statement")
    for name, (times, cycles) in agenda.timetable.statements().items():
        cells = (
            time_text(cycles / clock),
            percent(cycles, agenda.timetable.end),
            time_text(cycles / clock / max(1, times)),
        )
        made.add_row(Text(name), f"{times:,}", *cells)
    return made


def _steps(entries: list[Entry], clock: float) -> Table:
    left = len(entries) - STEPS
    more = f"; {left:,} more steps in --json, --trace and --report" if left > 0 else ""
    made = table("step", "part", "where", ">from", ">to", title=f"timeline{more}")
    for entry in entries[:STEPS]:
        made.add_row(
            Text(entry.what), entry.told, entry.resource, *(time_text(t / clock) for t in (entry.start, entry.end))
        )
    return made


def switches(agenda: Agenda, clock: float) -> Iterator[Text]:
    """How often experts were in the cache, and what it cost where they were not."""
    if not agenda.switches:
        return
    asked = [s for s in agenda.switches if not s.ahead]
    loads = [s for s in agenda.switches if not s.hit]
    gone = sum(len(s.evicted) for s in loads)
    hits = sum(s.hit for s in asked)
    text = f"{len(asked):,} requests for experts: {hits:,} in the cache ({percent(hits, len(asked)) or '0.0%'}), "
    text += f"{len(loads):,} loaded, {gone:,} left for them"
    if loads:
        each = sum(s.there - s.asked for s in loads) / len(loads) / clock
        text += f"; {size_text(sum(s.loaded for s in loads))} read on each socket, {time_text(each)} a load on average"
        back = sum(s.written_back for s in loads)
        text += f", {size_text(back)} written back" if back else ""
    yield Text(text)


def memory(plan: MemoryPlan) -> list[Any]:
    """Every decision of the memory manager."""
    made = table("tensor", "tier", ">address", ">bytes", "needed", ">moved", "why", title="memory of a socket")
    for placed in sorted(plan.placed, key=lambda p: (p.tier != "hbm", p.address)):
        cells = (placed.symbol.name, placed.tier, f"{placed.address:#x}", size_text(placed.size), _needed(placed))
        made.add_row(*map(Text, (*cells, size_text(placed.symbol.moved), placed.why)))
    parts: list[Any] = [made]
    for name, footprint in plan.footprints.items():
        text = (
            f"each expert of `{name}`: {size_text(footprint.size)}, of which {size_text(footprint.mutable)} are written"
        )
        parts.append(Text(text))
    for region in plan.regions.values():
        most = max((f.size for f in plan.footprints.values()), default=0)
        count = f", which is {region.size // most:,} of the largest" if most else ""
        parts.append(Text(f"{region.tier} from {region.address:#x} on caches experts: {size_text(region.size)}{count}"))
    stored = ", ".join(f"{size_text(size)} of experts in {tier}" for tier, size in plan.stored.items())
    return parts + ([Text(stored)] if stored else [])


def _needed(placed: Placed) -> str:
    """From which step to which."""
    first = "start" if placed.symbol.first == BEFORE else f"step {placed.symbol.first}"
    return f"{first} to step {placed.symbol.last}"
