"""The operations of rows, by number, and their loops over the firings of a batch and the lanes of a vector."""

import numpy as np
from numba import njit
from numpy import int32, uintp

from rdflow.interpreter.kernel import numerics
from rdflow.interpreter.kernel.layout import VECTOR
from rdflow.interpreter.kernel.numerics import INFINITY
from rdflow.interpreter.kernel.options import INLINE

ELEMENTWISE = (
    "copy neg add sub mul div max min abs exp log sqrt rsqrt sigmoid tanh "
    "ineg iadd isub imul idiv imod imax imin iabs lt le eq ne ilt ile ieq ine and or not"
)
SHAPED = "where tofloat toint bf16 int8 lanes pick index splat"
TREES = "tree.sum tree.max tree.min tree.isum tree.imax tree.imin tree.argmax"
STORED = "read write fold.sum fold.max fold.min fold.isum fold.imax fold.imin fold.argmax systolic"
NAMES = f"{ELEMENTWISE} {SHAPED} {TREES} {STORED}".split()
NUMBER = {name: number for number, name in enumerate(NAMES)}

# fmt: off
(
    COPY, NEG, ADD, SUB, MUL, DIV, MAX, MIN, ABS, EXP, LOG, SQRT, RSQRT, SIGMOID, TANH,
    INEG, IADD, ISUB, IMUL, IDIV, IMOD, IMAX, IMIN, IABS, LT, LE, EQ, NE, ILT, ILE, IEQ, INE, AND, OR, NOT,
    WHERE, TOFLOAT, TOINT, BF16, INT8, LANES, PICK, INDEX, SPLAT,
    TREE_SUM, TREE_MAX, TREE_MIN, TREE_ISUM, TREE_IMAX, TREE_IMIN, TREE_ARGMAX,
    READ, WRITE, FOLD_SUM, FOLD_MAX, FOLD_MIN, FOLD_ISUM, FOLD_IMAX, FOLD_IMIN, FOLD_ARGMAX, SYSTOLIC,
) = range(len(NAMES))
# fmt: on

LOWEST = np.int32(-(2**31))
HIGHEST = np.int32(2**31 - 1)


def unary(function):
    """out[l] = function(x[l])"""
    function = njit(**INLINE)(function)

    @njit(**INLINE)
    def loop(out, o, os, x, a, sa, n, width):
        for j in range(n):
            for l in range(width):
                out[uintp(o + j * os + l)] = function(x[uintp(a + j * sa + l)])

    return loop


def binary(function):
    """out[l] = function(x[l], y[l])"""
    function = njit(**INLINE)(function)

    @njit(**INLINE)
    def loop(out, o, os, x, a, sa, b, sb, n, width):
        for j in range(n):
            for l in range(width):
                out[uintp(o + j * os + l)] = function(x[uintp(a + j * sa + l)], x[uintp(b + j * sb + l)])

    return loop


def tree(function, identity):
    """out[0] = the lanes of x, padded to a power of two, combined by halves in `scratch`"""
    function = njit(**INLINE)(function)

    @njit(**INLINE)
    def loop(out, o, os, a, sa, n, width, scratch):
        size = 1
        while size < width:
            size *= 2
        for j in range(n):
            for l in range(size):
                out[uintp(scratch + l)] = out[uintp(a + j * sa + l)] if l < width else identity
            half = size // 2
            while half > 0:
                for l in range(half):
                    left = uintp(scratch + l)
                    out[left] = function(out[left], out[uintp(scratch + l + half)])
                half //= 2
            out[uintp(o + j * os)] = out[uintp(scratch)]

    return loop


copy = unary(lambda x: x)
neg = unary(lambda x: -x)
absolute = unary(lambda x: abs(x))
exp = unary(lambda x: numerics.exp(x))
log = unary(lambda x: numerics.log(x))
sqrt = unary(lambda x: np.sqrt(x))
rsqrt = unary(lambda x: numerics.rsqrt(x))
sigmoid = unary(lambda x: numerics.sigmoid(x))
tanh = unary(lambda x: numerics.tanh(x))
bf16 = unary(lambda x: numerics.bf16(x))
int8 = unary(lambda x: numerics.wrap8(x))
ineg = unary(lambda x: int32(-x))
iabs = unary(lambda x: int32(-x) if x < 0 else x)
negate = unary(lambda x: int32(x == 0))
tofloat = unary(lambda x: np.float32(x))
toint = unary(lambda x: numerics.toint(x))

