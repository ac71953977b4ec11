"""The rows of an actor, one after the other, each over all firings of a batch."""

from numba import njit
from numpy import int64, uintp

from rdflow.interpreter.kernel import memory
from rdflow.interpreter.kernel import opcodes as op
from rdflow.interpreter.kernel import operations as do
from rdflow.interpreter.kernel.layout import FIXED, TOKEN
from rdflow.interpreter.kernel.nest import affine_at, is_open
from rdflow.interpreter.kernel.options import HELPER, SPLICE


@njit(**HELPER)
def bind_input(port, queue):
    """Where the tokens of the batch are: in the queue, or, when none is taken, the one that is held."""
    if port.taken > 0:
        place = (queue.popped + port.taken - 1) & queue.mask
        port.word = queue.word + place * queue.width
        port.step = queue.width
    else:
        port.word = port.held
        port.step = 0


@njit(**HELPER)
def bind_output(port, queue):
    """Where the tokens that the batch pushes go: rows write them in their places."""
    port.word = queue.word + (queue.pushed & queue.mask) * queue.width
    port.step = queue.width


@njit(**HELPER)
def hold(port, fired, ints):
    """Keep the token popped last: its place in the queue is free for the next."""
    last = port.word + (fired - 1) * port.step
    memory.move(ints, port.held, last, port.width)


@njit(**HELPER)
def locate(operand, actor, places):
    """Word of an operand in the first firing of the batch, and words to that of the next; in a memory: its address."""
    if operand.kind == FIXED:
        return operand.word, operand.step
    if operand.kind == TOKEN:
        port = places.ports[uintp(operand.port)]
        return port.word, port.step
    address = affine_at(places.affine, operand.affine, places.loops, actor.loop, actor.depth)
    if operand.banks > 1:
        address += actor.tiles % operand.banks * operand.bank
    return address, places.affine[uintp(operand.affine + actor.depth)]


@njit(**HELPER)
def dynamic(operand, j, actor, places, values):
    """The part of a firing's address that values decide."""
    offset = 0
    for d in range(operand.dynamic, operand.dynamic + operand.dynamics):
        by = values.operands[uintp(values.dynamics[uintp(d), uintp(0)])]
        word, step = locate(by, actor, places)
        offset += values.ints[uintp(word + j * step)] * values.dynamics[uintp(d), uintp(1)]
    return offset


@njit(**SPLICE)
def store(row, place, at, a, sa, b, sb, n, anew, values, elementwise):
    """Firings on the same words of an operation whose result is in a memory. b: the predicate of a write (-1: none)."""
    words, ints, lanes = values.words, values.ints, values.lanes
    if row.op == op.SYSTOLIC:
        memory.systolic(words, ints, row, place, at, a, sa, b, sb, n, lanes, anew)
    elif row.op == op.WRITE:
        memory.write(ints, a, place, at, b, lanes, row.width)
    elif row.op == op.FOLD:
        memory.fold(words, ints, row, place, at, a, sa, n, lanes, anew, elementwise)
    else:
        memory.fold_argmax(words, ints, row, place, at, a, b, lanes, anew)


@njit(**HELPER)
def starts_anew(row, actor):
    """The init gate of a row."""
    at_first, at_last = actor.at_first, actor.at_last
    return (
        at_first & row.init_first == row.init_first
        and at_last & row.init_last == row.init_last
        and (row.init_not_first == 0 or at_first & row.init_not_first != row.init_not_first)
        and (row.init_not_last == 0 or at_last & row.init_not_last != row.init_not_last)
    )


@njit(**SPLICE)
def run_row(row, n, actor, places, values, elementwise):
    """One row over n firings."""
    operands, words, ints, width = values.operands, values.words, values.ints, row.width
    b, sb, c, sc = int64(-1), int64(0), int64(-1), int64(0)
    out = operands[uintp(row.out)]
    first = operands[uintp(row.a)]
    o, os = locate(out, actor, places)
    a, sa = locate(first, actor, places)
    if row.b >= 0:
        b, sb = locate(operands[uintp(row.b)], actor, places)
    if row.c >= 0:
        c, sc = locate(operands[uintp(row.c)], actor, places)
    if row.op < op.LANES:
        elementwise(row.op, words, ints, o, os, a, sa, b, sb, c, sc, n, width)
    elif row.op == op.PUSH:
        memory.move_all(ints, o, os, a, sa, n, width)
    elif row.op == op.READ:
        if b < 0 and first.dynamics == 0 and memory.read_all(ints, o, os, first, a, sa, n, width):
            return
        for j in range(n):
            at = a + j * sa + dynamic(first, j, actor, places, values)
            memory.read(ints, o + j * os, first, at, b + j * sb, values.lanes, width)
    elif row.op >= op.WRITE:
        regular = out.dynamics == 0
        if row.op == op.WRITE and regular and b < 0 and memory.write_all(ints, a, sa, out, o, os, n, width):
            return
        anew = starts_anew(row, actor)
        same = regular and os == 0 and (row.op == op.SYSTOLIC or row.op == op.FOLD)
        together = n if same and not anew else 1
        for j in range(0, n, together):
            at = o + j * os + dynamic(out, j, actor, places, values)
            store(row, out, at, a + j * sa, sa, b + j * sb, sb, together, anew, values, elementwise)
    elif row.op == op.SPLAT:
        do.spread(ints, o, os, a, sa, n, width)
    elif row.op == op.LANES:
        do.permute(ints, o, os, a, sa, n, width, values.lanes, row.table)
    elif row.op == op.PICK:
        do.pick(ints, o, os, a, sa, b, sb, n, width, row.count - 1)
    elif row.op == op.INDEX:
        do.index(ints, o, os, a, sa, n, width, values.lanes, row.table)
    elif row.op == op.TREE:
        do.tree(words, ints, o, os, a, sa, n, width, row.combine, row.identity, elementwise)
    else:
        do.tree_argmax(words, ints, o, os, a, sa, b, sb, n, width)


def compute(actor, n, places, values, elementwise):
    """What n firings compute, before their tokens move: all rows that take part."""
    for p in range(actor.first_in, actor.last_in):
        port = places.ports[uintp(p)]
        bind_input(port, places.queues[uintp(port.current)])
    for p in range(actor.first_out, actor.last_out):
        port = places.ports[uintp(p)]
        bind_output(port, places.queues[uintp(port.current)])
    for r in range(actor.first_row, actor.last_row):
        row = values.rows[uintp(r)]
        if is_open(row, actor.at_first, actor.at_last):
            run_row(row, n, actor, places, values, elementwise)
    for p in range(actor.first_in, actor.last_in):
        port = places.ports[uintp(p)]
        if port.taken > 0 and port.holds:
            hold(port, n, values.ints)
