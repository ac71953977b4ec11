"""A timeline as a Perfetto trace: a track for the launches, one for each unit; counters for queues and memory tiers.
A launch that was estimated is on the track of the launches, and says so: nothing is known of its units.

A nanosecond of the trace is a cycle: cycles are whole, nanoseconds of them are not. Within a slice of the timeline the
counters do not say in which order a unit was in its states, so they are drawn in a fixed one, each as long as it lasted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rdflow.interpreter.states import STATES
from rdflow.interpreter.timeline import Lane, Stretch, Timeline
from rdflow.interpreter.timetable import RESOURCES, Entry
from rdflow.perfetto import Trace

Part = tuple[int, int, str]  # from a cycle to a cycle, and the state


def trace(timeline: Timeline, program: str, machine: str, schedule: Sequence[Entry] = ()) -> bytes:
    """The trace as the bytes of a .pftrace file. `schedule`: a process of its own, on the clock of the whole schedule."""
    made = Trace()
    clock = f"{timeline.clock / 1e9:g} GHz"
    root = made.process(f"{program} on {machine} (1 ns is 1 cycle at {clock})")
    launches = made.track("launches", root)
    tiers = _tier_tracks(made, timeline, root)
    tracks: dict[str, list[int]] = {}
    for stretch in timeline.stretches:
        made.slice(launches, int(stretch.edges[0]), int(stretch.edges[-1]), stretch.told)
        if stretch.modelled:
            continue
        if stretch.name not in tracks:
            tracks[stretch.name] = _kernel_tracks(made, stretch, root)
        _states(made, stretch, tracks[stretch.name])
        _fills(made, stretch, tracks[stretch.name][len(stretch.lanes) :])
        _bandwidths(made, stretch, tiers, timeline.clock)
    _schedule(made, schedule, program)
    return made.bytes()


def _schedule(made: Trace, entries: Sequence[Entry], program: str) -> None:
    """What the chip, the copy path and the host do, loads and copies included."""
    if not entries:
        return
    root = made.process(f"schedule of {program}, with loads, copies and the host")
    tracks = {name: made.track(name, root) for name in RESOURCES}
    for entry in sorted(entries, key=lambda e: e.start):
        made.slice(tracks[entry.resource], entry.start, entry.end, f"{entry.what}: {entry.told}")


def _tier_tracks(made: Trace, timeline: Timeline, root: int) -> dict[tuple[int, int], int]:
    """A counter for each tier and direction that is used."""
    group = made.track("memory", root)
    moved = sum((s.moved.sum(axis=0) for s in timeline.stretches), np.zeros((len(timeline.tiers), 2), dtype=np.int64))
    ways = ("read", "written")
    return {
        (tier, way): made.track(f"{timeline.tiers[tier]} {ways[way]}", group, "GB/s")
        for tier, way in np.ndindex(*moved.shape)
        if moved[tier, way]
    }


def _kernel_tracks(made: Trace, stretch: Stretch, root: int) -> list[int]:
    """A track for each unit of a kernel, then one for each of its streams."""
    kernel = made.track(stretch.name, root)
    units = [made.track(_label(lane), kernel) for lane in stretch.lanes]
    queues = made.track("queues", kernel)
    return units + [made.track(f"{s.name} to {s.sink} (room {s.room})", queues, "tokens") for s in stretch.streams]


def _label(lane: Lane) -> str:
    return f"{lane.name} ({lane.kind}{f' x {lane.copies}' if lane.copies > 1 else ''})"


def _states(made: Trace, stretch: Stretch, tracks: list[int]) -> None:
    for number, (lane, track) in enumerate(zip(stretch.lanes, tracks, strict=False)):
        for start, end, state in parts(stretch, number):
            made.slice(track, start, end, state, {"copies": lane.copies} if lane.copies > 1 else None)


def parts(stretch: Stretch, lane: int) -> list[Part]:
    """What a unit did, part by part: in each slice a part for each state, as long as it lasted for a copy on average."""
    found: list[Part] = []
    copies = max(1, stretch.lanes[lane].copies)
    for start, spent in zip(stretch.edges, stretch.spent[:, lane], strict=False):
        ends = int(start) + np.rint(spent.cumsum() / copies).astype(int)
        begin = int(start)
        for state, end in zip(STATES, ends.tolist(), strict=True):
            if end > begin:
                _add(found, (begin, end, state))
            begin = end
    return found


def _add(found: list[Part], part: Part) -> None:
    """A part that goes on with the state of the last one makes that longer."""
    if found and found[-1][1:] == (part[0], part[2]):
        found[-1] = (found[-1][0], *part[1:])
    else:
        found.append(part)


def _fills(made: Trace, stretch: Stretch, tracks: list[int]) -> None:
    """Tokens in the queues at the end of each slice, empty at the start."""
    for column, track in enumerate(tracks):
        made.counter(track, int(stretch.edges[0]), 0)
        for at, fill in zip(stretch.edges[1:], stretch.fills[:, column], strict=True):
            made.counter(track, int(at), float(fill))


def _bandwidths(made: Trace, stretch: Stretch, tracks: dict[tuple[int, int], int], clock: int) -> None:
    """GB/s over each slice, and none after the launch."""
    seconds = np.diff(stretch.edges) / clock
    for (tier, way), track in tracks.items():
        for at, rate in zip(stretch.edges, stretch.moved[:, tier, way] / seconds / 1e9, strict=False):
            made.counter(track, int(at), float(rate))
        made.counter(track, int(stretch.edges[-1]), 0)
