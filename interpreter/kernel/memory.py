"""Operations on words of a memory: lane addresses, bounds, folds, the systolic array."""

import numpy as np
from numba import njit
from numpy import int32, int64, uintp

from rdflow.interpreter.kernel.layout import VECTOR
from rdflow.interpreter.kernel.numerics import INFINITY
from rdflow.interpreter.kernel.options import HELPER, SPLICE


@njit(**HELPER)
def inside(place, address, above):
    """All lanes (and `above` words more) are within the memory."""
    return address + place.low >= 0 and address + place.high + above < place.size


@njit(**HELPER)
def plain(place, address, above):
    """Consecutive lanes, all of them (and `above` words more) within the memory."""
    return place.lanes < 0 and place.stride == 1 and inside(place, address, above)


@njit(**HELPER)
def lane(place, lanes, l):
    """Address of a lane, from that of the firing."""
    return lanes[uintp(place.lanes + l)] if place.lanes >= 0 else l * place.stride


@njit(**HELPER)
def read(ints, o, place, address, p, lanes, width):
    """out[l] = the word of lane l; 0 outside of the memory, and where the predicate at p (-1: none) is 0"""
    start = place.start + address
    if p < 0 and place.lanes < 0 and inside(place, address, 0):
        stride = place.stride
        if stride == 1:
            for l in range(width):
                ints[uintp(o + l)] = ints[uintp(start + l)]
        else:
            for l in range(width):
                ints[uintp(o + l)] = ints[uintp(start + l * stride)]
        return
    for l in range(width):
        offset = lane(place, lanes, l)
        there = 0 <= address + offset < place.size and (p < 0 or ints[uintp(p + l)] != 0)
        ints[uintp(o + l)] = ints[uintp(start + offset)] if there else int32(0)


@njit(**HELPER)
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


@njit(**HELPER)
def fetch(ints, o, place, address, lanes, width):
    """All lanes into the scratch at o."""
    read(ints, int64(o), place, address, int64(-1), lanes, width)


@njit(**HELPER)
def put(ints, a, place, address, lanes, width):
    """All lanes out of the scratch at a."""
    write(ints, int64(a), place, address, int64(-1), lanes, width)


@njit(**SPLICE)
def fold(words, ints, row, place, address, a, lanes, anew, elementwise):
    """kept[l] = kept[l] combined with a[l], from the identity where it starts anew; by way of the scratch"""
    zero, result = int64(0), int64(VECTOR)
    if anew:
        for l in range(row.width):
            ints[uintp(l)] = int32(row.identity)
    else:
        fetch(ints, 0, place, address, lanes, row.width)
    elementwise(row.combine, words, ints, result, zero, zero, zero, a, zero, zero, zero, int64(1), row.width)
    put(ints, VECTOR, place, address, lanes, row.width)


@njit(**HELPER)
def fold_argmax(words, ints, row, place, address, a, b, lanes, anew):
    """Kept value and index = those of a[l], b[l] where a[l] is larger; from -inf and b[l] where it starts anew.

    In the scratch: the value and, a vector further, the index.
    """
    fetch(ints, 0, place, address, lanes, row.width)
    fetch(ints, VECTOR, place, address + VECTOR, lanes, row.width)
    for l in range(row.width):
        if anew:
            words[uintp(l)] = -INFINITY
            ints[uintp(VECTOR + l)] = ints[uintp(b + l)]
        if words[uintp(a + l)] > words[uintp(l)]:
            words[uintp(l)] = words[uintp(a + l)]
            ints[uintp(VECTOR + l)] = ints[uintp(b + l)]
    put(ints, 0, place, address, lanes, row.width)
    put(ints, VECTOR, place, address + VECTOR, lanes, row.width)


@njit(**HELPER)
def accumulate(words, kept, a, factor, width, anew):
    """kept[l] += a[l] * factor; from 0 where it starts anew"""
    if anew:
        for l in range(width):
            words[uintp(kept + l)] = np.float32(0) + words[uintp(a + l)] * factor
    else:
        for l in range(width):
            words[uintp(kept + l)] += words[uintp(a + l)] * factor


@njit(**HELPER)
def systolic(words, ints, row, place, address, a, b, lanes, anew):
    """kept[r][l] += a[l] * b[table[r]]; rows that are not plain go through the scratch"""
    direct = plain(place, address, (row.count - 1) * VECTOR)
    for r in range(row.count):
        factor = words[uintp(b + lanes[uintp(row.table + r)])]
        at = address + r * VECTOR
        if direct:
            accumulate(words, place.start + at, a, factor, row.width, anew)
        else:
            fetch(ints, 0, place, at, lanes, row.width)
            accumulate(words, int64(0), a, factor, row.width, anew)
            put(ints, 0, place, at, lanes, row.width)
