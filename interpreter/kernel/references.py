"""Past states of a run, to be compared with the present one.

A state repeats a past one when the same will happen again, cycle for cycle and counter for counter. So times count from
now, and only as far as they can still be felt: a token that was ready before its consumer can fire might have been ready
earlier still. (An actor that has not fired since does not move on with the clock: what it waits for must be there.)
"""

from numba import njit
from numpy import int64, uintp

from rdflow.interpreter.kernel.layout import DECIDED, DONE, FAR, UNSERVED
from rdflow.interpreter.kernel.options import HELPER

# -- keeping -----------------------------------------------------------------------------------------------------------


@njit(**HELPER)
def keep(tables, marks, r):
    """Make the present state reference `r`. Words kept."""
    clock = tables.clock[0]
    reference = marks.references[uintp(r)]
    reference.cycle = clock.time
    reference.served = clock.served
    for a in range(tables.actors.size):
        keep_actor(tables.actors[uintp(a)], marks.actors[uintp(r), uintp(a)])
    for l in range(tables.loops.size):
        marks.counters[uintp(r), uintp(l)] = tables.loops[uintp(l)].counter
    words = 0
    for q in range(tables.queues.size):
        words += keep_queue(tables, marks, r, q)
    for s in range(tables.servers.size):
        past = marks.servers[uintp(r), uintp(s)]
        server = tables.servers[uintp(s)]
        past.free = server.free
        past.last = server.last
        past.packets = server.packets
    return words + 4 * tables.actors.size + 2 * tables.queues.size + tables.servers.size


@njit(**HELPER)
def keep_actor(actor, past):
    """What changes of an actor, its counters apart."""
    past.next = actor.next
    past.firings = actor.firings
    past.busy = actor.busy
    past.starved = actor.starved
    past.blocked = actor.blocked
    past.memory = actor.memory
    past.link = actor.link


@njit(**HELPER)
def keep_queue(tables, marks, r, q):
    """Counts and times of a queue. Words kept."""
    queue = tables.queues[uintp(q)]
    past = marks.queues[uintp(r), uintp(q)]
    past.pushed = queue.pushed
    past.available = queue.available
    past.popped = queue.popped
    first = marks.first[uintp(q)]
    length = queue.pushed - queue.popped
    slots = marks.slots[uintp(r)]
    if queue.stages == UNSERVED:
        words = keep_times(tables, tables.ready, queue, queue.pushed, length, marks.most[uintp(q)], slots, first)
    else:
        words = 4 * length
        for j in range(length):
            time, server, stage, delay = state(tables, queue, queue.pushed - 1 - j)
            slots[uintp(first + j)] = time
            marks.targets[uintp(r), uintp(first + j)] = server
            marks.stages[uintp(r), uintp(first + j)] = stage
            marks.delays[uintp(r), uintp(first + j)] = delay
    room = queue.capacity - length
    return words + keep_times(tables, tables.free, queue, queue.popped, room, int64(1), slots, first + length)


@njit(**HELPER)
def keep_times(tables, times, queue, top, count, most, slots, first):
    """The times of `count` places before number `top`, from the last: those to come, and the first `most`. How many."""
    words = 0
    while words < count:
        time = times[uintp(queue.ring + ((top - 1 - words) & queue.mask))]
        slots[uintp(first + words)] = time
        words += 1
        if time <= tables.clock[0].time:
            break
    for j in range(max(words, count - most), count):
        slots[uintp(first + j)] = times[uintp(queue.ring + ((top - 1 - j) & queue.mask))]
        words += 1
    return words


@njit(**HELPER)
def state(tables, queue, number):
    """Of a token that passes servers: when it arrives, at which, at which of its stages (or when it is ready, DECIDED);
    and what it has queued at links."""
    place = uintp(queue.ring + (number & queue.mask))
    time = tables.ready[place]
    if time >= 0:
        return time, int64(DECIDED), int64(0), tables.delay[place]
    request = tables.requests[uintp(-1 - time)]
    return request.arrival, int64(request.server), int64(request.stage), int64(request.delay)


