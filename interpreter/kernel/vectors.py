"""Whole vectors in registers, where the compiler would go lane by lane: it cannot know that words do not overlap.

Numba has no vector types, so these few functions are written as the instructions of LLVM, which knows vectors of any
length and cuts them to what the processor has. A product and a sum stay two operations, each rounded.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from rdflow.interpreter.kernel.layout import VECTOR

WORD = 4  # bytes: all the alignment that a word has
PART = 8  # lanes of the shorter vector
NUMBER = types.int64


def place(context, builder, kind, array, word, lanes=1):
    """Pointer to a word of an array, or to the vector that starts there."""
    pointer = builder.gep(context.make_array(kind)(context, builder, array).data, [word])
    vector = ir.VectorType(context.get_data_type(kind.dtype), lanes)
    return builder.bitcast(pointer, vector.as_pointer()) if lanes > 1 else pointer


def broadcast(builder, scalar, lanes):
    """A vector with the scalar in all lanes."""
    index = ir.IntType(32)
    empty = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(empty, scalar, index(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(index, lanes), [0] * lanes))


def copy(lanes):
    """Code that copies a vector."""

    def code(context, builder, signature, arguments):
        array, to, source = arguments
        vector = builder.load(place(context, builder, signature.args[0], array, source, lanes), align=WORD)
        builder.store(vector, place(context, builder, signature.args[0], array, to, lanes), align=WORD)
        return context.get_dummy_value()

    return code


@intrinsic
def copy_vector(typing, array, to, source):
    """The VECTOR words at `source`, to those at `to`."""
    return types.void(array, NUMBER, NUMBER), copy(VECTOR)


@intrinsic
def copy_part(typing, array, to, source):
    """The PART words at `source`, to those at `to`."""
    return types.void(array, NUMBER, NUMBER), copy(PART)


def accumulate(context, builder, signature, arguments):
    """Sums in registers over n firings: one vector for each of the `factors`, all of the same vectors at `a`."""
    kind, (words, kept, a, sa, *factors, sb, n) = signature.args[0], arguments

    def vector(word):
        return place(context, builder, kind, words, word, VECTOR)

    rows = [vector(builder.add(kept, kept.type(r * VECTOR))) for r in range(len(factors))]
    sums = [cgutils.alloca_once_value(builder, builder.load(row, align=WORD)) for row in rows]
    with cgutils.for_range(builder, n) as loop:
        lanes = builder.load(vector(builder.add(a, builder.mul(loop.index, sa))), align=WORD)
        for total, factor in zip(sums, factors, strict=True):
            word = builder.add(factor, builder.mul(loop.index, sb))
            scalar = builder.load(place(context, builder, kind, words, word), align=WORD)
            product = builder.fmul(lanes, broadcast(builder, scalar, VECTOR))
            builder.store(builder.fadd(builder.load(total), product), total)
    for row, total in zip(rows, sums, strict=True):
        builder.store(builder.load(total), row, align=WORD)
    return context.get_dummy_value()


@intrinsic
def accumulate_one(typing, words, kept, a, sa, b, sb, n):
    """kept[l] += a[l] * b[0], over n firings."""
    return types.void(words, *(NUMBER,) * 6), accumulate


@intrinsic
def accumulate_two(typing, words, kept, a, sa, b, c, sb, n):
    """kept[l] += a[l] * b[0] and kept[VECTOR + l] += a[l] * c[0], over n firings: twice the work a load."""
    return types.void(words, *(NUMBER,) * 7), accumulate
