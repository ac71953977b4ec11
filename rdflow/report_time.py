"""The parts of a report that say what happens when: the schedule, launches, what units do."""

from __future__ import annotations

from collections.abc import Iterator

from rdflow import charts
from rdflow.api import Program
from rdflow.charts import history, launches
from rdflow.interpreter.figures import Profile
from rdflow.interpreter.states import STATES
from rdflow.interpreter.timeline import Timeline
from rdflow.page import Cell, card, prose, table, tag
from rdflow.show import percent, time_text

DRAWN = 4000  # entries of a schedule
ESTIMATED = "No launch of it was simulated whole, so there is nothing to draw of its units."


def key(profile: Profile) -> str:
    """What the colours and hatchings mean; the states that occur."""
    means = {
        "busy": "it fires",
        "starved": "waits for a token of another unit",
        "blocked": "waits for room in a queue",
        "memory": "waits for a burst of a memory",
        "link": "waits for a link",
        "idle": "has made its last firing",
    }
    found = {s for kernel in profile.kernels for u in kernel.units for s in STATES if getattr(u, s)}
    items = (tag("li", tag("i", class_=s) + f"{s}: {means[s]}") for s in STATES if s in found)
    return tag("ul", "".join(items), class_="key")


def schedule(program: Program, profile: Profile) -> Iterator[str]:
    """Launches with their loads, copies and the host; the picture has so many entries as can be told apart."""
    table_, clock = profile.agenda.timetable, program.machine.socket.clock
    rows: list[list[Cell]] = []
    for part, cycles in table_.spent().items():
        share: Cell = (percent(cycles, table_.end), cycles / max(1, table_.end))
        rows.append([part, (f"{cycles:,}", cycles), (time_text(cycles / clock), cycles), share])
    shown = table_.entries[:DRAWN]
    yield card(charts.schedule(shown, max((e.end for e in shown), default=1), clock))
    if len(shown) < len(table_.entries):
        yield tag("p", f"The first {DRAWN:,} of {len(table_.entries):,} entries are drawn.", class_="note")
    yield card(table(f"{time_text(table_.end / clock)} in all", ("<part", "cycles", "time", "of all"), rows))
    executed = "simulated, or estimated where they are pale" if profile.modelled else "simulated"
    yield tag("p", f"Executed cycles are {executed}; program and argument loads and what the host takes are fits and "
              "assumptions of the machine file.", class_="note")  # fmt: skip


def over_time(profile: Profile, timeline: Timeline) -> Iterator[str]:
    if len(timeline.stretches) > 1:
        yield tag("h3", "Launches") + card(launches(timeline))
    yield key(profile)
    for kernel in profile.kernels:
        own = [stretch for stretch in timeline.stretches if stretch.name == kernel.name]
        simulated = next((stretch for stretch in own if not stretch.modelled), None)
        which = f", the first of {kernel.launches} launches" if kernel.launches > 1 else ""
        if simulated is not None:
            yield tag("h3", prose(f"`{kernel.name}`{which}")) + card(history(simulated, timeline.tiers, timeline.clock))
        elif own:
            yield tag("h3", prose(f"`{kernel.name}`")) + tag("p", ESTIMATED, class_="note")
    yield tag("p", "Each row is filled from below by the share of its copies' cycles in each state, slice by slice of "
              "time; what stays empty is idle.", class_="note")  # fmt: skip
