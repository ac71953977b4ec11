"""Shared resources: requests in order of arrival, ties of a cycle in rotating order after the last queue served."""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.layout import DECIDED, READY
from rdflow.interpreter.kernel.options import HELPER


@njit(**HELPER)
def request(clock, place, arrival, server, ready, link, target, calendar):
    """A token is on its way to a server."""
    bucket = uintp(arrival & (calendar.size - 1))
    place = uintp(place)
    ready[place] = arrival
    target[place] = server
    link[place] = calendar[bucket]
    calendar[bucket] = place
    clock.requests += 1


@njit(**HELPER)
def arrivals(tables, bucket):
    """Move the requests of one cycle into `batch`, in the order in which they are served. How many there are."""
    count = 0
    place = tables.calendar[bucket]
    while place >= 0:
        server = tables.target[uintp(place)]
        turn = tables.owner[uintp(place)] - tables.servers[uintp(server)].last - 1
        if turn < 0:
            turn += tables.queues.size
        key = server * tables.queues.size + turn
        k = count
        while k > 0 and tables.keys[uintp(k - 1)] > key:
            tables.keys[uintp(k)] = tables.keys[uintp(k - 1)]
            tables.batch[uintp(k)] = tables.batch[uintp(k - 1)]
            k -= 1
        tables.keys[uintp(k)] = key
        tables.batch[uintp(k)] = place
        count += 1
        place = tables.link[uintp(place)]
    tables.calendar[bucket] = -1
    return count


@njit(**HELPER)
def decide(tables, place, arrival):
    """Serve one token, and hand its queue's consumer the tokens that are now known without a gap."""
    q = tables.owner[uintp(place)]
    queue = tables.queues[uintp(q)]
    server = tables.servers[uintp(tables.target[uintp(place)])]
    start = max(arrival * server.denominator, server.free)
    server.free = start + queue.packets * server.numerator
    server.last = q
    server.packets += queue.packets
    tables.ready[uintp(place)] = -(-server.free // server.denominator) + queue.tail
    tables.link[uintp(place)] = DECIDED
    before = queue.available
    while queue.available < queue.pushed and tables.link[uintp(queue.ring + (queue.available & queue.mask))] == DECIDED:
        queue.available += 1
    sink = tables.actors[uintp(queue.sink)]
    if queue.available > before and sink.waiting == q:
        sink.waiting = READY
        known = tables.ready[uintp(queue.ring + (before & queue.mask))]
        tables.due[uintp(queue.sink)] = max(sink.next, known)


@njit(**HELPER)
def serve(tables, before):
    """Decide all requests that arrive earlier than `before`."""
    clock = tables.clock[0]
    mask = tables.calendar.size - 1
    cycle = clock.served
    while cycle < before and clock.requests > 0:
        bucket = uintp(cycle & mask)
        if tables.calendar[bucket] >= 0:
            count = arrivals(tables, bucket)
            clock.requests -= count
            for k in range(count):
                decide(tables, tables.batch[uintp(k)], cycle)
        cycle += 1
    clock.served = before
