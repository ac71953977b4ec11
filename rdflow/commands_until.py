"""`:until`: execute up to a cycle, or until something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rdflow.commands_looking import stream_name, unit_number
from rdflow.commands_running import stands
from rdflow.registry import command, number, said
from rdflow.session import Mistake, Reply, Session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rdflow.interpreter.execution import Execution
    from rdflow.interpreter.image import Image
    from rdflow.interpreter.launched import Launched

CHUNK = 4096  # cycles that `:until` executes before it looks
PATIENCE = 1_000_000  # cycles that `:until` looks at one by one
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
        return stands(session)
    if len(words) == 1 and words[0].replace(",", "").isdecimal():
        goal = number(words[0], UNTIL)
        execution = session.started()
        if goal < execution.time:
            raise Mistake(f"cycle {goal:,} is past, it is {execution.time:,} now: `:back {execution.time - goal}`")
        session.advance(goal)
        return stands(session)
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
        return stands(session)
    if launched.image.status is not Status.RUNNING:
        return said(*stands(session).parts, f"it ended before {what}")
    return said(*stands(session).parts, f"gave up after {PATIENCE:,} cycles: {what} has not happened")


def _condition(launched: Launched, words: list[str]) -> tuple[Callable[[], bool], bool, str]:
    """What is waited for: a test, whether it stays true once it is, and its words."""
    from rdflow.looking import fired, is_waiting, queue_fill, queues_of, total

    match words:
        case [name, "fires"] | [name, "fires", _]:
            unit = unit_number(launched, name)
            more = number(words[2], UNTIL, 1) if len(words) == 3 else 1
            goal = fired(launched, unit) + more
            return lambda: fired(launched, unit) >= goal, True, f"`{name}` fired {more} times"
        case [name, "finishes"]:
            unit = unit_number(launched, name)
            return lambda: fired(launched, unit) >= total(launched, unit), True, f"`{name}` finished"
        case [name, "waits"]:
            unit = unit_number(launched, name)
            return lambda: is_waiting(launched, unit), False, f"`{name}` waited"
        case [name, "full" | "empty" as how]:
            queues = queues_of(launched, stream_name(launched, name))

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
    from rdflow.interpreter.image import changing

    return [array.copy() for array in changing(image)]


def _restore(image: Image, saved: list[NDArray[Any]]) -> None:
    from rdflow.interpreter.image import Status, changing

    for array, copy in zip(changing(image), saved, strict=True):
        array[...] = copy
    image.status = Status.RUNNING
