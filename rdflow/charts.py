"""The pictures of a report as SVG: the roofline, and what units, queues and memories do over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.records import dataclass
from rdflow.interpreter.states import STATES
from rdflow.interpreter.timeline import Stretch, Timeline
from rdflow.interpreter.timetable import RESOURCES, Entry
from rdflow.show import scaled, time_text
from rdflow.svg import element, group

WIDTH = 1100.0
NAMES = 190.0  # of the column with the names of a timeline's rows
ROW, GAP = 17.0, 4.0
ROUND = 0.05  # of a row's height: smaller steps of a state are not drawn


def framed(content: Sequence[str], height: float, label: str) -> str:
    box = f"0 0 {WIDTH:g} {height:g}"
    return element(
        "svg", "\n".join(content), viewBox=box, width=int(WIDTH), height=ceil(height), role="img", aria_label=label
    )


def label(x: float, y: float, content: str, **attributes: object) -> str:
    """Text in the colours of the page."""
    from html import escape

    return element("text", escape(content, quote=False), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


# -- roofline ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Roof:
    """A memory: its name and bytes a second at peak."""

    name: str
    bandwidth: float


@dataclass(frozen=True)
class Mark:
    """A kernel seen from one memory: FLOP per byte of it, FLOP a second, and how many PCUs are in use."""

    kernel: str
    tier: str
    intensity: float
    rate: float
    pcus: int


class Log:
    """A logarithmic axis of whole decades, from the lowest to the highest value, over pixels."""

    def __init__(self, values: Iterable[float], low: float, high: float):
        known = [v for v in values if v > 0]
        self.first, self.last = floor(log10(min(known))), max(ceil(log10(max(known))), floor(log10(min(known))) + 1)
        self.low, self.high = low, high

    def at(self, value: float) -> float:
        return self.low + (log10(value) - self.first) / (self.last - self.first) * (self.high - self.low)

    @property
    def ends(self) -> tuple[float, float]:
        return 10.0**self.first, 10.0**self.last

    @property
    def decades(self) -> list[float]:
        return [10.0**n for n in range(self.first, self.last + 1)]


def roofline(peak: float, each: float, roofs: Sequence[Roof], marks: Sequence[Mark]) -> str:
    """FLOP a second against FLOP per byte, both logarithmic: the roofs of the socket with their ridges, the roof of the
    PCUs in use (`each` FLOP a second), and a mark for each kernel and memory that it uses."""
    ridges = [peak / roof.bandwidth for roof in roofs]
    x = Log([*ridges, *(m.intensity for m in marks)], 70.0, WIDTH - 30)
    y = Log([peak, *(m.rate for m in marks), *(m.pcus * each for m in marks if m.pcus)], 430.0, 24.0)
    parts = [*_decades(x, y)]
    for roof, ridge in zip(roofs, ridges, strict=True):
        parts += _roof(roof, ridge, peak, x, y)
    parts += _in_use(peak, each, marks, x, y)
    parts += [_mark(mark, x, y, at) for mark, at in zip(marks, _spread(marks, x, y), strict=True)]
    return framed(parts, 478, "roofline: FLOP a second against FLOP per byte, with the roofs of compute and memories")


def _decades(x: Log, y: Log) -> Iterable[str]:
    for value in x.decades:
        yield line(x.at(value), y.low, x.at(value), y.high, "grid")
        yield label(x.at(value), y.low + 18, f"{value:g}", text_anchor="middle", class_="soft")
    for value in y.decades:
        yield line(x.low, y.at(value), x.high, y.at(value), "grid")
        yield label(x.low - 8, y.at(value) + 4, scaled(value, ""), text_anchor="end", class_="soft")
    yield label((x.low + x.high) / 2, y.low + 40, "FLOP per byte of the memory", text_anchor="middle", class_="soft")
    yield label(x.low - 62, y.high - 10, "FLOP/s", class_="soft")


def _roof(roof: Roof, ridge: float, peak: float, x: Log, y: Log) -> list[str]:
    """The slope of a memory up to its ridge, and the level of compute from there."""
    start = max(x.ends[0], y.ends[0] / roof.bandwidth)
    slope = [(x.at(start), y.at(start * roof.bandwidth)), (x.at(ridge), y.at(peak)), (x.high, y.at(peak))]
    drawn = element("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in slope), class_="roof")
    down = line(x.at(ridge), y.at(peak), x.at(ridge), y.low, "ridge")
    named = f"{roof.name.upper()} {scaled(roof.bandwidth, 'B/s')}, ridge at {ridge:,.0f}"
    turned = {"transform": f"translate({x.at(ridge) + 6:.1f} {y.at(peak) + 10:.1f}) rotate(90)"}
    return [down, drawn, label(0, 0, named, class_="soft", **turned)]


def _in_use(peak: float, each: float, marks: Sequence[Mark], x: Log, y: Log) -> list[str]:
    """The level of the socket, and those of the PCUs that kernels use."""
    found = [label(x.high, y.at(peak) - 7, f"peak {scaled(peak, 'FLOP/s')}", text_anchor="end")]
    for pcus in sorted({m.pcus for m in marks if m.pcus}):
        at = y.at(pcus * each)
        found.append(line(x.low, at, x.high, at, "used"))
        found.append(
            label(x.high, at - 5, f"{pcus} PCUs: {scaled(pcus * each, 'FLOP/s')}", text_anchor="end", class_="soft")
        )
    return found


def _spread(marks: Sequence[Mark], x: Log, y: Log) -> list[float]:
    """Heights of the marks' names, so that those of neighbours do not meet."""
    placed: list[tuple[float, float]] = []
    for mark in marks:
        across, down = x.at(mark.intensity), y.at(mark.rate) + 4
        while any(abs(across - a) < 130 and abs(down - d) < 13 for a, d in placed):
            down += 13
        placed.append((across, down))
    return [down for _, down in placed]


