"""Operations on words of a memory: lane addresses, bounds, folds, the systolic array."""

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
def move(ints, to, source, width):
    """Copy consecutive words; whole vectors, the usual ones, without a loop."""
    if width == VECTOR:
        for l in range(VECTOR):
            ints[uintp(to + l)] = ints[uintp(source + l)]
    else:
        for l in range(width):
            ints[uintp(to + l)] = ints[uintp(source + l)]


@njit(**HELPER)
def read_regular(ints, o, os, start, pace, stride, n, width):
    """out[l] = the word at l strides, over n firings."""
    for j in range(n):
        to, source = o + j * os, start + j * pace
        if width == VECTOR and stride == 1:
            for l in range(VECTOR):
                ints[uintp(to + l)] = ints[uintp(source + l)]
        else:
            for l in range(width):
                ints[uintp(to + l)] = ints[uintp(source + l * stride)]


@njit(**HELPER)
def read_all(ints, o, os, place, address, pace, n, width):
    """Whether n firings of a read have been done together: regular lanes, all of them in the memory."""
    if place.lanes >= 0 or not inside(place, address, 0) or not inside(place, address + (n - 1) * pace, 0):
        return False
    read_regular(ints, o, os, place.start + address, pace, place.stride, n, width)
    return True


@njit(**HELPER)
def read(ints, o, place, address, p, lanes, width):
    """out[l] = the word of lane l; 0 outside of the memory, and where the predicate at p (-1: none) is 0"""
    for l in range(width):
        offset = lane(place, lanes, l)
        there = 0 <= address + offset < place.size and (p < 0 or ints[uintp(p + l)] != 0)
        ints[uintp(o + l)] = ints[uintp(place.start + address + offset)] if there else int32(0)


@njit(**HELPER)
def write(ints, a, place, address, p, lanes, width):
    """The word of lane l = a[l]; not outside of the memory, nor where the predicate at p (-1: none) is 0"""
    start = place.start + address
    if p < 0 and plain(place, address, 0):
        move(ints, start, a, width)
        return
    for l in range(width):
        offset = lane(place, lanes, l)
        if 0 <= address + offset < place.size and (p < 0 or ints[uintp(p + l)] != 0):
            ints[uintp(start + offset)] = ints[uintp(a + l)]


@njit(**HELPER)
def fetch(ints, o, place, address, lanes, width):
    """All lanes into the scratch at o."""
    if not read_all(ints, o, int64(0), place, address, int64(0), int64(1), width):
        read(ints, o, place, address, int64(-1), lanes, width)


@njit(**SPLICE)
def fold(words, ints, row, place, address, a, lanes, anew, elementwise):
    """kept[l] = kept[l] combined with a[l], from the identity where it starts anew; by way of the scratch"""
    zero, further, never = int64(0), int64(VECTOR), int64(-1)  # a literal would be a type of its own
    if anew:
        for l in range(row.width):
            ints[uintp(l)] = int32(row.identity)
    else:
        fetch(ints, zero, place, address, lanes, row.width)
    elementwise(row.combine, words, ints, further, zero, zero, zero, a, zero, zero, zero, int64(1), row.width)
    write(ints, further, place, address, never, lanes, row.width)


@njit(**HELPER)
def fold_argmax(words, ints, row, place, address, a, b, lanes, anew):
    """Kept value and index = those of a[l], b[l] where a[l] is larger; from -inf and b[l] where it starts anew.

    In the scratch: the value and, a vector further, the index.
    """
    zero, further, never = int64(0), int64(VECTOR), int64(-1)
    read(ints, zero, place, address, never, lanes, row.width)
    read(ints, further, place, address + VECTOR, never, lanes, row.width)
    for l in range(row.width):
        if anew:
            words[uintp(l)] = -INFINITY
            ints[uintp(VECTOR + l)] = ints[uintp(b + l)]
        if words[uintp(a + l)] > words[uintp(l)]:
            words[uintp(l)] = words[uintp(a + l)]
            ints[uintp(VECTOR + l)] = ints[uintp(b + l)]
    write(ints, zero, place, address, never, lanes, row.width)
    write(ints, further, place, address + VECTOR, never, lanes, row.width)


@njit(**HELPER)
def accumulate(words, kept, a, factor, width):
    """kept[l] += a[l] * factor"""
    for l in range(width):
        words[uintp(kept + l)] += words[uintp(a + l)] * factor


@njit(**HELPER)
def accumulate_batch(words, kept, a, sa, b, sb, n):
    """The same over whole vectors of n firings; four at a time, so that fewer sums pass through memory."""
    fours = n & ~3
    for j in range(0, fours, 4):
        a0, b0 = a + j * sa, b + j * sb
        a1, a2, a3 = a0 + sa, a0 + 2 * sa, a0 + 3 * sa
        w, x, y, z = (
            words[uintp(b0)],
            words[uintp(b0 + sb)],
            words[uintp(b0 + 2 * sb)],
            words[uintp(b0 + 3 * sb)],
        )
        for l in range(VECTOR):
            total = words[uintp(kept + l)] + words[uintp(a0 + l)] * w
            total = total + words[uintp(a1 + l)] * x
            total = total + words[uintp(a2 + l)] * y
            words[uintp(kept + l)] = total + words[uintp(a3 + l)] * z
    for j in range(fours, n):
        factor = words[uintp(b + j * sb)]
        for l in range(VECTOR):
            words[uintp(kept + l)] += words[uintp(a + j * sa + l)] * factor


@njit(**HELPER)
def systolic(words, ints, row, place, address, a, sa, b, sb, n, lanes, anew):
    """kept[r][l] += a[l] * b[table[r]], from 0 where it starts anew, over n firings on the same words.

    Rows that are not plain go through the scratch.
    """
    zero, never = int64(0), int64(-1)
    direct = plain(place, address, (row.count - 1) * VECTOR)
    for r in range(row.count):
        at = address + r * VECTOR
        kept = place.start + at if direct else zero
        factors = b + lanes[uintp(row.table + r)]
        if anew:
            for l in range(row.width):
                words[uintp(kept + l)] = 0
        elif not direct:
            read(ints, zero, place, at, never, lanes, row.width)
        if row.width == VECTOR:
            accumulate_batch(words, kept, a, sa, factors, sb, n)
        else:
            for j in range(n):
                accumulate(words, kept, a + j * sa, words[uintp(factors + j * sb)], row.width)
        if not direct:
            write(ints, zero, place, at, never, lanes, row.width)
