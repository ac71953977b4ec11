"""Codes of the syntax. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF001: unexpected word

    The text cannot go on like this: what stands at the mark is not among what the language allows there, and the
    message lists what is. The rest of the line was skipped, the lines around it were read. Often a verb is missing:
    every line of a kernel is a unit of the hardware, and says which (`load`, `pmu`, `pcu`, ...).

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel double {
            x = load X as [n/H | n%H]
            y = x * 2
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
    RDF002: a bracket or a brace without its partner

    `(`, `[` and `{` are closed by `)`, `]` and `}`, innermost first. Inside `(` and `[` a line may break anywhere, so a
    forgotten bracket is noticed where the next line certainly begins, and reported where it was opened.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel copy_all {
            x = load X as [n/H | n%H
            store x -> Y
        }

    right:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel copy_all {
            x = load X as [n/H | n%H]
            store x -> Y
        }
    """,
    """
    RDF003: a character that is not in the language

    Names are letters, digits and underscores. There are no strings. Besides these the language has
    `+ - * / % < <= > >= == != = -> .. . , : ; | @ ( ) [ ] { }` and comments from `#` to the end of the line.
    Logic is written in words: `and`, `or`, `not`.

    wrong:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel clip {
            x = load X as [n/H | n%H]
            y = pcu where(x > 0 && x < 6, x, 0)
            store y -> Y
        }

    right:
        axis n = 1024
        tensor X: f32[n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel clip {
            x = load X as [n/H | n%H]
            y = pcu where(x > 0 and x < 6, x, 0)
            store y -> Y
        }
    """,
    """
    RDF004: an index by position

    A view says which axis it indexes: `T(axis = idx)`. Axes have names and no positions, here as everywhere: the same
    notation renames, flips, shifts, slices and gathers, and it says which addresses a PMU or an AGCU computes.

    wrong:
        axis l = 4, n = 1024
        tensor W: f32[l, n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel third {
            w = load W[3] as [n/H | n%H]
            store w -> Y
        }

    right:
        axis l = 4, n = 1024
        tensor W: f32[l, n] in hbm input
        tensor Y: f32[n] in hbm output

        kernel third {
            w = load W(l = 3) as [n/H | n%H]
            store w -> Y
        }
    """,
)
