"""Codes of the balance of a kernel: paths, copies, depths, memory. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF050: a path that starves another

    Two paths part at a stream and meet again. One of them must take in many tokens before it gives its first, as a
    reduction does; meanwhile the other fills its queue of 16 packets, and then nothing moves any more: the stream
    waits for the full queue, and so the reduction waits for the stream. The path that waits needs a scratchpad that
    holds what the other takes in.

    wrong:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel center {
            x = load X as [t, c/H | c%H]
            m = pcu max(c) x
            y = pcu x - m
            store y -> Y
        }

    right:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel center {
            x = load X as [t, c/H | c%H]
            m = pcu max(c) x
            h = pmu x as [t; c/H | c%H]
            y = pcu h - m
            store y -> Y
        }
    """,
    """
    RDF051: copies that wait for each other

    A stream that is dealt to copies gives each of them a turn. If a turn is longer than a queue, the first copy
    must use its tokens before the second gets any. A stream that is sent to all copies at once moves only when all
    have room. Together the first copy waits for the multicast, and that for the second copy. Copies along the whole
    path have one queue each and no turns.

    wrong:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor B: f32[c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel add {
            x = load X as [t, c/H | c%H]
            b = pmu load B as [; t/4, c/H | c%H]
            y = pcu x + b as [t @4, c/H | c%H]
            z = pcu y * 2 as [t, c/H | c%H]
            store z -> Y
        }

    right:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor B: f32[c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel add {
            x = load X @4 as [t @4, c/H | c%H]
            b = pmu load B as [; t/4, c/H | c%H]
            y = pcu x + b
            store y @4 -> Y
        }
    """,
    """
    RDF052: copies that buy little

    A unit that gathers from copies takes their tokens strictly in its own order. While one copy has its turn the
    others fill their queues and stand: with turns much longer than a queue, four copies are worth little more than
    one. Keep the copies along the path, gather in short turns, or gather with a scratchpad, which writes by address
    and takes tokens in any order.

    wrong:
        axis n = 16, c = 64, w = 8, l = 32
        tensor X: bf16[n, c, w, l] in hbm input
        tensor Y: bf16[n, c, l] in hbm output

        kernel gather {
            x = load X @4 as [n @4, c, w | l]
            s = pcu sum(w) x
            y = pcu s * 2 as [n, c | l]
            store y -> Y
        }

    right:
        axis n = 16, c = 64, w = 8, l = 32
        tensor X: bf16[n, c, w, l] in hbm input
        tensor Y: bf16[n, c, l] in hbm output

        kernel gather {
            x = load X @4 as [n @4, c, w | l]
            s = pcu sum(w) x
            y = pcu s * 2
            store y @4 -> Y
        }
    """,
    """
    RDF053: a scratchpad that is not deep enough

    Without `depth` a scratchpad keeps two tiles, one that is written and one that is read, and as many more as the
    path beside it has on the way. With fewer, one path waits for the other at every tile: the values are right, and
    the time is that of both paths one after the other.

    wrong:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel center {
            x = load X as [t, c/H | c%H]
            m = pcu max(c) x
            h = pmu x as [t; c/H | c%H] depth 1
            y = pcu h - m
            store y -> Y
        }

    right:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel center {
            x = load X as [t, c/H | c%H]
            m = pcu max(c) x
            h = pmu x as [t; c/H | c%H]
            y = pcu h - m
            store y -> Y
        }
    """,
    """
    RDF054: lanes across the slow axis of memory

    Memory moves 64 bytes at a time. Lanes that run along the last axis of a tensor share these bytes; lanes along
    another axis cost a burst each, up to 32 times the traffic. Let the load run in memory order and a scratchpad
    turn it.

    wrong:
        axis t = 64, c = 256
        tensor X: bf16[t, c] in hbm input
        tensor G: bf16[c] in hbm input
        tensor Y: bf16[t, c] in hbm output

        kernel scale {
            x = load X as [t/L, c | t%L]
            g = pmu load G as [; t/L, c]
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
    RDF055: an output that nobody writes

    Outputs are zero until a kernel stores into them.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output
        tensor Z: f32[n] in hbm

        kernel double {
            x = load X as [n/H | n%H]
            y = pcu x * 2
            store y -> Z
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
    RDF056: a load or a store that waits for itself

    Lines below a store read what it stored, lines above it what was there before. So a load waits until the stores
    above it have written, and a store waits until the loads above it have read for the last time: once, or once in
    each iteration of the outer loops that both have and that choose the same part of the tensor in both. Here the last
    row is stored in the place of the first, so no row may be stored before all are read; but what is loaded waits in
    queues until it is stored. A scratchpad takes it all in. A load above all stores never waits.

    wrong:
        axis n = 1024, c = 64
        tensor X: f32[n, c] in hbm
        tensor Y: f32[n, c] in hbm output

        kernel reverse {
            x = load X as [n, c/H | c%H]
            y = pcu x * 2
            store y -> X(n = 1023 - n)
            store y -> Y
        }

    right:
        axis n = 1024, c = 64
        tensor X: f32[n, c] in hbm
        tensor Y: f32[n, c] in hbm output

        kernel reverse {
            x = pmu load X as [; n, c/H | c%H]
            y = pcu x * 2
            store y -> X(n = 1023 - n)
            store y -> Y
        }
    """,
)
