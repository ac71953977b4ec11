"""Exact fast-forward: where the state repeats a past one, what lies between is not simulated again but counted.

The engine looks whenever a loop of the anchor, the busiest actor, has turned: at the end of a window that is a fixed
number of cycles later. Each loop has a reference of its own, so inner loops are skipped within outer ones. A reference
is kept anew after 1, 2, 4, ... looks, so any period is found.
"""

from numba import njit
from numpy import int64, uintp

from rdflow.interpreter.kernel.layout import DONE, FAR, UNSERVED
from rdflow.interpreter.kernel.options import HELPER
from rdflow.interpreter.kernel.references import keep, repeats
from rdflow.interpreter.kernel.servers import enter

PATIENCE = 8  # looks without a firing of the anchor until another actor stands in
SHARE = 8  # firings, at least, for each word that is compared or kept: both cost less than a firing

# -- skipping ----------------------------------------------------------------------------------------------------------


@njit(**HELPER)
def skip(tables, marks, r, times):
    """Count what has happened since reference `r` so many times more."""
    clock = tables.clock[0]
    span = clock.time - marks.references[uintp(r)].cycle
    cycles = times * span
    for q in range(tables.queues.size):
        skip_queue(tables, marks, marks.queues[uintp(r), uintp(q)], q, times, span)
    for a in range(tables.actors.size):
        skip_actor(tables, marks, r, a, times, cycles)
    for s in range(tables.servers.size):
        server = tables.servers[uintp(s)]
        packets = server.packets - marks.servers[uintp(r), uintp(s)].packets
        if packets > 0:
            server.free += cycles * server.denominator
            server.packets += times * packets
    clock.time += cycles
    clock.served += cycles
    if clock.requests > 0:
        enter_all(tables)
    for w in range(marks.watches.size):
        watch = marks.watches[uintp(w)]
        watch.cycle = FAR
        if watch.anchor >= 0:
            tables.actors[uintp(watch.anchor)].turned = FAR
    marks.control[0].skips += 1
    marks.control[0].cycles += cycles


@njit(**HELPER)
def skip_actor(tables, marks, r, a, times, cycles):
    """An actor that has fired goes on, in one of its loops; the others wait."""
    actor = tables.actors[uintp(a)]
    past = marks.actors[uintp(r), uintp(a)]
    if actor.firings == past.firings:
        return
    actor.next += cycles
    actor.last += cycles
    actor.firings += times * (actor.firings - past.firings)
    actor.busy += times * (actor.busy - past.busy)
    actor.starved += times * (actor.starved - past.starved)
    actor.blocked += times * (actor.blocked - past.blocked)
    actor.memory += times * (actor.memory - past.memory)
    actor.link += times * (actor.link - past.link)
    for l in range(actor.loop, actor.loop + actor.depth):
        loop = tables.loops[uintp(l)]
        loop.counter += times * (loop.counter - marks.counters[uintp(r), uintp(l)])
    if tables.due[uintp(a)] < FAR:
        tables.due[uintp(a)] += cycles


@njit(**HELPER)
def skip_queue(tables, marks, past, q, times, span):
    """A queue through which tokens have gone: as many again and again, each time a period later."""
    queue = tables.queues[uintp(q)]
    pushes = queue.pushed - past.pushed
    pops = queue.popped - past.popped
    queue.pushed += times * pushes
    queue.available += times * pushes
    queue.popped += times * pops
    if queue.stages == UNSERVED and max(pushes, pops) <= queue.mask + 1:
        again(tables.ready, queue, past.pushed, pushes, queue.popped, times, span, marks.spare)
        again(tables.free, queue, past.popped, pops, queue.pushed - queue.capacity, times, span, marks.spare)
    elif pops > 0:
        turn(tables.ready, queue, times * pops, times * span, marks.spare)
        turn(tables.free, queue, times * pops, times * span, marks.spare)
        turn(tables.delay, queue, times * pops, int64(0), marks.spare)
        for k in range(queue.available, queue.pushed):
            put_off(tables, queue.ring + (k & queue.mask), times * span)


@njit(**HELPER)
def again(places, queue, start, count, least, times, span, spare):
    """Repeat the times of `count` tokens from token `start` on, as far as they still matter: from token `least` on."""
    for i in range(count):
        spare[uintp(i)] = places[uintp(queue.ring + ((start + i) & queue.mask))]
    for k in range(max(start + count, least), start + count * (times + 1)):
        time = spare[uintp((k - start) % count)] + (k - start) // count * span
        places[uintp(queue.ring + (k & queue.mask))] = time


@njit(**HELPER)
def turn(places, queue, moved, cycles, spare):
    """Turn a ring by some places, and add to its times (requests have none): it is as it was, further on."""
    size = queue.mask + 1
    for i in range(size):
        own = places[uintp(queue.ring + i)]
        spare[uintp((i + moved) & queue.mask)] = own + cycles if own >= 0 else own
    for i in range(size):
        places[uintp(queue.ring + i)] = spare[uintp(i)]


@njit(**HELPER)
def put_off(tables, place, cycles):
    """A token that is now at this place, and may be under way to a server, arrives there so many cycles later."""
    number = -1 - tables.ready[uintp(place)]
    if number >= 0:
        request = tables.requests[uintp(number)]
        request.place = place
        request.arrival += cycles


