"""Matches the order of a layer's parameter with that of its argument: axis variables become intervals of the caller's axes.

Axes that tensors or earlier arguments have bound stand for exactly their digits; an unbound one takes one run of digits
(a run is one interval), the inner places first, or has one value where nothing is left for it; `..` takes the loops that
no place asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl import syntax
from rdflow.dsl.axes import Axis, Digit, Interval, runs, size, without
from rdflow.dsl.checked import Stream
from rdflow.dsl.constants import whole
from rdflow.dsl.report import Abandon
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span


def match_order(scope: Scope, inner: Scope, formal: syntax.Order, text: str, stream: Stream, span: Span) -> None:
    """Bind the axis variables of a parameter's order (written as `text`) to the digits of the argument's, lanes first."""
    inner.copied = inner.copied | frozenset(stream.order.copies)
    match = _Match(scope, inner, formal, text, stream, span)
    chips = match.sockets()
    if chips and len(chips) == len([*match.places(), *formal.lanes]):
        return  # an order that names digits on the sockets alone takes any loops and lanes
    match.lanes()
    match.time()


class _Match:
    """One argument while it is matched."""

    def __init__(self, scope: Scope, inner: Scope, formal: syntax.Order, text: str, stream: Stream, span: Span):
        self.scope = scope
        self.text = text
        self.inner = inner
        self.formal = formal
        self.stream = stream
        self.span = span
        self.copies = stream.order.copies
        self.space = frozenset(stream.order.space)

    def lanes(self) -> None:
        left = list(self.refined(self.formal.lanes, self.stream.order.lanes))
        for place in self.formal.lanes:
            del left[: self.take(place.term, runs(left), left, from_end=False)]
        if left:
            raise self.mismatch()

    def sockets(self) -> list[syntax.Place]:
        """The places on the sockets, bound."""
        chips = [place for place in self.places() if place.at == "socket" and not self.single(place.term)]
        groups = runs(self.stream.order.sockets)
        if chips and len(groups) != len(chips):
            raise self.mismatch()
        self.inner.sharded |= frozenset() if chips else frozenset(self.stream.order.sockets)
        for place, run in zip(chips, groups, strict=False):
            self.bind(place.term, list(run))
        return chips

    def single(self, term: syntax.Term) -> bool:
        """Whether a bound axis has one value: it stands nowhere."""
        return term.axis.text in self.inner.axes and not self.inner.digits(term)

    def time(self) -> None:
        places = [place for place in self.places() if place.at != "socket"]
        left = list(self.refined(places, self.stream.order.time))
        names = [place.term.axis.text for place in places]
        others = names.index(syntax.OTHERS) if syntax.OTHERS in names else -1
        for place in places[: max(others, 0)]:
            del left[: self.take(place.term, runs(self.filled(left)), left, from_end=False)]
        for place in reversed(places[others + 1 :]):
            taken = self.take(place.term, runs(self.filled(left)), left, from_end=True)
            del left[len(left) - taken :]
        order, named = self.stream.order, {d for p in self.formal_terms() for d in self.inner.digits(p)}
        found = (tuple(left), without(order.copies, named), without(order.sockets, named))
        if others >= 0:
            self.rest(found)
        elif any(found):
            raise self.mismatch()

    def refined(self, places: Sequence[syntax.Place], digits: tuple[Digit, ...]) -> tuple[Digit, ...]:
        """The argument's digits, cut where the bound axes of these places are."""
        for place in places:
            self.expected(place.term)
        cuts = self.scope.cuts
        return tuple(r for d in digits for r in cuts.digits(Interval(d.root, d.stride, d.stride * d.extent)))

    def expected(self, term: syntax.Term) -> tuple[Digit, ...]:
        """The digits of a term whose axis is bound, those of copies and sockets aside."""
        if term.axis.text not in self.inner.axes:
            return ()
        return without(self.inner.digits(term), self.space)

    def take(self, term: syntax.Term, groups: list[tuple[Digit, ...]], left: list[Digit], from_end: bool) -> int:
        """How many digits a place takes from one end of those that are left (in runs: `groups`); its axis is bound after it."""
        if term.axis.text in self.inner.axes:
            own = self.expected(term)
            if tuple(left[len(left) - len(own) :] if from_end else left[: len(own)]) != own:
                raise self.mismatch()
            return len(own)
        bound = self.named()
        run = groups[-1 if from_end else 0] if groups else ()
        step = -1 if from_end else 1
        free: list[Digit] = []
        for digit in run[::step]:
            if digit in bound:
                break
            free.append(digit)
        self.bind(term, free[::step] or (self.on_sockets() if from_end else []))
        return len(without(free, self.space))

    def on_sockets(self) -> list[Digit]:
        """What a place without a loop may stand for: the one run of digits on the sockets that nothing else names."""
        named = self.named()
        others = any(place.term.axis.text == syntax.OTHERS for place in self.places())
        groups = [] if others else runs(without(self.stream.order.sockets, named))
        return list(groups[0]) if len(groups) == 1 else []

    def named(self) -> set[Digit]:
        """The digits of all places whose axes are bound, in copies and on sockets too."""
        return {d for t in self.formal_terms() if t.axis.text in self.inner.axes for d in self.inner.digits(t)}

    def formal_terms(self) -> list[syntax.Term]:
        """The terms of the parameter's order, but for `..`."""
        return [p.term for p in (*self.places(), *self.formal.lanes) if p.term.axis.text != syntax.OTHERS]

    def places(self) -> list[syntax.Place]:
        return [*(self.formal.tile or ()), *self.formal.rest]

    def filled(self, time: list[Digit]) -> list[Digit]:
        """Time digits with the copies of the same axis around them: a gap filled by copies does not part a run."""
        found: list[Digit] = []
        for digit in time:
            same = [d for d in self.copies if d.root == digit.root and d not in found]
            above, below = [digit], [digit]
            for copy in sorted(same, key=lambda d: d.stride):
                if copy.stride == above[-1].stride * above[-1].extent:
                    above.append(copy)
            for copy in sorted(same, key=lambda d: -d.stride):
                if copy.stride * copy.extent == below[-1].stride:
                    below.append(copy)
            found += [*reversed(above), *below[1:]]
        return found

    def bind(self, term: syntax.Term, digits: list[Digit]) -> None:
        """Give an unbound axis its interval: where the digits end, or the whole axis if only a part of it stands here."""
        scope, name = self.scope, term.axis.text
        if not digits:
            root, length = next(iter(scope.cuts.lengths.items()))
            self.inner.axes[name] = Axis(name, root, length, 1)
            return
        over = whole(term.over, self.inner.names, {}, scope.report, "a divisor") if term.over is not None else 1
        root, base = digits[-1].root, digits[-1].stride // over
        length = over * size(digits)
        if term.modulo is not None:
            length = self.whole_length(root, base)
        elif base * length >= scope.cuts.lengths[root]:
            length = -(-scope.cuts.lengths[root] // base)
        self.inner.axes[name] = Axis(name, root, base, length)

    def whole_length(self, root: str, base: int) -> int:
        """The length of the axis that starts at a stride: of a named axis of the root, else up to its end."""
        axes = [a for a in self.scope.axes.values() if a.root == root and a.stride == base]
        return max((a.length for a in axes), default=self.scope.cuts.lengths[root] // base)

    def rest(self, found: tuple[tuple[Digit, ...], ...]) -> None:
        """Bind `..`, once a layer: the loops, copies and sockets that no other place has."""
        if self.inner.others is None:
            self.inner.others = found
        elif self.inner.others != found:
            raise self.mismatch("`..` stands for the same loops in all parameters of a layer")

    def mismatch(self, note: str = "") -> Abandon:
        bound = [f"`{n}` is {a.root}" for n, a in self.inner.axes.items() if n != a.root and a.length > 1]
        return self.scope.report.fail(
            "RDF070",
            f"`{self.stream.name}` does not travel as this layer expects",
            [(self.span, f"{self.scope.show(self.stream.order)} is given"), (self.stream.span, "defined here")],
            notes=[note or f"the layer takes `{self.text}`" + (f", where {', '.join(bound)}" if bound else "")],
            help=self.stacked() or "bring it to the layer's order with a pmu",
        )

    def stacked(self) -> str:
        """The cure where a tensor of the call has an axis that it may lack, and the stream lacks: weights of all layers."""
        roots = {d.root for d in self.stream.order.digits}
        for term in self.formal_terms():
            name = term.axis.text
            if name in self.inner.spare and self.inner.axes[name].root not in roots and not self.single(term):
                tensor, axis = self.inner.spare[name]
                return (
                    f"`{tensor}` has `{axis}`, and `{self.stream.name}` has not: give a slice, `{tensor}({axis} = 0)`"
                )
        return ""
