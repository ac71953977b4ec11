"""Visits of an actor with one queue in, one queue out, or both: nothing is looked up between two firings."""

from numba import njit
from numpy import int64, uintp

from rdflow.interpreter.kernel.counting import count_firings, count_starved, go_on, wake
from rdflow.interpreter.kernel.layout import DONE, MAP, SOURCE
from rdflow.interpreter.kernel.options import HELPER, SPLICE


@njit(**HELPER)
def run_map(actor, source, sink, n, end, ready, free):
    """Up to n firings before `end` of an actor with one queue in and one out: their number, the cycle of the next.

    Fields are copied first: the compiler cannot know that the stores leave them alone.
    """
    t, interval, latency, credit = actor.next, int64(actor.interval), int64(sink.latency), int64(source.credit)
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
    t, interval, latency = actor.next, int64(actor.interval), int64(sink.latency)
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
    t, interval, credit = actor.next, int64(actor.interval), int64(source.credit)
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
                known = tables.free[uintp(source.ring + (source.popped & source.mask))]
                source.popped += fired
                wake(source.source, get, known, tables)
            if pushes:
                known = tables.ready[uintp(sink.ring + (sink.pushed & sink.mask))]
                sink.pushed += fired
                sink.available = sink.pushed
                wake(sink.sink, put, known, tables)
            go_on(actor, fired, tables)
        if fired < n:
            tables.due[uintp(a)] = following + actor.lag
            return
        if limit >= 0:
            actor.waiting = limit
            return
