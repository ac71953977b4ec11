"""Checks a `pcu` line: which nest it runs, which inputs are prefixes of it, what it reduces, how many PCUs it takes (A4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, Linear, size, without
from rdflow.dsl.bounds import follows
from rdflow.dsl.checked import Compute, Input, Op, Reduction, Result, Stream
from rdflow.dsl.expressions import (
    FLOAT_FUNCTIONS,
    REDUCTIONS,
    SPECIAL,
    Builder,
    abandoned,
    chain,
    names_in,
    product,
    reductions_in,
)
from rdflow.dsl.orders import Bound, Order
from rdflow.dsl.program import dtype
from rdflow.dsl.report import Abandon, plural
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span
from rdflow.dsl.views import stream_view

VECTOR_INPUTS, SCALAR_INPUTS, VECTOR_OUTPUTS = 4, 8, 2  # ports of a PCU (machine file)
WIDTH = {"int8": 0, "bool": 0, "int32": 1, "bf16": 2, "f32": 3}  # the widest of the inputs gives a result its dtype


@dataclass
class Operand:
    """A stream that a line reads, under one set of renames."""

    stream: Stream
    order: Order
    key: str
    span: Span
    inside: bool = False  # read at the rate of the nest

    @property
    def name(self) -> str:
        """The name under which the line reads it."""
        return self.key.split("(")[0]


@dataclass
class Draft:
    """One result while it is checked."""

    expr: syntax.Expr
    reduce: syntax.Reduce | None
    op: str = ""
    digits: tuple[Digit, ...] = ()
    inner: list[tuple[str, syntax.Expr]] = field(default_factory=list)
    after: list[tuple[str, syntax.Expr]] = field(default_factory=list)


@dataclass
class Shape:
    """Where the line's counters, copies and lanes are."""

    nest: tuple[Digit, ...]
    lanes: tuple[Digit, ...]
    copies: tuple[Digit, ...]
    sockets: tuple[Digit, ...]
    wide: int = -1
    narrow: int = -1
    systolic: bool = False

    @property
    def outer(self) -> bool:
        return self.wide >= 0 and not self.systolic


def check_compute(scope: Scope, unit: syntax.Unit, body: syntax.Pcu) -> Compute:
    """The checked line; raises Abandon (reported) where it has no type."""
    return _Line(scope, unit, body).check()


