"""What a schedule reads in a run without values: as given, or drawn by chance, the same for the same element."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.program import Program
from rdflow.dsl.reading import ranges
from rdflow.dsl.records import dataclass
from rdflow.dsl.slices import sliced
from rdflow.dsl.steps import Read
from rdflow.interpreter.data import prepared

Array = NDArray[Any]


@dataclass(frozen=True)
class Drawn:
    """Elements of `known` tensors as they are; of others a number below their range, from the seed and the place."""

    program: Program
    known: dict[str, Array]
    below: dict[str, int]
    seed: int

    def __call__(self, read: Read) -> Value:
        element = read.element
        if element.tensor in self.known:
            value: Value = sliced(self.program, element, self.known).item()
            return value
        places = [self.seed, zlib.crc32(element.tensor.encode()), *(index for _, index in element.fixed)]
        return int(np.random.default_rng(places).integers(self.below[element.tensor]))


def drawn(program: Program, given: Mapping[str, Any], seed: int) -> Drawn | None:
    """Choices for a run without values; None where what is read decides more than which expert runs, so that it must be
    computed. Inputs that are read are as given, or random as in a run. Raises CompileError for what is wrong of them."""
    found = ranges(program)
    own = [name for name in found if program.tensors[name].given or name in given]
    below = {name: count for name, count in found.items() if name not in own and count is not None}
    if len(own) + len(below) < len(found):
        return None
    return Drawn(program, prepared(program, given, seed, only=own), below, seed)
