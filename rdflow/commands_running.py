"""Commands of the REPL that execute: `:run`, `:profile`, `:step`, `:back`, `:reset`."""

from __future__ import annotations

from typing import Any

from rdflow.registry import command, none, number, said
from rdflow.session import Mistake, Reply, Session


@command("[verify]")
def run_(session: Session, argument: str) -> Reply:
    """Execute the program from cycle 0 to its end, with values.

    Inputs are random, with seed 0. Prints what the outputs are, the cycles, and what limited them.
    `:run verify` holds the outputs against the NumPy evaluator.
    """
    if argument not in ("", "verify"):
        raise Mistake(f"`:run` or `:run verify`, not `:run {argument}`")
    from rdflow import show
    from rdflow.dsl.checked import Store
    from rdflow.interpreter.profile import profile

    program = session.runnable()
    values = program.inputs()
    session.execution = None
    session.advance(None)
    assert session.execution is not None and session.execution.values is not None
    tensors = program.checked.program.tensors
    outputs = {n: session.execution.values[n] for n, t in tensors.items() if t.direction != "input"}
    stores = any(isinstance(line, Store) for kernel in program.checked.kernels.values() for line in kernel.lines)
    parts: list[Any] = [show.outputs(program, outputs, {}) if stores else "nothing is stored: there is no `store` yet"]
    parts += [line.plain for line in show.summary(program, profile(session.execution))]
    if argument != "verify":
        return Reply(tuple(parts))
    verification = program.verified(values, outputs)
    if not verification.passed:
        return Reply(tuple(parts), mistake=show.verified(verification))
    return said(*parts, show.verified(verification))


@command("")
def profile(session: Session, argument: str) -> Reply:
    """Execute the program without values, and say where the cycles went.

    Kernels, memory tiers, units, and what limited each, as `rdflow profile` prints them. The execution that
    `:step` advances stays where it is.
    """
    none(argument, "profile")
    from rdflow.options import random_inputs
    from rdflow.show import depends, summary
    from rdflow.show_profile import profiled

    program = session.runnable()
    session.announce(with_values=bool(program.bounding))
    found = program.profile(session.progress)
    told = depends(program, random_inputs(program.checked.program, {}, 0))
    return said(*told, *(line.plain for line in summary(program, found)[:1]), *profiled(program, found))


@command("[N]")
def step(session: Session, argument: str) -> Reply:
    """Execute N cycles more (1 without a number), with values.

    The first step starts the program at cycle 0. Ctrl-C stops it between two cycles.
    """
    cycles = number(argument, "`:step 100`", 1) if argument else 1
    execution = session.started()
    if execution.finished:
        raise Mistake(
            f"the program has ended, after {execution.time:,} cycles: `:reset` goes to cycle 0, `:back N` back"
        )
    session.advance(execution.time + cycles)
    return stands(session)


@command("N")
def back(session: Session, argument: str) -> Reply:
    """Go back by N cycles.

    The program is executed anew up to there: every run of it is the same.
    """
    cycles = number(argument, "`:back 10`", 1)
    if session.execution is None:
        raise Mistake("nothing has run yet: `:step 100` executes 100 cycles")
    session.restart(max(0, session.execution.time - cycles))
    return stands(session)


@command("")
def reset(session: Session, argument: str) -> Reply:
    """Go back to cycle 0. The program stays as it is (`:new` empties it)."""
    none(argument, "reset")
    session.execution = None
    return said("cycle 0")


def stands(session: Session) -> Reply:
    from rdflow.looking import peek, where

    assert session.execution is not None
    parts = [where(session.execution)]
    current = session.execution.current
    for stream in session.watched if current is not None else ():
        assert current is not None
        parts += peek(current, stream)
    return said(*parts)
