"""Dataclasses whose methods are shared by all of them, where the standard library writes and compiles some for each.

Half a millisecond a class is nothing, until a command loads 150 of them before it does anything. Fields, defaults,
`replace`, `fields` and `asdict` are the standard library's; what a type checker sees is its `dataclass`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

Values = tuple[Any, ...]
Fields = Mapping[str, dataclasses.Field[Any]]


def _record(cls: type | None = None, /, *, frozen: bool = False, slots: bool = False) -> Any:
    """A class decorator, with or without its options."""
    if cls is None:
        return lambda decorated: _record(decorated, frozen=frozen, slots=slots)
    cls.__doc__ = cls.__doc__ or cls.__name__  # or the standard library would write down the signature
    own = set(cls.__dict__)
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    methods = _methods(made, slots) | (FROZEN if frozen else {"__hash__": None})
    if frozen and slots:
        methods["__reduce__"] = _reduce  # unpickling would set attributes
    for name in methods.keys() - own:
        setattr(made, name, methods[name])
    return made


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    dataclass = _record


def _methods(cls: type, slots: bool) -> dict[str, Any]:
    """What every record has: it is made, shown and compared by its fields."""
    fields = dataclasses.fields(cls)
    given = {f.name: f for f in fields if f.init}
    compared = _getter(tuple(f.name for f in fields if f.compare))
    shown = tuple(f.name for f in fields if f.repr)

    def same(self: Any, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(compared(self))

    def text(self: Any) -> str:
        return f"{self.__class__.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    store = _slots(cls, tuple(given)) if slots else _attributes(tuple(given))
    initialiser = _initialiser(store, given, hasattr(cls, "__post_init__"))
    return {"__init__": initialiser, "__repr__": text, "__eq__": same, "__hash__": hashed}


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """What fetches the values that are compared: a tuple, or the only one."""
    return attrgetter(*names) if names else lambda self: ()


def _slots(cls: type, names: tuple[str, ...]) -> Callable[[Any, Values], None]:
    setters = tuple(getattr(cls, name).__set__ for name in names)

    def store(self: Any, values: Values) -> None:
        for setter, value in zip(setters, values, strict=True):
            setter(self, value)

    return store


def _attributes(names: tuple[str, ...]) -> Callable[[Any, Values], None]:
    def store(self: Any, values: Values) -> None:
        self.__dict__.update(zip(names, values, strict=True))

    return store


def _initialiser(store: Callable[[Any, Values], None], fields: Fields, checked: bool) -> Callable[..., None]:
    """`__init__`, by place or by name. `checked`: `__post_init__` follows."""
    count = len(fields)
    defaults = tuple(field.default for field in fields.values())
    plain = next((i for i in range(count, -1, -1) if i == 0 or defaults[i - 1] is dataclasses.MISSING), 0)

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        if not named and plain <= len(values) <= count:
            values += defaults[len(values) :]
        else:
            values = _completed(self.__class__, fields, values, named)
        store(self, values)
        if checked:
            self.__post_init__()

    return __init__


def _completed(cls: type, fields: Fields, values: Values, named: dict[str, Any]) -> Values:
    """The values of all fields. Raises TypeError where one is missing, given twice or not known."""
    rest = tuple(fields)[len(values) :]
    if len(values) > len(fields) or not named.keys() <= set(rest):
        raise TypeError(f"{cls.__name__} has the fields {tuple(fields)}; given are {len(values)} and {tuple(named)}")
    return (*values, *(named[name] if name in named else _default(cls, fields[name]) for name in rest))


def _default(cls: type, field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        raise TypeError(f"{cls.__name__} needs `{field.name}`")
    return field.default


def _reduce(self: Any) -> tuple[Any, ...]:
    return self.__class__, tuple(getattr(self, f.name) for f in dataclasses.fields(self) if f.init)


def _refused(self: Any, name: str, *value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change the field {name!r}")


FROZEN: dict[str, Any] = {"__setattr__": _refused, "__delattr__": _refused}
