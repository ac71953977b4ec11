"""Arguments: numbers in registers, which a launch fills in after its kernel is checked and mapped (A10).

An `Argument` stands for such a number, or for an expression over such numbers, wherever a constant may stand in bounds,
views and expressions. What decides how a kernel is built (a number of copies, a divisor, a depth) must be a number
beforehand: there `Needed` is raised, the kernel is checked with that parameter as a constant, and each of its numbers
has a mapping of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeGuard

from rdflow.dsl.arithmetic import FUNCTIONS, OPERATORS, Value
from rdflow.dsl.records import dataclass

Kind = Literal["f", "i", "b"]
Scalars = Mapping[str, Value]
"""the numbers that a launch gives, by parameter"""

ONE_OPERAND: dict[str, Callable[..., Value]] = {
    "neg": lambda a: -a,
    "not": lambda a: not a,
    "float": float,
}


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter (`op` is empty), or an operation over arguments and numbers."""

    kind: Kind
    op: str
    operands: tuple[Argument | Value, ...]

    def number(self, scalars: Scalars) -> Value:
        """What it is in a launch. Raises ArithmeticError or ValueError where the operation is not defined."""
        if not self.op:
            value = scalars[str(self.operands[0])]
            return float(value) if self.kind == "f" else value
        return _done(self.op, tuple(given(o, scalars) for o in self.operands))

    @property
    def names(self) -> frozenset[str]:
        """The parameters that it depends on."""
        if not self.op:
            return frozenset((str(self.operands[0]),))
        return frozenset(n for o in self.operands if isinstance(o, Argument) for n in o.names)

    @property
    def text(self) -> str:
        """It as an expression."""
        parts = [o.text if isinstance(o, Argument) else str(o) for o in self.operands]
        if not self.op:
            return parts[0]
        if self.op in OPERATORS:
            return f"({parts[0]} {self.op} {parts[1]})"
        return f"-{parts[0]}" if self.op == "neg" else f"{self.op}({', '.join(parts)})"


Known = Value | Argument
"""a constant, or what will be one in a launch"""


class Needed(Exception):
    """The numbers of these parameters decide how the kernel is built."""

    def __init__(self, names: frozenset[str]):
        super().__init__(", ".join(sorted(names)))
        self.names = names


def parameter(name: str, dtype: str) -> Argument:
    """A scalar parameter of a kernel."""
    return Argument("i" if dtype.startswith("int") else "f", "", (name,))


def is_whole(value: Known | None) -> TypeGuard[int | Argument]:
    """Whether it is a whole number, now or in a launch."""
    return value.kind == "i" if isinstance(value, Argument) else isinstance(value, int) and not isinstance(value, bool)


def number(value: Known) -> Value:
    """A number that must be known now. Raises Needed."""
    if isinstance(value, Argument):
        raise Needed(value.names)
    return value


def as_float(value: float | Argument) -> float | Argument:
    """A number as a float."""
    return Argument("f", "float", (value,)) if isinstance(value, Argument) else float(value)


def given(value: Known, scalars: Scalars) -> Value:
    """A number in a launch."""
    return value.number(scalars) if isinstance(value, Argument) else value


def combined(op: str, operands: tuple[Known, ...]) -> Known:
    """An operation of a constant expression: done, or an Argument where an operand is one.

    Raises Needed where the type of the result depends on the numbers.
    """
    if not any(isinstance(o, Argument) for o in operands):
        return _done(op, tuple(number(o) for o in operands))
    kind = _kind(op, operands)
    if kind is None:
        raise Needed(frozenset(n for o in operands if isinstance(o, Argument) for n in o.names))
    return Argument(kind, op, operands)


def _done(op: str, operands: tuple[Value, ...]) -> Value:
    done: Callable[..., Value] = ONE_OPERAND.get(op) or FUNCTIONS.get(op) or OPERATORS[op]
    return done(*operands)


def _kind(op: str, operands: tuple[Known, ...]) -> Kind | None:
    """The type of an operation's result; None where numbers decide it, or whether there is one."""
    kinds = {_kind_of(o) for o in operands}
    if op in ("<", "<=", ">", ">=", "==", "!="):
        return "b" if None not in kinds else None
    if op in ("and", "or", "not"):
        return "b" if kinds == {"b"} else None
    if kinds - {"i", "f"}:
        return None
    if op in ("sqrt", "exp", "log", "float"):
        return "f"
    if op == "/":
        return "f" if "f" in kinds else None
    if op == "%" and (isinstance(operands[1], Argument) or not operands[1]):
        return None
    if op in ("min", "max") and len(kinds) > 1:
        return None
    return "f" if "f" in kinds else "i"


def _kind_of(value: Known) -> Kind | None:
    if isinstance(value, Argument):
        return value.kind
    if isinstance(value, bool):
        return "b"
    return "i" if isinstance(value, int) else "f" if isinstance(value, float) else None


def linear_parts(value: Known, factor: int = 1) -> Iterator[tuple[Argument | None, int]]:
    """A whole number as a sum: arguments with their factors, and None with the constant."""
    if not isinstance(value, Argument):
        yield None, factor * int(value)
        return
    match value.op, value.operands:
        case "+" | "-" as op, (a, b):
            yield from linear_parts(a, factor)
            yield from linear_parts(b, factor if op == "+" else -factor)
        case "neg", (a,):
            yield from linear_parts(a, -factor)
        case "*", (int(a), b):
            yield from linear_parts(b, factor * a)
        case "*", (a, int(b)):
            yield from linear_parts(a, factor * b)
        case _:
            yield value, factor
