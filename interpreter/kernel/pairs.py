"""Firings that move a token at up to two inputs and two outputs."""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.counting import count_firings, count_starved, wake
from rdflow.interpreter.kernel.layout import UNSERVED
from rdflow.interpreter.kernel.options import HELPER, SPLICE


@njit(**HELPER)
def pair_of(first, last, tables):
    """Queues of the open ones among some ports (-1: none), and whether there are at most two, each with one token."""
    one = -1
    two = -1
    for p in range(first, last):
        port = tables.ports[uintp(p)]
        if port.taken > 0:
            if port.taken > 1 or two >= 0:
                return one, two, False
            two = one
            one = port.current
    return one, two, True


@njit(**HELPER)
def taking(q, tables):
    """Where tokens of queue q are, and what follows from popping them; without a queue, of one that is always ready."""
    if q < 0:
        return tables.ready.size - 2, 0, 0, 0
    queue = tables.queues[uintp(q)]
    return queue.ring, queue.mask, queue.popped, queue.credit


@njit(**HELPER)
def giving(q, tables):
    """Where slots of queue q are, and what follows from pushing to them; without a queue, of one that is always free."""
    if q < 0:
        return tables.ready.size - 1, 0, 0, 0, 0
    queue = tables.queues[uintp(q)]
    return queue.ring, queue.mask, queue.pushed, queue.capacity, queue.latency


@njit(**HELPER)
def run_pairs(actor, a, b, c, d, n, end, interval, tables):
    """Up to n firings before `end` that pop queues a and b and push to c and d: their number, the cycle of the next."""
    ready, free, t = tables.ready, tables.free, actor.next
    a_ring, a_mask, a_get, a_credit = taking(a, tables)
    b_ring, b_mask, b_get, b_credit = taking(b, tables)
    c_ring, c_mask, c_put, c_slots, c_latency = giving(c, tables)
    d_ring, d_mask, d_put, d_slots, d_latency = giving(d, tables)
    starved, blocked, fired, following = 0, 0, 0, 0
    while fired < n:
        a_place = uintp(a_ring + ((a_get + fired) & a_mask))
        b_place = uintp(b_ring + ((b_get + fired) & b_mask))
        arrived = max(t, max(ready[a_place], ready[b_place]))
        c_free = free[uintp(c_ring + ((c_put + fired - c_slots) & c_mask))]
        d_free = free[uintp(d_ring + ((d_put + fired - d_slots) & d_mask))]
        following = max(arrived, max(c_free, d_free))
        if following >= end:
            break
        starved += arrived - t
        blocked += following - arrived
        free[a_place] = following + a_credit
        free[b_place] = following + b_credit
        ready[uintp(c_ring + ((c_put + fired) & c_mask))] = following + c_latency
        ready[uintp(d_ring + ((d_put + fired) & d_mask))] = following + d_latency
        t = following + interval
        fired += 1
    actor.next = t
    actor.blocked += blocked
    if a >= 0:
        count_starved(actor, tables.queues[uintp(a)], starved)
    return fired, following


@njit(**HELPER)
def popped(q, fired, tables):
    """Tokens have been taken out of queue q."""
    if q >= 0:
        tables.queues[uintp(q)].popped += fired
        wake(tables.queues[uintp(q)].source, q, tables.actors, tables.pending)


@njit(**HELPER)
def pushed(q, fired, tables):
    """Tokens have been put into queue q."""
    if q >= 0:
        queue = tables.queues[uintp(q)]
        queue.pushed += fired
        queue.available = queue.pushed
        wake(queue.sink, q, tables.actors, tables.pending)


@njit(**HELPER)
def unserved(c, d, tables):
    """Whether neither of two queues passes a server."""
    return (c < 0 or tables.queues[uintp(c)].stages == UNSERVED) and (
        d < 0 or tables.queues[uintp(d)].stages == UNSERVED
    )


@njit(**HELPER)
def alike(a, b, tables):
    """Whether waits for tokens of two queues count as the same."""
    return b < 0 or tables.queues[uintp(a)].memory == tables.queues[uintp(b)].memory


@njit(**SPLICE)
def fire_pairs(actor, n, end, interval, tables):
    """Firings of the simple kind, and the cycle of the next; -1 where they are of another kind, or the first."""
    a, b, few = pair_of(actor.first_in, actor.last_in, tables)
    c, d, also_few = pair_of(actor.first_out, actor.last_out, tables)
    if actor.linked or actor.firings == 0 or not (few and also_few and unserved(c, d, tables) and alike(a, b, tables)):
        return -1, 0
    fired, following = run_pairs(actor, a, b, c, d, n, end, interval, tables)
    if fired > 0:
        count_firings(actor, fired, interval, 0, actor.next - interval)
        popped(a, fired, tables)
        popped(b, fired, tables)
        pushed(c, fired, tables)
        pushed(d, fired, tables)
    return fired, following
