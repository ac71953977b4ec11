"""A visit of an actor: it fires as often as its tokens, its slots and the end of the window allow."""

from numba import njit
from numpy import int64, uint64, uintp

from rdflow.interpreter.kernel.layout import (
    BATCH,
    BY_ADDRESS,
    DONE,
    MAP,
    PLAIN,
    READY,
    ROW_FIRED,
    ROW_FREE,
    ROW_MEMORY,
    ROW_READY,
    SOURCE,
    UNSERVED,
    VALUE_BATCH,
    Places,
)
from rdflow.interpreter.kernel.nest import affine_at, is_open, iterations, mark, step, stretch
from rdflow.interpreter.kernel.options import HELPER, SPLICE
from rdflow.interpreter.kernel.servers import request


@njit(**HELPER)
def wake(a, q, actors, pending):
    """Mark actor `a` for a visit if queue `q` is what it waits for."""
    actor = actors[uintp(a)]
    if actor.waiting == q:
        actor.waiting = READY
        pending[uintp(a >> 6)] |= uint64(1) << uint64(a & 63)


@njit(**HELPER)
def count_firings(actor, fired, interval, first, last):
    """The counters that every firing moves."""
    if actor.firings == 0:
        actor.first = first
    actor.firings += fired
    actor.busy += fired * interval
    actor.last = last


@njit(**HELPER)
def go_on(actor, fired, tables):
    """Step the nest; the actor may now be done."""
    if step(actor, tables.loops[uintp(actor.inner)], fired, tables.loops, tables.bounds, tables.affine):
        actor.waiting = DONE
        tables.clock[0].running -= 1


@njit(**HELPER)
def run_map(actor, source, sink, n, end, ready, free):
    """Up to n firings before `end` of an actor with one queue in and one out: their number, the cycle of the next.

    Fields are copied first: the compiler cannot know that the stores leave them alone.
    """
    t, interval, latency, credit = actor.next, actor.interval, sink.latency, source.credit
    get, gets, get_ring = source.popped, source.mask, source.ring
    put, puts, put_ring, capacity = sink.pushed, sink.mask, sink.ring, sink.capacity
    starved, blocked, fired, following = 0, 0, 0, 0
    while fired < n:
        place = uintp(get_ring + (get & gets))
        arrived = max(t, ready[place])
        following = max(arrived, free[uintp(put_ring + ((put - capacity) & puts))])
        if following >= end:
            break
        starved += arrived - t
        blocked += following - arrived
        free[place] = following + credit
        ready[uintp(put_ring + (put & puts))] = following + latency
        t = following + interval
        get += 1
        put += 1
        fired += 1
    actor.next = t
    actor.blocked += blocked
    count_starved(actor, source, starved)
    return fired, following


@njit(**HELPER)
def run_source(actor, sink, n, end, ready, free):
    """The same without an input."""
    t, interval, latency = actor.next, actor.interval, sink.latency
    put, puts, put_ring, capacity = sink.pushed, sink.mask, sink.ring, sink.capacity
    blocked, fired, following = 0, 0, 0
    while fired < n:
        following = max(t, free[uintp(put_ring + ((put - capacity) & puts))])
        if following >= end:
            break
        blocked += following - t
        ready[uintp(put_ring + (put & puts))] = following + latency
        t = following + interval
        put += 1
        fired += 1
    actor.next = t
    actor.blocked += blocked
    return fired, following


@njit(**HELPER)
def run_sink(actor, source, n, end, ready, free):
    """The same without an output."""
    t, interval, credit = actor.next, actor.interval, source.credit
    get, gets, get_ring = source.popped, source.mask, source.ring
    starved, fired, following = 0, 0, 0
    while fired < n:
        place = uintp(get_ring + (get & gets))
        following = max(t, ready[place])
        if following >= end:
            break
        starved += following - t
        free[place] = following + credit
        t = following + interval
        get += 1
        fired += 1
    actor.next = t
    count_starved(actor, source, starved)
    return fired, following


@njit(**HELPER)
def count_starved(actor, source, cycles):
    """Waits for a token: those that came through a memory channel are kept apart."""
    if source.memory:
        actor.memory += cycles
    else:
        actor.starved += cycles