def _mark(mark: Mark, x: Log, y: Log, height: float) -> str:
    told = f"{mark.kernel}: {scaled(mark.rate, 'FLOP/s')} at {mark.intensity:.4g} FLOP per byte of {mark.tier.upper()}"
    at = x.at(mark.intensity), y.at(mark.rate)
    point = element("circle", element("title", told), cx=at[0], cy=at[1], r=6.5, class_=f"point {mark.tier}")
    left = at[0] > 0.8 * WIDTH
    named = f"{mark.kernel} ({mark.tier.upper()})"
    return group([point, label(at[0] + (-11 if left else 11), height, named, text_anchor="end" if left else None)])


# -- time --------------------------------------------------------------------------------------------------------------


def launches(timeline: Timeline) -> str:
    """Which kernel runs when."""
    scale = WIDTH / timeline.cycles
    parts = []
    for stretch in timeline.stretches:
        start, end = float(stretch.edges[0]) * scale, float(stretch.edges[-1]) * scale
        told = f"{stretch.told}: cycles {stretch.edges[0]:,} to {stretch.edges[-1]:,}"
        look = "launch estimated" if stretch.modelled else "launch"
        box = {"x": start, "y": 2, "width": end - start, "height": 22, "rx": 3}
        parts.append(element("rect", element("title", told), class_=look, **box))
        if end - start > 7.5 * len(stretch.name):
            parts.append(
                label(
                    (start + end) / 2, 17, stretch.name, text_anchor="middle", style="fill: var(--card); stroke: none"
                )
            )
    return framed([*parts, *_ticks(0, timeline.cycles, 0.0, 24.0, timeline.clock)], 62, "launches over time")


SHADES = {"execute": "launch", "copy": "copy", "write back": "copy"}


def schedule(entries: Sequence[Entry], cycles: int, clock: int) -> str:
    """What the chip, the copy path and the host do when, a row for each."""
    scale = (WIDTH - NAMES) / max(1, cycles)
    parts = [_row(name, number * (ROW + GAP)) for number, name in enumerate(RESOURCES)]
    for entry in entries:
        y = RESOURCES.index(entry.resource) * (ROW + GAP)
        told = f"{entry.what}: {entry.told}, cycles {entry.start:,} to {entry.end:,}"
        width = max(0.3, (entry.end - entry.start) * scale)
        look = SHADES.get(entry.part, "load") + " estimated" * entry.modelled
        box = {"x": round(NAMES + entry.start * scale, 2), "y": y, "width": round(width, 2), "height": ROW}
        parts.append(element("rect", element("title", told), class_=look, **box))
    low = len(RESOURCES) * (ROW + GAP)
    return framed([*parts, *_ticks(0, cycles, NAMES, low, clock)], low + 38, "the schedule over time")