class _Line:
    """The state of checking one line."""

    def __init__(self, scope: Scope, unit: syntax.Unit, body: syntax.Pcu):
        self.scope = scope
        self.unit = unit
        self.body = body
        self.operands: list[Operand] = []
        self.results: list[Result] = []
        self.own = [n.text for n in unit.names]
        annotation = unit.annotation
        self.explicit = scope.order(annotation.order)[0] if annotation and annotation.order else None
        self.dtype = dtype(annotation.dtype, scope.names, scope.report) if annotation and annotation.dtype else None

    def check(self) -> Compute:
        scope, unit = self.scope, self.unit
        if len(unit.names) != len(self.body.results):
            raise scope.report.fail(
                "RDF043",
                f"{plural(len(unit.names), 'name')} for {plural(len(self.body.results), 'result')}",
                [(unit.names[0].span.to(unit.names[-1].span), "these names"), (self.body.span, "these results")],
                help="one name on the left for each expression on the right",
            )
        drafts = [self.draft(expr) for expr in self.body.results]
        shape = self.shape(drafts)
        inputs = [self.input(operand, shape, drafts) for operand in self.operands]
        for draft, name in zip(drafts, unit.names, strict=True):
            self.results.append(self.result(draft, name, shape, last=name is unit.names[-1]))
        if self.explicit is not None:
            self.matches(self.results[-1].stream.order)
        return Compute(
            tuple(inputs),
            tuple(self.results),
            shape.nest,
            shape.lanes,
            shape.copies,
            shape.sockets,
            shape.systolic,
            shape.outer,
            shape.wide,
            shape.narrow,
            chained(self.results, inputs, self.scope.program.stages),
            unit.span,
        )

    # -- operands and reductions ---------------------------------------------------------------------------------------

    def draft(self, expr: syntax.Expr) -> Draft:
        """Find the operands of a result and its one reduction, with the factors that lie inside of it."""
        scope = self.scope
        found = reductions_in(expr)
        if len(found) > 1:
            raise scope.report.fail(
                "RDF038",
                "one reduction a line",
                [(found[1].span, "the second"), (found[0].span, "the first")],
                notes=["a unit has one set of accumulators; a second reduction is a second unit"],
                help=f"give it a line of its own: `{scope.unused(self.own[0] + 'b')} = pcu {scope.text(found[1].span)}`",
            )
        draft = Draft(expr, found[0] if found else None)
        if any([abandoned(partial(self.operand, name)) for name in names_in(expr)]):  # a list: all are reported
            raise Abandon
        if draft.reduce is None:
            for name in names_in(expr):
                self.mark(name)
            return draft
        self.split(draft, draft.reduce)
        return draft

    def operand(self, name: syntax.Ref | syntax.View) -> Operand | None:
        """The operand of a name; None for axes, constants and earlier results of the line."""
        scope = self.scope
        text = name.name if isinstance(name, syntax.Ref) else name.name.text
        if text in self.own:
            return None
        if isinstance(name, syntax.Ref):
            if text not in scope.streams and (text in scope.axes or text in scope.names):
                return None
            if text not in scope.streams and text in scope.tensors:
                raise scope.report.fail(
                    "RDF036",
                    f"`{text}` is a tensor",
                    [(name.span, "a stream is expected"), (scope.tensors[text].span, "a tensor")],
                    notes=["streams are what units compute with; only loads and stores reach memory"],
                    help=f"load it first: `{scope.unused(text.lower())} = load {text}`",
                )
            view = syntax.View(syntax.Name(text, name.span), (), name.span)
        else:
            view = name
        seen = stream_view(scope, view, moves_allowed=False)
        key = text + "".join(f"({b.axis.text})" for b in view.bindings)
        for operand in self.operands:
            if operand.key == key:
                return operand
        self.operands.append(Operand(seen.stream, seen.order, key, name.span))
        return self.operands[-1]

    def mark(self, name: syntax.Ref | syntax.View) -> None:
        operand = self.operand(name)
        if operand is not None:
            operand.inside = True

    def split(self, draft: Draft, reduce: syntax.Reduce) -> None:
        """Decide what is reduced: the digits, the factors inside, and those applied once a result."""
        scope = self.scope
        draft.op = reduce.op.text
        if draft.op not in REDUCTIONS:
            raise scope.report.unknown("reduction", draft.op, reduce.op.span, REDUCTIONS)
        named = [d for term in reduce.terms for d in scope.digits(term)]
        present = {d for n in names_in(reduce.body) for d in self.mentioned(n)}
        draft.digits = tuple(d for d in named if d in present)
        for term in reduce.terms:
            digits = scope.digits(term)
            if digits and not set(digits) & present:
                labels = [(term.span, f"no `{term.axis.text}` inside"), *self.ends(reduce.body)]
                raise scope.report.fail(
                    "RDF038",
                    f"`{term.axis.text}` is not an axis of what is reduced",
                    labels,
                    notes=["a reduction combines what differs along a digit; along this one nothing differs"],
                    help="reduce over an axis that one of the operands has, or multiply by its length: `len(..)`",
                )
        factors = product(reduce.body)
        reduced = set(draft.digits)
        inner = [f for f in factors if reduced & {d for n in names_in(f[1]) for d in self.mentioned(n)}]
        if not reduced:  # axes of length 1 have no digits: what is a stream is inside
            inner = [f for f in factors if any(self.operand(n) is not None for n in names_in(f[1]))]
        if draft.op != "sum" or not inner or inner[0][0] == "/":
            inner = factors
        draft.inner = inner
        draft.after = [f for f in factors if f not in inner]
        for _, factor in draft.inner:
            for name in names_in(factor):
                self.mark(name)

    def mentioned(self, name: syntax.Ref | syntax.View) -> tuple[Digit, ...]:
        """The digits of a name: a stream's, an axis's, or those of an earlier result of the line."""
        operand = self.operand(name)
        if operand is not None:
            return operand.order.digits
        if isinstance(name, syntax.Ref):
            if name.name in self.own:
                return tuple(d for o in self.operands for d in o.order.digits)
            linear = self.scope.linear(name)
            return linear.digits if linear is not None else ()
        return ()

    def ends(self, expr: syntax.Expr) -> list[tuple[Span, str]]:
        """Labels that show the type of every stream in an expression."""
        found = []
        for name in names_in(expr):
            operand = self.operand(name)
            if operand is not None:
                found.append((operand.stream.span, f"`{operand.name}` is {self.scope.show(operand.order)}"))
        return found

    # -- the nest ------------------------------------------------------------------------------------------------------

    def shape(self, drafts: Sequence[Draft]) -> Shape:
        """Copies, lanes and nest, from the explicit order or from the inputs."""
        reduced = tuple(dict.fromkeys(d for draft in drafts for d in draft.digits))
        inside = [o for o in self.operands if o.inside]
        copies, sockets = self.space(inside or self.operands, reduced)
        pair = self.pair(drafts, (*copies, *sockets))
        lanes = self.lanes(inside, reduced, (*copies, *sockets), pair)
        nest = self.nest(inside, reduced, (*copies, *sockets), pair)
        shape = Shape(nest, lanes, copies, sockets)
        if pair is not None:
            self.place_pair(shape, pair, reduced)
        return shape

    def space(
        self, operands: Sequence[Operand], reduced: tuple[Digit, ...]
    ) -> tuple[tuple[Digit, ...], tuple[Digit, ...]]:
        """Digits over which the unit exists: the explicit order's, else the inputs'; those reduced stay where they are."""
        given = tuple(dict.fromkeys(d for o in operands for d in o.order.copies))
        chips = tuple(dict.fromkeys(d for o in operands for d in o.order.sockets))
        if self.explicit is None:
            return given, chips
        taken = {*self.explicit.time, *self.explicit.lanes}
        copies = (
            *self.explicit.copies,
            *(d for d in given if d in reduced and d not in taken and d not in self.explicit.copies),
        )
        sockets = (*self.explicit.sockets, *(d for d in chips if d in reduced and d not in self.explicit.sockets))
        return copies, sockets

    def pair(self, drafts: Sequence[Draft], space: tuple[Digit, ...]) -> tuple[Operand, Operand] | None:
        """The two operands of a product-sum whose lanes have no digit in common: (wide, narrow)."""
        if len(drafts) != 1 or drafts[0].op != "sum":
            return None
        streams = [
            self.operand(f) for op, f in drafts[0].inner if op == "*" and isinstance(f, syntax.Ref | syntax.View)
        ]
        if len(drafts[0].inner) != 2 or len(streams) != 2:
            return None
        a, b = streams
        if a is None or b is None or a is b:
            return None
        lanes_a, lanes_b = without(a.order.lanes, space), without(b.order.lanes, space)
        if set(lanes_a) & set(lanes_b) or not lanes_a and not lanes_b:
            return None
        if self.explicit is not None:  # with an axis of length 1 the wide operand may have no lanes left
            if set(self.explicit.lanes) == set(lanes_a) and lanes_b and set(lanes_b) <= set(self.explicit.time):
                return a, b
            if set(self.explicit.lanes) == set(lanes_b) and lanes_a and set(lanes_a) <= set(self.explicit.time):
                return b, a
        if not lanes_a or not lanes_b:
            return None
        return (a, b) if size(lanes_a) >= size(lanes_b) else (b, a)

    def lanes(
        self,
        inside: Sequence[Operand],
        reduced: tuple[Digit, ...],
        space: tuple[Digit, ...],
        pair: tuple[Operand, Operand] | None,
    ) -> tuple[Digit, ...]:
        if pair is not None:
            return without(pair[0].order.lanes, space)
        candidates = [without(o.order.lanes, space) for o in inside]
        if self.explicit is not None:
            candidates.append(self.explicit.lanes)
        return max(candidates, key=size, default=())

    def nest(
        self,
        inside: Sequence[Operand],
        reduced: tuple[Digit, ...],
        space: tuple[Digit, ...],
        pair: tuple[Operand, Operand] | None,
    ) -> tuple[Digit, ...]:
        """The loops: the explicit order's for a map, else the longest input's with what is gathered put in its place."""
        timed = [d for d in reduced if any(d in o.order.time for o in inside)]
        longest = max((without(o.order.time, space) for o in inside), key=lambda t: (size(t), len(t)), default=())
        if self.explicit is None:
            return longest
        if not timed:
            return self.explicit.time
        kept = list(self.explicit.time)
        if pair is not None:
            kept = [d for d in kept if d not in pair[1].order.lanes]
        nest: list[Digit] = []
        for digit in longest:
            if digit in kept:
                before = kept[: kept.index(digit)]
                nest.extend(d for d in before if d not in nest and d not in longest)
            nest.append(digit)
        nest.extend(d for d in kept if d not in nest)
        return tuple(nest)

    def place_pair(self, shape: Shape, pair: tuple[Operand, Operand], reduced: tuple[Digit, ...]) -> None:
        """Systolic where dtypes, lanes and nest allow it; else the narrow lanes become the innermost loop of the nest."""
        wide, narrow = pair
        space = (*shape.copies, *shape.sockets)
        packed = all(o.stream.dtype in ("bf16", "int8") for o in pair)
        stages, most = without(narrow.order.lanes, space), self.scope.program.stages
        innermost = bool(shape.nest) and shape.nest[-1] in reduced
        shape.wide, shape.narrow = self.operands.index(wide), self.operands.index(narrow)
        shape.systolic = packed and size(stages) <= most and innermost and wide.stream.dtype != "int8"
        if not shape.systolic:
            shape.nest = shape.nest + tuple(d for d in stages if d not in shape.nest)
            if packed and size(stages) > most:
                name = self.scope.terms(stages)
                self.scope.report.warn(
                    "RDF039",
                    f"this product-sum is not systolic: `{narrow.name}` has {size(stages)} lanes",
                    [(self.unit.span, "runs a lane at a time"), (narrow.stream.span, f"{name} on the lanes here")],
                    notes=[f"the array has {most} stages: the second operand brings at most {most} lanes"],
                    help=f"put {most} of them on the lanes: `| {narrow.order.lanes[-1].root}%ST`",
                )

    # -- inputs --------------------------------------------------------------------------------------------------------

    def input(self, operand: Operand, shape: Shape, drafts: Sequence[Draft]) -> Input:
        """Check that an operand's time is a prefix of the nest (of the result's loops, where it is read once a result)."""
        loops = shape.nest
        if not operand.inside:
            gone = {d for draft in drafts for d in draft.digits}
            loops = without(shape.nest, gone)
            if shape.narrow >= 0:
                loops += without(self.operands[shape.narrow].order.lanes, (*shape.copies, *shape.sockets, *loops))
        space = (*shape.copies, *shape.sockets)
        wanted = without(operand.order.time, space)
        gathered = set(operand.order.space) - set(space)
        if set(without(operand.order.lanes, (*space, *shape.lanes))) & set(loops):
            self.input_lanes(operand, shape, loops)
        level = max((i + 1 for i, d in enumerate(loops) if d in wanted or d in gathered), default=0)
        if without(loops[:level], gathered) != wanted or not gathered <= set(loops):
            raise self.not_a_prefix(operand, shape, loops, wanted, gathered)
        self.input_lanes(operand, shape, loops)
        return Input(operand.stream, operand.order, not operand.inside, level)

    def input_lanes(self, operand: Operand, shape: Shape, loops: tuple[Digit, ...]) -> None:
        """Every lane digit of an operand is on the lanes of the unit, sliced by its copies, or it is the narrow one."""
        index = self.operands.index(operand)
        left = without(operand.order.lanes, (*shape.copies, *shape.sockets, *shape.lanes))
        if not left or index == shape.narrow:
            return
        name = self.scope.terms(left)
        others = [o for o in self.operands if o is not operand and o.inside]
        labels = [(operand.span, f"{name} on the lanes here"), (operand.stream.span, self.typed(operand))]
        labels += [(o.stream.span, self.typed(o)) for o in others[:1]]
        raise self.scope.report.fail(
            "RDF031",
            f"the lanes of `{operand.name}` do not meet the others'",
            labels,
            notes=["a lane of a unit sees the same lane of its operands: lanes change only in a scratchpad"],
            help=f"hold it in the other order: {self.hold(operand, shape, loops)}",
        )

    def typed(self, operand: Operand) -> str:
        return f"`{operand.name}` is {self.scope.show(operand.order)}"

    def hold(self, operand: Operand, shape: Shape, loops: tuple[Digit, ...]) -> str:
        """The line that brings an operand to what the unit consumes: its digits in the unit's loops and lanes."""
        space = (*shape.copies, *shape.sockets)
        own = set(without(operand.order.digits, space))
        narrow = self.operands.index(operand) == shape.narrow
        lanes = operand.order.lanes if narrow else tuple(d for d in shape.lanes if d in own)
        rest = own - set(lanes)
        level = max((i + 1 for i, d in enumerate(loops) if d in rest), default=0)
        time = loops[:level] + tuple(d for d in operand.order.digits if d in rest and d not in loops)
        arrives = without(operand.order.time, space)
        tile = next(
            (i for i, (a, b) in enumerate(zip(time, arrives, strict=False)) if a != b), min(len(time), len(arrives))
        )
        copies = tuple(d for d in shape.copies if d in operand.order.digits)
        sockets = tuple(d for d in shape.sockets if d in operand.order.digits)
        order = Order(time, copies, sockets, lanes)
        name = operand.name
        text = self.scope.text(operand.span)
        return f"`{self.scope.unused(name + 'b')} = pmu {text} as {self.scope.show(order, tile)}`"

    def not_a_prefix(
        self, operand: Operand, shape: Shape, loops: tuple[Digit, ...], wanted: tuple[Digit, ...], gathered: set[Digit]
    ) -> Abandon:
        """The error of an order that the unit cannot consume, with the hold that cures it."""
        scope = self.scope
        other = max((o for o in self.operands if o is not operand), key=lambda o: size(o.order.time), default=operand)
        labels = [(operand.span, "read here"), (operand.stream.span, self.typed(operand))]
        if other is not operand:
            labels.append((other.stream.span, self.typed(other)))
        homeless = gathered - set(loops)
        if homeless:
            name = scope.terms(homeless)
            return scope.report.fail(
                "RDF030",
                f"the copies of `{operand.name}` along `{name}` have no place here",
                labels,
                notes=["a digit of an operand is a loop, a copy or a lane of the unit that reads it"],
                help=f"give `{name}` a place in this line's order, in time (gathered) or as copies: `as [.., {name} @]`",
            )
        outside = next((d for i, d in enumerate(loops) if i >= len(wanted) or wanted[i] != d), None)
        name = scope.terms((outside,)) if outside is not None else "?"
        missing = [d for d in loops if d not in wanted]
        extra = [d for d in wanted if d not in loops]
        tile = next((i for i, d in enumerate(loops) if i >= len(wanted) or wanted[i] != d), 0)
        if self.explicit is not None and not {*extra} & {*self.explicit.digits} and extra:
            lost = scope.terms(set(extra))
            return scope.report.fail(
                "RDF030",
                f"`{operand.name}` runs over `{lost}`, which this line's order leaves out",
                labels,
                notes=[
                    "each token of a result is made of tokens of the operands: what they run over, it runs over or reduces"
                ],
                help=f"leave the order out of `as`, add `{lost}` to it, or reduce: `sum({lost}) ..`",
            )
        if extra and not missing:
            message = f"`{operand.name}` runs over `{scope.terms(extra)}`, which this unit does not"
        elif missing:
            message = f"`{name}` is missing outside `{scope.terms(wanted[tile:] or wanted[-1:]).split(', ')[0]}` in `{operand.name}`"
        else:
            message = f"`{operand.name}` comes in another order than this unit consumes"
        return scope.report.fail(
            "RDF030",
            message,
            labels,
            notes=[
                f"the unit's loops are [{scope.terms(loops)}]; an input is a prefix of them and held inside: "
                "what is missing outside must be replayed from a scratchpad"
            ],
            help=f"hold it: {self.hold(operand, shape, loops)}",
        )

    # -- results -------------------------------------------------------------------------------------------------------

    def result(self, draft: Draft, name: syntax.Name, shape: Shape, last: bool) -> Result:
        """Build a result's operations and its type."""
        scope = self.scope
        builder = Builder(
            scope.report, self.leaf, scope.constant, self.index, lambda r: self.reduced(builder, draft, shape)
        )
        builder.at_result = draft.reduce is not None
        value = builder.build(draft.expr)
        order = self.order_of(draft, shape)
        kind = builder.kind(value)
        element = self.dtype if self.dtype and (last or kind == "f") else self.default(kind, draft, order)
        value = self.convert(builder, value, element, name)
        self.check_indices(builder.ops, shape, order, name.span)
        stream = Stream(scope.full(name.text), element, order, name.span)
        reduction = self.reduction(draft, shape, builder)
        return Result(stream, tuple(builder.ops), value, reduction)

    def convert(self, builder: Builder, value: int, element: str, name: syntax.Name) -> int:
        kind = builder.kind(value)
        if element in ("bf16", "f32"):
            if kind == "b":
                value = builder.push(Op("copy", "i", (value,)))
            return builder.floats(value)
        if kind == "f":
            raise self.scope.report.fail(
                "RDF045",
                f"a float cannot leave as {element}",
                [(name.span, f"declared {element}"), (self.unit.span, "this is a float")],
                help="convert it: `int(x)`, or leave the dtype out",
            )
        return value

    def default(self, kind: str, draft: Draft, order: Order) -> str:
        """The widest dtype of the inputs; int32 for whole numbers."""
        if kind == "b":
            return "bool"
        if kind == "i":
            return "int32"
        names = {o.stream.dtype for o in self.operands} & {"bf16", "f32"}
        return max(names, key=lambda d: WIDTH[d], default="f32")

    def leaf(self, expr: syntax.Expr) -> Op:
        assert isinstance(expr, syntax.Ref | syntax.View)
        text = expr.name if isinstance(expr, syntax.Ref) else expr.name.text
        done = [n.text for n in self.unit.names[: len(self.results)]]
        if text in done:
            number = done.index(text)
            return Op("result", self.kind_of(self.results[number].stream.dtype), value=number)  # type: ignore[arg-type]
        if text in self.own:
            left = len(self.own) > 1 and text != self.own[len(self.results)]
            raise self.scope.report.fail(
                "RDF041",
                f"`{text}` is not defined yet" if left else f"`{text}` is computed from itself",
                [(expr.span, "used here"), (self.unit.names[self.own.index(text)].span, "defined here")],
                notes=["lines stand in the order in which data flows; only a carry reaches back"],
                help="a result may use those to its left"
                if left
                else f"take its value of the iteration before: `{self.scope.unused(text + '0')} = carry {text} from 0 over ..`",
            )
        operand = self.operand(expr)
        if operand is None:
            raise self.scope.report.unknown("value", text, expr.span, [*self.scope.streams, *self.scope.axes])
        return Op("stream", self.kind_of(operand.stream.dtype), value=self.operands.index(operand))  # type: ignore[arg-type]

    def kind_of(self, element: str) -> str:
        return {"bool": "b", "int32": "i", "int8": "i"}.get(element, "f")

    def index(self, expr: syntax.Expr) -> Linear | None:
        """An index value: an axis name or a linear form of axes, unless a stream has the name."""
        if any(
            self.operand(n) is not None for n in names_in(expr) if isinstance(n, syntax.View) or n.name not in self.own
        ):
            return None
        if any(isinstance(n, syntax.Ref) and n.name in self.own for n in names_in(expr)):
            return None
        return self.scope.linear(expr) if names_in(expr) else None

    def reduced(self, builder: Builder, draft: Draft, shape: Shape) -> int:
        """Append what is reduced, the reduction itself, and the factors applied after it."""
        builder.at_result = False
        value = builder.build(chain(draft.inner))
        if builder.kind(value) == "b":
            assert draft.reduce is not None
            labels = [(draft.reduce.body.span, "conditions here")]
            help = "choose numbers with it: `where(c, 1, 0)`"
            raise self.scope.report.fail("RDF045", "a reduction needs numbers", labels, help=help)
        builder.at_result = True
        self.value = value
        kind = "i" if draft.op == "argmax" else builder.kind(value)
        result = builder.push(Op("reduced", kind))
        for op, factor in draft.after:
            other = builder.build(factor)
            builder.span = factor.span
            values, kind = builder.same(result, other)
            name = ("" if kind == "f" else "i") + {"*": "mul", "/": "div"}[op]
            result = builder.push(Op(name, kind, values))
        return result

    def reduction(self, draft: Draft, shape: Shape, builder: Builder) -> Reduction | None:
        if draft.reduce is None:
            return None
        digits = set(draft.digits)
        time = tuple(d for d in shape.nest if d in digits)
        lanes = tuple(d for d in shape.lanes if d in digits)
        kept = tuple(d for d in shape.lanes if d not in digits)
        if draft.op == "last" and digits - set(time):
            name = self.scope.terms(digits - set(time))
            raise self.scope.report.fail(
                "RDF038",
                f"`last` keeps the last iteration of a loop, and `{name}` is none here",
                [(draft.reduce.span, "here"), *self.ends(draft.reduce.body)],
                notes=["lanes and copies are there at once: none of them is the last"],
                help=f"hold it with `{name}` in time: {self.turned(draft, shape, shape.nest + lanes, kept)}",
            )
        if lanes and kept:
            raise self.scope.report.fail(
                "RDF038",
                "the lanes are reduced all or not at all",
                [(draft.reduce.span, f"only {self.scope.terms(lanes)} of {self.scope.terms(shape.lanes)}")],
                notes=["the cross-lane tree combines all lanes of a unit"],
                help=f"hold it with them in time: {self.turned(draft, shape, shape.nest + lanes, kept)}",
            )
        copies = tuple(d for d in shape.copies if d in digits)
        sockets = tuple(d for d in shape.sockets if d in digits)
        homeless = digits - {*time, *lanes, *copies, *sockets}
        if homeless:
            raise self.scope.report.fail(
                "RDF038",
                f"`{self.scope.terms(homeless)}` is reduced but has no place in the nest",
                [(draft.reduce.span, "here"), *self.ends(draft.reduce.body)],
                help="name it in this line's order, or leave the order out",
            )
        index = self.argmax_index(draft) if draft.op == "argmax" else None
        if draft.op == "argmax" and (copies or sockets or time and shape.nest[len(shape.nest) - len(time) :] != time):
            raise self.scope.report.fail(
                "RDF038",
                "argmax reduces its innermost loops and its lanes",
                [(draft.reduce.span, "a kept loop lies inside, or copies are reduced")],
                notes=["the index of the winner is kept beside its value in one register"],
                help=f"hold it with them innermost: {self.turned(draft, shape, without(shape.nest, digits) + time, shape.lanes)}",
            )
        return Reduction(draft.op, time, lanes, copies, sockets, self.value, index)

    def turned(self, draft: Draft, shape: Shape, time: tuple[Digit, ...], lanes: tuple[Digit, ...]) -> str:
        """The line that holds what is reduced in another order."""
        operand = next((o for o in self.operands if o.inside), None)
        if operand is None:
            return "`pmu .. as [..]`"
        order = self.scope.show(Order(time, shape.copies, shape.sockets, lanes), 0)
        name = operand.name
        return f"`{self.scope.unused(name + 'b')} = pmu {self.scope.text(operand.span)} as {order}`"

    def argmax_index(self, draft: Draft) -> Linear:
        assert draft.reduce is not None
        if len(draft.reduce.terms) != 1:
            raise self.scope.report.fail(
                "RDF038",
                "argmax is over one axis",
                [(draft.reduce.terms[1].span, "a second axis")],
                notes=["its result is one whole number: the index along that axis"],
                help="name one axis, or declare the product of both as an axis and name that",
            )
        return self.scope.cuts.index(self.scope.interval(draft.reduce.terms[0]))

    def order_of(self, draft: Draft, shape: Shape) -> Order:
        """The type of a result: the nest and lanes without what is reduced, a pair's narrow lanes innermost."""
        gone = set(draft.digits)
        time = without(shape.nest, gone)
        if shape.systolic:
            narrow = self.operands[shape.narrow]
            stages = without(narrow.order.lanes, (*shape.copies, *shape.sockets))
            time += without(stages, time)
        bounds: dict[str, Bound] = {}
        for operand in self.operands:
            for root, limit in operand.order.bounds:
                self.agree(root, bounds.setdefault(root, limit), limit, operand)
        for root, limit in bounds.items():
            self.all_end(root, limit)
        order = Order(time, without(shape.copies, gone), without(shape.sockets, gone), without(shape.lanes, gone))
        left = {d.root for d in order.digits}
        order = replace(order, bounds=tuple((r, b) for r, b in bounds.items() if r in left))
        self.stays(draft, order)
        follows(self.scope, order, self.unit.span)
        return order

    def all_end(self, root: str, limit: Bound) -> None:
        """Every operand that runs along a bounded axis is bounded too (a carry, by what it feeds: a pass later)."""
        for operand in self.operands:
            alike = operand.order.bound(root) is not None or not any(d.root == root for d in operand.order.time)
            if alike or not self.scope.settled:
                continue
            ends = self.scope.sum(limit)
            other = [o for o in self.operands if o.order.bound(root) == limit][:1]
            raise self.scope.report.fail(
                "RDF024",
                f"two lengths of `{root}` meet here",
                [
                    (operand.span, f"`{operand.name}` runs to the end of `{root}`"),
                    *((o.span, f"`{o.name}` ends at {ends}") for o in other),
                    (operand.stream.span, self.typed(operand)),
                ],
                notes=["a loop has one counter and one maximum; tokens beyond it would stay in their queue for ever"],
                help=f"bound it alike, where it is loaded or held: `{root} < {ends}`",
            )

    def stays(self, draft: Draft, order: Order) -> None:
        """What bounds a loop of the result is not reduced."""
        for root, limit in order.bounds:
            lost = set(limit.digits) & set(draft.digits)
            if not lost or draft.reduce is None:
                continue
            name = self.scope.terms(lost)
            raise self.scope.report.fail(
                "RDF024",
                f"`{root}` is bounded by `{self.scope.sum(limit)}`, and `{name}` is reduced here",
                [(draft.reduce.span, f"`{name}` ends here"), *self.ends(draft.reduce.body)],
                notes=[f"what is reduced over `{name}` has one length of `{root}`, and each of its iterations another"],
                help=f"reduce `{root}` too, or hold it without the bound and mask: `where({root} < .., x, 0)`",
            )

    def agree(self, root: str, first: Bound, second: Bound, operand: Operand) -> None:
        if first != second:
            other = [o for o in self.operands if o is not operand and o.order.bound(root) == first][:1]
            raise self.scope.report.fail(
                "RDF024",
                f"two bounds on `{root}` meet here",
                [
                    (operand.span, f"`{operand.name}` ends at {self.scope.sum(second)}"),
                    *((o.span, f"`{o.name}` ends at {self.scope.sum(first)}") for o in other),
                ],
                notes=["a loop has one counter and one maximum"],
                help=f"give both the same bound: `< {self.scope.sum(first)}`",
            )

    def matches(self, found: Order) -> None:
        """The explicit order must be what the nest gives."""
        assert self.explicit is not None
        given = self.explicit
        same = (
            given.time == found.time and set(given.space) == set(found.space) and set(given.lanes) == set(found.lanes)
        )
        if same:
            return
        labels = [(self.unit.annotation.span if self.unit.annotation else self.unit.span, "declared here")]
        labels += [(o.stream.span, self.typed(o)) for o in self.operands]
        raise self.scope.report.fail(
            "RDF030",
            f"`{self.own[-1]}` travels as {self.scope.show(found)}, not as {self.scope.show(given)}",
            labels,
            notes=["a unit emits in the order of its loops: the longest input's, less what is reduced"],
            help=f"write `as {self.scope.show(found)}`, or hold it in another order with a pmu",
        )

    def check_indices(self, ops: Sequence[Op], shape: Shape, order: Order, span: Span) -> None:
        """An index value needs its digits where it is used."""
        inside = {*shape.nest, *shape.lanes, *shape.copies, *shape.sockets}
        for op in ops:
            if op.linear is None:
                continue
            known = set(order.digits) if op.at_result else inside
            missing = [d for d in op.linear.digits if d not in known]
            if missing:
                name = self.scope.terms(set(missing))
                raise self.scope.report.fail(
                    "RDF044",
                    f"`{name}` has no value here",
                    [(self.uses(missing), "used as an index"), (span, f"this runs over {self.scope.show(order)}")],
                    notes=["an index value is a counter, the number of a copy or a lane of the unit"],
                    help=f"write `{name}` inside of the reduction, or use an axis over which the result runs"
                    if set(missing) <= inside
                    else "use an axis over which the operands run",
                )

    def uses(self, digits: Sequence[Digit]) -> Span:
        """Where the line names an axis of these digits."""
        for expr in self.body.results:
            for name in names_in(expr):
                if isinstance(name, syntax.Ref) and name.name not in self.own and self.operand(name) is None:
                    linear = self.scope.linear(name)
                    if linear is not None and set(linear.digits) & set(digits):
                        return name.span
        return self.unit.span


