"""Times at regular steps, in whole vectors: whether what is in a ring is there by then, and writing them to a ring.

Written as LLVM's instructions, as in `vectors`: the compiler takes loops of some twenty steps one by one. A vector may be
read beyond the end of a ring, so tables of times are PART longer; nothing is written there.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy import uintp

from rdflow.interpreter.kernel.options import HELPER
from rdflow.interpreter.kernel.vectors import NUMBER, PART, broadcast, place

WORD = 8  # bytes: all the alignment that a time has
BIT, TIME = ir.IntType(1), ir.IntType(64)


def steps(builder, first, pace, lanes):
    """first, first + pace, first + 2 pace, .."""
    index = ir.Constant(ir.VectorType(TIME, lanes), list(range(lanes)))
    return builder.add(broadcast(builder, first, lanes), builder.mul(broadcast(builder, pace, lanes), index))


def late_code(context, builder, signature, arguments):
    """Code of `late_piece`: one comparison for each vector, all of them gathered in one."""
    times, at, n, first, pace = arguments
    found = cgutils.alloca_once_value(builder, ir.Constant(ir.VectorType(BIT, PART), [0] * PART))
    number = ir.Constant(ir.VectorType(TIME, PART), list(range(PART)))
    limits = steps(builder, first, pace, PART)
    with cgutils.for_range_slice(builder, TIME(0), n, TIME(PART), inc=True) as (index, _):
        there = builder.load(
            place(context, builder, signature.args[0], times, builder.add(at, index), PART), align=WORD
        )
        limit = builder.add(limits, broadcast(builder, builder.mul(pace, index), PART))
        inside = builder.icmp_signed("<", number, broadcast(builder, builder.sub(n, index), PART))
        late = builder.and_(builder.icmp_signed(">", there, limit), inside)
        builder.store(builder.or_(builder.load(found), late), found)
    bits = builder.bitcast(builder.load(found), ir.IntType(PART))
    return builder.icmp_unsigned("!=", bits, bits.type(0))


@intrinsic
def late_piece(typing, times, at, n, first, pace):
    """Whether any of n times from place `at` on is later than first, first + pace, .."""
    return types.boolean(times, *(NUMBER,) * 4), late_code


def fill_code(context, builder, signature, arguments):
    """Code of `fill_piece`: whole vectors, the last of them over the one before; fewer times than a vector in halves."""
    times, at, n, first, pace = arguments

    def write(index, lanes):
        start = builder.add(first, builder.mul(pace, index))
        vector = steps(builder, start, pace, lanes) if lanes > 1 else start
        builder.store(
            vector, place(context, builder, signature.args[0], times, builder.add(at, index), lanes), align=WORD
        )

    last = builder.sub(n, TIME(PART))
    with builder.if_else(builder.icmp_signed(">=", last, TIME(0))) as (many, few):
        with many:
            with cgutils.for_range_slice(builder, TIME(0), last, TIME(PART), inc=True) as (index, _):
                write(index, PART)
            write(last, PART)
        with few:
            for lanes in (PART // 2, PART // 4, PART // 8):
                left = builder.and_(n, TIME(lanes))
                with builder.if_then(builder.icmp_unsigned("!=", left, TIME(0))):
                    write(builder.and_(n, TIME(-2 * lanes)), lanes)
    return context.get_dummy_value()


@intrinsic
def fill_piece(typing, times, at, n, first, pace):
    """first, first + pace, .. to n places from `at` on."""
    return types.void(times, *(NUMBER,) * 4), fill_code


@njit(**HELPER)
def late(times, queue, number, n, first, pace, apart):
    """Whether any of n times of a ring, from token `number` on, is later than first, first + pace, ..

    `apart`: cycles from one time to the next, at least. Where these are no fewer than `pace`, the last one tells.
    """
    if pace <= apart:
        return times[uintp(queue.ring + ((number + n - 1) & queue.mask))] > first + (n - 1) * pace
    start = number & queue.mask
    before = min(n, queue.mask + 1 - start)
    if late_piece(times, queue.ring + start, before, first, pace):
        return True
    return before < n and late_piece(times, queue.ring, n - before, first + before * pace, pace)


@njit(**HELPER)
def fill(times, queue, number, n, first, pace):
    """first, first + pace, .. to n places of a ring, from token `number` on."""
    start = number & queue.mask
    before = min(n, queue.mask + 1 - start)
    fill_piece(times, queue.ring + start, before, first, pace)
    if before < n:
        fill_piece(times, queue.ring, n - before, first + before * pace, pace)
