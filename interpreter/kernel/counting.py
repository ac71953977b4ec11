"""What every firing moves: counters of its actor, its loops, and those who wait for its tokens."""

from numba import njit
from numpy import uint64, uintp

from rdflow.interpreter.kernel.layout import DONE, READY
from rdflow.interpreter.kernel.nest import step
from rdflow.interpreter.kernel.options import HELPER


@njit(**HELPER)
def wake(a, q, known, tables):
    """Actor `a` can fire from cycle `known` on if queue `q` is what it waits for: visit it, in this window if it must."""
    actor = tables.actors[uintp(a)]
    if actor.waiting == q:
        actor.waiting = READY
        due = max(actor.next, known) + actor.lag
        if due < tables.clock[0].late:
            tables.pending[uintp(a >> 6)] |= uint64(1) << uint64(a & 63)
        else:
            tables.due[uintp(a)] = due


@njit(**HELPER)
def count_firings(actor, fired, interval, first, last):
    """The counters that every firing moves."""
    if actor.firings == 0:
        actor.first = first
    actor.firings += fired
    actor.busy += fired * interval
    actor.last = last


@njit(**HELPER)
def count_starved(actor, source, cycles):
    """Waits for a token: those that came through a memory channel are kept apart."""
    if source.memory:
        actor.memory += cycles
    else:
        actor.starved += cycles


@njit(**HELPER)
def go_on(actor, fired, tables):
    """Step the nest; the actor may now be done."""
    if step(actor, tables.loops[uintp(actor.inner)], fired, tables.loops, tables.bounds, tables.affine):
        actor.waiting = DONE
        tables.clock[0].running -= 1