@njit(**SPLICE)
def visit_simple(a, end, tables):
    """A visit where each firing pops the one input, pushes the one output, or both."""
    actor = tables.actors[uintp(a)]
    inner = tables.loops[uintp(actor.inner)]
    pops = actor.shape != SOURCE
    pushes = actor.shape <= SOURCE
    get = tables.ports[uintp(actor.first_in)].queue if pops else 0
    put = tables.ports[uintp(actor.first_out)].queue if pushes else 0
    source = tables.queues[uintp(get)]
    sink = tables.queues[uintp(put)]
    while actor.waiting != DONE:
        n = inner.iterations - inner.counter
        limit = -1
        if pops and source.available - source.popped < n:
            n = source.available - source.popped
            limit = get
        if pushes and sink.capacity - sink.pushed + sink.popped < n:
            n = sink.capacity - sink.pushed + sink.popped
            limit = put
        start = actor.next
        if actor.shape == MAP:
            fired, following = run_map(actor, source, sink, n, end, tables.ready, tables.free)
        elif actor.shape == SOURCE:
            fired, following = run_source(actor, sink, n, end, tables.ready, tables.free)
        else:
            fired, following = run_sink(actor, source, n, end, tables.ready, tables.free)
        if fired > 0:
            first = start
            if actor.firings == 0 and pushes:
                first = tables.ready[uintp(sink.ring + (sink.pushed & sink.mask))] - sink.latency
            elif actor.firings == 0:
                first = tables.free[uintp(source.ring + (source.popped & source.mask))] - source.credit
            count_firings(actor, fired, actor.interval, first, actor.next - actor.interval)
            if pops:
                source.popped += fired
                wake(source.source, get, tables.actors, tables.pending)
            if pushes:
                sink.pushed += fired
                sink.available = sink.pushed
                wake(sink.sink, put, tables.actors, tables.pending)
            go_on(actor, fired, tables)
        if fired < n:
            tables.due[uintp(a)] = following
            return
        if limit >= 0:
            actor.waiting = limit
            return


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
def plan(actor, tables):
    """Bind the ports of the next firings: how many there are room for, the queue that limits them, their interval."""
    inner = tables.loops[uintp(actor.inner)]
    n = min(stretch(actor, inner), BATCH)
    limit = -1
    interval = actor.interval
    for p in range(actor.first_in, actor.last_out):
        port = tables.ports[uintp(p)]
        port.taken = 0
        if is_open(port, actor.at_first, actor.at_last):
            count = taken(port, tables)
            if port.varies and n > 1:
                n = 1
                limit = -1
            if count > 0:
                q = choose(port, actor, tables)
                port.taken = count
                port.current = q
                queue = tables.queues[uintp(q)]
                if p < actor.last_in:
                    n, limit = narrow(n, limit, (queue.available - queue.popped) // count, q)
                else:
                    n, limit = narrow(n, limit, queue.capacity - queue.pushed + queue.popped, q)
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


@njit(**HELPER)
def gather_inputs(port, queue, n, row, scratch, ready):
    """Raise `scratch[row]` to the cycles at which the tokens of n firings are there."""
    for j in range(n):
        latest = scratch[uintp(row), uintp(j)]
        for k in range(queue.popped + j * port.taken, queue.popped + (j + 1) * port.taken):
            latest = max(latest, ready[uintp(queue.ring + (k & queue.mask))])
        scratch[uintp(row), uintp(j)] = latest


@njit(**HELPER)
def gather_outputs(queue, n, scratch, free):
    """Raise `scratch[ROW_FREE]` to the cycles at which the slots of n firings are free."""
    for j in range(n):
        place = queue.ring + ((queue.pushed + j - queue.capacity) & queue.mask)
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
            gather_outputs(tables.queues[uintp(port.current)], n, scratch, tables.free)


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
def eased(actor, j, tables):
    """When the tokens of firing j of the batch would have been there, had none queued at a link that flows share."""
    latest = 0
    for p in range(actor.first_in, actor.last_in):
        port = tables.ports[uintp(p)]
        queue = tables.queues[uintp(port.current)]
        for k in range(queue.popped + j * port.taken, queue.popped + (j + 1) * port.taken):
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
    for j in range(fired):
        cycle = tables.scratch[uintp(ROW_FIRED), uintp(j)] + queue.credit
        for k in range(queue.popped + j * port.taken, queue.popped + (j + 1) * port.taken):
            tables.free[uintp(queue.ring + (k & queue.mask))] = cycle
    queue.popped += fired * port.taken
    wake(queue.source, q, tables.actors, tables.pending)


@njit(**HELPER)
def push(queue, q, fired, tables):
    """Put the tokens of the firings into the queue."""
    for j in range(fired):
        place = uintp(queue.ring + ((queue.pushed + j) & queue.mask))
        tables.ready[place] = tables.scratch[uintp(ROW_FIRED), uintp(j)] + queue.latency
    queue.pushed += fired
    queue.available = queue.pushed
    wake(queue.sink, q, tables.actors, tables.pending)


@njit(**HELPER)
def number_offsets(actor, fired, tables):
    """What gathers add to the addresses of a batch without values: the number of a token stands in for its index."""
    for j in range(fired):
        tables.offset[uintp(j)] = 0
        for g in range(actor.first_gather, actor.last_gather):
            gathered = tables.gathers[uintp(g)]
            port = tables.ports[uintp(gathered.port)]
            number = tables.queues[uintp(port.current)].popped + (j + 1) * port.taken - 1
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
def push_served(actor, queue, q, fired, tables):
    """The same for a queue that passes a server: the tokens become requests."""
    server = tables.stages[uintp(queue.stages)].server
    addressed = server == BY_ADDRESS
    address = 0
    pace = 0
    if addressed:
        address = actor.base + affine_at(tables.affine, actor.burst, tables.loops, actor.loop, actor.depth)
        pace = tables.affine[uintp(actor.burst + actor.depth)]
    for j in range(fired):
        if addressed:
            where = address + tables.offset[uintp(j)] if actor.last_gather > actor.first_gather else address
            server = actor.channel + (where // 64) % actor.channels
            address += pace
        place = queue.ring + ((queue.pushed + j) & queue.mask)
        tables.stage[uintp(place)] = queue.stages
        tables.delay[uintp(place)] = 0
        arrival = tables.scratch[uintp(ROW_FIRED), uintp(j)] + queue.first
        request(place, arrival, server, tables.ready, tables.link, tables.target, tables.calendar)
    tables.clock[0].requests += fired
    queue.pushed += fired


@njit(**HELPER)
def commit(actor, fired, tables):
    """Move the tokens of the firings."""
    for p in range(actor.first_in, actor.last_in):
        port = tables.ports[uintp(p)]
        if port.taken > 0:
            pop(port, tables.queues[uintp(port.current)], port.current, fired, tables)
    for p in range(actor.first_out, actor.last_out):
        port = tables.ports[uintp(p)]
        if port.taken > 0:
            queue = tables.queues[uintp(port.current)]
            if queue.stages == UNSERVED:
                push(queue, port.current, fired, tables)
            else:
                push_served(actor, queue, port.current, fired, tables)


@njit(**HELPER)
def count_batch(actor, fired, interval, scratch):
    """Count firings whose cycles are in `scratch[ROW_FIRED]`."""
    first, last = scratch[uintp(ROW_FIRED), uintp(0)], scratch[uintp(ROW_FIRED), uintp(fired - 1)]
    count_firings(actor, fired, interval, first, last)


# -- firings that move a token at up to two inputs and two outputs --------------------------------------------------------


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


@njit(**HELPER)
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


@njit(**SPLICE)
def visit_general(a, end, tables):
    """A visit of any actor."""
    actor = tables.actors[uintp(a)]
    while actor.waiting != DONE:
        n, limit, interval = plan(actor, tables)
        if n == 0:
            actor.waiting = limit
            return
        fired, following = fire_pairs(actor, n, end, interval, tables)
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
        tables.due[uintp(a)] = following
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
