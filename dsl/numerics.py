"""Functions of float32 arrays, made of IEEE float32 operations only.

The engine's compiled kernels have the same formulas step by step and give the same bits. Polynomials: Cephes
(S. Moshier), expf, logf and tanhf. Errors stay below 2 ulp.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

ONE = np.float32(1.0)
TWO = np.float32(2.0)
HALF = np.float32(0.5)
ZERO = np.float32(0.0)
INFINITY = np.float32(np.inf)
NAN = np.float32(np.nan)
LOG2E = np.float32(1.44269504)
LN2_HIGH = np.float32(0.693359375)  # 9 bits: products with an exponent are exact
LN2_LOW = np.float32(-2.12194440e-4)
ROUNDER = np.float32(12582912.0)  # 1.5 * 2**23: adding and taking it away rounds to an integer
EXP_LOWEST = np.float32(-104.0)  # below it exp is 0
EXP_HIGHEST = np.float32(89.0)  # above it exp is infinite
SMALLEST_NORMAL = np.float32(1.17549435e-38)
TWO_23 = np.float32(8388608.0)
SQRT_HALF = np.float32(0.707106781)
TANH_SMALL = np.float32(0.625)
INT_BOUND = np.float32(2147483648.0)

EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)


def _horner(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """The polynomial at x, highest coefficient first."""
    y: Floats = np.full_like(x, np.float32(coefficients[0]))
    for c in coefficients[1:]:
        y = y * x + np.float32(c)
    return y


def _power_of_two(n: Ints) -> Floats:
    """2**n for n in the range of normal exponents."""
    return ((n + np.int32(127)) << np.int32(23)).view(np.float32)


def exp(x: Floats) -> Floats:
    """e**x: x = n ln 2 + r, scaled in two steps so that a subnormal result is rounded once."""
    x = np.asarray(x, dtype=np.float32)
    with np.errstate(all="ignore"):
        low = np.where(x > EXP_LOWEST, x, EXP_LOWEST)
        c = np.where(low < EXP_HIGHEST, low, EXP_HIGHEST)
        whole = (c * LOG2E + ROUNDER) - ROUNDER
        r = (c - whole * LN2_HIGH) - whole * LN2_LOW
        y = (_horner(EXP, r) * (r * r) + r) + ONE
        n = whole.astype(np.int32)
        half = n >> np.int32(1)
        y = (y * _power_of_two(half)) * _power_of_two(n - half)
        return np.where(np.isnan(x), x, y)


def log(x: Floats) -> Floats:
    """Natural logarithm: x = m 2**e with m in [sqrt(1/2), sqrt(2))."""
    x = np.asarray(x, dtype=np.float32)
    with np.errstate(all="ignore"):
        subnormal = x < SMALLEST_NORMAL
        bits = np.where(subnormal, x * TWO_23, x).view(np.uint32)
        e = ((bits >> np.uint32(23)) & np.uint32(255)).astype(np.int32) - np.int32(126)
        e = np.where(subnormal, e - np.int32(23), e)
        m = ((bits & np.uint32(0x007FFFFF)) | np.uint32(0x3F000000)).view(np.float32)
        below = m < SQRT_HALF
        r = np.where(below, (m + m) - ONE, m - ONE)
        k = np.where(below, e - np.int32(1), e).astype(np.float32)
        z = r * r
        y = ((_horner(LOG, r) * r) * z + LN2_LOW * k) - HALF * z
        y = (r + y) + LN2_HIGH * k
        y = np.where(x < INFINITY, y, x)
        y = np.where(x > ZERO, y, np.where(x == ZERO, -INFINITY, NAN))
        return np.where(np.isnan(x), x, y)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e), with e = e**-|x| so that nothing overflows; below 0 it is e - e (e / (1 + e)), rounded less."""
    x = np.asarray(x, dtype=np.float32)
    e = exp(-np.abs(x))
    with np.errstate(all="ignore"):
        q: Floats = np.where(x < ZERO, e, ONE) / (ONE + e)
        return np.where(x < ZERO, e - e * q, q)


def tanh(x: Floats) -> Floats:
    """Hyperbolic tangent: odd polynomial below 0.625, else 1 - 2 / (e**2|x| + 1) with the sign of x."""
    x = np.asarray(x, dtype=np.float32)
    with np.errstate(all="ignore"):
        a = np.abs(x)
        z = x * x
        small = (_horner(TANH, z) * z) * x + x
        large = ONE - TWO / (exp(a + a) + ONE)
        return np.where(a > TANH_SMALL, np.where(x < ZERO, -large, large), small)


def rsqrt(x: Floats) -> Floats:
    """1 / sqrt(x), both rounded."""
    x = np.asarray(x, dtype=np.float32)
    with np.errstate(all="ignore"):
        root: Floats = np.sqrt(x)
        return ONE / root


def bf16(x: Floats) -> Floats:
    """x rounded to nearest even as bfloat16, as float32; every NaN becomes the quiet one."""
    b = np.asarray(x, dtype=np.float32).view(np.uint32)
    odd = (b >> np.uint32(16)) & np.uint32(1)
    rounded = (b + (np.uint32(0x7FFF) + odd)) & np.uint32(0xFFFF0000)
    nan = (b & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return np.where(nan, np.uint32(0x7FC00000), rounded).view(np.float32)


def maximum(x: Floats, y: Floats) -> Floats:
    """The larger; a NaN where either is one; y where they are equal."""
    return np.where((x > y) | np.isnan(x), x, y)


def minimum(x: Floats, y: Floats) -> Floats:
    """The smaller; a NaN where either is one; y where they are equal."""
    return np.where((x < y) | np.isnan(x), x, y)


def toint(x: Floats) -> Ints:
    """Truncated to int32; -2**31 where that does not fit, NaN included."""
    fits = (x < INT_BOUND) & (x >= -INT_BOUND)
    return np.where(fits, x, -INT_BOUND).astype(np.int32)


def floordiv(x: Ints, y: Ints) -> Ints:
    """Floor division of int32, 0 for a divisor of 0; -2**31 / -1 wraps."""
    wide = np.asarray(x, dtype=np.int64) // np.where(y == 0, 1, y)
    return np.where(y == 0, 0, wide).astype(np.int32)


def floormod(x: Ints, y: Ints) -> Ints:
    """The rest of a floor division of int32, 0 for a divisor of 0."""
    wide = np.asarray(x, dtype=np.int64) % np.where(y == 0, 1, y)
    return np.where(y == 0, 0, wide).astype(np.int32)


def wrap8(x: Ints) -> Ints:
    """int32 wrapped to the range of a signed byte."""
    return np.asarray(x, dtype=np.int32).astype(np.int8).astype(np.int32)
