"""Batches in which no firing but the first waits: the others follow it at the actor's interval."""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel.batches import eased, number_offsets, push_served
from rdflow.interpreter.kernel.counting import count_firings, wake
from rdflow.interpreter.kernel.layout import ROW_FIRED, UNSERVED
from rdflow.interpreter.kernel.options import HELPER, SPLICE
from rdflow.interpreter.kernel.times import fill, late


@njit(**HELPER)
def first_tokens(actor, tables):
    """When the tokens of the first firing of a batch are there: those that came through memory, and the others."""
    plain, memory = 0, 0
    for p in range(actor.first_in, actor.last_in):
        port = tables.ports[uintp(p)]
        if port.taken > 0 and port.begin == 0:
            queue = tables.queues[uintp(port.current)]
            time = tables.ready[uintp(queue.ring + (queue.popped & queue.mask))]
            if queue.memory:
                memory = max(memory, time)
            else:
                plain = max(plain, time)
    return plain, memory


@njit(**HELPER)
def first_slots(actor, tables):
    """When the slots of the first firing of a batch are free."""
    latest = 0
    for p in range(actor.first_out, actor.last_out):
        port = tables.ports[uintp(p)]
        if port.taken > 0 and port.begin == 0:
            queue = tables.queues[uintp(port.current)]
            place = queue.ring + ((queue.pushed - queue.capacity) & queue.mask)
            latest = max(latest, tables.free[uintp(place)])
    return latest


@njit(**SPLICE)
def punctual(actor, n, first, interval, tables):
    """Whether all tokens and slots of n firings are there in time, where the first is at cycle `first`."""
    for p in range(actor.first_in, actor.last_out):
        port = tables.ports[uintp(p)]
        count = min(port.stop, n) - port.begin
        if port.taken > 0 and count > 0:
            queue = tables.queues[uintp(port.current)]
            start = first + port.begin * interval
            if p < actor.last_in:
                if late(tables.ready, queue, queue.popped, count, start, interval, queue.push_pace):
                    return False
            elif late(tables.free, queue, queue.pushed - queue.capacity, count, start, interval, queue.pop_pace):
                return False
    return True


@njit(**HELPER)
def count_waits(actor, plain, memory, first, tables):
    """What the first firing of a batch has waited, at cycle `first`, for tokens that were there at these cycles."""
    there = max(actor.next, plain)
    arrived = max(there, memory)
    if arrived > there:
        actor.memory += arrived - actor.next
    else:
        spent = there - max(actor.next, eased(actor, 0, tables)) if actor.linked else 0
        actor.link += spent
        actor.starved += there - actor.next - spent
    actor.blocked += first - arrived


@njit(**SPLICE)
def move(actor, n, first, interval, tables):
    """Move the tokens of n firings, of which the first is at cycle `first`."""
    for p in range(actor.first_in, actor.last_out):
        port = tables.ports[uintp(p)]
        count = min(port.stop, n) - port.begin
        if port.taken > 0 and count > 0:
            q = port.current
            queue = tables.queues[uintp(q)]
            start = first + port.begin * interval
            if p < actor.last_in:
                fill(tables.free, queue, queue.popped, count, start + queue.credit, interval)
                queue.popped += count
                wake(queue.source, q, start + queue.credit, tables)
            elif queue.stages == UNSERVED:
                fill(tables.ready, queue, queue.pushed, count, start + queue.latency, interval)
                queue.pushed += count
                queue.available = queue.pushed
                wake(queue.sink, q, start + queue.latency, tables)
            else:
                request_steadily(actor, port, queue, n, first, interval, tables)


@njit(**SPLICE)
def request_steadily(actor, port, queue, n, first, interval, tables):
    """The tokens of n firings become requests."""
    for j in range(n):
        tables.scratch[uintp(ROW_FIRED), uintp(j)] = first + j * interval
    push_served(actor, port, queue, n, tables)


@njit(**HELPER)
def in_time(first, n, interval, end):
    """How many of n firings from cycle `first` on, one an interval, are before `end`."""
    left = end - first
    if left <= 0:
        return 0
    if n * interval <= left:
        return n
    return left if interval == 1 else -(-left // interval)


@njit(**SPLICE)
def fire_steadily(actor, n, end, interval, tables):
    """Firings at the actor's interval, and a cycle before which the next cannot be; -1 where another one waits."""
    plain, memory = first_tokens(actor, tables)
    first = max(max(actor.next, max(plain, memory)), first_slots(actor, tables))
    fired = in_time(first, n, interval, end)
    if fired > 1 and not punctual(actor, fired, first, interval, tables):
        return -1, 0
    if fired > 0:
        count_waits(actor, plain, memory, first, tables)
        if actor.last_gather > actor.first_gather:
            number_offsets(actor, fired, tables)
        actor.next = first + fired * interval
        move(actor, fired, first, interval, tables)
        count_firings(actor, fired, interval, first, actor.next - interval)
    return fired, first + fired * interval
