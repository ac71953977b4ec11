"""Checks stores: what memory takes (A9)."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit
from rdflow.dsl.check_gather import outside
from rdflow.dsl.check_load import across, dealt
from rdflow.dsl.checked import Store, Stream, TensorView
from rdflow.dsl.scope import Scope
from rdflow.dsl.views import digits_of, tensor_view


def check_store(scope: Scope, store: syntax.Store) -> Store:
    """A line that stores: the tensor has a version more."""
    view = tensor_view(scope, store.target)
    source = scope.stream(store.source.text, store.source.span)
    fills(scope, store, source, view)
    if source.dtype != view.tensor.dtype:
        raise scope.report.fail(
            "RDF032",
            f"`{source.name}` is {source.dtype}, `{view.tensor.name}` is {view.tensor.dtype}",
            [(source.span, f"{source.dtype} here"), (view.tensor.span, f"{view.tensor.dtype} here")],
            notes=["an AGCU moves bytes; only a pcu converts"],
            help=f"let the pcu that computes it end in `as {view.tensor.dtype}`",
        )
    if view.tensor.direction == "input":
        raise scope.report.fail(
            "RDF037",
            f"`{view.tensor.name}` is an input",
            [(store.span, "stored here"), (view.tensor.span, "declared input")],
            notes=["inputs are what a user gives; they are not changed"],
            help=f"store into an output, or declare `{view.tensor.name}` as `input output`: given, and changed in place",
        )
    outside(scope, source.order, view.gathers, store.source.text, store.span)
    across(scope, view, source.order, store.span, store.source.text)
    scope.versions[view.tensor.name] = scope.versions.get(view.tensor.name, 0) + 1
    return Store(source, view, dealt(scope, source.order, store.streams), store.span)


def fills(scope: Scope, store: syntax.Store, source: Stream, view: TensorView) -> None:
    """The stream has the digits of the view, no more and no fewer."""
    needed = set(digits_of(view)) | {d for g in view.gathers if g is not None for d in g.order.digits}
    found = set(source.order.digits)
    if needed == found:
        return
    missing, extra = needed - found, found - needed
    shape = ", ".join(a.name for a in view.tensor.axes)
    parts = [f"lacks `{scope.terms(missing)}`"] if missing else []
    parts += [f"has `{scope.terms(extra)}` too many"] if extra else []
    raise scope.report.fail(
        "RDF037",
        f"`{source.name}` does not fill `{view.tensor.name}`: it {' and '.join(parts)}",
        [
            (store.span, "stored here"),
            (source.span, f"`{source.name}` is {scope.show(source.order)}"),
            (view.tensor.span, f"`{view.tensor.name}` is [{shape}]"),
        ],
        notes=["a store writes every element of its view exactly once"],
        help=filled(scope, source.name, view.tensor.name, missing, extra),
    )


def filled(scope: Scope, source: str, tensor: str, missing: set[Digit], extra: set[Digit]) -> str:
    """What gives a stream the digits of the tensor."""
    if extra:
        return f"reduce `{source}` over `{scope.terms(extra)}` in a pcu, or declare `{tensor}` with it"
    fixed = ", ".join(f"{scope.writer.run((d,)).split('/')[0]} = 0" for d in _slowest(missing))
    return f"do not reduce over `{scope.terms(missing)}`, or fix it: `store {source} -> {tensor}({fixed})`"


def _slowest(digits: set[Digit]) -> list[Digit]:
    """The slowest digit of each root."""
    best: dict[str, Digit] = {}
    for digit in digits:
        if digit.root not in best or digit.stride > best[digit.root].stride:
            best[digit.root] = digit
    return list(best.values())
