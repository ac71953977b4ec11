"""Who waits for whom at the memory (A9): a load for the stores above it, a store for the loads above it.

Both wait by tokens: once, or once for each iteration of the outer loops in which both touch a part of the tensor of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, without
from rdflow.dsl.checked import Compute, Hold, Kernel, Line, Load, Store, TensorView, streams_of
from rdflow.dsl.nests import Nests
from rdflow.dsl.orders import Order, Scalar
from rdflow.dsl.sockets import Space

Access = Load | Store

WRITTEN, READ = "is written", "is read"
"""what is waited for: the tokens of a store's acknowledgements, the completion tokens of a load"""


def order_of(access: Access) -> Order:
    return access.source.order if isinstance(access, Store) else access.stream.order


def loops_of(access: Access) -> tuple[Digit, ...]:
    """The loops of one AGCU."""
    return without(order_of(access).time, access.streams)


def wait_level(nests: Nests, first: Access, here: Space, second: Access, there: Space) -> int | None:
    """The outer loops in each of whose iterations a copy of `second` waits for a copy of `first`, which is above it.

    0: it waits once, for all of it; None: it need not wait, as they touch other parts or its data says so already.
    """
    if _apart(first, here, second, there):
        return None
    level = _shared_loops(nests, first, here, second, there)
    if isinstance(first, Load) and isinstance(second, Store) and here == there and level == len(loops_of(first)):
        return None if _passed_on(nests.kernel, first, second) else level
    return level


def _alike(digit: Digit, first: TensorView, second: TensorView) -> bool:
    """Whether a digit chooses the same part of the tensor in both views."""
    axes = zip(first.indices, second.indices, first.gathers, second.gathers, strict=True)
    return any(i == j and digit in i.digits and g is None and h is None for i, j, g, h in axes)


def _apart(first: Access, here: Space, second: Access, there: Space) -> bool:
    """Whether two copies never touch the same part."""
    differ = [d for d, v in here.items() if there.get(d, v) != v]
    return any(_alike(d, first.view, second.view) for d in differ)


def _shared_loops(nests: Nests, first: Access, here: Space, second: Access, there: Space) -> int:
    """Outer loops that both have, that choose the same part in both and run equally often."""
    one, other = loops_of(first), loops_of(second)
    counts = nests.loops(one, order_of(first), here), nests.loops(other, order_of(second), there)
    level = 0
    for a, b, m, n in zip(one, other, *counts, strict=False):
        if a != b or m != n or not _alike(a, first.view, second.view):
            break
        if _scalar(order_of(first), a) != _scalar(order_of(second), b):
            break
        level += 1
    return level


def _scalar(order: Order, digit: Digit) -> Scalar | None:
    """The stream that bounds a loop."""
    bound = order.bound(digit.root)
    return bound if isinstance(bound, Scalar) else None


def _passed_on(kernel: Kernel, load: Load, store: Store) -> bool:
    """Whether each token that is stored is made of the loaded one of the same iteration: it cannot come before it."""
    wanted = load.stream.order
    if wanted.time != store.source.order.time or load.streams != store.streams:
        return False
    made = {s.name: line for line in kernel.lines for s in streams_of(line)}
    found, work = set[str](), [store.source.name]
    while work:
        name = work.pop()
        if name == load.stream.name:
            return True
        found.add(name)
        work += [n for n in _one_to_one(made[name], wanted) if n not in found]
    return False


def _one_to_one(line: Line, wanted: Order) -> Sequence[str]:
    """The streams of which a line takes one token for each that it gives, all in the loops and copies of `wanted`."""
    match line:
        case Compute(inputs=inputs, nest=nest) if nest == wanted.time and _same(line.stream.order, wanted):
            return [i.stream.name for i in inputs if _same(i.order, wanted) and i.order == i.stream.order]
        case Hold(source=source) if not line.moves and not line.gathers and _same(line.stream.order, wanted):
            return [source.name] if _same(source.order, wanted) else []
    return []


def _same(order: Order, wanted: Order) -> bool:
    return (order.time, order.space, order.bounds) == (wanted.time, wanted.space, wanted.bounds)
