"""The values of a program's tensors from the weights of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import TYPE_CHECKING, Any

from rdflow.checkpoints.folder import Folder
from rdflow.checkpoints.matching import Piece
from rdflow.checkpoints.shapes import arranged

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]


def read(pieces: Iterable[Piece], folder: Folder, say: Callable[[str], None] = lambda text: None) -> Arrays:
    """The tensors, float32 words as the engine has them: bf16 and f16 weights exactly, rounded where the tensor is bf16
    and the weight is not. One weight at a time is beside them in memory."""
    import numpy as np

    from rdflow.dsl.numerics import bf16

    pieces = list(pieces)
    whole = sum(prod(piece.stored.shape) for piece in pieces)
    found: Arrays = {}
    done = 0
    for piece in pieces:
        tensor, stored = piece.tensor, piece.stored
        say(f"reading weights: `{stored.name}`  {done / 1e6:,.0f} of {whole / 1e6:,.0f} M numbers")
        if tensor.name not in found:
            found[tensor.name] = np.empty(tensor.shape, np.float32)
        axes = [axis.name for axis in tensor.axes]
        values = arranged(folder.read(stored.name), piece.factors, [name for name in axes if name not in piece.index])
        rounding = tensor.dtype == "bf16" and stored.dtype != "BF16"
        found[tensor.name][tuple(piece.index.get(name, slice(None)) for name in axes)] = (
            bf16(values) if rounding else values
        )
        done += prod(stored.shape)
    return found
