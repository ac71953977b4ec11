"""Firings of any kind: gathered, run and committed in batches."""

from numba import njit
from numpy import int64, uintp

from rdflow.interpreter.kernel.counting import count_firings, wake
from rdflow.interpreter.kernel.layout import (
    ALONE,
    BY_ADDRESS,
    FOLLOWS,
    ROW_FIRED,
    ROW_FREE,
    ROW_MEMORY,
    ROW_READY,
    TOKENS,
    UNSERVED,
)
from rdflow.interpreter.kernel.nest import affine_at
from rdflow.interpreter.kernel.options import HELPER, SPLICE
from rdflow.interpreter.kernel.servers import ask


@njit(**HELPER)
def gather_inputs(port, queue, n, row, scratch, ready):
    """Raise `scratch[row]` to the cycles at which the tokens of n firings are there."""
    k = queue.popped
    for j in range(port.begin, min(port.stop, n)):
        latest = scratch[uintp(row), uintp(j)]
        for _ in range(port.taken):
            latest = max(latest, ready[uintp(queue.ring + (k & queue.mask))])
            k += 1
        scratch[uintp(row), uintp(j)] = latest


@njit(**HELPER)
def gather_outputs(port, queue, n, scratch, free):
    """Raise `scratch[ROW_FREE]` to the cycles at which the slots of n firings are free."""
    for j in range(port.begin, min(port.stop, n)):
        place = queue.ring + ((queue.pushed + j - port.begin - queue.capacity) & queue.mask)
        scratch[uintp(ROW_FREE), uintp(j)] = max(scratch[uintp(ROW_FREE), uintp(j)], free[uintp(place)])


@njit(**HELPER)
def gather(actor, n, tables):
    """When tokens and slots of the next n firings are there."""
    scratch = tables.scratch
    for j in range(n):
        scratch[uintp(ROW_READY), uintp(j)] = 0
        scratch[uintp(ROW_MEMORY), uintp(j)] = 0
        scratch[uintp(ROW_FREE), uintp(j)] = 0
    for p in range(actor.first_in, actor.last_in):
        port = tables.ports[uintp(p)]
        if port.taken > 0:
            queue = tables.queues[uintp(port.current)]
            gather_inputs(port, queue, n, queue.memory, scratch, tables.ready)
    for p in range(actor.first_out, actor.last_out):
        port = tables.ports[uintp(p)]
        if port.taken > 0:
            gather_outputs(port, tables.queues[uintp(port.current)], n, scratch, tables.free)


@njit(**HELPER)
def run(actor, n, end, interval, scratch):
    """Up to n firings before `end`; their cycles in `scratch[ROW_FIRED]`. How many, and the cycle of the next."""
    t = actor.next
    starved = 0
    memory = 0
    blocked = 0
    fired = 0
    following = 0
    while fired < n:
        j = uintp(fired)
        plain = max(t, scratch[uintp(ROW_READY), j])
        arrived = max(plain, scratch[uintp(ROW_MEMORY), j])
        following = max(arrived, scratch[uintp(ROW_FREE), j])
        if following >= end:
            break
        if arrived > plain:
            memory += arrived - t
        else:
            starved += arrived - t
        blocked += following - arrived
        scratch[uintp(ROW_FIRED), j] = following
        t = following + interval
        fired += 1
    actor.next = t
    actor.starved += starved
    actor.memory += memory
    actor.blocked += blocked
    return fired, following


@njit(**HELPER)
def popped_at(port, queue, j):
    """Tokens of the queue that are popped before firing j of the batch."""
    return queue.popped + (max(port.begin, min(j, port.stop)) - port.begin) * port.taken


@njit(**HELPER)
def eased(actor, j, tables):
    """When the tokens of firing j of the batch would have been there, had none queued at a link that flows share."""
    latest = 0
    for p in range(actor.first_in, actor.last_in):
        port = tables.ports[uintp(p)]
        queue = tables.queues[uintp(port.current)]
        for k in range(popped_at(port, queue, j), popped_at(port, queue, j + 1)):
            place = uintp(queue.ring + (k & queue.mask))
            latest = max(latest, tables.ready[place] - tables.delay[place])
    return latest


@njit(**HELPER)
def count_links(actor, fired, start, interval, tables):
    """Take what tokens had queued at links out of what a batch of firings has starved, from `start` on."""
    scratch = tables.scratch
    t = start
    for j in range(fired):
        plain = max(t, scratch[uintp(ROW_READY), uintp(j)])
        if plain >= scratch[uintp(ROW_MEMORY), uintp(j)]:
            spent = plain - max(t, eased(actor, j, tables))
            actor.link += spent
            actor.starved -= spent
        t = scratch[uintp(ROW_FIRED), uintp(j)] + interval


@njit(**HELPER)
def pop(port, queue, q, fired, tables):
    """Take the tokens of the firings out of the queue."""
    k = queue.popped
    for j in range(port.begin, min(port.stop, fired)):
        cycle = tables.scratch[uintp(ROW_FIRED), uintp(j)] + queue.credit
        for _ in range(port.taken):
            tables.free[uintp(queue.ring + (k & queue.mask))] = cycle
            k += 1
    queue.popped = k
    wake(queue.source, q, tables.scratch[uintp(ROW_FIRED), uintp(port.begin)] + queue.credit, tables)


