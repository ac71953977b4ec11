"""The tables that rows are lowered to, while they are collected: every operand a word and a step, every memory a stretch of
one store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.arguments import Argument
from rdflow.dsl.netlist import Affine, Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.kernel import layout
from rdflow.interpreter.kernel.layout import VECTOR, Values
from rdflow.interpreter.registers import Registers


class Affines(Protocol):
    """Where affines are collected."""

    registers: Registers

    def affine(self, affine: Affine, depth: int) -> int: ...


@dataclass
class Store:
    """The tables for values, and the first word of each memory."""

    values: Values
    memories: list[int]


@dataclass
class Lowering:
    """Collects rows and operands; hands out words of the store."""

    netlist: Netlist
    affines: Affines
    words: int
    rows: list[dict[str, int]] = field(default_factory=list)
    operands: list[dict[str, int]] = field(default_factory=list)
    lanes: list[int] = field(default_factory=list)
    dynamics: list[tuple[int, int]] = field(default_factory=list)
    constants: dict[tuple[type, str | Argument], int] = field(default_factory=dict)
    contents: list[tuple[int, NDArray[Any]]] = field(default_factory=list)
    memories: list[int] = field(default_factory=list)

    def reserve(self, count: int) -> int:
        """The first of `count` new words."""
        self.words += count
        return self.words - count

    def table(self, lanes: Sequence[int]) -> int:
        """Where a table of lanes is."""
        self.lanes.extend(lanes)
        return len(self.lanes) - len(lanes)

    def constant(self, number: int | float | Argument) -> int:
        """The word of a vector with the number in all lanes; a launch gives an argument's."""
        if isinstance(number, Argument):
            return self.register(number)
        dtype = np.int32 if isinstance(number, int) else np.float32
        key = (type(number), repr(number))
        if key not in self.constants:
            self.constants[key] = self.reserve(VECTOR)
            self.contents.append((self.constants[key], np.full(VECTOR, number, dtype)))
        return self.constants[key]

    def register(self, argument: Argument) -> int:
        key = (Argument, argument)
        if key not in self.constants:
            self.constants[key] = self.reserve(VECTOR)
            self.affines.registers.words.append((self.constants[key], argument))
        return self.constants[key]

    def operand(self, **fields: int) -> int:
        self.operands.append(fields)
        return len(self.operands) - 1

    def tables(self) -> Values:
        """All that was collected, as the kernel reads it."""
        words = np.zeros(self.words + VECTOR, np.float32)
        ints = words.view(np.int32)
        for start, content in self.contents:
            ints[start : start + content.size] = content.view(np.int32)
        return Values(
            words=words,
            ints=ints,
            rows=layout.table(layout.ROW, self.rows),
            operands=layout.table(layout.OPERAND, self.operands),
            lanes=np.array([*self.lanes, 0], dtype=np.int64),
            dynamics=np.array([*self.dynamics, (0, 0)], dtype=np.int64),
        )
