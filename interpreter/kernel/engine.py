"""The engine: windows of cycles in which actors run ahead, then the servers, then the next window.

Tokens and slots carry the cycles at which they can be used, so the order of visits does not change the result. A window
is no longer than the shortest way through a server, so what is decided at its end cannot reach into it. Actors that are
far from servers may stray from it (see `lookahead`); at the end of a run none does.
"""

from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy import int64, uint64, uintp

from rdflow.interpreter.kernel.forward import horizon
from rdflow.interpreter.kernel.layout import DEADLOCK, FAR, FINISHED, RUNNING
from rdflow.interpreter.kernel.options import HELPER, SPLICE
from rdflow.interpreter.kernel.servers import serve
from rdflow.interpreter.kernel.visits import visit_timing, visit_values


@njit(**HELPER)
def summon(due, pending, end):
    """Mark the actors that can fire before `end`. How many there are, and when the first of the others can."""
    count = 0
    others = FAR
    for a in range(due.size):
        if due[uintp(a)] < end:
            due[uintp(a)] = FAR
            pending[uintp(a >> 6)] |= uint64(1) << uint64(a & 63)
            count += 1
        else:
            others = min(others, due[uintp(a)])
    return count, others


@njit(**HELPER)
def summon_all(actors, due, pending, end):
    """The same where none may be behind the end."""
    count = 0
    others = FAR
    for a in range(due.size):
        cycle = due[uintp(a)]
        if cycle < FAR and cycle - actors[uintp(a)].lag < end:
            due[uintp(a)] = FAR
            pending[uintp(a >> 6)] |= uint64(1) << uint64(a & 63)
            count += 1
        else:
            others = min(others, cycle)
    return count, others


@njit(**HELPER)
def turned(tables, marks):
    """Whether a loop of an anchor has turned in the window, or has so some time ago and the look for it is due."""
    for w in range(marks.watches.size):
        watch = marks.watches[uintp(w)]
        if watch.cycle <= tables.clock[0].time:
            return True
        if watch.anchor >= 0 and tables.actors[uintp(watch.anchor)].turned < FAR:
            return True
    return False


@njit(**HELPER)
def no_horizon(tables, marks, end):
    """Nothing but the window ends the window."""
    return end


@njit(**HELPER)
def look(tables, marks, part, until):
    """See whether anything repeats, where it is time to."""
    grid = marks.control[0].grid
    if grid > 0 and tables.clock[0].running > 0 and (tables.clock[0].time % grid == 0 or turned(tables, marks)):
        part(tables, marks, until)


@njit(**HELPER)
def no_look(tables, marks, part, until):
    """Nothing is skipped."""


def engine(visit, horizon, look):
    """The loop over windows, for one way to visit an actor and to look between windows."""

    @njit(**SPLICE)
    def visit_all(tables, values, parts, end, last):
        """Visit the marked actors, in rank order and round again, until nobody can fire before `end`; none fires from
        `last` on. Actors may stray from `end` as far as their rows say."""
        pending = tables.pending
        found = True
        while found:
            found = False
            for w in range(pending.size):
                position = uint64(0)
                while position < uint64(64):
                    later = pending[uintp(w)] >> position
                    if later == uint64(0):
                        break
                    position += uint64(trailing_zeros(later))
                    pending[uintp(w)] &= ~(uint64(1) << position)
                    found = True
                    a = w * 64 + int(position)
                    visit(a, min(end + tables.actors[uintp(a)].ahead, last), tables, values, parts)
                    position += uint64(1)

    @njit(**SPLICE)
    def run(tables, values, parts, marks, until):
        """Do every firing before `until` and none after; or before the end of a window that is not before the pause."""
        clock = tables.clock[0]
        while True:
            if clock.time >= clock.pause:
                return RUNNING
            end = horizon(tables, marks, min(clock.time + clock.window, until))
            clock.late = end if clock.strays and end < until else FAR
            if clock.strays and end == until:
                count, others = summon_all(tables.actors, tables.due, tables.pending, end)
            else:
                count, others = summon(tables.due, tables.pending, end)
            if count == 0 and clock.requests == 0 and others == FAR:
                return FINISHED if clock.running == 0 else DEADLOCK
            if clock.running == 0:
                serve(tables, int64(FAR))
                return FINISHED
            if clock.time >= until:
                return RUNNING
            if count == 0 and clock.requests == 0:
                clock.time = horizon(tables, marks, min(others, max(end, until - clock.window)))
            else:
                visit_all(tables, values, parts, end, until if clock.strays else end)
                clock.served = max(clock.served, clock.time + clock.reach)
                serve(tables, end + clock.reach)
                clock.time = end
            look(tables, marks, parts, until)

    return run


run_timing = engine(visit_timing, horizon, look)
run_values = engine(visit_values, no_horizon, no_look)


def advance_timing(tables, marks, look, until):
    """Cycles only: what repeats is counted instead of simulated; `look` is behind a border."""
    return run_timing(tables, None, look, marks, until)


def advance_values(tables, values, parts, until):
    """Cycles and values; `parts` are what is behind the borders."""
    return run_values(tables, values, parts, None, until)