@njit(**HELPER)
def push(port, queue, q, fired, tables):
    """Put the tokens of the firings into the queue."""
    k = queue.pushed
    for j in range(port.begin, min(port.stop, fired)):
        place = uintp(queue.ring + (k & queue.mask))
        tables.ready[place] = tables.scratch[uintp(ROW_FIRED), uintp(j)] + queue.latency
        k += 1
    queue.pushed = k
    queue.available = queue.pushed
    wake(queue.sink, q, tables.scratch[uintp(ROW_FIRED), uintp(port.begin)] + queue.latency, tables)


@njit(**HELPER)
def number_offsets(actor, fired, tables):
    """What gathers add to the addresses of a batch without values: the number of a token stands in for its index."""
    for j in range(fired):
        tables.offset[uintp(j)] = 0
        for g in range(actor.first_gather, actor.last_gather):
            gathered = tables.gathers[uintp(g)]
            port = tables.ports[uintp(gathered.port)]
            number = popped_at(port, tables.queues[uintp(port.current)], j + 1) - 1
            tables.offset[uintp(j)] += (max(0, number) % gathered.length) * gathered.stride


@njit(**HELPER)
def index_offsets(actor, fired, tables, ints):
    """The same with values: the index is in the token, in the queue or held."""
    for j in range(fired):
        tables.offset[uintp(j)] = 0
        for g in range(actor.first_gather, actor.last_gather):
            gathered = tables.gathers[uintp(g)]
            port = tables.ports[uintp(gathered.port)]
            index = int64(ints[uintp(port.word + j * port.step)])
            tables.offset[uintp(j)] += max(0, min(index, gathered.length - 1)) * gathered.stride


@njit(**HELPER)
def follow(port, queue, fired, tables):
    """The same for a queue whose tokens are under way in the requests of another: a multicast."""
    for _ in range(port.begin, min(port.stop, fired)):
        tables.ready[uintp(queue.ring + (queue.pushed & queue.mask))] = -1
        queue.pushed += 1


@njit(**SPLICE)
def push_served(actor, port, queue, fired, tables):
    """The same for a queue that passes a server: the tokens become requests."""
    if queue.bundle == FOLLOWS:
        follow(port, queue, fired, tables)
        return
    server = tables.stages[uintp(queue.stages)].server
    addressed = server == BY_ADDRESS
    address = 0
    pace = 0
    if addressed:
        address = actor.base + affine_at(tables.affine, actor.burst, tables.loops, actor.loop, actor.depth)
        pace = tables.affine[uintp(actor.burst + actor.depth)]
        address += port.begin * pace
    for j in range(port.begin, min(port.stop, fired)):
        if addressed:
            where = address + tables.offset[uintp(j)] if actor.last_gather > actor.first_gather else address
            server = actor.channel + (where // 64) % actor.channels
            address += pace
        place = queue.ring + (queue.pushed & queue.mask)
        arrival = tables.scratch[uintp(ROW_FIRED), uintp(j)] + queue.first
        who, where = port.current, place
        if queue.bundle != ALONE:
            who, where = -1 - queue.bundle, queue.pushed & TOKENS
        tables.ready[uintp(place)] = -1 - ask(tables, who, where, queue.stages, server, arrival, 0)
        queue.pushed += 1


@njit(**HELPER)
def commit(actor, fired, tables):
    """Move the tokens of the firings."""
    for p in range(actor.first_in, actor.last_in):
        port = tables.ports[uintp(p)]
        if port.taken > 0 and port.begin < fired:
            pop(port, tables.queues[uintp(port.current)], port.current, fired, tables)
    for p in range(actor.first_out, actor.last_out):
        port = tables.ports[uintp(p)]
        if port.taken > 0 and port.begin < fired:
            queue = tables.queues[uintp(port.current)]
            if queue.stages == UNSERVED:
                push(port, queue, port.current, fired, tables)
            else:
                push_served(actor, port, queue, fired, tables)


@njit(**HELPER)
def count_batch(actor, fired, interval, scratch):
    """Count firings whose cycles are in `scratch[ROW_FIRED]`."""
    first, last = scratch[uintp(ROW_FIRED), uintp(0)], scratch[uintp(ROW_FIRED), uintp(fired - 1)]
    count_firings(actor, fired, interval, first, last)


@njit(**SPLICE)
def fire_any(actor, n, end, interval, tables):
    """Firings of any kind, and the cycle of the next."""
    gather(actor, n, tables)
    start = actor.next
    fired, following = run(actor, n, end, interval, tables.scratch)
    if fired > 0:
        count_batch(actor, fired, interval, tables.scratch)
        if actor.linked:
            count_links(actor, fired, start, interval, tables)
        if actor.last_gather > actor.first_gather:
            number_offsets(actor, fired, tables)
        commit(actor, fired, tables)
    return fired, following
