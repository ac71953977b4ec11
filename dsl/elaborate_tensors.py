"""The tensors of a kernel in its netlist: their words in memories, their bytes in a tier, the bursts of a token."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

from rdflow.dsl.axes import Digit, Linear
from rdflow.dsl.checked import TensorView
from rdflow.dsl.drafts import Draft
from rdflow.dsl.lanes import lane_values
from rdflow.dsl.netlist import Burst, In, Mem, TensorUse
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import BYTES, PACKET_BYTES
from rdflow.dsl.program import Tensor
from rdflow.dsl.records import dataclass
from rdflow.dsl.rows import Rows


@dataclass(frozen=True, slots=True)
class Bursts:
    """The bursts of a token: loops over them, what each loop adds to the address, and the address of the first one."""

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    first: Linear

    @property
    def count(self) -> int:
        return prod(self.sizes)


class Tensors:
    """The tensors of a netlist under construction."""

    def __init__(self, nets: Nets):
        self.nets = nets
        self.numbers: dict[str, int] = {}
        self.memories: dict[tuple[str, int, int], int] = {}  # by tensor, version and socket
        for tensor in nets.kernel.tensors.values():
            self.numbers[tensor.name] = len(nets.netlist.tensors)
            nets.netlist.tensors.append(_known(tensor))

    def memory(self, tensor: Tensor, version: int, socket: int) -> int:
        """The words of one version of a tensor on a socket. All start from what the kernel is given; a store writes its
        own and all later ones."""
        key = (tensor.name, version, socket)
        if key not in self.memories:
            sharded = sharded_axis(tensor)
            words = prod(n for i, n in enumerate(tensor.shape) if i != sharded) or 1
            name = tensor.name + (f"#{version}" if version else "")
            self.memories[key] = self.nets.memory(name, words, self.numbers[tensor.name], socket)
        return self.memories[key]

    def words(self, rows: Rows, view: TensorView, memory: int, lanes: Sequence[Digit], first: int) -> Mem:
        """The words of a token: address of its first lane, offsets of the others, the index streams at ports from `first`
        on added."""
        strides, _ = _strides(view.tensor, 1)
        linear = _address(view, strides)
        gathered = (stride for gather, stride in zip(view.gathers, strides, strict=True) if gather is not None)
        dynamic = tuple((In(first + i), stride) for i, stride in enumerate(gathered))
        address = rows.draft.affine(linear.outside(lanes))
        return Mem(memory, address, lane_values(lanes, dict(linear.terms)), dynamic=dynamic)

    # -- bytes ---------------------------------------------------------------------------------------------------------

    def bursts(self, view: TensorView, lanes: Sequence[Digit]) -> Bursts:
        """The bursts of a token with these lanes: a loop for each lane across a slow axis, and one for the rest."""
        linear = _address(view, self._use(view).strides)
        address = dict(linear.terms)
        sizes: list[int] = []
        steps: list[int] = []
        span = BYTES[view.tensor.dtype]
        for digit in reversed(lanes):
            step = abs(address.get(digit, 0))
            if step >= PACKET_BYTES and step > span:
                sizes.insert(0, digit.extent)
                steps.insert(0, step)
            else:
                span = max(span, step * (digit.extent - 1) + span)
        touched = _touched(span, [abs(c) for d, c in address.items() if d not in lanes])
        if touched > 1:
            sizes.append(touched)
            steps.append(PACKET_BYTES)
        return Bursts(tuple(sizes), tuple(steps), linear.outside(lanes))

    def burst(self, draft: Draft, view: TensorView, bursts: Bursts, first: int) -> Burst:
        """The address of an actor's burst; `first`: the input port of the first index stream."""
        affine = draft.affine(bursts.first)
        time = len(draft.loops) - len(bursts.sizes)
        address = affine._replace(by_loop=affine.by_loop[:time] + bursts.steps)
        return Burst(self.numbers[view.tensor.name], address, self._indexed(view, first))

    def _indexed(self, view: TensorView, first: int) -> tuple[tuple[int, int, int], ...]:
        """What the index streams of a view, at input ports from `first` on, add to addresses."""
        axes = zip(view.gathers, self._use(view).strides, view.tensor.axes, strict=True)
        found = [(stride, axis.length) for gather, stride, axis in axes if gather is not None]
        return tuple((first + i, stride, length) for i, (stride, length) in enumerate(found))

    def _use(self, view: TensorView) -> TensorUse:
        return self.nets.netlist.tensors[self.numbers[view.tensor.name]]


def _known(tensor: Tensor) -> TensorUse:
    """The tensor as the netlist knows it: rows padded to whole bursts, what is sharded on each socket once."""
    strides, end = _strides(tensor, BYTES[tensor.dtype], PACKET_BYTES)
    return TensorUse(
        tensor.name,
        tensor.shape,
        tensor.dtype,
        tensor.tier,
        tensor.direction,
        strides,
        -(-end // PACKET_BYTES) * PACKET_BYTES,
        sharded_axis(tensor),
    )


def _strides(tensor: Tensor, step: int, whole: int = 1) -> tuple[tuple[int, ...], int]:
    """What one more along each axis adds to an address, and where the tensor ends. `step`: an element; `whole`: what a row
    is a multiple of."""
    strides: list[int] = []
    sharded = sharded_axis(tensor)
    for number in reversed(range(len(tensor.axes))):
        strides.append(0 if number == sharded else step)
        step *= 1 if number == sharded else tensor.axes[number].length
        if len(strides) == 1 and len(tensor.axes) > 1:
            step = -(-step // whole) * whole
    return tuple(reversed(strides)), step


def _address(view: TensorView, strides: Sequence[int]) -> Linear:
    total = Linear()
    for index, stride in zip(view.indices, strides, strict=True):
        total = total.plus(index, stride)
    return total


def _touched(span: int, others: Sequence[int]) -> int:
    """Bursts that hold `span` bytes which begin where the other digits of an address, each with its step, put them."""
    shift = gcd(PACKET_BYTES, *others) if others else PACKET_BYTES
    worst = span + PACKET_BYTES - shift  # bytes from the beginning of the first burst
    return -(-worst // PACKET_BYTES) if worst > PACKET_BYTES and span > shift else -(-span // PACKET_BYTES)


def sharded_axis(tensor: Tensor) -> int | None:
    """The axis of a tensor of which each socket has one index."""
    return next((i for i, a in enumerate(tensor.axes) if tensor.sharded[i] and a.length > 1), None)


# -- what may lead outside ---------------------------------------------------------------------------------------------


def leaving(view: TensorView) -> list[tuple[Linear, Linear]]:
    """Conditions for indices that may leave the tensor by a view: each is smaller than its limit."""
    found = []
    for index, axis in zip(view.indices, view.tensor.axes, strict=True):
        if index.low < 0 or index.arguments:
            found.append((Linear(-1), index))
        plain = index.const == 0 and all(c > 0 for _, c in index.terms)
        if not plain and index.high >= axis.length or index.arguments:
            found.append((index, Linear(axis.length)))
    return found


def strays(view: TensorView, first: int) -> tuple[tuple[int, int], ...]:
    """Input ports of index streams, from `first` on, whose tokens may lead to another element, and the lengths of their
    axes. An index of the outermost axis alone leads out of the tensor, where nothing is."""
    axes = zip(view.gathers, view.tensor.axes, strict=True)
    lengths = [axis.length for gather, axis in axes if gather is not None]
    if len(lengths) == 1 and view.gathers[0] is not None:
        return ()
    return tuple((first + i, length) for i, length in enumerate(lengths))
