"""Codes of layers. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF070: a layer and its call

    A layer is a function from streams and tensors to streams, expanded in place, as hardware is: it ends in
    `return`, and it cannot call itself. Its axes are variables: they are matched against the types of the
    arguments, place by place, and the same name is the same axis in all of them; `..` is all loops that the
    parameters do not name.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        layer scaled(x: [t, c/L | c%L], g: tensor[c], f = 2) {
            w = pmu load g as [; t, c/L | c%L]
            r = pcu x * w * f
            return r
        }

        kernel scale {
            x = load X as [t, c/L | c%L]
            y = scaled(x)
            store y -> Y
        }

    right:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        layer scaled(x: [t, c/L | c%L], g: tensor[c], f = 2) {
            w = pmu load g as [; t, c/L | c%L]
            r = pcu x * w * f
            return r
        }

        kernel scale {
            x = load X as [t, c/L | c%L]
            y = scaled(x, G)
            store y -> Y
        }
    """,
)
