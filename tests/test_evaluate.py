"""The evaluator against NumPy written down independently, and its reductions against literal loops, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rdflow.dsl import evaluate_reduce, numerics
from rdflow.dsl.check import Checked, checked
from rdflow.dsl.evaluate import evaluate, evaluate_kernel, evaluate_streams
from rdflow.dsl.source import Source

Numbers = NDArray[Any]
f32 = np.float32


def program(text: str, **settings: Any) -> Checked:
    return checked(Source("test.rdf", text), settings)


def run(text: str, inputs: dict[str, Numbers], **settings: Any) -> dict[str, Numbers]:
    return evaluate(program(text, **settings), inputs)


def numbers(*shape: int, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).standard_normal(shape).astype(f32)


def bf16(values: Numbers) -> Numbers:
    return numerics.bf16(values)


def halves(*shape: int, seed: int = 0) -> Numbers:
    """Random numbers that are bf16."""
    return bf16(numbers(*shape, seed=seed))


def whole(*shape: int, low: int = -50, high: int = 50, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int32)


def close(found: Numbers, wanted: Numbers, tolerance: float) -> None:
    np.testing.assert_allclose(found.astype(float), wanted, rtol=tolerance, atol=tolerance)


def equal(found: Numbers, wanted: Numbers) -> None:
    """The same bits."""
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found.view(np.int32), wanted.view(np.int32))


# -- maps and permutations ---------------------------------------------------------------------------------------------

SCALE = """
param N = 100
axis n = N
tensor X: bf16[n] in hbm input
tensor Y: bf16[n] in hbm output
kernel scale {
    x = load X as [n/L | n%L]
    y = pcu x * 3 + 0.1
    store y -> Y
}
"""


@pytest.mark.parametrize("n", [1, 31, 32, 100])
def test_scale_rounds_once_where_the_value_leaves(n: int) -> None:
    x = halves(n)
    equal(run(SCALE, {"X": x}, N=n)["Y"], bf16(x * f32(3) + f32(0.1)))


def test_inputs_are_rounded_to_the_tensor_s_dtype() -> None:
    x = numbers(100)
    equal(run(SCALE, {"X": x})["X"], bf16(x))


def test_unknown_tensors_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="no tensor Z"):
        run(SCALE, {"Z": halves(100)})
    with pytest.raises(ValueError, match="shape"):
        run(SCALE, {"X": halves(99)})


TRANSPOSE = """
param A = 64, B = 32
axis a = A, b = B
tensor X: f32[a, b] in hbm input
tensor Y: f32[b, a] in hbm output
kernel transpose {
    x = pmu load X as [; b, a/L | a%L]
    store x -> Y
}
"""


@pytest.mark.parametrize(("a", "b"), [(64, 32), (37, 19), (1, 5), (5, 1), (1, 1)])
def test_transpose(a: int, b: int) -> None:
    x = numbers(a, b)
    equal(run(TRANSPOSE, {"X": x}, A=a, B=b)["Y"], x.T.copy())


ELEMENTWISE = """
axis n = 40
tensor X: f32[n], Z: f32[n] in hbm input
tensor E: f32[n], R: f32[n], W: f32[n], S: f32[n] in hbm output
kernel all {
    x = load X
    z = load Z
    e = pcu exp(x) / (1 + abs(z)) - max(x, z)
    r = pcu rsqrt(z * z + 1) + log(z * z + 2) - sqrt(abs(x))
    w = pcu where(x > z and not (n == 3) or n < 2, x, -z)
    s = pcu silu(x) + tanh(z) - min(x, 0.5)
    store e -> E
    store r -> R
    store w -> W
    store s -> S
}
"""


def test_elementwise_functions_are_the_shared_ones() -> None:
    x, z, n = numbers(40), numbers(40, seed=1), np.arange(40)
    found = run(ELEMENTWISE, {"X": x, "Z": z})
    one = f32(1)
    equal(found["E"], numerics.exp(x) / (one + np.abs(z)) - numerics.maximum(x, z))
    equal(found["R"], numerics.rsqrt(z * z + one) + numerics.log(z * z + f32(2)) - np.sqrt(np.abs(x)))
    equal(found["W"], np.where(((x > z) & (n != 3)) | (n < 2), x, -z))
    equal(found["S"], x * numerics.sigmoid(x) + numerics.tanh(z) - numerics.minimum(x, np.full_like(x, 0.5)))


INTEGERS = """
axis n = 48
tensor A: int32[n], B: int32[n] in hbm input
tensor C: int8[n] in hbm input
tensor P: int32[n], Q: int32[n], F: f32[n], T: int32[n] in hbm output
tensor W: int8[n] in hbm output
tensor M: bool[n] in hbm output
kernel ints {
    a = load A
    b = load B
    c = load C as [n/H | n%H]
    p = pcu a * b - a / b + n
    q = pcu a % b + max(a, b) * min(a, 3) - abs(b)
    f = pcu a + 0.5
    t = pcu int(f * 1.7)
    w = pcu c * c as int8
    m = pcu a < b or a == 7
    store p -> P
    store q -> Q
    store f -> F
    store t -> T
    store w -> W
    store m -> M
}
"""


def test_whole_numbers() -> None:
    a, b, c, n = whole(48), whole(48, seed=1), whole(48, low=-128, high=128, seed=2), np.arange(48)
    b[b == 0] = 9
    found = run(INTEGERS, {"A": a, "B": b, "C": c})
    np.testing.assert_array_equal(found["P"], a * b - a // b + n)
    np.testing.assert_array_equal(found["Q"], a % b + np.maximum(a, b) * np.minimum(a, 3) - np.abs(b))
    equal(found["F"], a.astype(f32) + f32(0.5))
    np.testing.assert_array_equal(found["T"], np.trunc((a.astype(f32) + f32(0.5)) * f32(1.7)))
    np.testing.assert_array_equal(found["W"], (c * c).astype(np.int8))
    np.testing.assert_array_equal(found["M"], (a < b) | (a == 7))


# -- contractions ------------------------------------------------------------------------------------------------------

GEMM = """
param M = 64, N = 32, C = 48
axis m = M, n = N, c = C
tensor A: bf16[m, c] in hbm input
tensor B: bf16[n, c] in hbm input
tensor Y: f32[m, n] in hbm output
kernel gemm {
    a  = pmu load A        as [m/L; n/ST, c | m%L]
    b  = pmu load B        as [; m/L, n/ST, c | n%ST]
    y  = pcu sum(c) a * b  as f32 [m/L, n | m%L]
    yt = pmu y             as [m/L; m%L, n/H | n%H]
    store yt -> Y
}
"""


@pytest.mark.parametrize(("m", "n", "c"), [(64, 32, 48), (37, 19, 50), (33, 9, 1), (40, 24, 3)])
def test_gemm_is_a_sum_in_the_order_of_its_loop(m: int, n: int, c: int) -> None:
    a, b = halves(m, c), halves(n, c, seed=1)
    wanted = np.zeros((m, n), f32)
    for k in range(c):
        wanted += a[:, k, None] * b[None, :, k]
    equal(run(GEMM, {"A": a, "B": b}, M=m, N=n, C=c)["Y"], wanted)


OUTER = """
axis t = 24, c = 40, v = 6
tensor D: bf16[t, c] in hbm input
tensor X: bf16[t, v] in hbm input
tensor G: f32[c, v] in hbm output
kernel gradient {
    d = pmu load D         as [; t/ST, c/L, v/2, t%ST | c%L]
    x = pmu load X         as [; t/ST, c/L, v/2, t%ST | v%2]
    g = pcu sum(t) d * x   as f32 [c/L, v | c%L]
    y = pmu g              as [; c, v/H | v%H]
    store y -> G
}
"""


def test_a_systolic_line_drains_between_its_outer_reduced_loops() -> None:
    d, x = halves(24, 40), halves(24, 6, seed=1)
    wanted = np.zeros((40, 6), f32)
    for outer in range(3):
        partial = np.zeros((40, 6), f32)
        for t in range(8 * outer, 8 * outer + 8):
            partial += d[t, :, None] * x[t, None, :]
        wanted += partial
    assert not np.array_equal(wanted, d.T @ x)
    equal(run(OUTER, {"D": d, "X": x})["G"], wanted)


COPIED = """
axis m = 64, n = 48, c = 40
tensor A: bf16[m, c] in hbm input
tensor B: bf16[n, c] in hbm input
tensor Y: f32[m, n] in hbm output
kernel gemm {
    a  = pmu load A        as [m/L @2; n/H, c | m%L]
    b  = pmu load B        as [; n/H, c | n%H]
    y  = pcu sum(c) a * b  as f32 [n/H, n/ST%2 @, m/L @2, n%ST | m%L]
    f  = fifo y depth 64
    yt = pmu f             as [; m, n/H | n%H]
    store yt -> Y
}
"""


def test_copies_and_queues_move_values_only_in_time() -> None:
    a, b = halves(64, 40), halves(48, 40, seed=1)
    equal(run(COPIED, {"A": a, "B": b})["Y"], run(GEMM, {"A": a, "B": b}, N=48, C=40)["Y"])


SIMD = """
axis m = 21, n = 10, c = 9
tensor A: f32[m, c] in hbm input
tensor B: f32[n, c], G: f32[n] in hbm input
tensor Y: f32[m, n] in hbm output
kernel gemm {
    a  = pmu load A              as [m/H; n/ST, c | m%H]
    b  = pmu load B              as [; m/H, n/ST, c | n%ST]
    g  = pmu load G              as [; m/H, n]
    y  = pcu g * sum(c) a * b / 3 + n  as [m/H, n/ST, n%ST | m%H]
    yt = pmu y                   as [m/H; m%H, n]
    store yt -> Y
}
"""


def test_float_products_and_the_factors_around_a_sum() -> None:
    a, b, g = numbers(21, 9), numbers(10, 9, seed=1), numbers(10, seed=2)
    close(run(SIMD, {"A": a, "B": b, "G": g})["Y"], g * (a.astype(float) @ b.T) / 3 + np.arange(10), 1e-4)


SEVERAL = """
axis r = 3, n = 50
tensor X: bf16[r, n] in hbm input
tensor Y: bf16[r, n] in hbm output
tensor M: bf16[r] in hbm output
kernel several {
    x = load X     as [r, n/L | n%L]
    y, m = pcu x / 3, sum(n) y
    store y -> Y
    store m -> M
}
"""


def test_a_result_sees_earlier_results_as_they_leave() -> None:
    x = halves(3, 50)
    y = bf16(x / f32(3))
    lanes = np.pad(y, ((0, 0), (0, 14)))
    found = run(SEVERAL, {"X": x})
    equal(found["Y"], y)
    equal(found["M"], bf16(by_halves([*(lanes[:, :32] + lanes[:, 32:]).T], 0)))


# -- the order of reductions -------------------------------------------------------------------------------------------


def by_halves(values: Sequence[Any], identity: float | None) -> Any:
    """A binary tree; without an identity a missing partner is passed over."""
    size = 1
    while size < len(values):
        size *= 2
    if identity is not None:
        values = [*values, *[f32(identity)] * (size - len(values))]
    while size > 1:
        size //= 2
        values = [
            values[i] + values[i + size] if i + size < len(values) else values[i] for i in range(min(size, len(values)))
        ]
    return values[0]


LANES = """
param N = 70, W = 8
axis n = N
tensor X: f32[n] in hbm input
tensor Y: f32[] in hbm output
kernel total {
    x = load X         as [n/W | n%W]
    y = pcu sum(n) x * x
    store y -> Y
}
"""


@pytest.mark.parametrize(("n", "w"), [(70, 8), (64, 16), (5, 3), (9, 3), (1, 4)])
def test_sum_over_a_loop_and_lanes(n: int, w: int) -> None:
    x = numbers(n)
    lanes = [f32(0)] * min(w, n)
    for i in range(n):
        lanes[i % w] = lanes[i % w] + x[i] * x[i]
    equal(run(LANES, {"X": x}, N=n, W=w)["Y"], np.asarray(by_halves(lanes, 0)))


COPIES = """
axis n = 100, r = 2, s = 3, e = 2
tensor X: f32[s, r, n, e] in hbm input
tensor Y: f32[r] in hbm output
kernel total {
    x = pmu load X      as [s @socket, r; n/4 @5, n%4 | e]
    y = pcu sum(s, n, e) x
    store y -> Y
}
"""


def test_sum_over_loops_then_lanes_then_copies_then_sockets() -> None:
    x = numbers(3, 2, 100, 2)
    wanted = np.zeros(2, f32)
    for r in range(2):
        sockets = []
        for s in range(3):
            copies = []
            for copy in range(5):
                lanes = [f32(0), f32(0)]
                for n in range(100):
                    if n // 4 % 5 == copy:
                        lanes = [lanes[e] + x[s, r, n, e] for e in range(2)]
                copies.append(by_halves(lanes, 0))
            sockets.append(by_halves(copies, None))
        wanted[r] = (sockets[0] + sockets[1]) + sockets[2]
    equal(run(COPIES, {"X": x})["Y"], wanted)


OUTSIDE = """
axis a = 3, b = 5, c = 4, k = 2
tensor X: f32[a, k, b, c] in hbm input
tensor Y: f32[k, c] in hbm output
kernel total {
    x = pmu load X as [; b, k, a | c]
    y = pcu sum(a, b) x * (1 + k)
    store y -> Y
}
"""


def test_reduced_loops_outside_of_kept_ones_in_the_order_of_the_nest() -> None:
    x = numbers(3, 2, 5, 4)
    wanted = np.zeros((2, 4), f32)
    for k in range(2):
        for b in range(5):
            for a in range(3):
                wanted[k] += x[a, k, b] * f32(1 + k)
    equal(run(OUTSIDE, {"X": x})["Y"], wanted)


EXTREMES = """
axis r = 5, n = 45
tensor X: f32[r, n] in hbm input
tensor I: int32[r, n] in hbm input
tensor A: f32[r], B: f32[r] in hbm output
tensor C: int32[r], D: int32[r], E: int32[r], F: int32[r], G: int32[r] in hbm output
kernel extremes {
    x = load X as [r, n/H | n%H]
    i = load I as [r, n/H | n%H]
    xs = load X as [r, n]
    a = pcu max(n) x
    b = pcu min(n) where(n == 3, inf, x)
    c = pcu max(n) i
    d = pcu min(n) i
    e = pcu sum(n) i * i
    f = pcu argmax(n) x
    g = pcu argmax(n) xs
    store a -> A
    store b -> B
    store c -> C
    store d -> D
    store e -> E
    store f -> F
    store g -> G
}
"""


def test_extremes_and_their_places() -> None:
    x, i = -np.abs(numbers(5, 45)), whole(5, 45, low=-900, high=-1)
    x[1, 7] = x[1, 39] = x[1, 22] = 2  # a tie: the lowest index wins
    found = run(EXTREMES, {"X": x, "I": i})
    equal(found["A"], x.max(1))
    equal(found["B"], np.delete(x, 3, axis=1).min(1))
    np.testing.assert_array_equal(found["C"], i.max(1))
    np.testing.assert_array_equal(found["D"], i.min(1))
    np.testing.assert_array_equal(found["E"], (i * i).sum(1))
    np.testing.assert_array_equal(found["F"], x.argmax(1))
    np.testing.assert_array_equal(found["G"], x.argmax(1))


def test_integers_wrap_in_sums() -> None:
    i = whole(5, 45, low=30000, high=40000)
    found = run(EXTREMES, {"X": numbers(5, 45), "I": i})
    np.testing.assert_array_equal(found["E"], (i.astype(np.int64) ** 2).sum(1).astype(np.int32))


# -- normalisations ----------------------------------------------------------------------------------------------------

SOFTMAX = """
param R = 6, N = 75
axis r = R, n = N
tensor X: f32[r, n] in hbm input
tensor Y: f32[r, n] in hbm output
kernel softmax {
    x = load X              as [r, n/H | n%H]
    m = pcu max(n) x
    h = pmu x               as [r; n/H | n%H]
    e = pcu exp(h - m)
    l = pcu sum(n) e
    g = pmu e               as [r; n/H | n%H]
    y = pcu g / l
    store y -> Y
}
"""


@pytest.mark.parametrize(("r", "n"), [(6, 75), (1, 1), (3, 16)])
def test_softmax(r: int, n: int) -> None:
    x = numbers(r, n) * 5
    e = np.exp(x.astype(float) - x.max(1, keepdims=True))
    close(run(SOFTMAX, {"X": x}, R=r, N=n)["Y"], e / e.sum(1, keepdims=True), 1e-6)


LAYERNORM = """
param T = 10, C = 72
axis t = T, c = C
tensor X: bf16[t, c] in hbm input
tensor G: bf16[c] in hbm input
tensor Y: bf16[t, c] in hbm output
tensor D: f32[c] in hbm output
kernel layernorm {
    x  = load X                              as [t, c/L | c%L]
    u  = pcu sum(c) x / C                    as f32 [t]
    h  = pmu x                               as [t; c/L | c%L]
    v  = pcu sum(c) (h - u) * (h - u) / C    as f32 [t]
    i  = pmu x                               as [t; c/L | c%L]
    g  = pmu load G                          as [; t, c/L | c%L]
    y  = pcu (i - u) * rsqrt(v + 1e-5) * g   as bf16 [t, c/L | c%L]
    d  = pcu sum(t) y * y                    as f32 [c/L | c%L]
    store y -> Y
    store d -> D
}
"""


def test_layer_normalisation_over_lanes_and_time() -> None:
    x, g = halves(10, 72), halves(72, seed=1)
    found = run(LAYERNORM, {"X": x, "G": g})
    z = x.astype(float)
    y = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5) * g
    close(found["Y"], y, 1e-2)
    total = np.zeros(72, f32)
    for row in found["Y"]:
        total += row * row
    equal(found["D"], total)


# -- attention ---------------------------------------------------------------------------------------------------------

ATTENTION = """
param T = 80, D = 20
axis t = T, u = T, d = D
tensor Q: bf16[t, d], K: bf16[u, d], V: bf16[u, d] in hbm input
tensor O: f32[t, d] in hbm output
kernel attention {
    qt = pmu load Q                   as [t/L; u/ST BOUND, d | t%L]
    kt = pmu load K                   as [; t/L, u/ST BOUND, d | u%ST]
    vt = pmu load V                   as [; t/L, d/ST, u BOUND | d%ST]
    s  = pcu sum(d) qt * kt / sqrt(D) as f32 [t/L, u | t%L]
    c  = pcu MASK
    m  = pcu max(u) c                 as f32 [t/L | t%L]
    sb = pmu c                        as [t/L; u | t%L]
    p  = pcu exp(sb - m)              as bf16 [t/L, u | t%L]
    l  = pcu sum(u) p                 as f32 [t/L | t%L]
    pb = pmu p                        as [t/L; d/ST, u | t%L]
    o  = pcu sum(u) pb * vt           as f32 [t/L, d | t%L]
    y  = pcu o / l                    as f32 [t/L, d | t%L]
    yt = pmu y                        as [t/L; t%L, d/H | d%H]
    store yt -> O
}
"""


def attended(q: Numbers, k: Numbers, v: Numbers, seen: Numbers) -> Numbers:
    s = np.where(seen, q.astype(float) @ k.T.astype(float) / np.sqrt(q.shape[1]), -np.inf)
    p = np.exp(s - s.max(1, keepdims=True))
    return np.asarray(p @ v.astype(float) / p.sum(1, keepdims=True))


CAUSAL = "where(u <= t, s, -inf)"
TILES = "< L*(t/L + 1)"


@pytest.mark.parametrize(("mask", "bound"), [("s * 1", ""), (CAUSAL, ""), (CAUSAL, TILES)])
@pytest.mark.parametrize(("t", "d"), [(80, 20), (64, 16), (33, 7)])
def test_attention(t: int, d: int, mask: str, bound: str) -> None:
    q, k, v = (halves(t, d, seed=i) for i in range(3))
    seen = np.tril(np.ones((t, t), bool)) if mask == CAUSAL else np.ones((t, t), bool)
    text = ATTENTION.replace("MASK", mask).replace("BOUND", bound)
    close(run(text, {"Q": q, "K": k, "V": v}, T=t, D=d)["O"], attended(q, k, v, seen), 2e-2)


def test_a_bound_only_skips_what_the_mask_hides() -> None:
    tensors = {name: halves(80, 20, seed=i) for i, name in enumerate("QKV")}
    found = [run(ATTENTION.replace("MASK", CAUSAL).replace("BOUND", b), tensors)["O"] for b in ("", TILES)]
    equal(found[0], found[1])


def test_elements_beyond_a_bound_are_neutral() -> None:
    q, k, v = (halves(80, 20, seed=i) for i in range(3))
    text = ATTENTION.replace("MASK", "s * 1").replace("BOUND", "< t/L*L + 11")
    seen = np.arange(80)[None, :] < (np.arange(80) // 32 * 32 + 11)[:, None]
    close(run(text, {"Q": q, "K": k, "V": v})["O"], attended(q, k, v, seen), 2e-2)


ONLINE = """
param T = 64, D = 16, B = 16
axis t = T, u = T, d = D
tensor Q: bf16[t, d], K: bf16[u, d], V: bf16[u, d] in hbm input
tensor O: f32[t, d] in hbm output
kernel online {
    qt = pmu load Q                     as [t/L; u/ST < L*(t/L + 1), d | t%L]
    kt = pmu load K                     as [; t/L, u/ST < L*(t/L + 1), d | u%ST]
    vt = pmu load V                     as [; t/L, u/B < L*(t/L + 1), d/ST, u%B | d%ST]
    s0 = pcu sum(d) qt * kt             as f32 [t/L, u | t%L]
    s  = pcu where(u <= t, s0 / sqrt(D), -inf)
    mt = pcu max(u%B) s                 as f32 [t/L, u/B | t%L]
    m0 = carry m1 from -inf over u/B    as f32 [t/L, u/B | t%L]
    m1 = pcu max(m0, mt)                as f32 [t/L, u/B | t%L]
    a  = pcu exp(m0 - m1)               as f32 [t/L, u/B | t%L]
    sb = pmu s                          as [t/L, u/B; u%B | t%L]
    p  = pcu exp(sb - m1)               as bf16 [t/L, u | t%L]
    lt = pcu sum(u%B) p                 as f32 [t/L, u/B | t%L]
    l0 = carry l1 from 0 over u/B       as f32 [t/L, u/B | t%L]
    l1 = pcu l0 * a + lt                as f32 [t/L, u/B | t%L]
    pb = pmu p                          as [t/L, u/B; d/ST, u%B | t%L]
    ot = pcu sum(u%B) pb * vt           as f32 [t/L, u/B, d | t%L]
    o0 = carry o1 from 0 over u/B       as f32 [t/L, u/B, d | t%L]
    o1 = pcu o0 * a + ot                as f32 [t/L, u/B, d | t%L]
    le = pcu last(u/B) l1               as f32 [t/L | t%L]
    oe = pcu last(u/B) o1               as f32 [t/L, d | t%L]
    y  = pcu oe / le                    as f32 [t/L, d | t%L]
    yt = pmu y                          as [t/L; t%L, d/H | d%H]
    store yt -> O
}
"""


@pytest.mark.parametrize(("t", "d"), [(64, 16), (72, 5), (128, 24)])
def test_online_softmax(t: int, d: int) -> None:
    q, k, v = (halves(t, d, seed=i) for i in range(3))
    wanted = attended(q, k, v, np.tril(np.ones((t, t), bool)))
    close(run(ONLINE, {"Q": q, "K": k, "V": v}, T=t, D=d)["O"], wanted, 2e-2)


# -- carries -----------------------------------------------------------------------------------------------------------

SCAN = """
axis r = 3, t = 20, c = 4
tensor X: f32[r, t, c] in hbm input
tensor S: f32[r, c] in hbm input
tensor Y: f32[r, t, c] in hbm output
tensor E: f32[r, c] in hbm output
kernel scan {
    x  = load X as [r, t | c]
    s  = load S as [r | c]
    y0 = carry y1 from s over t as f32 [r, t | c]
    y1 = pcu y0 * 0.9 + x
    e  = pcu last(t) y1
    store y1 -> Y
    store e -> E
}
"""


def test_a_carry_starts_anew_for_each_iteration_outside() -> None:
    x, s = numbers(3, 20, 4), numbers(3, 4, seed=1)
    y = np.empty_like(x)
    state = s.copy()
    for t in range(20):
        state = state * f32(0.9) + x[:, t]
        y[:, t] = state
    found = run(SCAN, {"X": x, "S": s})
    equal(found["Y"], y)
    equal(found["E"], state)


NESTED = """
axis l = 3, t = 5, c = 4
tensor W: f32[l, c] in hbm input
tensor X: f32[t, c] in hbm input
tensor Y: f32[t, c] in hbm output
kernel layers {
    x  = load X as [t | c]
    w  = load W as [l, t | c]
    h0 = carry h1 from x over l        as f32 [l, t | c]
    s0 = carry s1 from 0 over t        as f32 [l, t | c]
    s1 = pcu s0 + h0 * w
    h1 = pcu s1 - h0
    y  = pcu last(l) h1
    store y -> Y
}
"""


def test_a_carry_inside_the_loop_of_another() -> None:
    x, w = numbers(5, 4), numbers(3, 4, seed=1)
    h = x
    for l in range(3):
        s, rows = np.zeros(4, f32), []
        for t in range(5):
            s = s + h[t] * w[l]
            rows.append(s - h[t])
        h = np.stack(rows)
    equal(run(NESTED, {"X": x, "W": w})["Y"], h)


DELAY = """
axis t = 6
tensor X: f32[t] in hbm input
tensor Y: f32[t] in hbm output
kernel delay {
    y = carry x from 7 over t as f32 [t]
    x = load X as [t]
    store y -> Y
}
"""


def test_a_carry_without_a_cycle_is_a_delay() -> None:
    x = numbers(6)
    equal(run(DELAY, {"X": x})["Y"], np.concatenate([[f32(7)], x[:-1]]))


RAGGED_LAST = """
axis r = 4, t = 20
tensor X: f32[r, t] in hbm input
tensor Y: f32[r] in hbm output
kernel tail {
    x = load X as [r, t/8, t%8 < 3*r]
    y = pcu last(t) x
    store y -> Y
}
"""


def test_last_is_the_last_iteration_that_runs() -> None:
    x = numbers(4, 20)
    wanted = x[[0, 1, 2, 3], [0, 2, 5, 8]]  # a loop without iterations still fires once
    equal(run(RAGGED_LAST, {"X": x})["Y"], wanted)


# -- views -------------------------------------------------------------------------------------------------------------

ROTARY = """
axis t = 9, z = 2, f = 8
tensor X: bf16[t, z, f] in hbm input
tensor A: bf16[t, f], B: bf16[t, f] in hbm input
tensor Y: bf16[t, z, f] in hbm output
kernel rotary {
    x = load X             as [t, z | f]
    p = pmu x              as [t; z | f]
    m = pmu x(z = 1 - z)   as [t; z | f]
    a = pmu load A         as [t; z | f]
    b = pmu load B         as [t; z | f]
    y = pcu p * a + m * where(z == 0, -b, b)
    store y -> Y
}
"""


def test_a_flip_rotates_pairs() -> None:
    x, angle = halves(9, 2, 8), numbers(9, 8, seed=1)
    a, b = bf16(np.cos(angle)), bf16(np.sin(angle))
    wanted = np.stack([x[:, 0] * a + x[:, 1] * -b, x[:, 1] * a + x[:, 0] * b], axis=1)
    equal(run(ROTARY, {"X": x, "A": a, "B": b})["Y"], bf16(wanted))


SHIFT = """
axis t = 9, c = 4
tensor X: f32[t, c] in hbm input
tensor Y: f32[t, c], Z: f32[t, c] in hbm output
kernel shift {
    x = load X              as [t | c]
    p = pmu x(t = t - 2)    as [; t | c]
    n = load X(t = t + 1)   as [t | c]
    y = pcu p + 1
    store y -> Y
    store n -> Z
}
"""


def test_a_shift_reads_zeros_from_outside() -> None:
    x = numbers(9, 4)
    found = run(SHIFT, {"X": x})
    equal(found["Y"], np.concatenate([np.zeros((2, 4), f32), x[:-2]]) + f32(1))
    equal(found["Z"], np.concatenate([x[1:], np.zeros((1, 4), f32)]))


GATHER = """
axis t = 7, v = 11, c = 40
tensor I: int32[t] in hbm input
tensor E: bf16[v, c] in hbm input
tensor Y: bf16[t, c], Z: bf16[t, c] in hbm output
kernel embed {
    i = load I         as [t]
    y = load E(v = i)  as [t, c/L | c%L]
    e = load E         as [v, c/L | c%L]
    z = pmu e(v = i)   as [; t, c/L | c%L]
    store y -> Y
    store z -> Z
}
"""


def test_a_gather_reads_rows_and_zeros_out_of_range() -> None:
    i, e = np.array([3, 0, 10, -1, 11, 3, 7], np.int32), halves(11, 40)
    wanted = np.where(((i >= 0) & (i < 11))[:, None], e[np.clip(i, 0, 10)], f32(0))
    found = run(GATHER, {"I": i, "E": e})
    equal(found["Y"], wanted)
    equal(found["Z"], wanted)


APPEND = """
axis u = 6, c = 4
tensor X: bf16[c] in hbm input
tensor C: bf16[u, c] in hbm
tensor A: bf16[u, c], B: bf16[u, c] in hbm output
kernel append(x: bf16[c], cache: bf16[u, c], a: bf16[u, c], b: bf16[u, c], pos: int32) {
    old = load cache  as [u | c]
    new = load x      as [| c]
    store new -> cache(u = pos)
    both = load cache as [u < pos + 1 | c]
    store old -> a
    store both -> b
}
schedule { for i in 2..4 { launch append(X, C, A, B, i) } }
"""


def test_a_store_makes_a_version_for_the_lines_below() -> None:
    x, cache = halves(4), halves(6, 4, seed=1)
    found = run(APPEND, {"X": x, "C": cache})
    first, second = cache.copy(), cache.copy()
    first[2] = second[2] = second[3] = x
    equal(found["C"], second)
    equal(found["A"], first)
    equal(found["B"][:4], second[:4])
    assert not found["B"][4:].any()  # beyond the bound nothing is stored


SLICES = """
axis l = 3, t = 5
tensor W: f32[l, t] in hbm input
tensor Y: f32[l, t], Z: f32[l, t] in hbm output
kernel twice(x: f32[n], y: f32[n], scale: int32) {
    a = load x
    b = pcu a * scale
    store b -> y
}
schedule {
    for i in 0..2 { launch twice(W(l = i), Y(l = i + 1), i + 2) }
    launch twice(Y(l = 2), Z(l = 0), 1)
}
"""


def test_a_kernel_reads_and_writes_through_slices() -> None:
    w = numbers(3, 5)
    found = run(SLICES, {"W": w})
    equal(found["Y"], np.stack([np.zeros(5, f32), w[0] * f32(2), w[1] * f32(3)]))
    equal(found["Z"], np.stack([found["Y"][2], np.zeros(5, f32), np.zeros(5, f32)]))


# -- whole programs ----------------------------------------------------------------------------------------------------

MOE = """
param T = 40, C = 12, F = 6, E = 4
axis t = T, j = 2, e = E, c = C, v = F
axis n = T ragged
tensor X: bf16[t, c] in hbm input
tensor R: bf16[e, c] in hbm input
tensor Wg: bf16[e, v, c], Wd: bf16[e, c, v] in hbm input
tensor Y: bf16[t, c] in hbm output
tensor N: f32[e] in hbm output
kernel moe {
    xr = pmu load X                as [t/L; c | t%L]
    wr = pmu load R                as [; t/L, c | e]
    a  = pcu sum(c) xr * wr        as f32 [t/L, e | t%L]
    b  = pmu a                     as [t/L; t%L | e]
    m1 = pcu max(e) b              as f32 [t]
    i1 = pcu min(e) where(b == m1, e, E)               as int32 [t]
    m2 = pcu max(e) where(e == i1, -inf, b)            as f32 [t]
    i2 = pcu min(e) where(b == m2 and e != i1, e, E)   as int32 [t]
    se = pcu where(j == 0, i1, i2)                     as int32 [t, j]
    ex = pcu exp(m2 - m1)                              as f32 [t]
    wt = pcu where(j == 0, 1, ex) / (1 + ex)           as f32 [t, j]
    x  = load X
    xs = split x by se             as [; e, n/L, v/ST, c | n%L]
    wg = pmu load Wg               as [e; n/L, v/ST, c | v%ST]
    g  = pcu sum(c) xs * wg        as f32 [e, n/L, v | n%L]
    h  = pcu g * sigmoid(g)        as bf16 [e, n/L, v | n%L]
    hb = pmu h                     as [e, n/L; c/ST, v | n%L]
    wd = pmu load Wd               as [e; n/L, c/ST, v | c%ST]
    ye = pcu sum(v) hb * wd        as bf16 [e, n/L, c | n%L]
    ym = merge ye by se            as [; t, j, c/L | c%L]
    y  = pcu sum(j) ym * wt        as bf16 [t, c/L | c%L]
    store y -> Y
    h1 = pcu sum(v, n) (h - h + 1 / F)   as f32 [e]
    store h1 -> N
}
"""


def test_mixture_of_experts() -> None:
    x, r = halves(40, 12), halves(4, 12, seed=1)
    wg, wd = halves(4, 6, 12, seed=2), halves(4, 12, 6, seed=3)
    scores = x.astype(float) @ r.T.astype(float)
    top = np.argsort(-scores, axis=1)[:, :2]
    weight = np.exp(np.take_along_axis(scores, top, 1))
    weight /= weight.sum(1, keepdims=True)
    wanted = np.zeros((40, 12))
    for t in range(40):
        for j in range(2):
            g = wg[top[t, j]].astype(float) @ x[t]
            wanted[t] += weight[t, j] * (wd[top[t, j]].astype(float) @ (g / (1 + np.exp(-g))))
    found = run(MOE, {"X": x, "R": r, "Wg": wg, "Wd": wd})
    close(found["Y"], wanted, 0.1)
    close(found["N"], np.bincount(top.ravel(), minlength=4), 1e-5)


ROUTED = """
axis b = 3, t = 21, e = 4, c = 5
axis n = 21 ragged
tensor X: f32[b, t, c] in hbm input
tensor I: int32[b, t] in hbm input
tensor S: f32[b, e, c] in hbm output
tensor Y: f32[b, t, c] in hbm output
kernel routed {
    x = load X           as [b, t | c]
    i = load I           as [b, t]
    s = split x by i     as [b; e, n | c]
    h = pcu sum(n) s + 1 as f32 [b, e | c]
    y = merge s by i     as [b; t | c]
    store h -> S
    store y -> Y
}
"""


def test_a_merge_undoes_a_split_tile_by_tile() -> None:
    x, i = numbers(3, 21, 5), whole(3, 21, low=-1, high=6)
    sums = np.ones((3, 4, 5), f32)
    for b in range(3):
        for e in range(4):
            sums[b, e] = f32(1) + np.add.accumulate(np.concatenate([np.zeros((1, 5), f32), x[b, i[b] == e]]))[-1]
    found = run(ROUTED, {"X": x, "I": i})
    equal(found["Y"], np.where(((i >= 0) & (i < 4))[..., None], x, f32(0)))
    equal(found["S"], sums)


LAYER = """
axis t = 12, c = 40, u = 40
tensor X: bf16[t, c] in hbm input
tensor Y: bf16[t, u] in hbm output
layer double(x: [a, b/L | b%L], factor = 2) {
    y = pcu x * factor
    return y
}
kernel layered {
    x = load X             as [t, c/L | c%L]
    a = double(x)
    b = double(a, factor = 3)
    r = pcu b(c = u) + 1
    store r -> Y
}
"""


def test_layers_and_renames() -> None:
    x = halves(12, 40)
    equal(run(LAYER, {"X": x})["Y"], bf16(bf16(bf16(x * f32(2)) * f32(3)) + f32(1)))


FFT = """
param P = 4, NB = 2
axis b = NB, z = 2, w = 2, n0 = P, n1 = P, k0 = P, k1 = P
tensor X: bf16[b, z, n0, n1] in hbm input
tensor FM: bf16[w, z, n0, k0] in hbm input
tensor A0: bf16[k0, n1], B0: bf16[k0, n1] in hbm input
tensor Y: bf16[b, w, k1, k0] in hbm output
kernel fft {
    x0 = pmu load X                     as [b; w, k0/ST, z, n0 | n1]
    f0 = pmu load FM                    as [; b, w, k0/ST, z, n0 | k0%ST]
    y0 = pcu sum(z, n0) x0 * f0         as bf16 [b, w, k0 | n1]
    p0 = pmu y0                         as [b; k0, w | n1]
    m0 = pmu y0(w = 1 - w)              as [b; k0, w | n1]
    a0 = pmu load A0                    as [; b, k0, w | n1]
    b0 = pmu load B0                    as [; b, k0, w | n1]
    t0 = pcu p0 * a0 + m0 * where(w == 0, -b0, b0)
    x1 = pmu t0(w = z)                  as [b; w, k1/ST, z, n1 | k0]
    f1 = pmu load FM(n0 = n1, k0 = k1)  as [; b, w, k1/ST, z, n1 | k1%ST]
    y1 = pcu sum(z, n1) x1 * f1         as bf16 [b, w, k1 | k0]
    store y1 -> Y
}
"""


@pytest.mark.parametrize("p", [4, 8, 12])
def test_monarch_fft(p: int) -> None:
    def dft(n: int, count: int) -> Numbers:
        return np.asarray(np.exp(-2j * np.pi * np.outer(np.arange(count), np.arange(count)) / n))

    x = halves(2, 2, p, p)
    f, twiddle = dft(p, p), dft(p * p, p)
    fm = np.array([[f.real, -f.imag], [f.imag, f.real]])
    found = run(FFT, {"X": x, "FM": fm, "A0": twiddle.real, "B0": twiddle.imag}, P=p)["Y"]
    wanted = np.fft.fft((x[:, 0] + 1j * x[:, 1]).reshape(2, p * p)).reshape(2, p, p)
    close(found, np.stack([wanted.real, wanted.imag], axis=1), 0.02 * float(np.abs(wanted).max()))


# -- the evaluator's own faces -----------------------------------------------------------------------------------------


def test_a_kernel_leaves_its_arguments_alone() -> None:
    kernel = next(iter(program(SCALE).kernels.values()))
    given = {"X": halves(100), "Y": np.zeros(100, f32)}
    found = evaluate_kernel(kernel, given)
    assert not given["Y"].any() and found["Y"].any()


@pytest.mark.parametrize("elements", [5, 64])
def test_the_size_of_a_slice_changes_nothing(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {name: halves(40, 5, seed=i) for i, name in enumerate("QKV")}
    text = ATTENTION.replace("MASK", CAUSAL).replace("BOUND", TILES)
    rows = {"X": numbers(5, 45), "I": whole(5, 45)}
    before = run(text, tensors, T=40, D=5), run(EXTREMES, rows), run(SCAN, {"X": numbers(3, 20, 4), "S": numbers(3, 4)})
    monkeypatch.setattr(evaluate_reduce, "SLICE", elements)
    after = run(text, tensors, T=40, D=5), run(EXTREMES, rows), run(SCAN, {"X": numbers(3, 20, 4), "S": numbers(3, 4)})
    for found, wanted in zip(after, before, strict=True):
        for name in wanted:
            equal(found[name], wanted[name])


def test_streams_have_a_dimension_per_digit_that_they_change_along() -> None:
    kernel = next(iter(program(GEMM).kernels.values()))
    streams = evaluate_streams(kernel, {"A": halves(64, 48), "B": halves(32, 48)})
    assert {d.root for d in streams["a"].digits} == {"m", "c"}  # replayed along n
    assert {d.root for d in streams["y"].digits} == {"m", "n"}
    assert streams["y"].numbers.size == 64 * 32
