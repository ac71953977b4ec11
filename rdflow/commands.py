"""The commands of the REPL: what stands behind `:`, one function each. Their docstrings are the help."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.session import Mistake, Reply, Session, State, Stopped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rdflow.interpreter.execution import Execution, Launched
    from rdflow.interpreter.image import Image

CHUNK = 4096  # cycles that `:until` executes before it looks
PATIENCE = 1_000_000  # cycles that `:until` looks at one by one

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


def run(session: Session, text: str) -> Reply:
    """Do a command, given without its colon. Raises Mistake or CompileError; then nothing has changed."""
    name, _, argument = text.strip().partition(" ")
    found = COMMANDS.get(name) or _short(name)
    if found is None:
        raise Mistake(f"there is no command `:{name}`{_nearest(name, list(COMMANDS), ':')}; `:help` lists them")
    try:
        return found.run(session, argument.strip())
    except Stopped:
        from rdflow.looking import where

        assert session.execution is not None
        return _said(f"interrupted at {where(session.execution)}")


def _short(name: str) -> Command | None:
    """A command by its first letters, where only one begins so."""
    found = [c for n, c in COMMANDS.items() if name and n.startswith(name)]
    return found[0] if len(found) == 1 else None


def _nearest(name: str, known: list[str], mark: str = "") -> str:
    near = get_close_matches(name, known, n=1)
    return f": did you mean `{mark}{near[0]}`?" if near else ""


def _said(*parts: Any) -> Reply:
    return Reply(tuple(parts))


def _number(text: str, usage: str, least: int = 0) -> int:
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or int(plain) < least:
        raise Mistake(f"`{text}` is not a number of cycles: {usage}")
    return int(plain)


def _none(argument: str, name: str) -> None:
    if argument:
        raise Mistake(f"`:{name}` takes nothing behind it, not `{argument}`")


# -- running -----------------------------------------------------------------------------------------------------------


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
    return _said(*parts, show.verified(verification))


@command("")
def profile(session: Session, argument: str) -> Reply:
    """Execute the program without values, and say where the cycles went.

    Kernels, memory tiers, units, and what limited each, as `rdflow profile` prints them. The execution that
    `:step` advances stays where it is.
    """
    _none(argument, "profile")
    from rdflow import show

    program = session.runnable()
    session.announce(with_values=False)
    found = program.profile(session.progress)
    return _said(*(line.plain for line in show.summary(program, found)[:1]), *show.profiled(program, found))


@command("[N]")
def step(session: Session, argument: str) -> Reply:
    """Execute N cycles more (1 without a number), with values.

    The first step starts the program at cycle 0. Ctrl-C stops it between two cycles.
    """
    cycles = _number(argument, "`:step 100`", 1) if argument else 1
    execution = session.started()
    if execution.finished:
        raise Mistake(
            f"the program has ended, after {execution.time:,} cycles: `:reset` goes to cycle 0, `:back N` back"
        )
    session.advance(execution.time + cycles)
    return _stands(session)


@command("N")
def back(session: Session, argument: str) -> Reply:
    """Go back by N cycles.

    The program is executed anew up to there: every run of it is the same.
    """
    cycles = _number(argument, "`:back 10`", 1)
    if session.execution is None:
        raise Mistake("nothing has run yet: `:step 100` executes 100 cycles")
    session.restart(max(0, session.execution.time - cycles))
    return _stands(session)


@command("")
def reset(session: Session, argument: str) -> Reply:
    """Go back to cycle 0. The program stays as it is (`:new` empties it)."""
    _none(argument, "reset")
    session.execution = None
    return _said("cycle 0")


def _stands(session: Session) -> Reply:
    from rdflow.looking import peek, where

    assert session.execution is not None
    parts = [where(session.execution)]
    current = session.execution.current
    for stream in session.watched if current is not None else ():
        assert current is not None
        parts += peek(current, stream)
    return _said(*parts)


# -- until -------------------------------------------------------------------------------------------------------------

UNTIL = "`:until 5000`, `:until m fires`, `:until m fires 3`, `:until p waits`, `:until m finishes`, `:until s full`, `:until s empty`, `:until end`"


@command("CYCLE | UNIT fires [N] | UNIT waits | UNIT finishes | STREAM full | STREAM empty | end", "stream")
def until(session: Session, argument: str) -> Reply:
    """Execute up to a cycle, or until something happens.

    CYCLE           every firing before this cycle is done, and none after
    UNIT fires [N]  the unit has fired N times more (once without a number)
    UNIT waits      the unit stands still because of another one
    UNIT finishes   the unit has made its last firing
    STREAM full     a queue of the stream has no room left
    STREAM empty    no queue of the stream has a token
    end             the program has ended
    It stops at the first cycle at which that is so, or at the end of the kernel that runs.
    """
    words = argument.split()
    if words == ["end"]:
        session.advance(None)
        return _stands(session)
    if len(words) == 1 and words[0].replace(",", "").isdecimal():
        goal = _number(words[0], UNTIL)
        execution = session.started()
        if goal < execution.time:
            raise Mistake(f"cycle {goal:,} is past, it is {execution.time:,} now: `:back {execution.time - goal}`")
        session.advance(goal)
        return _stands(session)
    return _until(session, words)


def _until(session: Session, words: list[str]) -> Reply:
    """Execute until a condition holds."""
    from rdflow.interpreter.image import Status

    execution = session.started()
    if execution.finished:
        raise Mistake(f"the program has ended, after {execution.time:,} cycles: `:reset` goes to cycle 0")
    launched = execution.begin()
    holds, monotone, what = _condition(launched, words)
    if monotone:
        _search(session, execution, launched, holds)
    else:
        _look(session, execution, launched, holds)
    if holds():
        return _stands(session)
    if launched.image.status is not Status.RUNNING:
        return _said(*_stands(session).parts, f"it ended before {what}")
    return _said(*_stands(session).parts, f"gave up after {PATIENCE:,} cycles: {what} has not happened")


def _condition(launched: Launched, words: list[str]) -> tuple[Callable[[], bool], bool, str]:
    """What is waited for: a test, whether it stays true once it is, and its words."""
    from rdflow.looking import fired, is_waiting, queue_fill, queues_of, total

    match words:
        case [name, "fires"] | [name, "fires", _]:
            unit = _unit(launched, name)
            more = _number(words[2], UNTIL, 1) if len(words) == 3 else 1
            goal = fired(launched, unit) + more
            return lambda: fired(launched, unit) >= goal, True, f"`{name}` fired {more} times"
        case [name, "finishes"]:
            unit = _unit(launched, name)
            return lambda: fired(launched, unit) >= total(launched, unit), True, f"`{name}` finished"
        case [name, "waits"]:
            unit = _unit(launched, name)
            return lambda: is_waiting(launched, unit), False, f"`{name}` waited"
        case [name, "full" | "empty" as how]:
            queues = queues_of(launched, _stream(launched, name))

            def filled() -> bool:
                fills = [queue_fill(launched, queue) for queue in queues]
                return any(n >= room for n, room in fills) if how == "full" else all(n == 0 for n, _ in fills)

            return filled, False, f"`{name}` was {how}"
    raise Mistake(f"until when? {UNTIL}")


def _look(session: Session, execution: Execution, launched: Launched, holds: Callable[[], bool]) -> None:
    """Cycle by cycle, from the next one on."""
    from rdflow.interpreter.image import Status

    last = execution.time + PATIENCE
    while launched.image.status is Status.RUNNING and execution.time < last:
        before = execution.time
        session.advance(before + 1)
        if holds() or execution.time == before:
            return


def _search(session: Session, execution: Execution, launched: Launched, holds: Callable[[], bool]) -> None:
    """The first cycle at which something that stays true is true: by halves, in the chunk in which it becomes so."""
    from rdflow.interpreter.image import Status, advance

    image = launched.image
    while not holds() and image.status is Status.RUNNING:
        session.progress(execution)
        saved, begin = _save(image), image.time
        status = advance(image, begin + CHUNK)
        reached, end = holds(), image.cycles if status is Status.FINISHED else begin + CHUNK
        _restore(image, saved)
        if not reached:
            session.advance(launched.start + max(end, begin + 1))
            continue
        low, high = begin, begin + CHUNK
        while high - low > 1:
            middle = (low + high) // 2
            advance(image, middle)
            low, high = (low, middle) if holds() else (middle, high)
            _restore(image, saved)
        session.advance(launched.start + high)


def _save(image: Image) -> list[NDArray[Any]]:
    return [array.copy() for array in (*image.tables, *(image.values or ()))]


def _restore(image: Image, saved: list[NDArray[Any]]) -> None:
    from rdflow.interpreter.image import Status

    for array, copy in zip((*image.tables, *(image.values or ())), saved, strict=True):
        array[...] = copy
    image.status = Status.RUNNING


# -- looking -----------------------------------------------------------------------------------------------------------


def _standing(session: Session) -> Launched:
    """The launch that is looked at; at cycle 0 if nothing has run."""
    execution = session.started()
    return execution.current or execution.begin()


def _unit(launched: Launched, name: str) -> int:
    from rdflow.looking import unit_names, unit_number

    number = unit_number(launched, name)
    if number is None:
        known = unit_names(launched)
        raise Mistake(
            f"`{launched.call.spec.kernel}` has no unit `{name}`{_nearest(name, known)} (`:units` lists them)"
        )
    return number


def _stream(launched: Launched, name: str) -> str:
    from rdflow.looking import streams

    known = streams(launched)
    if name not in known:
        raise Mistake(f"no queue holds a stream `{name}`{_nearest(name, known)} (there are {', '.join(known)})")
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
    return _said(*looking.peek(launched, _stream(launched, argument)))


@command("[STREAM]", "stream")
def watch(session: Session, argument: str) -> Reply:
    """Show a stream after every step, or no longer; without a name, say which are watched."""
    from rdflow.looking import peek as look

    if not argument:
        return _said(f"watched: {', '.join(session.watched)}" if session.watched else "nothing is watched")
    launched = _standing(session)
    stream = _stream(launched, argument)
    if stream in session.watched:
        session.watched.remove(stream)
        return _said(f"`{stream}` is no longer watched")
    session.watched.append(stream)
    return _said(f"`{stream}` is shown after every step", *look(launched, stream))


@command("")
def units(session: Session, argument: str) -> Reply:
    """Show every unit: its loop counters, its firings, and what it does in the cycle that comes."""
    _none(argument, "units")
    from rdflow.looking import unit_table, where

    launched = _standing(session)
    assert session.execution is not None
    return _said(where(session.execution), unit_table(launched))


@command("UNIT", "stream")
def why(session: Session, argument: str) -> Reply:
    """Say why a unit is idle now, following the waits from unit to unit to their cause."""
    from rdflow.interpreter.why import why as cause

    launched = _standing(session)
    if not argument:
        raise Mistake(f"which unit? `:why {launched.compiled.netlist.units[0].name}`")
    return _said(";\n  ".join(cause(launched.image, _unit(launched, argument), launched.start).parts))


@command("TENSOR", "tensor")
def values(session: Session, argument: str) -> Reply:
    """Show the values of a tensor now, what the kernel that runs has stored so far included."""
    from rdflow.looking import array_text, tensor_values

    known = session.examined.checked.program.tensors
    if argument not in known:
        raise Mistake(
            f"there is no tensor `{argument}`{_nearest(argument, list(known))} (there are {', '.join(known) or 'none'})"
        )
    array = tensor_values(session.started(), argument)
    shape = ", ".join(f"{a.name} = {a.length}" for a in known[argument].axes)
    return _said(f"{argument}: {known[argument].dtype}[{shape}]", array_text(array))


# -- the program -------------------------------------------------------------------------------------------------------


@command("[NAME=VALUE]", "param")
def set_(session: Session, argument: str) -> Reply:
    """Set a param, as `:set S=256`; without an argument, list them.

    A param has its declared value until it is set; `:save` writes the declared one.
    """
    from rdflow.dsl.constants import Value

    params = session.examined.checked.program.params
    if not argument:
        shown = [f"{n} = {v}{' (set)' if n in session.state.settings else ''}" for n, v in params.items()]
        return _said("\n".join(shown) or "there are no params")
    name, equals, text = (part.strip() for part in argument.partition("="))
    if not (equals and text):
        raise Mistake(f"`:set NAME=VALUE`, as `:set {next(iter(params), 'S')}=256`")
    if name not in params:
        raise Mistake(
            f"there is no param `{name}`{_nearest(name, list(params))} (there are {', '.join(params) or 'none'})"
        )
    value: Value = text
    for kind in (float, int):
        with suppress(ValueError):
            value = kind(text)
    reply = session.become(replace(session.state, settings={**session.state.settings, name: value}))
    return reply if reply.failed else _said(f"{name} = {value}")


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
    return _said(line) if argument else _said(line, f"machines that ship: {', '.join(name for name, _ in machines())}")


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
    return _said(f"wrote {argument}, {text.count(chr(10))} lines{note}")


@command("")
def list_(session: Session, argument: str) -> Reply:
    """Show the program so far, as `:save` would write it."""
    _none(argument, "list")
    return _said(session.text.rstrip("\n") or "the program is empty")


@command("")
def undo(session: Session, argument: str) -> Reply:
    """Take back the last change: an entry, a `:set`, a `:machine`, a `:load`. Execution starts anew."""
    _none(argument, "undo")
    return _said(session.undo())


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
    return reply if reply.failed else _said(f"replaced: {entries[place].strip()}")


def _defines(entry: str, keyword: str | None, name: str) -> bool:
    head = rf"\s*{keyword}\s+" if keyword else r"\s*"
    return re.match(rf"{head}{re.escape(name)}\s*[,=:(]", entry) is not None


@command("")
def new(session: Session, argument: str) -> Reply:
    """Begin with an empty program, on the same machine. `:undo` brings back what was."""
    _none(argument, "new")
    session.become(State((), {}, session.state.machine))
    return _said("an empty program")


# -- the rest ----------------------------------------------------------------------------------------------------------


@command("[COMMAND]", "command")
def help_(session: Session, argument: str) -> Reply:
    """List the commands, or explain one."""
    name = argument.lstrip(":")
    if not name:
        return _said("\n".join(_overview()))
    found = COMMANDS.get(name) or _short(name)
    if found is None:
        raise Mistake(f"there is no command `:{name}`{_nearest(name, list(COMMANDS), ':')}; `:help` lists them")
    return _said(f"{found.usage}\n\n{found.help}")


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
