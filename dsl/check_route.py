"""Checks splits and merges: which digits a selector routes, in which order, and what counts them (A8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.bounds import follows
from rdflow.dsl.check_hold import bounded, inside
from rdflow.dsl.check_load import annotated
from rdflow.dsl.checked import Route, Stream
from rdflow.dsl.orders import Bound, Order, Scalar
from rdflow.dsl.program import LANES
from rdflow.dsl.report import Abandon
from rdflow.dsl.scope import Scope
from rdflow.dsl.selectors import Routed, alike, on_lanes, rest_of, split_of, undone
from rdflow.dsl.source import Span
from rdflow.dsl.views import stream_view

Label = tuple[Span, str]


def check_route(scope: Scope, unit: syntax.Unit, body: syntax.Split | syntax.Merge) -> Route:
    """A `split` or a `merge`: (e, n) is the n-th token of the tile whose selector is e."""
    line = _Line(scope, unit, body)
    return line.merge() if isinstance(body, syntax.Merge) else line.split()


class _Line:
    """A split or a merge while it is checked."""

    def __init__(self, scope: Scope, unit: syntax.Unit, body: syntax.Split | syntax.Merge):
        self.scope, self.unit, self.body = scope, unit, body
        self.seen = stream_view(scope, body.source, moves_allowed=False)
        self.selector = scope.stream(body.selector.text, body.selector.span)
        element, order, tile = annotated(scope, unit)
        if order is None:
            raise self.fail(
                "a split or a merge needs its order",
                [(unit.span, "no `as` here")],
                "which digits are the expert and the place within it is read from the order",
                "`as [tile; e, n, .. | ..]`",
            )
        if element is not None and element != self.seen.stream.dtype:
            given = self.seen.stream
            labels = [(unit.span, f"held as {element}"), (given.span, f"`{given.name}` is {given.dtype}")]
            notes = ["a scratchpad keeps bits; a pcu rounds where a value leaves it"]
            help = f"leave `{element}` out here; a pcu converts"
            raise scope.report.fail("RDF032", f"{given.dtype} is not converted to {element}", labels, notes, help)
        self.order = order
        self.tile = tile if tile is not None else self._common()
        self.outside = order.time[: self.tile]
        self._selector()

    def fail(self, message: str, labels: list[Label], note: str, help: str) -> Abandon:
        return self.scope.report.fail("RDF035", message, labels, notes=[note], help=help)

    def typed(self, stream: Stream) -> Label:
        return stream.span, f"`{stream.name}` is {self.scope.show(stream.order)}"

    def _common(self) -> int:
        """The loops outside of a tile where no `;` says: those that the selector has too."""
        pairs = zip(self.order.time, without(self.selector.order.time, self.order.space), strict=False)
        return next(
            (i for i, (a, b) in enumerate(pairs) if a != b), min(len(self.order.time), len(self.selector.order.time))
        )

    # -- the selector --------------------------------------------------------------------------------------------------

    def _selector(self) -> None:
        """A selector is a whole number a token, one by one, in the loops outside of the tile and those that it routes."""
        order, text = self.selector.order, self.body.selector.text
        routed = self.order if isinstance(self.body, syntax.Split) else self.seen.order
        self.choice = without(order.digits, routed.digits)
        tokens = self.seen.order if isinstance(self.body, syntax.Split) else self.order
        loops = tuple(d for d in tokens.digits if d in self.choice)
        time = (*self.outside, *loops, *without(self.choice, loops))
        flat = Order(time, tuple(d for d in order.copies if d in self.order.copies))
        held = f"bring it there: `{self.scope.unused(text + 'b')} = pmu {text} as {self.scope.show(flat, self.tile)}`"
        if self.selector.dtype not in ("int32", "int8"):
            raise self.fail(
                f"`{text}` is no stream of whole numbers",
                [(self.body.selector.span, "a selector here"), (self.selector.span, f"{self.selector.dtype} here")],
                "the selector is the number of an expert",
                f"convert it: `{self.scope.unused(text + 'b')} = pcu int({text})`",
            )
        space = without(self.order.space, self.choice)  # a merge may have copies along what is routed
        if order.lanes or without(order.time, space) != (*self.outside, *self.choice):
            outside = self.scope.terms(self.outside)
            raise self.fail(
                f"`{text}` does not come token by token"
                if order.lanes
                else f"`{text}` comes in another order than the tokens",
                [(self.body.selector.span, "a selector here"), self.typed(self.selector)],
                "one token at a time is counted, "
                + (
                    f"in the loops outside of the tile (`{outside}`) and then those that are routed"
                    if outside
                    else "tile by tile"
                ),
                held,
            )

    def counted(self, root: str, expert: tuple[Digit, ...]) -> Order:
        """The order of the counts of a split."""
        given = self.selector.order
        time = (*self.outside, *(d for d in self.order.time[self.tile :] if d in expert))
        copies = tuple(d for d in self.order.copies if d in expert or d in given.copies)
        sockets = tuple(d for d in self.order.sockets if d in expert or d in given.sockets)
        roots = {d.root for d in (*time, *copies, *sockets)}
        return Order(time, copies, sockets, (), tuple((r, b) for r, b in given.bounds if r in roots))

    # -- the two ways --------------------------------------------------------------------------------------------------

    def split(self) -> Route:
        scope, unit, seen = self.scope, self.unit, self.seen
        routed = self._routed(self._named(), self.order, seen.order)
        self._arrives()
        wanted = (*self.outside, *(d for d in self.order.time[self.tile :] if d in routed.expert))
        if self.order.time[: len(wanted)] != wanted or set(self.order.lanes) & set(routed.expert):
            raise self.fail(
                f"`{scope.terms(set(routed.expert))}` is not the first loop of the tile",
                [(unit.span, f"this travels as {scope.show(self.order, self.tile)}")],
                "how many tokens an expert has is known once for each expert: its loop is outside of all others of the tile",
                f"write `as [{scope.terms(self.outside)}; {scope.terms(set(routed.expert))}, ..]`, or copies along it",
            )
        if self.order.bound(routed.root) is not None:
            raise self.fail(
                f"`{routed.root}` has a bound of its own here",
                [(unit.span, "a bound here")],
                "it runs as far as an expert has tokens",
                f"leave the bound of `{routed.root}` out",
            )
        names = [n.text for n in unit.names]
        counts = Stream(
            scope.full(names[1] if len(names) > 1 else names[0] + ".count"),
            "int32",
            self.counted(routed.root, routed.expert),
            unit.names[-1].span,
        )
        known = scope.counts.get(routed.root)
        shared = len(names) == 1 and known is not None and alike(scope, known, counts, self.selector)
        scalar = known if known is not None and shared else Scalar(counts.name, counts.order.time, counts.order.space)
        scope.counts[routed.root] = scalar
        order = replace(bounded(self.order, seen.order), bounds=self._bounds(seen.order, self.order))
        order = replace(order, bounds=(*order.bounds, (routed.root, scalar)))
        inside(scope, unit, rest_of(seen, self.choice), order, f"`{seen.stream.name}`")
        return self._route(order, routed, None if shared else counts)

    def merge(self) -> Route:
        scope, unit, seen = self.scope, self.unit, self.seen
        own = without(seen.order.digits, self.order.digits)
        roots = {d.root for d in own if d.root not in scope.ragged}
        routed = self._routed(next(iter(roots)) if len(roots) == 1 else None, seen.order, self.order)
        missing = without(self.choice, (*self.order.time, *self.order.space))
        if missing:
            raise self.fail(
                f"`{scope.terms(set(missing))}` is not a loop of what is merged",
                [(unit.span, f"this travels as {scope.show(self.order, self.tile)}"), self.typed(self.selector)],
                "a token is read where its selector says, one at a time",
                f"put `{scope.terms(set(missing))}` in time, and hold it again for other lanes",
            )
        first = without(seen.order.time, self.order.space)[: self.tile]
        if first != self.outside:
            raise self.fail(
                f"the loops outside of the tile are not the outer ones of `{seen.stream.name}`",
                [(unit.span, "tiled here"), self.typed(seen.stream)],
                "a tile is what arrives between two steps of the loops outside of it",
                "move the `;` to the front to merge all of it",
            )
        self._undoes(seen.order.bound(routed.root))
        inside(scope, unit, rest_of(seen, own), self.order, f"`{seen.stream.name}`")
        bounds = {**dict(self.selector.order.bounds), **dict(seen.order.bounds), **dict(self.order.bounds)}
        left = {d.root for d in self.order.digits}
        order = replace(self.order, bounds=tuple((r, b) for r, b in bounds.items() if r in left))
        return self._route(order, routed, None)

    def _undoes(self, bound: Bound | None) -> None:
        """What is merged was split by this selector, or by a stream that holds it; or it has all places."""
        split = split_of(self.scope, bound)
        if bound is None or split is not None and undone(self.scope, split, self.selector, self.choice):
            return
        labels = [(self.body.selector.span, f"merged by `{self.selector.name}`"), self.typed(self.selector)]
        if split is not None:
            labels += [(split.span, f"split by `{split.selector.name}`")]
        raise self.fail(
            f"`{self.seen.stream.name}` was not split by `{self.selector.name}` in this order",
            labels,
            "the n-th token of an expert is the same one only where the selectors are, one by one",
            f"merge by `{split.selector.name}`" if split is not None else "merge what was split",
        )

    def _route(self, order: Order, routed: Routed, counts: Stream | None) -> Route:
        scope, unit, seen = self.scope, self.unit, self.seen
        follows(scope, order, unit.span)
        explicit = unit.depth is not None
        depth = scope.whole(unit.depth, "a depth") if unit.depth is not None else (2 if self.tile else 1)
        stream = Stream(scope.full(unit.names[0].text), seen.stream.dtype, order, unit.names[0].span)
        source = Stream(seen.stream.name, seen.stream.dtype, seen.order, seen.stream.span)
        merge = isinstance(self.body, syntax.Merge)
        sizes = (routed.experts, routed.places)
        return Route(
            *(stream, source, self.selector, counts, merge, routed.expert, routed.place, *sizes),
            *(self.choice, self.tile, depth, explicit, unit.span),
        )

    # -- digits --------------------------------------------------------------------------------------------------------

    def _named(self) -> str | None:
        """The axis that a split's order names before the places, or as copies of the tile: the expert."""
        annotation = self.unit.annotation
        assert annotation is not None and annotation.order is not None
        tokens, ragged = {d.root for d in self.seen.order.digits}, self.scope.ragged
        outer, inner = (self._roots(places) for places in (annotation.order.tile or (), annotation.order.rest))
        first = next((i for i, root in enumerate(inner) if root in ragged), len(inner))
        found = (root for root in (*inner[:first], *outer, *inner[first:]) if root not in tokens | ragged)
        return next((root for root in found if root not in {d.root for d in self.selector.order.digits}), None)

    def _roots(self, places: Sequence[syntax.Place]) -> list[str]:
        named = (place.term.axis for place in places if place.term.axis.text != syntax.OTHERS)
        return [self.scope.axis(name).root for name in named]

    def _routed(self, expert: str | None, routed: Order, tokens: Order) -> Routed:
        """The expert, which is a whole axis, and the ragged place within it."""
        scope, lengths = self.scope, self.scope.cuts.lengths
        place = tuple(d for d in routed.digits if d.root in scope.ragged and d not in tokens.digits)
        roots = {d.root for d in place} or {r for r in scope.ragged if lengths[r] == 1}
        own = () if expert is None else tuple(d for d in routed.digits if d.root == expert)
        single = expert is None and any(n == 1 for r, n in lengths.items() if r not in scope.ragged)
        if len(roots) != 1 or not (single or expert is not None and size(own) >= lengths[expert]):
            raise self.fail(
                "a routed order has an expert digit and a ragged place within it",
                [(self.unit.span, "here")],
                "(e, n) is the n-th token of the tile whose selector is e",
                "declare `axis n = T ragged` and write `[..; e, n, .. | ..]`",
            )
        (root,) = roots
        return Routed(own, place, 1 if expert is None else lengths[expert], lengths[root], root)

    def _arrives(self) -> None:
        """What is split comes in the loops outside of the tile, then those that are routed, then the rest of a token."""
        given = self.seen.order
        time = without(given.time, self.order.space)
        own = tuple(d for d in self.choice if d in time)
        spread = set(self.choice) & {*given.space, *given.lanes}
        first = (*self.outside, *own)
        self._inside(own)
        if spread or time[: len(first)] != first or own != self.choice[: len(own)]:
            arrives = tuple(d for d in self.choice if d in given.digits)
            rest = without(time, (*self.outside, *self.choice))
            held = on_lanes(Order((*self.outside, *arrives, *rest), (), (), without(given.lanes, self.choice)), rest)
            raise self.fail(
                f"`{self.seen.stream.name}` does not come token by token",
                [(self.body.source.span, "split here"), self.typed(self.seen.stream), self.typed(self.selector)],
                f"its loops are those of the selector, `{self.scope.terms((*self.outside, *self.choice))}`, then the rest of a token",
                f"hold it in that order: `{self.scope.unused(self.seen.stream.name + 'b')} = pmu "
                f"{self.scope.text(self.body.source.span)} as {self.scope.show(held, self.tile)}`",
            )
        again = without(self.choice, own)
        if size(again) > LANES:
            raise self.fail(
                f"each token of `{self.seen.stream.name}` is routed {size(again)} times",
                [self.typed(self.seen.stream), self.typed(self.selector)],
                f"the places of a token come in one packet, at most {LANES}",
                f"repeat it before, over `{self.scope.terms(again)}`, with a pmu",
            )

    def _inside(self, own: tuple[Digit, ...]) -> None:
        """What a token has not is routed inside of what it has."""
        if set(own) == set(self.choice[: len(own)]):
            return
        text = self.body.selector.text
        order = Order((*self.outside, *own, *without(self.choice, own)))
        raise self.fail(
            f"`{text}` comes in another order than the tokens",
            [(self.body.selector.span, "a selector here"), self.typed(self.selector), self.typed(self.seen.stream)],
            "a token comes once: all that it is routed to is known then",
            f"bring it there: `{self.scope.unused(text + 'b')} = pmu {text} as {self.scope.show(order, self.tile)}`",
        )

    def _bounds(self, given: Order, own: Order) -> tuple[tuple[str, Bound], ...]:
        """The bounds of what is left of a token; none of them may depend on which token it is."""
        for root, bound in given.bounds:
            if root not in {d.root for d in self.choice} and set(bound.digits) & set(self.choice):
                raise self.fail(
                    f"`{root}` of `{self.seen.stream.name}` ends elsewhere for each token",
                    [(self.unit.span, "routed here"), self.typed(self.seen.stream)],
                    "what an expert takes has one length, or one for each expert",
                    f"hold it without the bound of `{root}` and mask: `where({root} < .., x, 0)`",
                )
        return bounded(own, given).bounds
