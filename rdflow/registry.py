"""A command of the REPL, and the table of all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from rdflow.dsl.records import dataclass
from rdflow.session import Mistake, Reply, Session

Run = Callable[[Session, str], Reply]


@dataclass(frozen=True)
class Command:
    """A command: how it is typed, and what it does."""

    name: str
    usage: str
    run: Run
    takes: str = ""  # what its argument names, for completion

    @property
    def help(self) -> str:
        return textwrap.dedent(f"    {self.run.__doc__}".replace("\n    \n", "\n\n")).strip()

    @property
    def headline(self) -> str:
        return self.help.split("\n")[0]


COMMANDS: dict[str, Command] = {}


def command(usage: str, takes: str = "") -> Callable[[Run], Run]:
    def add(function: Run) -> Run:
        name = function.__name__.rstrip("_")
        COMMANDS[name] = Command(name, f":{name} {usage}".strip(), function, takes)
        return function

    return add


def nearest(name: str, known: list[str], mark: str = "") -> str:
    near = get_close_matches(name, known, n=1)
    return f": did you mean `{mark}{near[0]}`?" if near else ""


def said(*parts: Any) -> Reply:
    return Reply(tuple(parts))


def number(text: str, usage: str, least: int = 0) -> int:
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or int(plain) < least:
        raise Mistake(f"`{text}` is not a number of cycles: {usage}")
    return int(plain)


def none(argument: str, name: str) -> None:
    if argument:
        raise Mistake(f"`:{name}` takes nothing behind it, not `{argument}`")
