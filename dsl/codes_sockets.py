"""Codes of programs on several sockets, in the form of those in `codes`."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF047: lines that disagree on how many sockets there are

    A digit `@socket` puts each of its values on a socket of its own, so it has as many values as the kernel has
    sockets, and all lines of a kernel run on the same ones. A line without such a digit is on all of them.

    wrong:
        axis g = 8, s = 4, n = 1024
        tensor X: bf16[g @socket, n] in hbm input
        tensor W: bf16[s @socket, n] in hbm input
        tensor Y: bf16[n] in hbm output

        kernel add {
            x = load X as [g @socket, n/L | n%L]
            w = load W as [s @socket, n/L | n%L]
            a = pcu sum(g) x
            b = pcu sum(s) w
            y = pcu a + b
            store y -> Y
        }

    right:
        axis g = 8, s = 8, n = 1024
        tensor X: bf16[g @socket, n] in hbm input
        tensor W: bf16[s @socket, n] in hbm input
        tensor Y: bf16[n] in hbm output

        kernel add {
            x = load X as [g @socket, n/L | n%L]
            w = load W as [s @socket, n/L | n%L]
            a = pcu sum(g) x
            b = pcu sum(s) w
            y = pcu a + b
            store y -> Y
        }
    """,
    """
    RDF048: data on another socket

    An AGCU reaches the memory of its own socket alone. A tensor with `@socket` on an axis has one index of that axis
    on each socket, so the units that load and store it are on the sockets along the same digit. A tensor without it is
    the same on every socket, so what is stored to it is, too. Between sockets data moves as streams: a line that lacks
    the digit gathers the parts, or reduces them.

    wrong:
        axis g = 8, n = 1024
        tensor X: bf16[g @socket, n] in hbm input
        tensor Y: bf16[g, n] in hbm output

        kernel double {
            x = load X as [g @socket, n/L | n%L]
            y = pcu x * 2
            store y -> Y
        }

    right:
        axis g = 8, n = 1024
        tensor X: bf16[g @socket, n] in hbm input
        tensor Y: bf16[g, n] in hbm output

        kernel double {
            x = load X as [g @socket, n/L | n%L]
            y = pcu x * 2 as [g, n/L | n%L]
            store y -> Y
        }
    """,
    """
    RDF049: a part of what every socket has

    A stream without a digit on the sockets is on all of them, whole. A line that takes one part of it on each socket
    would leave the other parts in its queue, where nobody reads them. Let the stream begin with the part.

    wrong:
        axis g = 8, n = 1024
        tensor X: bf16[g, n] in hbm input
        tensor Y: bf16[g @socket, n] in hbm output

        kernel double {
            x = load X as [g, n/L | n%L]
            y = pcu x * 2 as [g @socket, n/L | n%L]
            store y -> Y
        }

    right:
        axis g = 8, n = 1024
        tensor X: bf16[g, n] in hbm input
        tensor Y: bf16[g @socket, n] in hbm output

        kernel double {
            x = load X as [g @socket, n/L | n%L]
            y = pcu x * 2
            store y -> Y
        }
    """,
)
