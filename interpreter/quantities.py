"""Quantities as people write them ("1.8TB/s", "64GiB", "100ns"), read exactly: ints and fractions of base units."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from rdflow.dsl.program import LANES

DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


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
            raise PydanticCustomError("quantity", "{name}", {"kind": self, "name": self.name})
        return Fraction(match[1]) * self.units[match[2]]


def scaled(scales: Mapping[str, int], unit: str) -> dict[str, Fraction]:
    return {prefix + unit: Fraction(scale) for prefix, scale in scales.items()}


SIZE = Kind("a size", "64GiB", scaled(DECIMAL | BINARY, "B"))
BANDWIDTH = Kind("a bandwidth", "1.8TB/s", scaled(DECIMAL | BINARY, "B/s"))
FREQUENCY = Kind("a frequency", "1.2GHz", scaled(DECIMAL, "Hz"))
TIME = Kind(
    "a time", "100ns", {u: Fraction(1, 10**e) for u, e in (("s", 0), ("ms", 3), ("us", 6), ("ns", 9), ("ps", 12))}
)


def impossible(why: str) -> PydanticCustomError:
    return PydanticCustomError("impossible", "{why}", {"why": why})


def whole(kind: Kind) -> Callable[[object], int]:
    """A reader of quantities that are positive and whole in their base unit."""

    def read(value: object) -> int:
        amount = kind.parse(value)
        if amount <= 0:
            raise impossible("must be more than 0")
        if amount.denominator != 1:
            raise impossible(f"must be a whole number of {next(iter(kind.units))}")
        return amount.numerator

    return read


def duration(value: object) -> Fraction:
    """Seconds, at least 0."""
    seconds = TIME.parse(value)
    if seconds < 0:
        raise impossible("must not be negative")
    return seconds


def share(value: object) -> Fraction:
    """A part of a whole: more than 0, at most 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("share", "a number")
    part = Fraction(str(value))
    if not 0 < part <= 1:
        raise impossible("must be more than 0 and at most 1")
    return part


Bytes = Annotated[int, PlainValidator(whole(SIZE))]
BytesPerSecond = Annotated[int, PlainValidator(whole(BANDWIDTH))]
Hertz = Annotated[int, PlainValidator(whole(FREQUENCY))]
Seconds = Annotated[Fraction, PlainValidator(duration)]
Share = Annotated[Fraction, PlainValidator(share)]
Count = Annotated[int, Field(strict=True, ge=1)]
Cycles = Annotated[int, Field(strict=True, ge=1)]
Lanes = Annotated[int, Field(strict=True, ge=1, le=LANES)]
