"""Commands of the REPL that look: `:peek`, `:watch`, `:units`, `:why`, `:values`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdflow.registry import command, nearest, none, said
from rdflow.session import Mistake, Reply, Session

if TYPE_CHECKING:
    from rdflow.interpreter.launched import Launched


def _standing(session: Session) -> Launched:
    """The launch that is looked at; at cycle 0 if nothing has run."""
    execution = session.started()
    return execution.current or execution.begin()


def unit_number(launched: Launched, name: str) -> int:
    from rdflow.looking import unit_names, unit_number

    number = unit_number(launched, name)
    if number is None:
        known = unit_names(launched)
        raise Mistake(f"`{launched.call.spec.kernel}` has no unit `{name}`{nearest(name, known)} (`:units` lists them)")
    return number


def stream_name(launched: Launched, name: str) -> str:
    from rdflow.looking import streams

    known = streams(launched)
    if name not in known:
        raise Mistake(f"no queue holds a stream `{name}`{nearest(name, known)} (there are {', '.join(known)})")
    return name


@command("STREAM", "stream")
def peek(session: Session, argument: str) -> Reply:
    """Show the tokens of a stream in each of its queues.

    For each token the cycle from which it can be popped, and its first lanes; for each queue, how full it is.
    """
    from rdflow import looking

    launched = _standing(session)
    if not argument:
        raise Mistake(f"which stream? `:peek {looking.streams(launched)[0]}`")
    return said(*looking.peek(launched, stream_name(launched, argument)))


@command("[STREAM]", "stream")
def watch(session: Session, argument: str) -> Reply:
    """Show a stream after every step, or no longer; without a name, say which are watched."""
    from rdflow.looking import peek as look

    if not argument:
        return said(f"watched: {', '.join(session.watched)}" if session.watched else "nothing is watched")
    launched = _standing(session)
    stream = stream_name(launched, argument)
    if stream in session.watched:
        session.watched.remove(stream)
        return said(f"`{stream}` is no longer watched")
    session.watched.append(stream)
    return said(f"`{stream}` is shown after every step", *look(launched, stream))


@command("")
def units(session: Session, argument: str) -> Reply:
    """Show every unit: its loop counters, its firings, and what it does in the cycle that comes."""
    none(argument, "units")
    from rdflow.looking import unit_table, where

    launched = _standing(session)
    assert session.execution is not None
    return said(where(session.execution), unit_table(launched))


@command("UNIT", "stream")
def why(session: Session, argument: str) -> Reply:
    """Say why a unit is idle now, following the waits from unit to unit to their cause."""
    from rdflow.interpreter.why import why as cause

    launched = _standing(session)
    if not argument:
        raise Mistake(f"which unit? `:why {launched.compiled.netlist.units[0].name}`")
    return said(";\n  ".join(cause(launched.image, unit_number(launched, argument), launched.start).parts))


@command("TENSOR", "tensor")
def values(session: Session, argument: str) -> Reply:
    """Show the values of a tensor now, what the kernel that runs has stored so far included."""
    from rdflow.looking import array_text, tensor_values

    known = session.examined.checked.program.tensors
    if argument not in known:
        raise Mistake(
            f"there is no tensor `{argument}`{nearest(argument, list(known))} (there are {', '.join(known) or 'none'})"
        )
    array = tensor_values(session.started(), argument)
    shape = ", ".join(f"{a.name} = {a.length}" for a in known[argument].axes)
    return said(f"{argument}: {known[argument].dtype}[{shape}]", array_text(array))