def history(stretch: Stretch, tiers: Sequence[str], clock: int) -> str:
    """One launch: a row for each tier that it uses, with its bandwidth, and one for each unit, with its states."""
    x = NAMES + (stretch.edges - stretch.edges[0]) / max(1, stretch.edges[-1] - stretch.edges[0]) * (WIDTH - NAMES)
    parts, y = [], 6.0
    for tier, name in enumerate(tiers):
        rate = stretch.moved[:, tier].sum(axis=1) / np.diff(stretch.edges) * clock
        if rate.any():
            parts.append(_rates(name, x, rate, y))
            y += ROW + GAP
    for number, lane in enumerate(stretch.lanes):
        parts.append(_row(f"{lane.name}{f' x {lane.copies}' if lane.copies > 1 else ''}", y))
        parts += _states(x, stretch.spent[:, number], y)
        y += ROW + GAP
    parts += _ticks(int(stretch.edges[0]), int(stretch.edges[-1]), NAMES, y, clock)
    return framed(parts, y + 38, f"states of the units of {stretch.name} over time")


def _row(name: str, y: float) -> str:
    shown = name if len(name) < 27 else name[:25] + ".."
    lane = element("rect", x=NAMES, y=y, width=WIDTH - NAMES, height=ROW, rx=2, class_="lane")
    return lane + label(NAMES - 8, y + ROW - 4.5, shown, text_anchor="end")


def _rates(name: str, x: NDArray[np.float64], rate: NDArray[np.float64], y: float) -> str:
    """A tier's bandwidth, from none to the most of this launch."""
    most = float(rate.max())
    area = steps(x, np.zeros_like(rate), rate / most, y)
    return _row(f"{name.upper()}, to {scaled(most, 'B/s')}", y) + element("path", d=area, class_="rate")


def _states(x: NDArray[np.float64], spent: NDArray[np.int64], y: float) -> list[str]:
    """The states of a unit, one on top of the other, idle left out."""
    shares = spent / np.maximum(1, spent.sum(axis=1, keepdims=True))
    tops = np.cumsum(shares, axis=1)
    found = []
    for number, state in enumerate(STATES[:-1]):
        if shares[:, number].any():
            area = steps(x, tops[:, number] - shares[:, number], tops[:, number], y)
            found.append(element("path", element("title", state), d=area, class_=f"s-{state}"))
    return found


def steps(x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], y: float) -> str:
    """The area between two step functions from 0 to 1, over a row; runs of the same height are one step, empty ones none."""
    heights = np.rint(np.stack([low, high], axis=1) / ROUND) * ROUND
    cuts = [0, *(np.flatnonzero((np.diff(heights, axis=0) != 0).any(axis=1)) + 1).tolist(), len(heights)]
    boxes = []
    for first, last in pairwise(cuts):
        bottom, top = heights[first]
        if top > bottom:
            at, end = y + ROW * (1 - top), y + ROW * (1 - bottom)
            boxes.append(f"M{x[first]:.1f} {at:.1f}H{x[last]:.1f}V{end:.1f}H{x[first]:.1f}Z")
    return "".join(boxes)


def _ticks(start: int, end: int, left: float, y: float, clock: int) -> list[str]:
    """Round numbers of cycles, with the time that they take."""
    step = 10 ** floor(log10(max(1, end - start)))
    while (end - start) / step < 5 and step > 1:
        step = max(1, step // 2 if str(step)[0] != "5" else step * 2 // 5)
    found = []
    for cycle in range(-(-start // step) * step, end + 1, step):
        at = left + (cycle - start) / max(1, end - start) * (WIDTH - left)
        anchor = "end" if at > WIDTH - 40 else "start" if at < left + 20 else "middle"
        found.append(line(at, y, at, y + 5, "grid"))
        found.append(label(at, y + 18, f"{cycle:,}", text_anchor=anchor, class_="soft"))
        found.append(label(at, y + 32, time_text(cycle / clock) if cycle else "0", text_anchor=anchor, class_="soft"))
    return found
