"""Checks an order as it is written: each digit once, and no more lanes than a token has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, size
from rdflow.dsl.orders import Order
from rdflow.dsl.program import LANES
from rdflow.dsl.source import Span

if TYPE_CHECKING:
    from rdflow.dsl.scope import Scope

Part = tuple[syntax.Place, Order]
"""A place of an order, and what it stands for: its digits in time, in copies, on sockets and on lanes."""


def well_formed(scope: Scope, order: Order, parts: Sequence[Part], span: Span, tile: int | None) -> None:
    """Refuse an order with a digit in two of its places, or with too many lanes."""
    _once(scope, order, parts, tile)
    lanes = size(order.lanes)
    if lanes > LANES:
        raise scope.report.fail(
            "RDF023",
            f"a token has at most {LANES} lanes",
            [(span, f"{lanes} lanes here")],
            notes=["a unit is 32 lanes wide"],
            help=f"put {LANES} on the lanes and the rest in time: `as {scope.show(_narrowed(order), tile)}`",
        )


def _once(scope: Scope, order: Order, parts: Sequence[Part], tile: int | None) -> None:
    """Each digit is in one place: the second one is where it is told, with what both stand for."""
    seen: dict[Digit, Part] = {}
    for part in parts:
        first = next((seen[d] for d in part[1].digits if d in seen), None)
        seen.update(dict.fromkeys(part[1].digits, part))
        if first is None:
            continue
        name = scope.terms(d for d in part[1].digits if d in first[1].digits)
        raise scope.report.fail(
            "RDF022",
            f"`{name}` stands twice in this order",
            [
                (part[0].span, _meaning(scope, part, name, "again")),
                (first[0].span, _meaning(scope, first, name, "here")),
            ],
            notes=["a digit is a counter, the number of a copy, or a position in the packet: one of these"],
            help=_cure(scope, order, tile),
        )


def _meaning(scope: Scope, part: Part, name: str, where: str) -> str:
    """What a place stands for, digit by digit, where that is more than the digits by this name."""
    order = part[1]
    if scope.terms(order.digits) == name:
        return f"`{name}` {where}"
    marks = ((order.time + order.lanes, ""), (order.copies, " @"), (order.sockets, " @socket"))
    inside = ", ".join(scope.terms([d]) + mark for digits, mark in marks for d in digits)
    return f"this is `{inside}`: `{name}` {where}"


def _cure(scope: Scope, order: Order, tile: int | None) -> str:
    """The order with each digit left where it can do most: in copies, else on the lanes, else in time."""
    inner = {*order.space, *order.lanes}
    once = replace(order, time=tuple(d for d in dict.fromkeys(order.time) if d not in inner))
    once = replace(once, lanes=tuple(d for d in dict.fromkeys(order.lanes) if d not in order.space))
    left = tile and len({d for d in order.time[:tile] if d not in inner})
    return f"leave one out: `as {scope.show(once, left)}`"


def _narrowed(order: Order) -> Order:
    """An order with what is too much for the lanes innermost in time."""
    inner: list[Digit] = []
    outer: list[Digit] = []
    room = LANES
    for digit in reversed(order.lanes):
        fits = next(n for n in range(min(room, digit.extent), 0, -1) if digit.extent % n == 0)
        fits = fits if fits == digit.extent or not outer else 1
        if fits > 1:
            inner.insert(0, Digit(digit.root, digit.stride, fits))
        if fits < digit.extent:
            outer.insert(0, Digit(digit.root, digit.stride * fits, digit.extent // fits))
        room //= fits
    return replace(order, time=order.time + tuple(outer), lanes=tuple(inner))
