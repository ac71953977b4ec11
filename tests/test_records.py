"""Records do what dataclasses of the standard library do, and no code is generated for them."""

from __future__ import annotations

import builtins
import copy
import dataclasses
import pickle
from typing import Any

import pytest

from rdflow.dsl import records

KINDS: list[dict[str, bool]] = [{}, {"frozen": True}, {"frozen": True, "slots": True}, {"slots": True}]


class Shape:
    """The annotations of a class, to be decorated in two ways."""

    name: str
    size: int = 3
    marks: list[int] = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default="", repr=False, compare=False)


def decorated(decorate: Any, **options: bool) -> Any:
    body = {name: value for name, value in Shape.__dict__.items() if name not in ("__dict__", "__weakref__")}
    return decorate(**options)(type("Shape", (), body))


@pytest.fixture(params=KINDS, ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A record and the dataclass that it stands for."""
    return decorated(records.dataclass, **request.param), decorated(dataclasses.dataclass, **request.param)


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("a", 1), {}),
    (("a", 1, [2], "n"), {}),
    ((), {"size": 4, "name": "b"}),
    (("c",), {"note": "seen"}),
]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_what_is_made_is_the_same(pair: tuple[Any, Any], call: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    ours, theirs = (cls(*call[0], **call[1]) for cls in pair)
    assert repr(ours) == repr(theirs) and dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert dataclasses.replace(ours, size=9) == pair[0](ours.name, 9, ours.marks)
    assert [cls.__match_args__ for cls in pair] == [("name", "size", "marks", "note")] * 2


WRONG: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    (("a", 1, [], "", 5), {}),
    (("a",), {"name": "b"}),
    (("a",), {"no": 1}),
]


@pytest.mark.parametrize("call", WRONG, ids=str)
def test_what_cannot_be_made_is_refused(pair: tuple[Any, Any], call: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    for cls in pair:
        with pytest.raises(TypeError):
            cls(*call[0], **call[1])


def test_records_are_compared_by_fields(pair: tuple[Any, Any]) -> None:
    for cls in pair:
        assert cls("a", note="x") == cls("a", note="y") != cls("b")
        assert cls("a") != ("a", 3, [])
    assert pair[0]("a") != pair[1]("a")
    assert pair[0]("a").marks is not pair[0]("a").marks


def outcome(act: Any) -> Any:
    try:
        return act()
    except (TypeError, AttributeError) as error:
        return type(error)


def test_hash_freeze_and_slots_are_those_of_dataclasses(pair: tuple[Any, Any]) -> None:
    ours, theirs = (cls("a", 1, ()) for cls in pair)
    assert outcome(lambda: hash(ours)) == outcome(lambda: hash(theirs))
    for act in (lambda x: setattr(x, "size", 2), lambda x: delattr(x, "size")):
        assert outcome(lambda act=act: act(ours)) == outcome(lambda act=act: act(theirs))
    assert hasattr(ours, "__dict__") == hasattr(theirs, "__dict__")


@records.dataclass(frozen=True, slots=True)
class Kept:
    a: int
    b: str = "b"


@records.dataclass
class Counted:
    start: int
    after: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.after = self.start + 1

    def __repr__(self) -> str:
        return "own"


def test_records_are_copied_and_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1))) == copy.deepcopy(Kept(1)) == copy.copy(Kept(1)) == Kept(1, "b")


def test_what_a_class_has_is_left_and_what_follows_is_done() -> None:
    assert Counted(1).after == 2 and repr(Counted(1)) == "own" and Counted(1) == Counted(1) != Counted(2)
    with pytest.raises(TypeError):
        Counted(1, 2)  # type: ignore[call-arg]


def test_no_code_is_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("code was generated")

    monkeypatch.setattr(builtins, "exec", refuse)
    with pytest.raises(AssertionError, match="generated"):
        decorated(dataclasses.dataclass)
    for options in KINDS:
        decorated(records.dataclass, **options)