add = binary(lambda x, y: x + y)
sub = binary(lambda x, y: x - y)
mul = binary(lambda x, y: x * y)
div = binary(lambda x, y: x / y)
maximum = binary(lambda x, y: numerics.maximum(x, y))
minimum = binary(lambda x, y: numerics.minimum(x, y))
iadd = binary(lambda x, y: int32(x + y))
isub = binary(lambda x, y: int32(x - y))
imul = binary(lambda x, y: int32(x * y))
idiv = binary(lambda x, y: numerics.floordiv(x, y))
imod = binary(lambda x, y: numerics.floormod(x, y))
imax = binary(lambda x, y: max(x, y))
imin = binary(lambda x, y: min(x, y))
lt = binary(lambda x, y: int32(x < y))
le = binary(lambda x, y: int32(x <= y))
eq = binary(lambda x, y: int32(x == y))
ne = binary(lambda x, y: int32(x != y))
both = binary(lambda x, y: int32((x != 0) & (y != 0)))
either = binary(lambda x, y: int32((x != 0) | (y != 0)))

tree_sum = tree(lambda x, y: x + y, np.float32(0))
tree_max = tree(lambda x, y: numerics.maximum(x, y), np.float32(-np.inf))
tree_min = tree(lambda x, y: numerics.minimum(x, y), np.float32(np.inf))
tree_isum = tree(lambda x, y: int32(x + y), np.int32(0))
tree_imax = tree(lambda x, y: max(x, y), LOWEST)
tree_imin = tree(lambda x, y: min(x, y), HIGHEST)


@njit(**INLINE)
def where(ints, o, os, a, sa, b, sb, c, sc, n, width):
    """out[l] = b[l] where a[l] holds, else c[l]"""
    for j in range(n):
        for l in range(width):
            yes = ints[uintp(b + j * sb + l)]
            no = ints[uintp(c + j * sc + l)]
            ints[uintp(o + j * os + l)] = yes if ints[uintp(a + j * sa + l)] != 0 else no


@njit(**INLINE)
def splat(ints, o, os, a, sa, n, width):
    """out[l] = a[0]"""
    for j in range(n):
        for l in range(width):
            ints[uintp(o + j * os + l)] = ints[uintp(a + j * sa)]


@njit(**INLINE)
def permute(ints, o, os, a, sa, n, width, lanes, table):
    """out[l] = a[table[l]]"""
    for j in range(n):
        for l in range(width):
            ints[uintp(o + j * os + l)] = ints[uintp(a + j * sa + lanes[uintp(table + l)])]


@njit(**INLINE)
def pick(ints, o, os, a, sa, b, sb, n, width, last):
    """out[l] = a[b[0]], the index kept within the lanes"""
    for j in range(n):
        chosen = ints[uintp(a + j * sa + min(max(ints[uintp(b + j * sb)], 0), last))]
        for l in range(width):
            ints[uintp(o + j * os + l)] = chosen


@njit(**INLINE)
def tree_argmax(words, ints, o, os, a, sa, b, sb, n, width, scratch):
    """out[0] = the index of the largest value, the lower one where values tie; padded with -inf"""
    size = 1
    while size < width:
        size *= 2
    for j in range(n):
        for l in range(size):
            words[uintp(scratch + l)] = words[uintp(a + j * sa + l)] if l < width else -INFINITY
            ints[uintp(scratch + VECTOR + l)] = ints[uintp(b + j * sb + l)] if l < width else HIGHEST
        half = size // 2
        while half > 0:
            for x in range(scratch, scratch + half):
                y = x + half
                value, other = words[uintp(x)], words[uintp(y)]
                index, lower = ints[uintp(x + VECTOR)], ints[uintp(y + VECTOR)]
                if other > value or (other == value and lower < index):
                    words[uintp(x)] = other
                    ints[uintp(x + VECTOR)] = lower
            half //= 2
        ints[uintp(o + j * os)] = ints[uintp(scratch + VECTOR)]


@njit(**INLINE)
def index(ints, o, os, start, pace, n, width, lanes, table):
    """out[l] = start + j * pace (+ table[l])"""
    for j in range(n):
        for l in range(width):
            by_lane = lanes[uintp(table + l)] if table >= 0 else 0
            ints[uintp(o + j * os + l)] = int32(start + j * pace + by_lane)
