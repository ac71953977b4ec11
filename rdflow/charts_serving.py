"""Curves over time as SVG, a colour and a dash for each, named beside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from rdflow.charts import WIDTH, framed, label, line
from rdflow.dsl.records import dataclass
from rdflow.interpreter.allocate import size_text
from rdflow.show import time_text
from rdflow.svg import element

LOOKS = (("busy", ""), ("starved", "7 3"), ("blocked", "3 3"), ("memory", "9 3 2 3"), ("link", "1 3"))
HIGH, LOW, LEFT, RIGHT = 16.0, 250.0, 84.0, 120.0  # of the frame, in pixels; RIGHT: for names
FINE = 0.4  # pixels: points nearer to the last one that is drawn are left out, but for the ends

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """A name, and points in the order of time (seconds). `steps`: a value holds until the next one."""

    name: str
    points: Points
    steps: bool = False


def chart(name: str, curves: Sequence[Curve], unit: str) -> str:
    """Curves in one frame. `unit`: of the values, `share`, `count` or `bytes`."""
    end = max(x for curve in curves for x, _ in curve.points) or 1.0
    most = 1.0 if unit == "share" else max(y for curve in curves for _, y in curve.points) or 1.0
    across, up = (WIDTH - LEFT - RIGHT) / end, (LOW - HIGH) / most
    parts = [*_grid(end, across, most, up, unit)]
    for number, curve in enumerate(curves):
        placed = [(LEFT + x * across, LOW - y * up) for x, y in curve.points]
        parts.append(_drawn(curve, placed, number))
        parts += _named(curve.name, number)
    return framed(parts, LOW + 34, f"{name}: {', '.join(curve.name for curve in curves)}")


def _drawn(curve: Curve, placed: Points, number: int) -> str:
    colour, dashes = LOOKS[number % len(LOOKS)]
    style = f"fill: none; stroke: var(--{colour}); stroke-width: 2; stroke-dasharray: {dashes or 'none'}"
    return element("path", element("title", curve.name), d=_path(thinned(placed), curve.steps), style=style)


def _path(placed: Points, steps: bool) -> str:
    (x, y), *rest = placed
    drawn = [f"M{x:.1f} {y:.1f}"]
    drawn += [f"H{a:.1f}V{b:.1f}" if steps else f"L{a:.1f} {b:.1f}" for a, b in rest]
    return "".join(drawn)


def thinned(placed: Points) -> Points:
    """Points without those that nobody sees."""
    found = [placed[0]]
    for point in placed[1:-1]:
        if max(abs(point[0] - found[-1][0]), abs(point[1] - found[-1][1])) >= FINE:
            found.append(point)
    return [*found, *placed[-1:]] if len(placed) > 1 else found


def _named(name: str, number: int) -> list[str]:
    colour, dashes = LOOKS[number % len(LOOKS)]
    x, y = WIDTH - RIGHT + 14, HIGH + 12 + 20 * number
    style = f"stroke: var(--{colour}); stroke-width: 2; stroke-dasharray: {dashes or 'none'}"
    return [element("line", x1=x, y1=y - 4, x2=x + 26, y2=y - 4, style=style), label(x + 32, y, name)]


def _grid(end: float, across: float, most: float, up: float, unit: str) -> list[str]:
    found = []
    for value in ticks(most):
        y = LOW - value * up
        found += [
            line(LEFT, y, WIDTH - RIGHT, y, "grid"),
            label(LEFT - 8, y + 4, _value(value, unit), text_anchor="end", class_="soft"),
        ]
    for value in ticks(end):
        x = LEFT + value * across
        shown = time_text(value) if value else "0"
        found += [line(x, LOW, x, LOW + 5, "grid"), label(x, LOW + 20, shown, text_anchor="middle", class_="soft")]
    return found


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to at most this one, some five of them."""
    step = 10.0 ** floor(log10(most))
    step = next(s for s in (step / 5, step / 2, step, step * 2) if most / s <= 6)
    return [number * step for number in range(int(most / step + 1e-9) + 1)]


def _value(value: float, unit: str) -> str:
    match unit:
        case "share":
            return f"{value:.0%}"
        case "bytes":
            return size_text(round(value))
    return f"{value:,.4g}"
