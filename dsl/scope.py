"""What the names of a kernel stand for while its lines are checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Argument, Known, Needed, is_whole, number
from rdflow.dsl.axes import Axis, Cuts, Digit, Interval, Linear, interval, without
from rdflow.dsl.bounds import follows, limit
from rdflow.dsl.check_order import well_formed
from rdflow.dsl.checked import Line, Stream
from rdflow.dsl.constants import constant, whole
from rdflow.dsl.orders import Bound, Order, Scalar, Writer
from rdflow.dsl.program import LANES, Program, Tensor
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.source import Span


@dataclass
class Scope:
    """Axes, constants, tensors and streams by name; the lines checked so far.

    A layer call opens a scope of its own with `path` as the prefix of its names; cuts, lines and versions are shared.
    """

    program: Program
    report: Reporter
    cuts: Cuts
    axes: dict[str, Axis]
    names: dict[str, Known]
    tensors: dict[str, Tensor]
    streams: dict[str, Stream] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)  # names whose line has no type: their users are not blamed
    lines: list[Line] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    counts: dict[str, Scalar] = field(default_factory=dict)  # by ragged axis: what the nearest split above counts
    later: dict[str, Span] = field(default_factory=dict)
    named: dict[str, Stream] = field(
        default_factory=dict
    )  # streams by full name: results of a call have one of the caller too
    path: str = ""
    settled: bool = False  # whether the cuts of an earlier pass were the last
    before: dict[str, Stream] = field(default_factory=dict)  # streams by name as the pass before found them
    calls: tuple[str, ...] = ()  # the layers that are being expanded
    copied: frozenset[Digit] = frozenset()  # digits that a layer's arguments have as copies: so do its lines
    sharded: frozenset[Digit] = frozenset()  # likewise on the sockets, unless the layer says so itself
    others: tuple[tuple[Digit, ...], ...] | None = None  # what `..` stands for: loops, copies, sockets
    spare: dict[str, tuple[str, str]] = field(default_factory=dict)  # axes that a layer's tensors may lack: whose it is
    fixed: dict[str, dict[int, Linear]] = field(
        default_factory=dict
    )  # of a layer's tensors: what the call fixes, by axis

    @property
    def lengths(self) -> dict[str, int]:
        return {name: axis.length for name, axis in self.axes.items()}

    @property
    def ragged(self) -> set[str]:
        """The roots of the axes that are places of routed tokens."""
        return {self.program.axes[name].root for name in self.program.ragged if name in self.program.axes}

    @property
    def writer(self) -> Writer:
        constants = {self.program.stages: "ST", LANES // 2: "H", LANES: "L"}
        return Writer(self.axes, constants, self.cuts.lengths)

    def full(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def text(self, span: Span) -> str:
        """What the user wrote there."""
        return (self.report.origin or self.program.source).text[span.start : span.end]

    # -- terms and orders ----------------------------------------------------------------------------------------------

    def axis(self, name: syntax.Name) -> Axis:
        if name.text not in self.axes:
            raise self.report.unknown("axis", name.text, name.span, list(self.axes))
        return self.axes[name.text]

    def interval(self, term: syntax.Term) -> Interval:
        """The interval of a root that a term names."""
        axis = self.axis(term.axis)
        over = self.whole(term.over, "a divisor") if term.over is not None else 1
        modulo = self.whole(term.modulo, "an extent") if term.modulo is not None else None
        return interval(axis, over, modulo, self.cuts.lengths)

    def digits(self, term: syntax.Term) -> tuple[Digit, ...]:
        return self.cuts.digits(self.interval(term))

    def whole(self, expr: syntax.Expr, what: str) -> int:
        return whole(expr, self.names, self.lengths, self.report, what)

    def place(self, place: syntax.Place) -> tuple[tuple[Digit, ...], tuple[Digit, ...], tuple[Digit, ...]]:
        """The digits of a place in time, in copies and on sockets."""
        if place.term.axis.text == syntax.OTHERS:
            return self.rest(place)
        where = self.interval(place.term)
        if place.at is None:
            digits = self.cuts.digits(where)
            time = without(digits, self.copied | self.sharded)
            return time, tuple(d for d in digits if d in self.copied), tuple(d for d in digits if d in self.sharded)
        if place.at == "socket":
            return (), (), self.cuts.digits(where)
        if isinstance(place.at, bool):
            return (), self.cuts.digits(where), ()
        assert not isinstance(place.at, str)
        count = self.whole(place.at, "a number of copies")
        middle = where.low * count
        inner = self.cuts.digits(Interval(where.root, where.low, _least(middle, where.high)))
        outer = self.cuts.digits(Interval(where.root, middle, where.high))
        return outer, inner, ()

    def rest(self, place: syntax.Place) -> tuple[tuple[Digit, ...], tuple[Digit, ...], tuple[Digit, ...]]:
        """What `..` stands for: the loops that a layer's parameters do not name, and with `@` copies and sockets too."""
        if self.others is None:
            raise self.report.fail(
                "RDF070",
                "`..` stands for nothing here",
                [(place.span, "no parameter has it")],
                notes=["in a layer, `..` is the loops of an argument that the parameter does not name"],
                help="name the loops, or write `..` in the order of a layer's parameter too",
            )
        time, copies, sockets = self.others
        return (time, copies, sockets) if place.at is not None else (time, (), ())

    def order(self, order: syntax.Order) -> tuple[Order, int | None]:
        """An order as written, and the number of its time digits before `;` (None without one)."""
        time: list[Digit] = []
        copies: list[Digit] = []
        sockets: list[Digit] = []
        parts: list[tuple[syntax.Place, Order]] = []
        limits: list[tuple[syntax.Place, tuple[Digit, ...]]] = []
        tile = None
        for group in (order.tile or (), order.rest):
            for place in group:
                outer, inner, chips = self.place(place)
                time += outer
                copies += inner
                sockets += chips
                parts.append((place, Order(outer, inner, chips)))
                if place.bound is not None:
                    limits.append((place, (*time[: len(time) - len(outer)],)))
            if tile is None and order.tile is not None:
                tile = len(time)
        parts += [(place, Order(lanes=self.digits(place.term))) for place in order.lanes]
        lanes = tuple(d for _, part in parts for d in part.lanes)
        found = Order(tuple(time), tuple(copies), tuple(sockets), lanes)
        well_formed(self, found, parts, order.span, tile)
        bounds = [
            (self.axis(place.term.axis).root, limit(self, place, (*before, *copies, *sockets)))
            for place, before in limits
        ]
        found = replace(found, bounds=tuple(bounds))
        follows(self, found, order.span)
        return found, tile

    def interval_digits(self, place: syntax.Place) -> tuple[Digit, ...]:
        return self.digits(place.term)

    # -- linear forms --------------------------------------------------------------------------------------------------

    def constant(self, expr: syntax.Expr) -> Known | None:
        return constant(expr, self.names, self.lengths)

    def linear(self, expr: syntax.Expr) -> Linear | None:
        """An expression over axes as const + sum of digits; None if it is not one."""
        value = self.constant(expr)
        if value is not None:
            return Linear.number(value) if is_whole(value) else None
        match expr:
            case syntax.Ref(name) if name in self.axes and name not in self.streams:
                return self.term(name, 1, None)
            case syntax.Binary("/", left, right):
                return self._part(left, right, quotient=True)
            case syntax.Binary("%", left, right):
                return self._part(left, right, quotient=False)
            case syntax.Binary("+" | "-" as op, left, right):
                a, b = self.linear(left), self.linear(right)
                return a.plus(b, 1 if op == "+" else -1) if a is not None and b is not None else None
            case syntax.Binary("*", left, right):
                a, b = self.linear(left), self.linear(right)
                if a is None or b is None or a.terms and b.terms:
                    return None
                return _scaled(a, b) if not b.terms else _scaled(b, a)
            case syntax.Unary("-", x):
                inner = self.linear(x)
                return inner.times(-1) if inner is not None else None
        return None

    def term(self, name: str, over: int, modulo: int | None) -> Linear:
        return self.cuts.index(interval(self.axes[name], over, modulo, self.cuts.lengths))

    def _part(self, left: syntax.Expr, right: syntax.Expr, quotient: bool) -> Linear | None:
        """`axis / n`, `axis % m` or `axis / n % m` as an index."""
        match left:
            case syntax.Ref(name) if name in self.axes and name not in self.streams:
                divisor = self._divisor(right)
                if divisor is None:
                    return None
                return self.term(name, divisor, None) if quotient else self.term(name, 1, divisor)
            case syntax.Binary("/", syntax.Ref(name), by) if not quotient and name in self.axes:
                over, divisor = self._divisor(by), self._divisor(right)
                return self.term(name, over, divisor) if over is not None and divisor is not None else None
        return None

    def _divisor(self, expr: syntax.Expr) -> int | None:
        """What cuts an axis: a whole number, known when the kernel is mapped."""
        value = self.constant(expr)
        if isinstance(value, Argument):
            value = number(value)
        return value if isinstance(value, int) and value >= 1 else None

    # -- streams -------------------------------------------------------------------------------------------------------

    def stream(self, name: str, span: Span) -> Stream:
        """The stream of a name; silent where its line is already known to be wrong."""
        if name in self.streams:
            return self.streams[name]
        if name in self.broken:
            raise Abandon
        if name in self.tensors and name not in self.later:
            raise self.report.fail(
                "RDF036",
                f"`{name}` is a tensor",
                [(span, "a stream is expected"), (self.tensors[name].span, "a tensor")],
                notes=["units are joined by streams; only loads and stores reach memory"],
                help=f"load it first: `{self.unused(name.lower())} = load {name}`",
            )
        if name in self.later:
            raise self.report.fail(
                "RDF041",
                f"`{name}` is used before it is defined",
                [(span, "used here"), (self.later[name], "defined here")],
                notes=["lines stand in the order in which data flows; only a carry reaches back"],
                help=f"move this line below the one that defines `{name}`; a cycle passes a carry: `x = carry {name} from 0 over ..`",
            )
        raise self.report.unknown("stream", name, span, list(self.streams))

    def unused(self, name: str) -> str:
        """A name like this one that the kernel does not have yet."""
        taken = {*self.streams, *self.later, *self.tensors, *self.axes, *self.names}
        while name in taken:
            name += "b"
        return name

    def define(self, stream: Stream, name: str) -> None:
        self.streams[name] = stream
        self.named[self.full(name)] = stream

    def show(self, order: Order, tile: int | None = None) -> str:
        return self.writer.order(order, tile)

    def terms(self, digits: Iterable[Digit]) -> str:
        """Digits as terms; those of a set from the slowest to the fastest."""
        if isinstance(digits, set | frozenset):
            digits = sorted(digits, key=lambda d: (d.root, -d.stride))
        return ", ".join(self.writer.digits(tuple(digits)))

    def sum(self, value: Bound) -> str:
        """A bound as an expression: a linear form, or the name of a stream."""
        if isinstance(value, Scalar):
            return value.name
        terms = [f"{c} * {self.writer.run((d,))}" if c != 1 else self.writer.run((d,)) for d, c in value.terms]
        terms += [f"{c} * {a.text}" if c != 1 else a.text for a, c in value.arguments]
        return " + ".join([*terms, str(value.const)] if value.const or not terms else terms)


def _scaled(linear: Linear, factor: Linear) -> Linear:
    """A form times a number. Raises Needed where a launch alone knows by how much a counter's step adds."""
    if linear.terms and factor.arguments:
        raise Needed(frozenset(n for a, _ in factor.arguments for n in a.names))
    return linear.times(factor.const)


def _least(a: int, b: int | None) -> int:
    return a if b is None else min(a, b)
