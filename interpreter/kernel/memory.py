"""Operations on words of a memory: lane addresses, bounds, folds, the systolic array."""

import numpy as np
from numba import njit
from numpy import int32, uintp

from rdflow.interpreter.kernel import numerics
from rdflow.interpreter.kernel.layout import VECTOR
from rdflow.interpreter.kernel.numerics import INFINITY
from rdflow.interpreter.kernel.operations import HIGHEST, LOWEST
from rdflow.interpreter.kernel.options import INLINE


@njit(**INLINE)
def plain(place, address, above):
    """Consecutive lanes, all of them (and `above` words more) within the memory."""
    return place.lanes < 0 and place.stride == 1 and inside(place, address, above)


@njit(**INLINE)
def inside(place, address, above):
    """All lanes (and `above` words more) are within the memory."""
    return address + place.low >= 0 and address + place.high + above < place.size


@njit(**INLINE)
def lane(place, lanes, l):
    """Address of a lane, from that of the firing."""
    return lanes[uintp(place.lanes + l)] if place.lanes >= 0 else l * place.stride


@njit(**INLINE)
def read(ints, o, place, address, p, lanes, width):
    """out[l] = the word of lane l; 0 outside of the memory, and where the predicate at p (-1: none) is 0"""
    start = place.start + address
    if p < 0 and place.lanes < 0 and inside(place, address, 0):
        if place.stride == 1:
            for l in range(width):
                ints[uintp(o + l)] = ints[uintp(start + l)]
        else:
            for l in range(width):
                ints[uintp(o + l)] = ints[uintp(start + l * place.stride)]
        return
    for l in range(width):
        offset = lane(place, lanes, l)
        there = 0 <= address + offset < place.size and (p < 0 or ints[uintp(p + l)] != 0)
        ints[uintp(o + l)] = ints[uintp(start + offset)] if there else int32(0)


@njit(**INLINE)
def write(ints, a, place, address, p, lanes, width):
    """The word of lane l = a[l]; not outside of the memory, nor where the predicate at p (-1: none) is 0"""
    start = place.start + address
    if p < 0 and plain(place, address, 0):
        for l in range(width):
            ints[uintp(start + l)] = ints[uintp(a + l)]
        return
    for l in range(width):
        offset = lane(place, lanes, l)
        if 0 <= address + offset < place.size and (p < 0 or ints[uintp(p + l)] != 0):
            ints[uintp(start + offset)] = ints[uintp(a + l)]


def fold(function, identity):
    """kept[l] = function(kept[l], x[l]), over consecutive words; from the identity where it starts anew"""
    function = njit(**INLINE)(function)

    @njit(**INLINE)
    def loop(store, kept, a, width, anew):
        if anew:
            for l in range(width):
                store[uintp(kept + l)] = identity
        for l in range(width):
            store[uintp(kept + l)] = function(store[uintp(kept + l)], store[uintp(a + l)])

    return loop


fold_sum = fold(lambda x, y: x + y, np.float32(0))
fold_max = fold(lambda x, y: numerics.maximum(x, y), np.float32(-np.inf))
fold_min = fold(lambda x, y: numerics.minimum(x, y), np.float32(np.inf))
fold_isum = fold(lambda x, y: int32(x + y), np.int32(0))
fold_imax = fold(lambda x, y: max(x, y), LOWEST)
fold_imin = fold(lambda x, y: min(x, y), HIGHEST)


@njit(**INLINE)
def fold_argmax(words, ints, kept, a, b, width, anew):
    """kept value and index = those of a[l], b[l] where a[l] is larger; from -inf and b[l] where it starts anew"""
    for l in range(width):
        value, index = uintp(kept + l), uintp(kept + VECTOR + l)
        if anew:
            words[value] = -INFINITY
            ints[index] = ints[uintp(b + l)]
        if words[uintp(a + l)] > words[value]:
            words[value] = words[uintp(a + l)]
            ints[index] = ints[uintp(b + l)]


@njit(**INLINE)
def systolic(words, kept, a, b, table, count, lanes, width, anew):
    """kept[r][l] += a[l] * b[table[r]]; from 0 where it starts anew"""
    for r in range(count):
        factor = words[uintp(b + lanes[uintp(table + r)])]
        row = kept + r * VECTOR
        if anew:
            for l in range(width):
                words[uintp(row + l)] = np.float32(0)
        for l in range(width):
            words[uintp(row + l)] += words[uintp(a + l)] * factor
