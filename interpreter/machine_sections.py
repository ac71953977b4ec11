"""The sections of a machine file as records: each field names its reader, and every fault is found in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

from rdflow.dsl.records import dataclass
from rdflow.interpreter.quantities import Impossible, Unfit

Part = TypeVar("Part")  # the class of a section


class Missing(Exception):
    """A key that a section must have."""


class Unknown(Exception):
    """A key that nothing reads."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a key (behind its section and a dot), and the value given for it."""

    path: str
    given: object
    why: Unfit | Impossible | Missing | Unknown


def read(part: type[Part], data: Mapping[str, Any], faults: list[Fault], path: str = "") -> Part | None:
    """The part that a file describes; or None, and what is wrong with it."""
    sound, readers = len(faults), hints(part)  # type: ignore[arg-type]
    values = {key: _value(readers[key], key, data, faults, path + key) for key in keys(part)}
    faults.extend(Fault(path + key, data[key], Unknown()) for key in data if key not in values)
    return part(**values) if len(faults) == sound else None


def keys(part: type) -> list[str]:
    return [field.name for field in fields(part) if not field.name.startswith("_")]  # type: ignore[arg-type]


@cache
def hints(part: type) -> dict[str, Any]:
    return get_type_hints(part, include_extras=True)


def _value(hint: Any, key: str, data: Mapping[str, Any], faults: list[Fault], path: str) -> Any:
    try:
        if key not in data:
            raise Missing
        if isinstance(hint, type):
            return read(hint, _section(data[key]), faults, f"{path}.")
        reader: Callable[[object], Any] = hint.__metadata__[0]
        return reader(data[key])
    except (Unfit, Impossible, Missing) as why:
        faults.append(Fault(path, data.get(key), why))
        return None


def _section(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unfit("a section")
    return value
