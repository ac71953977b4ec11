"""Quantities as people write them ("1.8TB/s", "64GiB", "100ns"), read exactly: ints and fractions of base units."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Annotated

from rdflow.dsl.program import LANES
from rdflow.dsl.records import dataclass

DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class Unfit(Exception):
    """A value of a machine file that cannot be read: it is not of the type that is `expected`."""

    def __init__(self, expected: str):
        self.expected = expected


class NoQuantity(Unfit):
    """Not a quantity of that kind, or without its unit."""

    def __init__(self, kind: Kind):
        super().__init__(kind.name)
        self.kind = kind


class Impossible(Exception):
    """A value of the right type that cannot be; the text says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a quantity measures: its name, an example, and what each unit is worth."""

    name: str
    example: str
    units: dict[str, Fraction]

    def parse(self, value: object) -> Fraction:
        """The quantity in base units, exactly."""
        match = re.fullmatch(r"\s*([+-]?[\d_]*\.?\d+(?:[eE][+-]?\d+)?)\s*([A-Za-z/]*)\s*", str(value))
        if not isinstance(value, str) or match is None or match[2] not in self.units:
            raise NoQuantity(self)
        return Fraction(match[1]) * self.units[match[2]]


def scaled(scales: Mapping[str, int], unit: str) -> dict[str, Fraction]:
    return {prefix + unit: Fraction(scale) for prefix, scale in scales.items()}


SIZE = Kind("a size", "64GiB", scaled(DECIMAL | BINARY, "B"))
BANDWIDTH = Kind("a bandwidth", "1.8TB/s", scaled(DECIMAL | BINARY, "B/s"))
COMPUTE = Kind("a rate of operations", "312TFLOP/s", scaled(DECIMAL, "FLOP/s"))
FREQUENCY = Kind("a frequency", "1.2GHz", scaled(DECIMAL, "Hz"))
TIME = Kind(
    "a time", "100ns", {u: Fraction(1, 10**e) for u, e in (("s", 0), ("ms", 3), ("us", 6), ("ns", 9), ("ps", 12))}
)


def whole(kind: Kind) -> Callable[[object], int]:
    """A reader of quantities that are positive and whole in their base unit."""

    def read(value: object) -> int:
        amount = kind.parse(value)
        if amount <= 0:
            raise Impossible("must be more than 0")
        if amount.denominator != 1:
            raise Impossible(f"must be a whole number of {next(iter(kind.units))}")
        return amount.numerator

    return read


def duration(value: object) -> Fraction:
    """Seconds, at least 0."""
    seconds = TIME.parse(value)
    if seconds < 0:
        raise Impossible("must not be negative")
    return seconds


def share(value: object) -> Fraction:
    """A part of a whole: more than 0, at most 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("a number")
    part = Fraction(str(value))
    if not 0 < part <= 1:
        raise Impossible("must be more than 0 and at most 1")
    return part


def count(most: int | None = None) -> Callable[[object], int]:
    """A reader of whole numbers from 1 to `most`."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit("a whole number")
        if value < 1:
            raise Impossible("must be at least 1")
        if most is not None and value > most:
            raise Impossible(f"must be at most {most}")
        return value

    return read


def words(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit("a text in quotes")
    return value


Bytes = Annotated[int, whole(SIZE)]
BytesPerSecond = Annotated[int, whole(BANDWIDTH)]
FlopPerSecond = Annotated[int, whole(COMPUTE)]
Hertz = Annotated[int, whole(FREQUENCY)]
Seconds = Annotated[Fraction, duration]
Share = Annotated[Fraction, share]
Count = Annotated[int, count()]
Cycles = Annotated[int, count()]
Lanes = Annotated[int, count(LANES)]
Words = Annotated[str, words]