def chained(results: Sequence[Result], inputs: Sequence[Input], depth: int) -> int:
    """PCUs of a line: one for `depth` operations (a stage each), 4 vector inputs and 2 outputs; a special function ends a PCU."""
    stages = specials = 0
    ops = [op for r in results for op in r.ops]
    for op in ops:
        if op.name in ("stream", "result", "index", "const", "reduced", "copy", "tofloat"):
            continue
        if op.name in SPECIAL:
            specials += 1
        else:
            stages += 1
    last = {r.value for r in results}
    tail = sum(1 for r in results for i, op in enumerate(r.ops) if op.name in SPECIAL and _ends(r, i, last))
    vectors = sum(1 for i in inputs if i.order.lanes)
    scalars = len(inputs) - vectors + len({bound for i in inputs for _, bound in i.order.scalars})
    by_ports = max(
        -(-max(0, vectors - 1) // (VECTOR_INPUTS - 1)), -(-scalars // SCALAR_INPUTS), -(-len(results) // VECTOR_OUTPUTS)
    )
    return max(1, -(-stages // depth), 1 + specials - min(tail, 1), by_ports)


def _ends(result: Result, op: int, last: set[int]) -> bool:
    """Whether an op is the last of its result: the tail of the PCU can do it."""
    return op == result.value and result.ops[op].name in (*FLOAT_FUNCTIONS, "div") and bool(last)


def flops(op: Op) -> int:
    """Floating-point operations that an op counts for: one for arithmetic, none for moves, comparisons and selections."""
    counted = {"add", "sub", "mul", "div", "max", "min", "exp", "log", "sqrt", "rsqrt", "sigmoid", "tanh", "neg", "abs"}
    return 1 if op.name in counted else 0
