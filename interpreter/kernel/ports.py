"""What the next firings of an actor pop and push: how many of them there is room for."""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.layout import BATCH, VALUE_BATCH
from rdflow.interpreter.kernel.nest import affine_at, is_open, iterations, mark, stretch
from rdflow.interpreter.kernel.options import HELPER


@njit(**HELPER)
def narrow(n, limit, room, q):
    """Firings that queue q allows too, and the queue that limits them."""
    if room < n:
        return room, q
    return n, limit


@njit(**HELPER)
def choose(port, actor, tables):
    """The queue of the port in this firing."""
    if port.choices == 1:
        return port.queue
    pick = affine_at(tables.affine, port.select, tables.loops, actor.loop, actor.depth)
    return tables.fan[uintp(port.fan + pick)]


@njit(**HELPER)
def taken(port, tables):
    """Tokens that an open port moves in this firing."""
    if port.counts < 0:
        return 1
    return tables.counts[uintp(port.counts + tables.loops[uintp(port.counted)].counter)]


@njit(**HELPER)
def span(port, actor, inner, n):
    """Firings of the next n, all in one turn of the innermost loop, in which a port takes part: from .., to before .."""
    begin, stop = 0, n
    if port.plain:
        return begin, stop
    bit = 1 << (actor.depth - 1)
    left = inner.iterations - inner.counter
    at_first, at_last = actor.at_first | bit, actor.at_last | bit
    if at_first & port.first != port.first or at_last & port.last != port.last:
        return n, n
    if port.first & bit:
        stop = 1 if inner.counter == 0 else 0
    if port.last & bit:
        begin = min(left - 1, n)
    if port.not_first != 0 and at_first & port.not_first == port.not_first:
        if port.not_first & bit == 0:
            return n, n
        begin = max(begin, 1 if inner.counter == 0 else 0)
    if port.not_last != 0 and at_last & port.not_last == port.not_last:
        if port.not_last & bit == 0:
            return n, n
        stop = min(stop, left - 1)
    return begin, stop


@njit(**HELPER)
def plan(actor, tables):
    """Bind the ports of the next firings: how many there are room for, the queue that limits them, their interval.

    Ports may come in later, or take part in the first firings only; where one would change the interval, the batch ends.
    """
    inner = tables.loops[uintp(actor.inner)]
    most = min(stretch(actor, inner), BATCH)
    n, limit, interval = most, -1, actor.interval
    for p in range(actor.first_in, actor.last_out):
        port = tables.ports[uintp(p)]
        port.taken = 0
        port.begin, port.stop = span(port, actor, inner, most)
        if port.begin < port.stop and port.begin < n:
            count = taken(port, tables)
            if port.varies and n > 1:
                n = 1
                limit = -1
            if count > 0 and port.begin < n:
                if port.packets > actor.interval:
                    last = port.begin if port.begin > 0 else port.stop
                    n, limit = narrow(n, limit, last, -1)
                q = choose(port, actor, tables)
                port.taken = count
                port.current = q
                queue = tables.queues[uintp(q)]
                if p < actor.last_in:
                    there = queue.available - queue.popped
                    until = port.begin + (there if count == 1 else there // count)
                else:
                    until = port.begin + queue.capacity - queue.pushed + queue.popped
                if until < port.stop:
                    n, limit = narrow(n, limit, until, q)
                if port.begin == 0:
                    interval = max(interval, port.packets)
    return n, limit, interval


@njit(**HELPER)
def settle(actor, tables, ints):
    """Bring loops to what the tokens say that the next firing pops: the queue whose token is missing, -1 if none is."""
    for l in range(actor.depth):
        loop = tables.loops[uintp(actor.loop + l)]
        if loop.bound >= 0 and tables.bounds[uintp(loop.bound)].port >= 0:
            bound = tables.bounds[uintp(loop.bound)]
            port = tables.ports[uintp(bound.port)]
            if is_open(port, actor.at_first, actor.at_last):
                q = choose(port, actor, tables)
                queue = tables.queues[uintp(q)]
                if queue.available == queue.popped:
                    return q
                bound.token = ints[uintp(queue.word + (queue.popped & queue.mask) * queue.width)]
                loop.iterations = iterations(bound, loop.size, tables.affine, tables.loops, actor.loop, l)
                mark(actor, loop, l)
    return -1


@njit(**HELPER)
def fit(actor, n, limit, tables):
    """Fewer firings where values need it: their tokens lie in one piece, and the temporaries of a batch are few."""
    most = 1 if actor.single else VALUE_BATCH
    for p in range(actor.first_in, actor.last_out):
        port = tables.ports[uintp(p)]
        if port.taken == 1 and port.width > 0:
            queue = tables.queues[uintp(port.current)]
            at = queue.popped if p < actor.last_in else queue.pushed
            most = min(most, queue.mask + 1 - (at & queue.mask))
        elif port.taken > 1:
            most = 1
    return (most, -1) if most < n else (n, limit)
