"""Codes of schedules and pools of experts. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF060: the arguments of a launch

    A kernel takes tensors, slices of tensors and numbers. The axes of its tensor parameters take their lengths from
    the arguments, so dtype and number of axes agree, and one name has one length. Addresses and numbers go into
    argument registers when the kernel is launched.

    wrong:
        axis t = 64, c = 256, l = 4
        tensor X: bf16[t, c] in hbm input
        tensor W: bf16[l, c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale(x: bf16[t, c], w: bf16[c], y: bf16[t, c], f: f32) {
            a = load x as [t, c/L | c%L]
            b = pmu load w as [; t, c/L | c%L]
            p = pcu a * b * f
            store p -> y
        }

        schedule { launch scale(X, W, Y, 0.5) }

    right:
        axis t = 64, c = 256, l = 4
        tensor X: bf16[t, c] in hbm input
        tensor W: bf16[l, c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale(x: bf16[t, c], w: bf16[c], y: bf16[t, c], f: f32) {
            a = load x as [t, c/L | c%L]
            b = pmu load w as [; t, c/L | c%L]
            p = pcu a * b * f
            store p -> y
        }

        schedule { launch scale(X, W(l = 1), Y, 0.5) }
    """,
    """
    RDF061: a schedule counts in whole numbers

    Loops of a schedule run between whole numbers, and views of its arguments fix whole indices; `wait` takes a number of
    seconds. They are followed before anything runs, to find every length for which a kernel must be mapped: a number
    that the chip computes (`for i in 0..COUNT(b = 0)`) is whole when it is read.

    wrong:
        axis t = 64, c = 256, l = 4
        tensor X: bf16[t, c] in hbm input
        tensor W: bf16[l, c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale(x: bf16[t, c], w: bf16[c], y: bf16[t, c], f: f32) {
            a = load x as [t, c/L | c%L]
            b = pmu load w as [; t, c/L | c%L]
            p = pcu a * b * f
            store p -> y
        }

        schedule { for i in 0..H/3 { launch scale(X, W(l = i), Y, 0.5) } }

    right:
        axis t = 64, c = 256, l = 4
        tensor X: bf16[t, c] in hbm input
        tensor W: bf16[l, c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale(x: bf16[t, c], w: bf16[c], y: bf16[t, c], f: f32) {
            a = load x as [t, c/L | c%L]
            b = pmu load w as [; t, c/L | c%L]
            p = pcu a * b * f
            store p -> y
        }

        schedule { for i in 0..len(l) { launch scale(X, W(l = i), Y, 0.5) } }
    """,
    """
    RDF062: a kernel that nothing launches

    A kernel is checked and mapped for the lengths and numbers of a launch. One with parameters that no schedule
    launches has none; one without parameters runs by itself only if there is no schedule.

    wrong:
        axis t = 64, c = 256, l = 4
        tensor X: bf16[t, c] in hbm input
        tensor W: bf16[l, c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale(x: bf16[t, c], w: bf16[c], y: bf16[t, c], f: f32) {
            a = load x as [t, c/L | c%L]
            b = pmu load w as [; t, c/L | c%L]
            p = pcu a * b * f
            store p -> y
        }

    right:
        axis t = 64, c = 256, l = 4
        tensor X: bf16[t, c] in hbm input
        tensor W: bf16[l, c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale(x: bf16[t, c], w: bf16[c], y: bf16[t, c], f: f32) {
            a = load x as [t, c/L | c%L]
            b = pmu load w as [; t, c/L | c%L]
            p = pcu a * b * f
            store p -> y
        }

        schedule { launch scale(X, W(l = 1), Y, 0.5) }
    """,
    """
    RDF081: a pool of experts that cannot be

    A pool is kept in one tier and cached in another; what leaves the cache is chosen by a policy: `lru` (the least
    recently used), `lfu` (the least frequently used), `belady` (the one that is used last in the future: a bound that
    no machine reaches) or `pinned` (the first that came stay). An expert is a program, without pools of its own.

    wrong:
        pool expert: hello[4] in ddr cached in hbm evict random
        schedule { launch expert[2].hello }

    right:
        pool expert: hello[4] in ddr cached in hbm evict lru
        schedule { launch expert[2].hello }
    """,
    """
    RDF082: an expert that a pool does not have

    The experts of a pool are numbered from 0. The number may be one that the chip computed, as the choice of a router:
    then it is held against the pool when it is read, and nothing is loaded for one that is not there. A launch names a
    kernel of the expert's program, an activation only the expert.

    wrong:
        pool expert: hello[4] in ddr cached in hbm evict lru
        schedule { launch expert[4].hello }

    right:
        pool expert: hello[4] in ddr cached in hbm evict lru
        schedule { launch expert[3].hello }
    """,
)
