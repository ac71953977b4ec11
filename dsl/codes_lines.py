"""Codes of the lines of a kernel and their expressions. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF038: a reduction that a unit cannot do

    A unit has one set of accumulators, so a line reduces once. It reduces over digits that its operands have, over
    all of its lanes or none (the tree across the lanes has one output), and `argmax` keeps its index in a register,
    so it reduces the innermost loops.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor Y: f32[t] in hbm output

        kernel total {
            x = load X as [t, c/L | c%L]
            y = pcu sum(c) x / max(c) x as f32
            store y -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor Y: f32[t] in hbm output

        kernel total {
            x = load X as [t, c/L | c%L]
            s = pcu sum(c) x as f32
            m = pcu max(c) x as f32
            y = pcu s / m
            store y -> Y
        }
    """,
    """
    RDF039: a product-sum that misses the systolic array

    A sum of products of two bf16 streams runs on all lanes and stages at once if one operand brings at most 32
    lanes and the other at most 8: lanes times stages. A second operand with more lanes is taken a lane at a time,
    an eighth of the speed.

    wrong:
        axis m = 64, n = 64, k = 64
        tensor A: bf16[m, k] in hbm input
        tensor B: bf16[n, k] in hbm input
        tensor Y: bf16[m, n] in hbm output

        kernel gemm {
            a = pmu load A as [m/L; n/L, k | m%L]
            b = pmu load B as [; m/L, n/L, k | n%L]
            y = pcu sum(k) a * b as bf16
            z = pmu y as [m/L; m%L, n/L | n%L]
            store z -> Y
        }

    right:
        axis m = 64, n = 64, k = 64
        tensor A: bf16[m, k] in hbm input
        tensor B: bf16[n, k] in hbm input
        tensor Y: bf16[m, n] in hbm output

        kernel gemm {
            a = pmu load A as [m/L; n/ST, k | m%L]
            b = pmu load B as [; m/L, n/ST, k | n%ST]
            y = pcu sum(k) a * b as bf16
            z = pmu y as [m/L; m%L, n/L | n%L]
            store z -> Y
        }
    """,
    """
    RDF040: a carry that does not close

    `x = carry y from x0 over l` gives x0 in the first iteration of l and afterwards y of the iteration before. So y
    travels as x does, token by token, x0 as x without l, and l is a loop: lanes and copies have no iterations.

    wrong:
        axis t = 64, c = 256
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel running_sum {
            x  = load X as [t, c/H | c%H]
            s0 = carry s1 from 0 over c%H as f32 [t, c/H | c%H]
            s1 = pcu s0 + x
            store s1 -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel running_sum {
            x  = load X as [t, c/H | c%H]
            s0 = carry s1 from 0 over t as f32 [t, c/H | c%H]
            s1 = pcu s0 + x
            store s1 -> Y
        }
    """,
    """
    RDF041: used before it is defined

    Lines stand in the order in which data flows. A cycle of lines is a cycle of queues, in which every unit waits
    for another one; only a carry may reach back, because its first token does not come out of the cycle.

    wrong:
        axis t = 64, c = 256
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel running_sum {
            x  = load X as [t, c/H | c%H]
            s1 = pcu s1 + x
            store s1 -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel running_sum {
            x  = load X as [t, c/H | c%H]
            s0 = carry s1 from 0 over t as f32 [t, c/H | c%H]
            s1 = pcu s0 + x
            store s1 -> Y
        }
    """,
    """
    RDF042: a stream that nobody reads

    The unit would be placed, configured and run for nothing.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            z = pcu x * 3
            store y -> Y
        }

    right:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            store y -> Y
        }
    """,
    """
    RDF043: as many names as results

    A line defines a stream for each of its results, in the order in which they stand. Loads, scratchpads and
    carries have one output; a pcu may have several results of one nest, a layer as many as it returns, and a split may
    name its counts: `xs, m = split x by i as [; e, n, .. | ..]`.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y, z = pcu x * 2
            store y -> Y
        }

    right:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            store y -> Y
        }
    """,
    """
    RDF044: an index without a counter

    An axis used as a value is a counter, the number of a copy or of a lane of the unit. Where the unit does not run
    over the axis there is no such number; behind a reduction the reduced digits are gone.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor Y: f32[t] in hbm output

        kernel total {
            x = load X as [t, c/L | c%L]
            y = pcu (sum(c) x) + c as f32
            store y -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor Y: f32[t] in hbm output

        kernel total {
            x = load X as [t, c/L | c%L]
            y = pcu sum(c) (x * c) as f32
            store y -> Y
        }
    """,
    """
    RDF045: numbers and conditions

    Comparisons and `and`, `or`, `not` give conditions; arithmetic takes numbers. They do not turn into each other
    by themselves: `where(c, a, b)` chooses a number by a condition, a comparison makes a condition of numbers. A
    float becomes an int32 by `int(x)`, which cuts off the fraction.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * (x > 0)
            store y -> Y
        }

    right:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu where(x > 0, x, 0)
            store y -> Y
        }
    """,
)