# -- comparing ---------------------------------------------------------------------------------------------------------


@njit(**HELPER)
def repeats(tables, marks, r, until):
    """How many times what has happened since reference `r` will happen again, before `until`, and words compared."""
    reference = marks.references[uintp(r)]
    span = tables.clock[0].time - reference.cycle
    most = (until - tables.clock[0].time) // span
    bound = FAR
    for k in range(tables.actors.size):
        a = (reference.actor + k) % tables.actors.size
        bound = min(bound, repeats_actor(tables, marks, r, a, span))
        if bound == 0:
            reference.actor = a
            return 0, k + 1
    if bound == FAR or not same_servers(tables, marks, r, span):
        return 0, tables.actors.size
    words = tables.actors.size
    for k in range(tables.queues.size):
        q = (reference.queue + k) % tables.queues.size
        bound = min(bound, repeats_queue(tables, marks, r, q, span))
        words += 2
        if bound == 0:
            reference.queue = q
            return 0, words
    return min(most, bound), words


@njit(**HELPER)
def repeats_actor(tables, marks, r, a, span):
    """How many times an actor will do what it has done since: for ever, if it did nothing and waits for others."""
    actor = tables.actors[uintp(a)]
    past = marks.actors[uintp(r), uintp(a)]
    if actor.firings == past.firings:
        return FAR if actor.waiting == DONE or actor.next <= marks.references[uintp(r)].cycle else 0
    if actor.waiting == DONE or actor.next - past.next != span:
        return 0
    changed = -1
    for l in range(actor.loop, actor.loop + actor.depth):
        if tables.loops[uintp(l)].counter != marks.counters[uintp(r), uintp(l)]:
            if changed >= 0:
                return 0
            changed = l
    return advances(
        tables.loops[uintp(changed)], marks.advances[uintp(changed)], marks.counters[uintp(r), uintp(changed)]
    )


@njit(**HELPER)
def advances(loop, rule, before):
    """How many times a loop can go on as it has since its counter was `before`, before it ends or does otherwise."""
    moved = loop.counter - before
    if rule.unit == 0 or moved % rule.unit != 0 or before < rule.low:
        return 0
    return max(0, min(loop.iterations - 2, rule.high) - loop.counter) // moved


@njit(**HELPER)
def same_servers(tables, marks, r, span):
    """Whether the servers are as they were: who is next, and when."""
    served = tables.clock[0].served
    for s in range(tables.servers.size):
        server = tables.servers[uintp(s)]
        past = marks.servers[uintp(r), uintp(s)]
        now = max(server.free, served * server.denominator)
        then = max(past.free, (served - span) * server.denominator)
        if server.last != past.last or now - then != span * server.denominator:
            return False
    return marks.references[uintp(r)].served == served - span


@njit(**HELPER)
def repeats_queue(tables, marks, r, q, span):
    """How many times a queue lets its ends repeat what they have done: for ever where it is as it was."""
    queue = tables.queues[uintp(q)]
    past = marks.queues[uintp(r), uintp(q)]
    length = queue.pushed - queue.popped
    first = marks.first[uintp(q)]
    room = queue.capacity - length
    most = marks.most[uintp(q)]
    if past.pushed - past.popped == length and past.available - past.popped == queue.available - queue.popped:
        if queue.stages == UNSERVED:
            same = same_times(
                tables, marks, r, tables.ready, queue, queue.sink, queue.pushed, length, most, first, span
            )
        else:
            same = same_tokens(tables, marks, r, queue, first, span)
        one = int64(1)
        if same and same_times(
            tables, marks, r, tables.free, queue, queue.source, queue.popped, room, one, first + length, span
        ):
            return FAR
    if queue.stages != UNSERVED:
        return 0
    before = past.pushed - past.popped
    pops = queue.popped - past.popped
    times = uses(tables, marks, r, tables.ready, queue, queue.sink, queue.pushed, length, before, most, first, pops)
    if times == 0:
        return 0
    pushes = queue.pushed - past.pushed
    first += before
    before = queue.capacity - before
    one = int64(1)
    return min(
        times,
        uses(tables, marks, r, tables.free, queue, queue.source, queue.popped, room, before, one, first, pushes),
    )


