"""The rows of an actor, one after the other, each over all firings of a batch."""

from numba import njit
from numpy import uintp

from rdflow.interpreter.kernel import memory
from rdflow.interpreter.kernel import operations as op
from rdflow.interpreter.kernel.layout import FIXED, TOKEN, VECTOR
from rdflow.interpreter.kernel.nest import affine_at, is_open
from rdflow.interpreter.kernel.options import HELPER, INLINE


@njit(**INLINE)
def bind_input(port, queue):
    """Where the tokens of the batch are: in the queue, or, when none is taken, the one that is held."""
    if port.taken > 0:
        place = (queue.popped + port.taken - 1) & queue.mask
        port.word = queue.word + place * queue.width
        port.step = queue.width
    else:
        port.word = port.held
        port.step = 0


@njit(**INLINE)
def hold(port, fired, ints):
    """Keep the token popped last: its place in the queue is free for the next."""
    last = port.word + (fired - 1) * port.step
    for l in range(port.width):
        ints[uintp(port.held + l)] = ints[uintp(last + l)]


@njit(**INLINE)
def push_words(port, queue, fired, ints):
    """The lanes of the tokens pushed."""
    word = queue.word + (queue.pushed & queue.mask) * queue.width
    for j in range(fired):
        for l in range(queue.width):
            ints[uintp(word + j * queue.width + l)] = ints[uintp(port.source + j * VECTOR + l)]


@njit(**INLINE)
def locate(operand, actor, tables):
    """Word of an operand in the first firing of the batch, and words to that of the next; in a memory: its address."""
    if operand.kind == FIXED:
        return operand.word, operand.step
    if operand.kind == TOKEN:
        port = tables.ports[uintp(operand.port)]
        return port.word, port.step
    address = affine_at(tables.affine, operand.affine, tables.loops, actor.loop, actor.depth)
    if operand.banks > 1:
        address += actor.tiles % operand.banks * operand.bank
    return address, tables.affine[uintp(operand.affine + actor.depth)]


@njit(**INLINE)
def dynamic(operand, j, actor, tables, values):
    """The part of a firing's address that values decide."""
    offset = 0
    for d in range(operand.dynamic, operand.dynamic + operand.dynamics):
        by = values.operands[uintp(values.dynamics[uintp(d), uintp(0)])]
        word, step = locate(by, actor, tables)
        offset += values.ints[uintp(word + j * step)] * values.dynamics[uintp(d), uintp(1)]
    return offset


@njit(**HELPER)
def run_floats(code, words, ints, o, os, a, sa, b, sb, n, width):
    """Operations on float32 lanes."""
    if code == op.ADD:
        op.add(words, o, os, words, a, sa, b, sb, n, width)
    elif code == op.SUB:
        op.sub(words, o, os, words, a, sa, b, sb, n, width)
    elif code == op.MUL:
        op.mul(words, o, os, words, a, sa, b, sb, n, width)
    elif code == op.DIV:
        op.div(words, o, os, words, a, sa, b, sb, n, width)
    elif code == op.MAX:
        op.maximum(words, o, os, words, a, sa, b, sb, n, width)
    elif code == op.MIN:
        op.minimum(words, o, os, words, a, sa, b, sb, n, width)
    elif code == op.BF16:
        op.bf16(words, o, os, words, a, sa, n, width)
    elif code == op.EXP:
        op.exp(words, o, os, words, a, sa, n, width)
    elif code == op.LOG:
        op.log(words, o, os, words, a, sa, n, width)
    elif code == op.SQRT:
        op.sqrt(words, o, os, words, a, sa, n, width)
    elif code == op.RSQRT:
        op.rsqrt(words, o, os, words, a, sa, n, width)
    elif code == op.SIGMOID:
        op.sigmoid(words, o, os, words, a, sa, n, width)
    elif code == op.TANH:
        op.tanh(words, o, os, words, a, sa, n, width)
    elif code == op.NEG:
        op.neg(words, o, os, words, a, sa, n, width)
    elif code == op.ABS:
        op.absolute(words, o, os, words, a, sa, n, width)
    elif code == op.LT:
        op.lt(ints, o, os, words, a, sa, b, sb, n, width)
    elif code == op.LE:
        op.le(ints, o, os, words, a, sa, b, sb, n, width)
    elif code == op.EQ:
        op.eq(ints, o, os, words, a, sa, b, sb, n, width)
    elif code == op.NE:
        op.ne(ints, o, os, words, a, sa, b, sb, n, width)
    elif code == op.TOINT:
        op.toint(ints, o, os, words, a, sa, n, width)
    elif code == op.TOFLOAT:
        op.tofloat(words, o, os, ints, a, sa, n, width)


