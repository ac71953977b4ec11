"""Codes of declarations: names, params, axes, tensors. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF010: there is no such name

    Every name is declared once and used by that name: axes, params, tensors, kernels and layers before their use,
    streams by the line that produces them. A kernel with tensors as parameters sees these and no others; a layer
    sees its parameters only. If the name is a slip of the pen, the message gives the nearest one that exists.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu xs * 2
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
    RDF011: a name is defined twice

    A stream has one producer: the unit whose output port it is. Two units that send into one queue would need an
    arbiter, and the order of the tokens would depend on time. Declarations, parameters and the bindings of a view
    are single for the same reason: a name means one thing.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            x = pcu x * 2
            store x -> Y
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
    RDF012: the name is predefined

    L (32, the lanes of a unit), ST (8, its stages) and H (16, the f32 lanes of a packet) are part of the language,
    so that orders can be written without literals. They cannot be given another meaning.

    wrong:
        axis L = 1024
        tensor X: f32[L] in hbm input
        tensor Y: f32[L] in hbm output

        kernel double {
            x = load X as [L/H | L%H]
            y = pcu x * 2
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
    RDF013: not a whole number, or not a constant

    Counters, copies, lanes, depths and lengths of axes come in whole numbers that are known before anything runs:
    they are part of the configuration of a unit. A quotient stays whole where it divides; where it does not, it is
    a fraction.

    wrong:
        param N = 1000
        axis n = N/3
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            store y -> Y
        }

    right:
        param N = 3072
        axis n = N/3
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            store y -> Y
        }
    """,
    """
    RDF015: the factors of an axis do not fit

    `axis t = ti * tn` names digits of t: ti counts tiles and tn what is inside one. Together they count from 0 to
    the length of t, each value once. An axis is a digit of one product only, though a product may be factored in
    several ways.

    wrong:
        axis ti = 4, tn = L, t = 64, t = ti * tn, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }

    right:
        axis ti = 2, tn = L, t = 64, t = ti * tn, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }
    """,
    """
    RDF016: no such dtype or memory tier

    Elements are bf16, f32, int32, int8 or bool: these are what the lanes of a unit convert, add and pack. A tensor
    lives in `hbm` or in `ddr`: the two memories behind the address generators. A scalar parameter is an int32 or an
    f32, what an argument register holds.

    wrong:
        axis n = 1024
        tensor X: fp32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
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
    RDF017: a param is set to a value of another kind

    A param whose default is a number takes numbers, one whose default is a dtype takes dtypes. The program below is
    wrong when it is run with `--set N=bf16`, since N is the length of an axis.

    wrong:
        param N = 1024
        axis n = N
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            store y -> Y
        }

    right:
        param E = f32, N = 1024
        axis n = N
        tensor X: E[n] in hbm input
        tensor Y: E[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            store y -> Y
        }
    """,
    """
    RDF020: the axes of a tensor

    A tensor has whole axes, each once, from the slowest in memory to the fastest. How it is cut into tiles, copies
    and lanes is said by the units that load and store it, each as it needs; only `@socket` says where a tensor
    itself is cut.

    wrong:
        axis n = 1024
        tensor X: f32[n/H] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
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
)
