"""Codes of scratchpads: tiles, what they give back, views, stores. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF033: a tile that is not cut along the outer loops of the writer

    `pmu s as [tile; rest | lanes]` holds what arrives between two steps of the loops before `;`, so these must be
    the outer loops of s. With nothing before `;` one tile holds all of s.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = pmu load G as [t; c/L | c%L]
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
    RDF034: a scratchpad that holds one token

    Without `;` a tile is what lies inside the loops that both orders begin with. If the orders are the same that is
    one token: the unit would be a register, and whatever was to wait in it would wait in the queues behind, until
    they are full and the kernel stands still. Say what must be held, or use a `fifo`.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = pmu load G as [; t, c/L | c%L]
            b = pmu x as [t, c/L | c%L]
            y = pcu b * g
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
            b = pmu x as [t; c/L | c%L]
            y = pcu b * g
            store y -> Y
        }
    """,
    """
    RDF035: what a scratchpad gives back

    A scratchpad gives back all that it holds: every digit of its source is a loop, a copy or a lane of its order.
    Leaving one out would read one value of it for ever; reducing is what a pcu does. A `split` or a `merge` says
    which digits are the expert and the place within it, and the place is an axis declared `ragged`: `[tile; e, n, .. |
    ..]` is the n-th token of the tile whose selector is e. Selectors and tokens come one by one, in the loops outside of
    the tile and then those that are routed; the expert is the first loop of the tile, or copies.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = pmu load G as [; t | c%L]
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
    RDF036: a view that the address pipeline cannot compute

    Views rename, flip, shift, fix and gather. They are computed by the address generators of memory and of
    scratchpads, which add counters times strides, or take an index from one scalar stream. An operand of a pcu
    comes in the order in which it travels and can only be renamed. Tensors are loaded and stored; streams are read
    by their names.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t, c/L | c%L]
            g = pmu load G as [; t, c/L | c%L]
            y = pcu x(t = 63 - t) * g
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
            r = pmu x(t = 63 - t) as [; t, c/L | c%L]
            y = pcu r * g
            store y -> Y
        }
    """,
    """
    RDF037: a store that does not fill its tensor

    A store makes the next version of its tensor: it writes every element of its view once. So the stream has
    exactly the axes that the view leaves free. Inputs are what a user gives and are not stored to.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel total {
            x = load X as [t, c/L | c%L]
            y = pcu sum(c) x as f32
            store y -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor Y: f32[t] in hbm output

        kernel total {
            x = load X as [t, c/L | c%L]
            y = pcu sum(c) x as f32
            store y -> Y
        }
    """,
    """
    RDF046: a tile or a depth where nothing is held

    Loops before `;` are outside of what a scratchpad holds at a time, and `depth` says how many of these tiles it
    keeps (of a fifo: how many tokens). Other units hold nothing; the queues in front of them are all of one size.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t; c/L | c%L]
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
)
