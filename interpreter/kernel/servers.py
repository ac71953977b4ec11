"""Shared resources: requests in order of arrival, ties of a cycle in rotating order after the last flow served.

A token visits the stages of its queue one after the other. Each arrival is an entry of the calendar; the cycles of the
calendar are done in order, and what a service sends on arrives later than the cycle under way.
"""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.layout import DECIDED, READY
from rdflow.interpreter.kernel.options import HELPER


@njit(**HELPER)
def request(place, arrival, server, ready, link, target, calendar):
    """A token is on its way to a server."""
    bucket = uintp(arrival & (calendar.size - 1))
    place = uintp(place)
    ready[place] = arrival
    target[place] = server
    link[place] = calendar[bucket]
    calendar[bucket] = place


@njit(**HELPER)
def ceiling(amount, denominator):
    """amount / denominator, rounded up. Most servers are links, which take whole cycles; divisions are slow."""
    return amount if denominator == 1 else -(-amount // denominator)


@njit(**HELPER)
def line_up(tables, place, server):
    """Put a token among those that arrive at its server in the same cycle, in the order of service."""
    q = tables.owner[uintp(place)]
    turn = tables.stages[uintp(tables.stage[uintp(place)])].flow - server.last - 1
    if turn < 0:
        turn += tables.queues.size
    turn = turn * tables.queues.size + q
    tables.turn[uintp(place)] = turn
    before = -1
    after = server.head
    while after >= 0 and tables.turn[uintp(after)] < turn:
        before = after
        after = tables.link[uintp(after)]
    tables.link[uintp(place)] = after
    if before < 0:
        server.head = place
    else:
        tables.link[uintp(before)] = place


@njit(**HELPER)
def arrivals(tables, cycle):
    """Line up the requests of one cycle at their servers. At how many; these are in `busy`."""
    count = 0
    bucket = uintp(cycle & (tables.calendar.size - 1))
    place = tables.calendar[bucket]
    tables.calendar[bucket] = -1
    while place >= 0:
        following = tables.link[uintp(place)]
        if tables.ready[uintp(place)] == cycle:
            number = tables.target[uintp(place)]
            server = tables.servers[uintp(number)]
            if server.head < 0:
                tables.busy[uintp(count)] = number
                count += 1
            line_up(tables, place, server)
        else:  # a later round of the calendar
            tables.link[uintp(place)] = tables.calendar[bucket]
            tables.calendar[bucket] = place
        place = following
    return count


@njit(**HELPER)
def settle(tables, place, q, ready):
    """A token's ready cycle is known: hand its queue's consumer the tokens that are now known without a gap."""
    queue = tables.queues[uintp(q)]
    tables.ready[uintp(place)] = ready
    tables.link[uintp(place)] = DECIDED
    tables.clock[0].requests -= 1
    before = queue.available
    while queue.available < queue.pushed and tables.link[uintp(queue.ring + (queue.available & queue.mask))] == DECIDED:
        queue.available += 1
    sink = tables.actors[uintp(queue.sink)]
    if queue.available > before and sink.waiting == q:
        sink.waiting = READY
        known = tables.ready[uintp(queue.ring + (before & queue.mask))]
        tables.due[uintp(queue.sink)] = max(sink.next, known)


@njit(**HELPER)
def pass_on(tables, place, stage, start, cycle, server):
    """Send a token on from a server that takes it from `start` on: its first packet to the next, or all to the consumer."""
    service = server.numerator * (stage.packets if stage.final else 1)
    end = ceiling(start + service, server.denominator)
    if server.shared:
        tables.delay[uintp(place)] += end - cycle - ceiling(service, server.denominator)
    if stage.final:
        settle(tables, place, tables.owner[uintp(place)], end + stage.after)
    else:
        at = tables.stage[uintp(place)]
        tables.stage[uintp(place)] = at + 1
        following = tables.stages[uintp(at + 1)].server
        request(place, end + stage.after, following, tables.ready, tables.link, tables.target, tables.calendar)


@njit(**HELPER)
def attend(tables, server, cycle):
    """Serve the tokens that arrive at a server in one cycle; at a link, tokens of one flow are the same packets."""
    place = server.head
    server.head = -1
    flow = -1
    start = 0
    while place >= 0:
        following = tables.link[uintp(place)]
        stage = tables.stages[uintp(tables.stage[uintp(place)])]
        if stage.flow != flow or not server.shared:
            flow = stage.flow
            start = max(cycle * server.denominator, server.free)
            server.free = start + stage.packets * server.numerator
            server.last = flow
            server.packets += stage.packets
        pass_on(tables, place, stage, start, cycle, server)
        place = following


@njit(**HELPER)
def serve(tables, before):
    """Decide all requests that arrive earlier than `before`."""
    clock = tables.clock[0]
    mask = tables.calendar.size - 1
    cycle = clock.served
    while cycle < before and clock.requests > 0:
        if tables.calendar[uintp(cycle & mask)] >= 0:
            for k in range(arrivals(tables, cycle)):
                attend(tables, tables.servers[uintp(tables.busy[uintp(k)])], cycle)
        cycle += 1
    clock.served = before
