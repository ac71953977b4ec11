"""The commands of the REPL: what stands behind `:`, one function each. Their docstrings are the help."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from rdflow.registry import COMMANDS, Command, command, nearest, said
from rdflow.session import Mistake, Reply, Session, Stopped

__all__ = ["COMMANDS", "run"]

SUBJECTS = ("running", "until", "looking", "editing")
"""modules whose commands enter the table as they are imported, in the order of `:help`"""

for subject in SUBJECTS:
    import_module(f"rdflow.commands_{subject}")


def run(session: Session, text: str) -> Reply:
    """Do a command, given without its colon. Raises Mistake or CompileError; then nothing has changed."""
    name, _, argument = text.strip().partition(" ")
    found = COMMANDS.get(name) or _short(name)
    if found is None:
        raise Mistake(f"there is no command `:{name}`{nearest(name, list(COMMANDS), ':')}; `:help` lists them")
    try:
        return found.run(session, argument.strip())
    except Stopped:
        from rdflow.looking import where

        assert session.execution is not None
        return said(f"interrupted at {where(session.execution)}")


def _short(name: str) -> Command | None:
    """A command by its first letters, where only one begins so."""
    found = [c for n, c in COMMANDS.items() if name and n.startswith(name)]
    return found[0] if len(found) == 1 else None


@command("[COMMAND]", "command")
def help_(session: Session, argument: str) -> Reply:
    """List the commands, or explain one."""
    name = argument.lstrip(":")
    if not name:
        return said("\n".join(_overview()))
    found = COMMANDS.get(name) or _short(name)
    if found is None:
        raise Mistake(f"there is no command `:{name}`{nearest(name, list(COMMANDS), ':')}; `:help` lists them")
    return said(f"{found.usage}\n\n{found.help}")


def _overview() -> Iterator[str]:
    yield "Type declarations and units as in a file; each is checked at once. A line that begins with `as` adds to the last."
    yield ""
    for each in COMMANDS.values():
        usage = each.usage if len(each.usage) < 24 else f":{each.name} .."
        yield f"{usage:<24} {each.headline}"


@command("")
def quit_(session: Session, argument: str) -> Reply:
    """End the session. So does Ctrl-D."""
    return Reply(ends=True)
