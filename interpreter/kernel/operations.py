"""The operations of rows: one compiled function made of their table, and those that are not elementwise.

Each elementwise operation becomes a branch with loops of its own over the firings of a batch and the lanes. Trees and folds are elementwise operations too: on halves of a vector, on a vector and what is kept.
"""

import numpy as np
from numba import njit
from numpy import int32, uintp

from rdflow.interpreter.kernel import numerics
from rdflow.interpreter.kernel.layout import VALUE_BATCH, VECTOR
from rdflow.interpreter.kernel.numerics import INFINITY
from rdflow.interpreter.kernel.opcodes import ALONE, ELEMENTWISE, HIGHEST, NUMBER
from rdflow.interpreter.kernel.options import HELPER, SPLICE

HEAD = """
def elementwise(code, words, ints, o, os, a, sa, b, sb, c, sc, n, width):
    rows, lanes = n, VECTOR
    if os == VECTOR and sa == VECTOR and (b < 0 or sb == VECTOR) and (c < 0 or sc == VECTOR):
        rows, lanes = 1, n * VECTOR
"""

BRANCH = """
    if code == {number}:
        for j in range({rows}):
            for l in range({lanes}):
                {arguments}
                {out}[uintp(o + j * os + l)] = {result}
        return"""


def source():
    """The text of `elementwise`: whole vectors, for lanes above the width are nobody's, in one piece where they are one."""
    store = {"f": "words", "i": "ints"}
    text = HEAD
    for name, types, result in ELEMENTWISE:
        places = zip("xyz", "abc", types[1:], strict=False)
        arguments = "; ".join(f"{x} = {store[t]}[uintp({a} + j * s{a} + l)]" for x, a, t in places)
        rows, lanes = ("n", "width") if name in ALONE else ("rows", "lanes")
        text += BRANCH.format(
            rows=rows, lanes=lanes, number=NUMBER[name], arguments=arguments, out=store[types[0]], result=result
        )
    return text


def defined(text):
    """The function that a text defines, over the numerics. Numba's cache wants the file that it came from."""
    scope = {**vars(numerics), "uintp": uintp, "int32": int32, "float32": np.float32, "VECTOR": VECTOR, "sqrt": np.sqrt}
    exec(compile(text, __file__, "exec"), scope)
    return scope["elementwise"]


elementwise = defined(source())


@njit(**HELPER)
def spread(ints, o, os, a, sa, n, width):
    """out[l] = a[0]"""
    for j in range(n):
        for l in range(width):
            ints[uintp(o + j * os + l)] = ints[uintp(a + j * sa)]


@njit(**HELPER)
def permute(ints, o, os, a, sa, n, width, lanes, table):
    """out[l] = a[table[l]]"""
    for j in range(n):
        for l in range(width):
            ints[uintp(o + j * os + l)] = ints[uintp(a + j * sa + lanes[uintp(table + l)])]


@njit(**HELPER)
def pick(ints, o, os, a, sa, b, sb, n, width, last):
    """out[l] = a[b[0]], the index kept within the lanes"""
    for j in range(n):
        chosen = ints[uintp(a + j * sa + min(max(ints[uintp(b + j * sb)], 0), last))]
        for l in range(width):
            ints[uintp(o + j * os + l)] = chosen


@njit(**HELPER)
def index(ints, o, os, start, pace, n, width, lanes, table):
    """out[l] = start + j * pace (+ table[l])"""
    for j in range(n):
        for l in range(width):
            by_lane = lanes[uintp(table + l)] if table >= 0 else 0
            ints[uintp(o + j * os + l)] = int32(start + j * pace + by_lane)


@njit(**HELPER)
def power_above(width):
    """The lowest power of two that is not below."""
    size = 1
    while size < width:
        size *= 2
    return size


@njit(**SPLICE)
def tree(words, ints, o, os, a, sa, n, width, combine, identity, elementwise):
    """out[0] = the lanes of a, padded with the identity to a power of two, combined by halves; to and fro in the scratch"""
    size = power_above(width)
    step, here, there = 2 * VECTOR, 0, 2 * VECTOR * VALUE_BATCH
    for j in range(n):
        for l in range(size):
            ints[uintp(j * step + l)] = ints[uintp(a + j * sa + l)] if l < width else int32(identity)
    half = size // 2
    while half > 0:
        elementwise(combine, words, ints, there, step, here, step, here + half, step, 0, 0, n, half)
        here, there = there, here
        half //= 2
    for j in range(n):
        ints[uintp(o + j * os)] = ints[uintp(here + j * step)]


@njit(**HELPER)
def tree_argmax(words, ints, o, os, a, sa, b, sb, n, width):
    """out[0] = the index of the largest value, the lower one where values tie; padded with -inf; in the scratch"""
    size = power_above(width)
    for j in range(n):
        for l in range(size):
            words[uintp(l)] = words[uintp(a + j * sa + l)] if l < width else -INFINITY
            ints[uintp(VECTOR + l)] = ints[uintp(b + j * sb + l)] if l < width else int32(HIGHEST)
        half = size // 2
        while half > 0:
            for l in range(half):
                value, other = words[uintp(l)], words[uintp(l + half)]
                kept, lower = ints[uintp(l + VECTOR)], ints[uintp(l + half + VECTOR)]
                if other > value or (other == value and lower < kept):
                    words[uintp(l)] = other
                    ints[uintp(l + VECTOR)] = lower
            half //= 2
        ints[uintp(o + j * os)] = ints[uintp(VECTOR)]