@njit(**HELPER)
def run_ints(code, ints, o, os, a, sa, b, sb, n, width):
    """Operations on int32 lanes."""
    if code == op.COPY:
        op.copy(ints, o, os, ints, a, sa, n, width)
    elif code == op.IADD:
        op.iadd(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.ISUB:
        op.isub(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.IMUL:
        op.imul(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.IDIV:
        op.idiv(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.IMOD:
        op.imod(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.IMAX:
        op.imax(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.IMIN:
        op.imin(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.ILT:
        op.lt(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.ILE:
        op.le(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.IEQ:
        op.eq(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.INE:
        op.ne(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.AND:
        op.both(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.OR:
        op.either(ints, o, os, ints, a, sa, b, sb, n, width)
    elif code == op.INEG:
        op.ineg(ints, o, os, ints, a, sa, n, width)
    elif code == op.IABS:
        op.iabs(ints, o, os, ints, a, sa, n, width)
    elif code == op.NOT:
        op.negate(ints, o, os, ints, a, sa, n, width)
    elif code == op.INT8:
        op.int8(ints, o, os, ints, a, sa, n, width)


@njit(**HELPER)
def run_trees(code, words, ints, o, os, a, sa, b, sb, n, width, scratch):
    """Reductions of the lanes of a vector."""
    if code == op.TREE_SUM:
        op.tree_sum(words, o, os, a, sa, n, width, scratch)
    elif code == op.TREE_MAX:
        op.tree_max(words, o, os, a, sa, n, width, scratch)
    elif code == op.TREE_MIN:
        op.tree_min(words, o, os, a, sa, n, width, scratch)
    elif code == op.TREE_ISUM:
        op.tree_isum(ints, o, os, a, sa, n, width, scratch)
    elif code == op.TREE_IMAX:
        op.tree_imax(ints, o, os, a, sa, n, width, scratch)
    elif code == op.TREE_IMIN:
        op.tree_imin(ints, o, os, a, sa, n, width, scratch)
    else:
        op.tree_argmax(words, ints, o, os, a, sa, b, sb, n, width, scratch)


@njit(**HELPER)
def fold_one(code, words, ints, kept, a, b, width, anew):
    """One firing of a fold, over consecutive words."""
    if code == op.FOLD_SUM:
        memory.fold_sum(words, kept, a, width, anew)
    elif code == op.FOLD_MAX:
        memory.fold_max(words, kept, a, width, anew)
    elif code == op.FOLD_MIN:
        memory.fold_min(words, kept, a, width, anew)
    elif code == op.FOLD_ISUM:
        memory.fold_isum(ints, kept, a, width, anew)
    elif code == op.FOLD_IMAX:
        memory.fold_imax(ints, kept, a, width, anew)
    elif code == op.FOLD_IMIN:
        memory.fold_imin(ints, kept, a, width, anew)
    else:
        memory.fold_argmax(words, ints, kept, a, b, width, anew)


@njit(**INLINE)
def fold_at(row, place, address, a, b, anew, values):
    """One firing of a fold. Words that are not consecutive, or not all in the memory, go through the scratch."""
    ints = values.ints
    pair = row.op == op.FOLD_ARGMAX
    if memory.plain(place, address, VECTOR if pair else 0):
        fold_one(row.op, values.words, ints, place.start + address, a, b, row.width, anew)
        return
    memory.read(ints, 0, place, address, -1, values.lanes, row.width)
    if pair:
        memory.read(ints, VECTOR, place, address + VECTOR, -1, values.lanes, row.width)
    fold_one(row.op, values.words, ints, 0, a, b, row.width, anew)
    memory.write(ints, 0, place, address, -1, values.lanes, row.width)
    if pair:
        memory.write(ints, VECTOR, place, address + VECTOR, -1, values.lanes, row.width)


@njit(**INLINE)
def systolic_at(row, place, address, a, b, anew, values):
    """One firing of a systolic array, the same way."""
    if memory.plain(place, address, (row.count - 1) * VECTOR):
        kept = place.start + address
        memory.systolic(values.words, kept, a, b, row.table, row.count, values.lanes, row.width, anew)
        return
    for r in range(row.count):
        memory.read(values.ints, 0, place, address + r * VECTOR, -1, values.lanes, row.width)
        memory.systolic(values.words, 0, a, b, row.table + r, 1, values.lanes, row.width, anew)
        memory.write(values.ints, 0, place, address + r * VECTOR, -1, values.lanes, row.width)


@njit(**INLINE)
def run_memory(row, place, address, pace, a, sa, b, sb, n, anew, actor, tables, values):
    """Operations with an operand in a memory, firing by firing. read: a is the result, b the predicate (-1: none)."""
    for j in range(n):
        at = address + j * pace
        if place.dynamics > 0:
            at += dynamic(place, j, actor, tables, values)
        x = a + j * sa
        y = b + j * sb
        if row.op == op.READ:
            memory.read(values.ints, x, place, at, y, values.lanes, row.width)
        elif row.op == op.WRITE:
            memory.write(values.ints, x, place, at, y, values.lanes, row.width)
        elif row.op == op.SYSTOLIC:
            systolic_at(row, place, at, x, y, anew, values)
        else:
            fold_at(row, place, at, x, y, anew, values)


@njit(**INLINE)
def starts_anew(row, actor):
    """The init gate of a row."""
    at_first, at_last = actor.at_first, actor.at_last
    return (
        at_first & row.init_first == row.init_first
        and at_last & row.init_last == row.init_last
        and (row.init_not_first == 0 or at_first & row.init_not_first != row.init_not_first)
        and (row.init_not_last == 0 or at_last & row.init_not_last != row.init_not_last)
    )


@njit(**INLINE)
def run_row(row, n, actor, tables, values):
    """One row over n firings."""
    operands, words, ints, width = values.operands, values.words, values.ints, row.width
    b, sb, c, sc = -1, 0, -1, 0
    out = operands[uintp(row.out)]
    o, os = locate(out, actor, tables)
    first = operands[uintp(row.a)]
    a, sa = locate(first, actor, tables)
    if row.b >= 0:
        b, sb = locate(operands[uintp(row.b)], actor, tables)
    if row.c >= 0:
        c, sc = locate(operands[uintp(row.c)], actor, tables)
    if row.op == op.READ:
        run_memory(row, first, a, sa, o, os, b, sb, n, False, actor, tables, values)
    elif row.op > op.READ:
        run_memory(row, out, o, os, a, sa, b, sb, n, starts_anew(row, actor), actor, tables, values)
    elif row.op >= op.TREE_SUM:
        run_trees(row.op, words, ints, o, os, a, sa, b, sb, n, width, 0)
    elif row.op == op.WHERE:
        op.where(ints, o, os, a, sa, b, sb, c, sc, n, width)
    elif row.op == op.LANES:
        op.permute(ints, o, os, a, sa, n, width, values.lanes, row.table)
    elif row.op == op.PICK:
        op.pick(ints, o, os, a, sa, b, sb, n, width, row.count - 1)
    elif row.op == op.SPLAT:
        op.splat(ints, o, os, a, sa, n, width)
    elif row.op == op.INDEX:
        op.index(ints, o, os, a, sa, n, width, values.lanes, row.table)
    else:
        run_floats(row.op, words, ints, o, os, a, sa, b, sb, n, width)
        run_ints(row.op, ints, o, os, a, sa, b, sb, n, width)


@njit(**INLINE)
def execute(actor, n, tables, values):
    """All rows that take part."""
    for r in range(actor.first_row, actor.last_row):
        row = values.rows[uintp(r)]
        if is_open(row, actor.at_first, actor.at_last):
            run_row(row, n, actor, tables, values)
