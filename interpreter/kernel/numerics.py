"""Functions of one float32, made of IEEE float32 operations only.

No contraction, no table, no library call but sqrt: `rdflow.dsl.numerics` has the same formulas step by step over arrays
and gives the same bits. Polynomials: Cephes (S. Moshier), expf, logf and tanhf. Errors stay below 2 ulp.
"""

import numpy as np
from numba import njit

from rdflow.interpreter.kernel.options import HELPER

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

E0, E1, E2, E3, E4, E5 = (
    np.float32(c)
    for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
L0, L1, L2, L3, L4, L5, L6, L7, L8 = (
    np.float32(c)
    for c in (
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
)
T0, T1, T2, T3, T4 = (
    np.float32(c) for c in (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
)


@njit(**HELPER)
def power_of_two(n):
    """2**n for an int32 n in the range of normal exponents."""
    return np.uint32(np.uint32(n + np.int32(127)) << np.uint32(23)).view(np.float32)


@njit(**HELPER)
def exp(x):
    """e**x: x = n ln 2 + r, scaled in two steps so that a subnormal result is rounded once."""
    low = x if x > EXP_LOWEST else EXP_LOWEST
    c = low if low < EXP_HIGHEST else EXP_HIGHEST
    whole = (c * LOG2E + ROUNDER) - ROUNDER
    r = (c - whole * LN2_HIGH) - whole * LN2_LOW
    p = ((((E0 * r + E1) * r + E2) * r + E3) * r + E4) * r + E5
    y = (p * (r * r) + r) + ONE
    n = np.int32(whole)
    half = np.int32(n >> np.int32(1))
    y = (y * power_of_two(half)) * power_of_two(np.int32(n - half))
    return y if x == x else x


@njit(**HELPER)
def log(x):
    """Natural logarithm: x = m 2**e with m in [sqrt(1/2), sqrt(2))."""
    subnormal = x < SMALLEST_NORMAL
    scaled = x * TWO_23 if subnormal else x
    bits = np.float32(scaled).view(np.uint32)
    e = np.int32(np.int32(np.uint32(bits >> np.uint32(23)) & np.uint32(255)) - np.int32(126))
    e = np.int32(e - np.int32(23)) if subnormal else e
    m = np.uint32(np.uint32(bits & np.uint32(0x007FFFFF)) | np.uint32(0x3F000000)).view(np.float32)
    below = m < SQRT_HALF
    r = (m + m) - ONE if below else m - ONE
    k = np.float32(np.int32(e - np.int32(1))) if below else np.float32(e)
    z = r * r
    p = (((((((L0 * r + L1) * r + L2) * r + L3) * r + L4) * r + L5) * r + L6) * r + L7) * r + L8
    y = ((p * r) * z + LN2_LOW * k) - HALF * z
    y = (r + y) + LN2_HIGH * k
    y = y if x < INFINITY else x
    y = y if x > ZERO else (-INFINITY if x == ZERO else NAN)
    return y if x == x else x


@njit(**HELPER)
def sigmoid(x):
    """1 / (1 + e), with e = e**-|x| so that nothing overflows; below 0 it is e - e (e / (1 + e)), rounded less."""
    e = exp(-abs(x))
    q = (e if x < ZERO else ONE) / (ONE + e)
    return e - e * q if x < ZERO else q


@njit(**HELPER)
def tanh(x):
    """Hyperbolic tangent: odd polynomial below 0.625, else 1 - 2 / (e**2|x| + 1) with the sign of x."""
    a = abs(x)
    z = x * x
    small = (((((T0 * z + T1) * z + T2) * z + T3) * z + T4) * z) * x + x
    large = ONE - TWO / (exp(a + a) + ONE)
    large = -large if x < ZERO else large
    return large if a > TANH_SMALL else small


@njit(**HELPER)
def rsqrt(x):
    """1 / sqrt(x), both rounded."""
    return ONE / np.sqrt(x)


@njit(**HELPER)
def bf16(x):
    """x rounded to nearest even as bfloat16, as a float32; every NaN becomes the quiet one."""
    b = np.float32(x).view(np.uint32)
    odd = np.uint32(np.uint32(b >> np.uint32(16)) & np.uint32(1))
    r = np.uint32(np.uint32(b + np.uint32(np.uint32(0x7FFF) + odd)) & np.uint32(0xFFFF0000))
    nan = np.uint32(b & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return np.uint32(np.uint32(0x7FC00000) if nan else r).view(np.float32)


@njit(**HELPER)
def maximum(x, y):
    """The larger; a NaN where either is one; y where they are equal."""
    return x if (x > y) or (x != x) else y


@njit(**HELPER)
def minimum(x, y):
    """The smaller; a NaN where either is one; y where they are equal."""
    return x if (x < y) or (x != x) else y


@njit(**HELPER)
def toint(x):
    """Truncated to int32; -2**31 where that does not fit (as x86 converts), NaN included."""
    fits = (x < INT_BOUND) and (x >= -INT_BOUND)
    return np.int32(x if fits else -INT_BOUND)


@njit(**HELPER)
def floordiv(x, y):
    """Floor division of int32, 0 by 0, in 64 bits so that -2**31 / -1 wraps instead of trapping."""
    return np.int32(0) if y == 0 else np.int32(np.int64(x) // np.int64(y))


@njit(**HELPER)
def floormod(x, y):
    """The rest of a floor division of int32, 0 for a divisor of 0."""
    return np.int32(0) if y == 0 else np.int32(np.int64(x) % np.int64(y))


@njit(**HELPER)
def wrap8(x):
    """An int32 wrapped to the range of a signed byte."""
    return np.int32(np.int32(np.int32(x + np.int32(128)) & np.int32(255)) - np.int32(128))
