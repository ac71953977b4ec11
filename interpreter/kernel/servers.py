"""Shared resources: requests in order of arrival, ties of a cycle in rotating order after the last flow served.

A token visits the stages of its queue one after the other, as a request: a row of what it needs on the way. Each arrival
is an entry of the calendar; the cycles of the calendar are done in order, and what a service sends on arrives later than
the cycle under way. Requests that are done with are used again, the last one first, so those under way stay in the cache.
What a multicast sends is one request as far as its queues take the same way, and parts where they do.
"""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.layout import ALONE, READY
from rdflow.interpreter.kernel.options import HELPER, SPLICE


@njit(**HELPER)
def enter(requests, number, calendar):
    """Enter a request in the calendar at its arrival."""
    request = requests[uintp(number)]
    bucket = uintp(request.arrival & (calendar.size - 1))
    request.link = calendar[bucket]
    calendar[bucket] = number


@njit(**SPLICE)
def ask(tables, q, place, stage, server, arrival, delay):
    """The token at a place of queue q, or the tokens of this number of bundle -1 - q, become a request. Its number."""
    clock = tables.clock[0]
    number = clock.unused
    if number < 0:
        number = clock.fresh
        clock.fresh += 1
    else:
        clock.unused = tables.requests[uintp(number)].link
    request = tables.requests[uintp(number)]
    request.arrival = arrival
    request.place = place
    request.queue = q
    request.stage = stage
    request.server = server
    request.delay = delay
    enter(tables.requests, number, tables.calendar)
    clock.requests += 1
    return number


@njit(**HELPER)
def release(tables, number):
    """A request is done with."""
    clock = tables.clock[0]
    tables.requests[uintp(number)].link = clock.unused
    clock.unused = number
    clock.requests -= 1


@njit(**HELPER)
def ceiling(amount, denominator):
    """amount / denominator, rounded up. Most servers are links, which take whole cycles; divisions are slow."""
    return amount if denominator == 1 else -(-amount // denominator)


@njit(**HELPER)
def turn(tables, request, server):
    """Where a request stands among those that arrive in the same cycle: flows in rotating order, queue after queue."""
    turns = tables.stages[uintp(request.stage)].flow - server.last - 1
    if turns < 0:
        turns += tables.queues.size
    return turns * tables.queues.size + max(request.queue, 0)


@njit(**HELPER)
def line_up(tables, number, server):
    """Put a request among those that arrive at its server in the same cycle, in the order of service."""
    request = tables.requests[uintp(number)]
    before = -1
    after = server.head
    if after >= 0:
        own = turn(tables, request, server)
        while after >= 0 and turn(tables, tables.requests[uintp(after)], server) < own:
            before = after
            after = tables.requests[uintp(after)].link
    request.link = after
    if before < 0:
        server.head = number
    else:
        tables.requests[uintp(before)].link = number


@njit(**HELPER)
def arrivals(tables, cycle):
    """Line up the requests of one cycle at their servers. At how many; these are in `busy`."""
    count = 0
    bucket = uintp(cycle & (tables.calendar.size - 1))
    number = tables.calendar[bucket]
    tables.calendar[bucket] = -1
    while number >= 0:
        request = tables.requests[uintp(number)]
        following = request.link
        if request.arrival == cycle:
            server = tables.servers[uintp(request.server)]
            if server.head < 0:
                tables.busy[uintp(count)] = request.server
                count += 1
            line_up(tables, number, server)
        else:  # a later round of the calendar
            request.link = tables.calendar[bucket]
            tables.calendar[bucket] = number
        number = following
    return count


@njit(**SPLICE)
def settle(tables, q, place, ready, delay):
    """A token's ready cycle is known: hand its queue's consumer the tokens that are now known without a gap."""
    queue = tables.queues[uintp(q)]
    tables.ready[uintp(place)] = ready
    if queue.linked:
        tables.delay[uintp(place)] = delay
    before = queue.available
    while queue.available < queue.pushed and tables.ready[uintp(queue.ring + (queue.available & queue.mask))] >= 0:
        queue.available += 1
    sink = tables.actors[uintp(queue.sink)]
    if queue.available > before and sink.waiting == q:
        sink.waiting = READY
        known = tables.ready[uintp(queue.ring + (before & queue.mask))]
        tables.due[uintp(queue.sink)] = max(sink.next, known) + sink.lag


@njit(**HELPER)
def pass_on(tables, number, stage, start, cycle, server):
    """Send a token on from a server that takes it from `start` on: its first packet to the next, or all to the consumer."""
    request = tables.requests[uintp(number)]
    service = server.numerator * (stage.packets if stage.final else 1)
    end = ceiling(start + service, server.denominator)
    if server.shared:
        request.delay += end - cycle - ceiling(service, server.denominator)
    if stage.final:
        settle(tables, request.queue, request.place, end + stage.after, request.delay)
        release(tables, number)
    else:
        request.stage += 1
        request.server = tables.stages[uintp(request.stage)].server
        request.arrival = end + stage.after
        enter(tables.requests, number, tables.calendar)


@njit(**HELPER)
def part(tables, number, start, cycle, server):
    """The same for what a multicast sends: its queues go on, together as far as they do, or have their tokens."""
    request = tables.requests[uintp(number)]
    bundle = tables.bundles[uintp(-1 - request.queue)]
    token, before = request.place, request.delay
    release(tables, number)
    for p in range(bundle.first, bundle.last):
        own = tables.parts[uintp(p)]
        queue = tables.queues[uintp(own.queue)]
        stage = tables.stages[uintp(own.stage)]
        service = server.numerator * (stage.packets if stage.final else 1)
        end = ceiling(start + service, server.denominator)
        delay = before + end - cycle - ceiling(service, server.denominator)
        who, where = own.queue, queue.ring + (token & queue.mask)
        if stage.final:
            settle(tables, who, where, end + stage.after, delay)
        else:
            if own.bundle != ALONE:
                who, where = -1 - own.bundle, token
            following = tables.stages[uintp(own.stage + 1)].server
            ask(tables, who, where, own.stage + 1, following, end + stage.after, delay)


@njit(**SPLICE)
def attend(tables, server, cycle):
    """Serve the tokens that arrive at a server in one cycle; at a link, tokens of one flow are the same packets."""
    number = server.head
    server.head = -1
    flow = -1
    start = 0
    while number >= 0:
        request = tables.requests[uintp(number)]
        following = request.link
        stage = tables.stages[uintp(request.stage)]
        if stage.flow != flow or not server.shared:
            flow = stage.flow
            start = max(cycle * server.denominator, server.free)
            server.free = start + stage.packets * server.numerator
            server.last = flow
            server.packets += stage.packets
        if request.queue >= 0:
            pass_on(tables, number, stage, start, cycle, server)
        else:
            part(tables, number, start, cycle, server)
        number = following


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
