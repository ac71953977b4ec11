"""Commands of the REPL that change the program or the machine: `:set`, `:machine`, `:load`, `:save`, `:undo` and others."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rdflow.registry import command, nearest, none, said
from rdflow.session import Mistake, Reply, Session
from rdflow.session_state import State


@command("[NAME=VALUE]", "param")
def set_(session: Session, argument: str) -> Reply:
    """Set a param, as `:set S=256`; without an argument, list them.

    A param has its declared value until it is set; `:save` writes the declared one.
    """
    from rdflow.dsl.arithmetic import Value

    params = session.examined.checked.program.params
    if not argument:
        shown = [f"{n} = {v}{' (set)' if n in session.state.settings else ''}" for n, v in params.items()]
        return said("\n".join(shown) or "there are no params")
    name, equals, text = (part.strip() for part in argument.partition("="))
    if not (equals and text):
        raise Mistake(f"`:set NAME=VALUE`, as `:set {next(iter(params), 'S')}=256`")
    if name not in params:
        raise Mistake(
            f"there is no param `{name}`{nearest(name, list(params))} (there are {', '.join(params) or 'none'})"
        )
    value: Value = text
    for kind in (float, int):
        with suppress(ValueError):
            value = kind(text)
    reply = session.become(replace(session.state, settings={**session.state.settings, name: value}))
    return reply if reply.failed else said(f"{name} = {value}")


@command("[NAME | FILE | KEY=VALUE]", "machine")
def machine(session: Session, argument: str) -> Reply:
    """Put the program on another machine, or change one number: `:machine hbm.bandwidth=3.6TB/s`.

    Without an argument, say which machine it is.
    """
    from rdflow.interpreter.allocate import size_text
    from rdflow.interpreter.machine import load_machine, machines
    from rdflow.show import scaled

    found = session.machine
    if argument:
        found = found.with_setting(argument) if "=" in argument else load_machine(argument)
        reply = session.become(replace(session.state, machine=found))
        if reply.failed:
            return reply
    tiers = [f"{name} {size_text(t.capacity)}, {scaled(float(t.bandwidth), 'B/s')}" for name, t in found.tiers.items()]
    clock = scaled(float(found.socket.clock), "Hz")
    line = f"{found.name}: {found.pcus} PCUs, {found.pmus} PMUs, {found.agcus} AGCUs at {clock}; {'; '.join(tiers)}"
    return said(line) if argument else said(line, f"machines that ship: {', '.join(name for name, _ in machines())}")


@command("FILE", "program")
def load(session: Session, argument: str) -> Reply:
    """Take a program instead of what is there: a file, or one that ships by name. `:undo` brings back what was."""
    from rdflow.api import find

    if not argument:
        raise Mistake("which program? `:load attention`, `:load mine.rdf`")
    return session.load(find(argument))


@command("FILE", "file")
def save(session: Session, argument: str) -> Reply:
    """Write the program to a file, in canonical form. The file is there whole or not at all."""
    from rdflow.console import write_whole

    if not argument:
        raise Mistake("where to? `:save mine.rdf`")
    text = session.text
    if not text.strip():
        raise Mistake("there is nothing to save yet")
    write_whole(Path(argument), lambda path: path.write_text(text, encoding="utf-8", newline="\n"))
    params = session.examined.checked.program.params
    changed = [n for n in session.state.settings if n in params]
    note = (
        f"; {', '.join(changed)} {'is' if len(changed) == 1 else 'are'} written as declared, not as set"
        if changed
        else ""
    )
    return said(f"wrote {argument}, {text.count(chr(10))} lines{note}")


@command("")
def list_(session: Session, argument: str) -> Reply:
    """Show the program so far, as `:save` would write it."""
    none(argument, "list")
    return said(session.text.rstrip("\n") or "the program is empty")


@command("")
def undo(session: Session, argument: str) -> Reply:
    """Take back the last change: an entry, a `:set`, a `:machine`, a `:load`. Execution starts anew."""
    none(argument, "undo")
    return said(session.undo())


@command("LINE", "stream")
def replace_(session: Session, argument: str) -> Reply:
    """Define a name anew in the place where it stands: `:replace m = pcu max(k) s as bf16 [q/L | q%L]`."""
    found = re.match(r"\s*(?:(param|axis|tensor)\s+)?(\w+)\s*[,=:(]", argument)
    entries = session.state.entries
    place = next((i for i, e in enumerate(entries) if found and _defines(e, found[1], found[2])), None)
    if found is None or place is None:
        raise Mistake(
            "`:replace` takes a line of which the program has one with the same name, as `:replace y = pcu x * 2`"
        )
    new = (*entries[:place], argument, *entries[place + 1 :])
    reply = session.become(replace(session.state, entries=new))
    return reply if reply.failed else said(f"replaced: {entries[place].strip()}")


def _defines(entry: str, keyword: str | None, name: str) -> bool:
    head = rf"\s*{keyword}\s+" if keyword else r"\s*"
    return re.match(rf"{head}{re.escape(name)}\s*[,=:(]", entry) is not None


@command("")
def new(session: Session, argument: str) -> Reply:
    """Begin with an empty program, on the same machine. `:undo` brings back what was."""
    none(argument, "new")
    session.become(State((), {}, session.state.machine))
    return said("an empty program")
