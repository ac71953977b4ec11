"""Binds the parameters of a layer to the arguments of a call: axes are variables, matched against the arguments' types."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Known
from rdflow.dsl.axes import Axis
from rdflow.dsl.checked import Stream
from rdflow.dsl.constants import evaluate
from rdflow.dsl.launch_arguments import as_view
from rdflow.dsl.layer_orders import match_order
from rdflow.dsl.orders import BYTES
from rdflow.dsl.program import Tensor
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import plural
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Source, Span
from rdflow.dsl.views import fixed_axes, whole_axis


def bind(scope: Scope, inner: Scope, layer: syntax.Layer, call: syntax.LayerCall, source: Source) -> None:
    """Give every parameter its argument: numbers first, as orders are written with them; then what binds axes."""
    given = _given(scope, layer, call)
    names = [p.name.text for p in layer.parameters]
    for parameter in layer.parameters:
        if parameter.name.text not in given and parameter.default is None:
            raise scope.report.fail(
                "RDF070",
                f"`{layer.name.text}` needs `{parameter.name.text}`",
                [(call.span, "not given here")],
                help=f"`{layer.name.text}({', '.join(names)})`",
            )
    binding = _Binding(scope, inner, source)
    late = [p for p in layer.parameters if p.type is None and p.name.text not in given]
    for kind in (type(None), syntax.WholeAxis, syntax.TensorType, syntax.StreamType):
        for parameter in sorted(layer.parameters, key=_places):
            if isinstance(parameter.type, kind) and parameter not in late:
                binding.argument(parameter, given[parameter.name.text])
            elif kind is type(None) and parameter in late:
                binding.default(parameter, last=False)
    for parameter in late:
        binding.default(parameter, last=True)


def _places(parameter: syntax.LayerParameter) -> int:
    """The fewer places an order has, the surer is which axis is which: such streams bind their axes first."""
    order = parameter.type.order if isinstance(parameter.type, syntax.StreamType) else None
    return len(order.tile or ()) + len(order.rest) if order else 0


def _given(scope: Scope, layer: syntax.Layer, call: syntax.LayerCall) -> dict[str, syntax.Expr]:
    """The arguments of a call by the names of the parameters."""
    positional = [a for a in call.arguments if a.name is None]
    names = [p.name.text for p in layer.parameters]
    if len(positional) > len(names):
        raise scope.report.fail(
            "RDF070",
            f"`{layer.name.text}` takes {plural(len(names), 'argument')}",
            [(call.span, f"{len(call.arguments)} here")],
            help=f"`{layer.name.text}({', '.join(names)})`",
        )
    given = dict(zip(names, (a.value for a in positional), strict=False))
    for argument in call.arguments:
        if argument.name is not None:
            if argument.name.text not in names:
                message = f"`{layer.name.text}` has no parameter `{argument.name.text}`"
                raise scope.report.unknown("parameter", argument.name.text, argument.name.span, names, message)
            if argument.name.text in given:
                labels = [(argument.span, "given again"), (given[argument.name.text].span, "given here")]
                message = f"`{argument.name.text}` is given twice"
                raise scope.report.fail("RDF070", message, labels, help="leave one of them out")
            given[argument.name.text] = argument.value
    return given


@dataclass
class _Binding:
    """Binds the parameters of one call. `source`: of the layer; in another file the program's places mean nothing."""

    scope: Scope
    inner: Scope
    source: Source

    @property
    def foreign(self) -> bool:
        return self.source is not self.scope.program.source

    def argument(self, parameter: syntax.LayerParameter, value: syntax.Expr) -> None:
        match parameter.type:
            case syntax.StreamType() as formal:
                self.stream(parameter.name, formal, value)
            case syntax.TensorType() as formal:
                self.tensor(parameter.name, formal, value)
            case syntax.WholeAxis():
                self.axis(parameter.name, value)
            case None:
                constant = _constant(self.scope, value)
                if constant is None:
                    raise self.scope.report.fail(
                        "RDF070",
                        "a constant is expected",
                        [(value.span, f"for `{parameter.name.text}`")],
                        notes=["constants of a layer are part of the configuration of its units"],
                        help=f"give a number or a param: `{parameter.name.text} = 1`",
                    )
                self.inner.names[parameter.name.text] = constant

    def default(self, parameter: syntax.LayerParameter, last: bool) -> None:
        """A constant that the call leaves out; it may be computed from the other parameters."""
        assert parameter.default is not None
        constant = _constant(self.inner, parameter.default)
        if constant is not None:
            self.inner.names[parameter.name.text] = constant
        elif last:
            self.inner.report.origin, outside = self.source if self.foreign else None, self.inner.report.origin
            try:
                evaluate(parameter.default, self.inner.names, self.inner.lengths, self.inner.report)
            finally:
                self.inner.report.origin = outside

    def stream(self, name: syntax.Name, formal: syntax.StreamType, value: syntax.Expr) -> None:
        scope = self.scope
        if not isinstance(value, syntax.Ref):
            raise scope.report.fail(
                "RDF070",
                "a stream is expected",
                [(value.span, f"an expression, for `{name.text}`")],
                help=f"give it a line of its own: `{scope.unused(name.text)} = pcu {scope.text(value.span)}`",
            )
        stream = scope.stream(value.name, value.span)
        text = self.source.text[formal.order.span.start : formal.order.span.end]
        match_order(scope, self.inner, formal.order, text, stream, value.span)
        self.dtype(formal.dtype, stream, value.span)
        self.inner.streams[name.text] = replace(stream, span=name.span) if self.foreign else stream

    def dtype(self, formal: syntax.Name | None, given: Stream | Tensor, span: Span) -> None:
        """Bind a dtype variable, or hold a dtype against what is given."""
        if formal is None:
            return
        wanted = formal.text if formal.text in BYTES else self.inner.names.setdefault(formal.text, given.dtype)
        if wanted != given.dtype:
            raise self.scope.report.fail(
                "RDF070",
                f"{wanted} is expected",
                [(span, f"`{given.name}` is {given.dtype}"), (given.span, "defined here")],
                help=f"convert it: `{self.scope.unused(given.name.lower())} = pcu .. as {wanted}`",
            )

    def tensor(self, name: syntax.Name, formal: syntax.TensorType, value: syntax.Expr) -> None:
        """A tensor, or a slice of one: the layer calls the axes that are left free, and what is fixed stays so in all its lines."""
        view = self.tensor_given(name, value)
        fixed = fixed_axes(self.scope, view)
        tensor = self.scope.tensors[view.name.text]
        self.dtype(formal.dtype, tensor, value.span)
        left = [i for i in range(len(tensor.axes)) if i not in fixed]
        free = replace(tensor, axes=tuple(tensor.axes[i] for i in left), sharded=tuple(tensor.sharded[i] for i in left))
        own = iter(self.axes_of(name, formal, free, value.span))
        axes = tuple(axis if i in fixed else next(own) for i, axis in enumerate(tensor.axes))
        span = name.span if self.foreign else tensor.span
        self.inner.tensors[name.text] = replace(tensor, axes=axes, span=span)
        self.inner.fixed[name.text] = fixed

    def tensor_given(self, name: syntax.Name, value: syntax.Expr) -> syntax.View:
        """The argument as a view of a tensor."""
        scope, view = self.scope, as_view(value)
        if view is not None and view.name.text in scope.tensors:
            return view
        if view is None:
            raise scope.report.fail(
                "RDF070",
                "a tensor is expected",
                [(value.span, f"an expression, for `{name.text}`")],
                help="give a tensor by name, or a slice of one, as `W(l = 0)`",
            )
        text = view.name.text
        if text in scope.streams:
            raise scope.report.fail(
                "RDF070",
                "a tensor is expected",
                [(value.span, f"`{text}` is a stream"), (scope.streams[text].span, "defined here")],
                help=f"`{name.text}` is loaded inside of the layer: give the tensor itself",
            )
        raise scope.report.unknown("tensor", text, view.name.span, list(scope.tensors))

    def axes_of(self, name: syntax.Name, formal: syntax.TensorType, tensor: Tensor, given: Span) -> tuple[Axis, ...]:
        """The tensor's axes as the layer calls them; `tensor[..]` takes a tensor of any shape, and calls none."""
        scope = self.scope
        if [place.term.axis.text for place in formal.places] == [syntax.OTHERS]:
            return tensor.axes
        places = _present(formal.places, tensor)
        if places is None:
            least = sum(not place.optional for place in formal.places)
            most = f" to {len(formal.places)}" if least < len(formal.places) else ""
            raise scope.report.fail(
                "RDF070",
                f"`{tensor.name}` has {plural(len(tensor.axes), 'axis')}, `{name.text}` has {least}{most}",
                [(given, "given here"), (tensor.span, "declared here")],
                help="give a tensor with as many axes as the parameter",
            )
        shape = f"`{tensor.name}` is [{', '.join(a.name for a in tensor.axes)}]"
        own = [
            _bind_axis(scope, self.inner, place.term.axis.text, axis, given, shape)
            for place, axis in zip(places, tensor.axes, strict=True)
        ]
        self.lacking([place.term.axis.text for place in formal.places if place not in places])
        for place, axis, sharded in zip(places, tensor.axes, tensor.sharded, strict=True):
            if place.optional:
                self.inner.spare.setdefault(place.term.axis.text, (tensor.name, axis.name))
            if sharded and place.at is None:
                self.inner.sharded |= frozenset(scope.cuts.digits(whole_axis(axis, scope)))
        return tuple(own)

    def lacking(self, names: list[str]) -> None:
        """Axes that the tensor lacks have one value, unless another tensor has them."""
        root, _ = next(iter(self.scope.cuts.lengths.items()))
        for name in names:
            self.inner.axes.setdefault(name, Axis(name, root, self.scope.cuts.lengths[root], 1))

    def axis(self, name: syntax.Name, value: syntax.Expr) -> None:
        scope = self.scope
        if not isinstance(value, syntax.Ref) or value.name not in scope.axes:
            text = scope.text(value.span)
            raise scope.report.unknown("axis", text, value.span, list(scope.axes))
        self.inner.axes[name.text] = replace(scope.axes[value.name], name=name.text)


