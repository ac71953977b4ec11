"""Codes of the language: declarations, orders, units, kernels and schedules. In the form that `codes` describes."""

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
