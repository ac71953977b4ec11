"""Codes of orders: cuts, digits, lanes, bounds. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF021: two cuts of an axis that do not divide

    An order cuts an axis into digits: counters, copies and lanes that together are the number of the element.
    Digits need cuts of which each is a multiple of the one before, in all orders of a kernel: a stream cut at 24
    and then at 32 would have tokens that belong to two tiles.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/24 | c%24]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }

    right:
        axis t = 64, c = 256
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
    RDF022: a digit twice, or not at all

    Every digit of what travels stands exactly once in an order: it is a counter (time), the number of a copy, or a
    position in the packet. Twice would be two counters for one number; not at all would leave elements without a
    place.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c | c%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }

    right:
        axis t = 64, c = 256
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
    RDF023: more lanes than a unit has

    A unit is 32 lanes wide, and a token is what its lanes take in at once. What does not fit there runs in time, or
    in copies of the unit.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/64 | c%64]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }

    right:
        axis t = 64, c = 256
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
    RDF024: a bound that a counter cannot take

    A bound is the maximum of a counter, loaded when its loop starts: a constant, an argument, a sum of counters that run
    further out, or a token of a scalar stream (`n = load LEN as [b]`, then `[b, u < n]`), whose own loops are the outer
    ones. What is on the lanes or further in is not known then. Two operands of a unit share its counters, so they must
    be bounded alike, by the same stream. What cannot be a bound can be a mask: `where(u <= t, s, -inf)`.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t < c, c/L | c%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t < 48, c/L | c%L]
            g = pmu load G as [; t < 48, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }
    """,
    """
    RDF030: an order that the unit cannot consume

    A unit runs one nest of loops, that of its longest operand. Any other operand is a prefix of that nest: it is
    read once and held in a register while the loops inside run. What is missing on the outside would have to come
    again for every iteration, and only a scratchpad can give a stream again, or in another order: `pmu s as [tile;
    rest | lanes]`.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = load G as [c/L | c%L]
            y = pcu x * g
            store y -> Y
        }

    right:
        axis t = 64, c = 256
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
    RDF031: lanes that do not meet

    Lane i of a unit computes with lane i of each of its operands. A stream with other elements on its lanes must
    first be turned: a scratchpad writes packets in one direction and reads them in another. An operand without
    lanes is broadcast to all of them.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = pmu load X as [t/L; c | t%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            z = pmu y as [t/L; t%L, c/L | c%L]
            store z -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = pmu load X as [t/L; c | t%L]
            g = pmu load G as [; t/L, c]
            y = pcu x * g
            z = pmu y as [t/L; t%L, c/L | c%L]
            store z -> Y
        }
    """,
    """
    RDF032: only a pcu converts

    Address generators, scratchpads and carries move bits. Values are f32 inside a pcu, and are rounded once, to
    nearest even, where they leave it: so the `as` of a pcu line is the only place that says what is lost.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as f32 [t, c/L | c%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g
            store y -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x * g as bf16
            store y -> Y
        }
    """,
)