def _present(places: tuple[syntax.Place, ...], tensor: Tensor) -> tuple[syntax.Place, ...] | None:
    """The places of a parameter that a tensor has axes for. Optional ones on the sockets are there if the tensor is sharded
    there; as to the others, outer ones are left out first. None if no choice fits."""
    optional = [i for i, place in enumerate(places) if place.optional]
    best: tuple[syntax.Place, ...] | None = None
    for left in combinations(optional, max(len(places) - len(tensor.axes), 0)):
        found = tuple(place for i, place in enumerate(places) if i not in left)
        fits = len(found) == len(tensor.axes) and all(
            sharded or not on_sockets
            for on_sockets, sharded in zip(map(_may_shard, found), tensor.sharded, strict=True)
        )
        if fits and (best is None or sum(map(_may_shard, found)) > sum(map(_may_shard, best))):
            best = found
    return best


def _may_shard(place: syntax.Place) -> bool:
    return place.optional and place.at == "socket"


def _constant(scope: Scope, value: syntax.Expr) -> Known | None:
    """A number, or the name of a dtype."""
    if isinstance(value, syntax.Ref) and value.name in BYTES and value.name not in scope.names:
        return value.name
    return scope.constant(value)


def _bind_axis(scope: Scope, inner: Scope, name: str, axis: Axis, span: Span, given: str) -> Axis:
    known = inner.axes.setdefault(name, replace(axis, name=name))
    if (known.root, known.stride) != (axis.root, axis.stride):
        raise scope.report.fail(
            "RDF070",
            f"axis `{name}` of the layer would be both `{known.root}` and `{axis.root}`",
            [(span, given)],
            notes=[
                "a layer's axes take their meaning from the arguments: the same name is the same axis in all of them"
            ],
            help=f"bring the argument to what the layer expects: `{name}` stands for `{known.root}` already",
        )
    return known
