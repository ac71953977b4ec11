"""A visit of an actor: it fires as often as its tokens, its slots and the end of the window allow."""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.batches import commit, count_batch, count_links, fire_any, gather, index_offsets, run
from rdflow.interpreter.kernel.counting import go_on
from rdflow.interpreter.kernel.layout import DONE, PLAIN, Places
from rdflow.interpreter.kernel.options import HELPER, SPLICE
from rdflow.interpreter.kernel.ports import fit, plan, settle
from rdflow.interpreter.kernel.simple import visit_simple
from rdflow.interpreter.kernel.steady import fire_steadily


@njit(**SPLICE)
def visit_general(a, end, tables):
    """A visit of any actor."""
    actor = tables.actors[uintp(a)]
    while actor.waiting != DONE:
        n, limit, interval = plan(actor, tables)
        if n == 0:
            actor.waiting = limit
            return
        fired, following = -1, 0
        if actor.even:
            fired, following = fire_steadily(actor, n, end, interval, tables)
        if fired < 0:
            fired, following = fire_any(actor, n, end, interval, tables)
        if fired > 0:
            go_on(actor, fired, tables)
        if pauses(a, actor, n, fired, following, limit, tables):
            return


@njit(**HELPER)
def pauses(a, actor, n, fired, following, limit, tables):
    """Whether the visit ends: at the end of the window, or at the queue that is known to have limited it."""
    if fired < n:
        tables.due[uintp(a)] = following + actor.lag
        return True
    if limit < 0 or actor.waiting == DONE:
        return False
    queue = tables.queues[uintp(limit)]
    if queue.source == queue.sink:
        return False
    actor.waiting = limit
    return True


@njit(**SPLICE)
def visit_timing(a, end, tables, values, parts):
    """A visit without values."""
    if tables.actors[uintp(a)].shape == PLAIN:
        visit_general(a, end, tables)
    else:
        visit_simple(a, end, tables)


@njit(**SPLICE)
def visit_values(a, end, tables, values, parts):
    """A visit with values."""
    actor = tables.actors[uintp(a)]
    while actor.waiting != DONE:
        if actor.ragged:
            q = settle(actor, tables, values.ints)
            if q >= 0:
                actor.waiting = q
                return
        n, limit, interval = plan(actor, tables)
        if n == 0:
            actor.waiting = limit
            return
        n, limit = fit(actor, n, limit, tables)
        gather(actor, n, tables)
        start = actor.next
        fired, following = run(actor, n, end, interval, tables.scratch)
        if fired > 0:
            count_batch(actor, fired, interval, tables.scratch)
            if actor.linked:
                count_links(actor, fired, start, interval, tables)
            places = Places(tables.ports, tables.queues, tables.loops, tables.affine)
            parts.compute(actor, fired, places, values, parts.elementwise)
            if actor.last_gather > actor.first_gather:
                index_offsets(actor, fired, tables, values.ints)
            commit(actor, fired, tables)
            go_on(actor, fired, tables)
        if pauses(a, actor, n, fired, following, limit, tables):
            return
