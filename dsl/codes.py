"""Every code of a diagnostic, explained. To add one, add a text to ENTRIES, here (syntax), in `codes_language`,
`codes_running` or `codes_checkpoints`, in the form of the others.

The first line is `CODE: title`; then the why, in paragraphs; then `wrong:` and `right:`, each a whole small program.
"""

from __future__ import annotations

import re
import textwrap

from rdflow.dsl import (
    codes_checkpoints,
    codes_language,
    codes_running,
    codes_schedules,
    codes_serving,
    codes_sockets,
)
from rdflow.dsl.codes_machine import MACHINE_CODES
from rdflow.dsl.records import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A code, what it means, why the language or the hardware needs it, and a program with and without the mistake."""

    code: str
    title: str
    why: str
    wrong: str
    right: str


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


def read_entry(text: str) -> Code:
    """A text of ENTRIES as a record."""
    form = r"(?P<code>\w+): (?P<title>.*?)\n\n(?P<why>.*?)\n\nwrong:\n(?P<wrong>.*?)\n\nright:\n(?P<right>.*)"
    found = re.fullmatch(form, textwrap.dedent(text).strip("\n "), re.DOTALL)
    if found is None:
        raise ValueError(f"not in the form of an entry: {text!r}")
    parts = found.groupdict()
    programs = {name: textwrap.dedent(parts[name]).strip("\n") + "\n" for name in ("wrong", "right")}
    return Code(parts["code"], parts["title"], parts["why"], **programs)


def _all() -> dict[str, Code]:
    groups = (codes_language, codes_sockets, codes_schedules, codes_running, codes_checkpoints, codes_serving)
    texts = (*ENTRIES, *(entry for group in groups for entry in group.ENTRIES))
    entries = [*map(read_entry, texts), *(Code(*entry) for entry in MACHINE_CODES)]
    return {entry.code: entry for entry in sorted(entries, key=lambda entry: entry.code)}


CODES: dict[str, Code] = _all()


def explain(code: str) -> str:
    """What `rdflow explain` prints. KeyError when there is no such code."""
    entry = CODES[code.strip().upper()]
    wrong, right = (textwrap.indent(program, "    ") for program in (entry.wrong, entry.right))
    return f"{entry.code}: {entry.title}\n\n{entry.why}\n\nwrong:\n\n{wrong}\nright:\n\n{right}"