@njit(**HELPER)
def enter_all(tables):
    """Enter all tokens under way to a server into the calendar again."""
    for b in range(tables.calendar.size):
        tables.calendar[uintp(b)] = -1
    for q in range(tables.queues.size):
        queue = tables.queues[uintp(q)]
        for k in range(queue.available, queue.pushed):
            number = -1 - tables.ready[uintp(queue.ring + (k & queue.mask))]
            if number >= 0:
                enter(tables.requests, number, tables.calendar)


# -- looking -----------------------------------------------------------------------------------------------------------


@njit(**HELPER)
def firings(tables):
    """Of all actors."""
    total = 0
    for a in range(tables.actors.size):
        total += tables.actors[uintp(a)].firings
    return total


@njit(**HELPER)
def forget(tables, marks, watch, level):
    """Forget the references of a loop of the anchor and of the loops inside."""
    if watch.anchor >= 0:
        for l in range(level, tables.actors[uintp(watch.anchor)].depth):
            marks.references[uintp(watch.first + l)].distance = 0


@njit(**HELPER)
def elsewhere(tables, marks, watch, level):
    """Whether a loop outside has gone on since the reference was kept: what was then will not come again."""
    loop = tables.actors[uintp(watch.anchor)].loop
    for l in range(loop, loop + level):
        if tables.loops[uintp(l)].counter != marks.counters[uintp(watch.first + level), uintp(l)]:
            return True
    return False


@njit(**HELPER)
def compare(tables, marks, watch, level, until):
    """Compare the state with the reference of a loop: skip, or keep it now and then."""
    r = watch.first + level
    reference = marks.references[uintp(r)]
    total = firings(tables)
    least = 16 * (tables.actors.size + tables.queues.size)
    if reference.work > least + (total - reference.fired) // SHARE:
        return
    reference.work += tables.actors.size // 4
    if reference.distance > 0 and elsewhere(tables, marks, watch, level):
        reference.distance = 0
    if reference.distance > 0:
        times, words = repeats(tables, marks, r, until)
        reference.work += words
        if times > 0:
            skip(tables, marks, r, times)
            forget(tables, marks, watch, level)
            marks.control[0].firings += firings(tables) - total
            pay(tables, marks)
            return
        reference.steps += 1
    if reference.distance == 0 or reference.steps == reference.distance:
        reference.work += keep(tables, marks, r)
        reference.distance = max(1, 2 * reference.distance)
        reference.steps = 0


@njit(**HELPER)
def pay(tables, marks):
    """What has been compared and kept was worth it."""
    total = firings(tables)
    for r in range(marks.references.size):
        marks.references[uintp(r)].work = 0
        marks.references[uintp(r)].fired = total


# -- when to look ------------------------------------------------------------------------------------------------------


@njit(**HELPER)
def horizon(tables, marks, end):
    """Where the window must end, if not at `end`, for a look."""
    grid = marks.control[0].grid
    if grid == 0:
        return end
    time = tables.clock[0].time
    next_look = min(marks.watches[0].cycle, marks.watches[1].cycle)
    return min(end, max(next_look, time + 1), (time // grid + 1) * grid)


@njit(**HELPER)
def follow(tables, marks, w, until):
    """See what the anchor of a watch has done in the window, and compare states if it is time to: now, or later."""
    time = tables.clock[0].time
    watch = marks.watches[uintp(w)]
    anchor = tables.actors[uintp(watch.anchor)]
    grid = marks.control[0].grid
    level = watch.level if watch.cycle == time else -1
    if watch.cycle <= time:
        watch.cycle = FAR
    if anchor.turned < FAR:
        if watch.cycle == FAR or anchor.turned < watch.level:
            watch.level = anchor.turned
            watch.cycle = max(anchor.turn + grid, time + 1)
        anchor.turned = FAR
    elif level < 0 and watch.cycle == FAR and time % grid == 0:
        level = anchor.depth - 1
    watch.quiet = 0 if anchor.firings > watch.seen else watch.quiet + 1
    watch.seen = anchor.firings
    if level >= 0:
        compare(tables, marks, watch, level, until)


@njit(**HELPER)
def stand_in(tables, marks):
    """While the anchor is quiet, or done, the actor that fires most takes its part."""
    quiet = marks.watches[0].quiet
    watch = marks.watches[1]
    if quiet == 0:
        watch.anchor = -1
        watch.cycle = FAR
    elif quiet % PATIENCE == PATIENCE // 2:
        for a in range(tables.actors.size):
            marks.before[uintp(a)] = tables.actors[uintp(a)].firings
    elif quiet % PATIENCE == 0 and (watch.anchor < 0 or watch.quiet >= PATIENCE // 2):
        watch.anchor = busiest(tables, marks)
        watch.cycle = FAR
        watch.quiet = 0
        forget(tables, marks, watch, 0)


@njit(**HELPER)
def busiest(tables, marks):
    """The actor that has fired most since `before` was noted; -1 if none has."""
    found = -1
    most = 0
    for a in range(tables.actors.size):
        actor = tables.actors[uintp(a)]
        fired = actor.firings - marks.before[uintp(a)]
        if fired > most and actor.waiting != DONE:
            most = fired
            found = a
    if found >= 0:
        tables.actors[uintp(found)].turned = FAR
    return found


# -- the border --------------------------------------------------------------------------------------------------------


def look(tables, marks, until):
    """Between two windows: skip what is known to repeat."""
    clock = tables.clock[0]
    if clock.requests == 0:
        clock.served = max(clock.served, clock.time + clock.reach)
    for w in range(marks.watches.size):
        if marks.watches[uintp(w)].anchor >= 0:
            follow(tables, marks, w, until)
    stand_in(tables, marks)