@njit(**HELPER)
def felt_from(tables, marks, r, a):
    """The cycle before which times do not matter to an actor: now, and at the reference."""
    actor = tables.actors[uintp(a)]
    past = marks.actors[uintp(r), uintp(a)]
    if actor.firings > past.firings:
        return actor.next, past.next
    return tables.clock[0].time, marks.references[uintp(r)].cycle


@njit(**HELPER)
def same_times(tables, marks, r, times, queue, a, top, count, most, first, span):
    """Whether times are as they were, as far as actor `a` can feel them.

    They are in order. Its next firing can tell when the first `most` came; the later ones only what is still to come.
    """
    now, then = felt_from(tables, marks, r, a)
    late_now = max(now, tables.clock[0].time)
    late_then = max(then, marks.references[uintp(r)].cycle)
    slots = marks.slots[uintp(r)]
    for j in range(count):
        time = times[uintp(queue.ring + ((top - 1 - j) & queue.mask))]
        before = slots[uintp(first + j)]
        if time <= late_now and before <= late_then:
            break
        if max(time, late_now) - max(before, late_then) != span:
            return False
    for j in range(max(0, count - most), count):
        time = times[uintp(queue.ring + ((top - 1 - j) & queue.mask))]
        if max(time, now) - max(slots[uintp(first + j)], then) != span:
            return False
    return True


@njit(**HELPER)
def same_tokens(tables, marks, r, queue, first, span):
    """Whether tokens through a server, which need not be in order, are ready or arrive there as they did."""
    now, then = felt_from(tables, marks, r, queue.sink)
    for j in range(queue.pushed - queue.popped):
        number = queue.pushed - 1 - j
        slot = uintp(first + j)
        ready, server, stage, delay = state(tables, queue, number)
        before = marks.slots[uintp(r), slot]
        if server != marks.targets[uintp(r), slot]:
            return False
        if server == DECIDED and ready <= now and before <= then:
            continue
        if ready - before != span or delay != marks.delays[uintp(r), slot]:
            return False
        if server != DECIDED and stage != marks.stages[uintp(r), slot]:
            return False
    return True


# -- queues that are not felt ------------------------------------------------------------------------------------------


@njit(**HELPER)
def uses(tables, marks, r, times, queue, a, top, count, before, most, first, moved):
    """How many times an end of a queue can repeat its `moved` pops (pushes) without ever waiting for a token (slot).

    It did not wait since, if enough lay there at the reference; it will not, as far as what lies there now suffices.
    """
    if tables.actors[uintp(a)].firings == marks.actors[uintp(r), uintp(a)].firings:
        return FAR if sleeps(tables, marks, r, a) else 0
    if moved == 0:
        return FAR
    now, then = felt_from(tables, marks, r, a)
    late_now = max(now, tables.clock[0].time)
    late_then = max(then, marks.references[uintp(r)].cycle)
    slots = marks.slots[uintp(r)]
    for j in range(max(0, count - most), count):
        if times[uintp(queue.ring + ((top - 1 - j) & queue.mask))] > now:
            return 0
    for j in range(max(0, before - most), before):
        if slots[uintp(first + j)] > then:
            return 0
    there = count
    while there > 0 and times[uintp(queue.ring + ((top - 1 - count + there) & queue.mask))] > late_now:
        there -= 1
    was_there = before
    while was_there > 0 and slots[uintp(first + before - was_there)] > late_then:
        was_there -= 1
    return there // moved if was_there >= moved else 0


@njit(**HELPER)
def sleeps(tables, marks, r, a):
    """Whether an actor that has not fired waits for a queue in which nothing moves."""
    actor = tables.actors[uintp(a)]
    if actor.waiting < 0:
        return actor.waiting == DONE
    queue = tables.queues[uintp(actor.waiting)]
    past = marks.queues[uintp(r), uintp(actor.waiting)]
    return queue.pushed == past.pushed and queue.popped == past.popped and queue.available == queue.pushed
