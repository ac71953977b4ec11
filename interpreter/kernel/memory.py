"""Operations on words of a memory: lane addresses, bounds, folds, the systolic array."""

from numba import njit
from numpy import int32, int64, uintp

from rdflow.interpreter.kernel.layout import VECTOR
from rdflow.interpreter.kernel.numerics import INFINITY
from rdflow.interpreter.kernel.options import HELPER, SPLICE
from rdflow.interpreter.kernel.vectors import PART, accumulate_one, accumulate_two, copy_part, copy_vector


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
    """Copy consecutive words."""
    if width == VECTOR:
        copy_vector(ints, to, source)
        return
    whole = width & ~(PART - 1)
    for l in range(0, whole, PART):
        copy_part(ints, to + l, source + l)
    for l in range(whole, width):
        ints[uintp(to + l)] = ints[uintp(source + l)]


@njit(**HELPER)
def move_all(ints, to, pace, source, step, n, width):
    """Copy n pieces of consecutive words."""
    for j in range(n):
        move(ints, to + j * pace, source + j * step, width)


@njit(**HELPER)
def read_regular(ints, o, os, start, pace, stride, n, width):
    """out[l] = the word at l strides, over n firings."""
    if stride == 1:
        move_all(ints, o, os, start, pace, n, width)
        return
    for j in range(n):
        for l in range(width):
            ints[uintp(o + j * os + l)] = ints[uintp(start + j * pace + l * stride)]


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
def write_all(ints, a, sa, place, address, pace, n, width):
    """Whether n firings of a write have been done together: consecutive lanes, all of them in the memory."""
    if not plain(place, address, 0) or not plain(place, address + (n - 1) * pace, 0):
        return False
    move_all(ints, place.start + address, pace, a, sa, n, width)
    return True


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


@njit(**SPLICE)
def fold(words, ints, row, place, address, a, sa, n, lanes, anew, elementwise):
    """kept[l] = kept[l] combined with a[l], from the identity where it starts anew, over n firings on the same words.

    Where the kept words are not a whole vector of the memory: by way of the scratch.
    """
    zero, never, width = int64(0), int64(-1), row.width
    direct = width == VECTOR and plain(place, address, 0)
    kept = place.start + address if direct else zero
    if anew:
        for l in range(width):
            ints[uintp(kept + l)] = int32(row.identity)
    elif not direct:
        read(ints, zero, place, address, never, lanes, width)
    elementwise(row.combine, words, ints, kept, zero, kept, zero, a, sa, zero, zero, n, width)
    if not direct:
        write(ints, zero, place, address, never, lanes, width)


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
def accumulate(words, kept, a, sa, b, sb, n, width):
    """kept[l] += a[l] * b[0], over n firings."""
    if width == VECTOR:
        accumulate_one(words, kept, a, sa, b, sb, n)
        return
    for j in range(n):
        factor = words[uintp(b + j * sb)]
        for l in range(width):
            words[uintp(kept + l)] += words[uintp(a + j * sa + l)] * factor


@njit(**HELPER)
def systolic_apart(words, ints, row, place, address, a, sa, b, sb, n, lanes, anew):
    """The same by way of the scratch, row by row."""
    zero, never = int64(0), int64(-1)
    for r in range(row.count):
        at = address + r * VECTOR
        if anew:
            for l in range(row.width):
                words[uintp(l)] = 0
        else:
            read(ints, zero, place, at, never, lanes, row.width)
        accumulate(words, zero, a, sa, b + lanes[uintp(row.table + r)], sb, n, row.width)
        write(ints, zero, place, at, never, lanes, row.width)


@njit(**HELPER)
def systolic(words, ints, row, place, address, a, sa, b, sb, n, lanes, anew):
    """kept[r][l] += a[l] * b[table[r]], from 0 where it starts anew, over n firings on the same words."""
    if not plain(place, address, (row.count - 1) * VECTOR) or row.width != VECTOR:
        systolic_apart(words, ints, row, place, address, a, sa, b, sb, n, lanes, anew)
        return
    kept, table = place.start + address, row.table
    if anew:
        for l in range(row.count * VECTOR):
            words[uintp(kept + l)] = 0
    pairs = row.count & ~1
    for r in range(0, pairs, 2):
        first, second = b + lanes[uintp(table + r)], b + lanes[uintp(table + r + 1)]
        accumulate_two(words, kept + r * VECTOR, a, sa, first, second, sb, n)
    if pairs < row.count:
        accumulate_one(words, kept + pairs * VECTOR, a, sa, b + lanes[uintp(table + pairs)], sb, n)
