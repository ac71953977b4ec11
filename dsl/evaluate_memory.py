"""Values of loads, holds and stores: permutations, replays and index maps (A3, A7, A9)."""

from __future__ import annotations

import numpy as np

from rdflow.dsl.axes import Digit, size
from rdflow.dsl.checked import Hold, Load, Store, Stream, TensorView
from rdflow.dsl.evaluate_arrays import Array, affine, arranged, every, in_range, pick
from rdflow.dsl.evaluate_frame import Frame


def load(frame: Frame, line: Load) -> None:
    tensor = frame.tensor(line.view.tensor, line.view.version)
    frame.define(line.stream, pick(tensor, indices(frame, line.view)))


def indices(frame: Frame, view: TensorView) -> list[Array]:
    """The index along each axis of a tensor."""
    pairs = zip(view.indices, view.gathers, strict=True)
    return [affine(linear, frame.fixed) if stream is None else frame.read(stream) for linear, stream in pairs]


def store(frame: Frame, line: Store) -> None:
    """Write the next version; what lies beyond a length or a bound, or outside of the tensor, is dropped."""
    target = frame.tensor(line.view.tensor, line.view.version + 1)
    at = indices(frame, line.view)
    tokens = frame.read(line.source)
    inside = [Array(i.digits, in_range(i.numbers, n)) for i, n in zip(at, target.shape, strict=True)]
    kept = every([*inside, frame.defined_in(line.source.order)])
    digits = arranged(d for a in (*at, tokens) for d in a.digits)
    if kept is None:
        target[tuple(i.along(digits) for i in at)] = tokens.along(digits)
        return
    digits = arranged((*digits, *kept.digits))
    here = kept.full(digits)
    target[tuple(i.full(digits)[here] for i in at)] = tokens.full(digits)[here]


def hold(frame: Frame, line: Hold) -> None:
    """The source under the digits of the view; where the view shifts, flips or gathers, through an index map."""
    moves = {d: affine(linear, frame.fixed) for d, linear in line.moves}
    moves |= {d: _gathered(frame, line, d, stream) for d, stream in line.gathers}
    tokens = frame.read(line.source, whole=moves)
    if not moves:
        frame.define(line.stream, tokens)
        return
    digits = arranged((*tokens.digits, *moves))
    at = [moves[d] if d in moves else _itself(d) for d in digits]
    frame.define(line.stream, pick(tokens.full(digits), at))


def _itself(digit: Digit) -> Array:
    return Array((digit,), np.arange(digit.extent))


def _gathered(frame: Frame, line: Hold, digit: Digit, stream: Stream) -> Array:
    """The value of one digit of an axis that a stream indexes; -1 where the index is out of range."""
    axis = [d for d, s in line.gathers if s.name == stream.name and d.root == digit.root]
    low, length = min(d.stride for d in axis), size(axis)
    if low * length >= frame.lengths[digit.root]:
        length = -(-frame.lengths[digit.root] // low)
    index = frame.read(stream)
    values = index.numbers // (digit.stride // low) % digit.extent
    return Array(index.digits, np.where(in_range(index.numbers, length), values, -1))
