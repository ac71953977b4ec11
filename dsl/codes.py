"""Every code of a diagnostic, explained. To add one, add a text to ENTRIES of the room of its topic (`codes_orders`,
`codes_running`, ...), in the form of the others.

The first line is `CODE: title`; then the why, in paragraphs; then `wrong:` and `right:`, each a whole small program.
"""

from __future__ import annotations

import re
import textwrap

from rdflow.dsl import (
    codes_balance,
    codes_checkpoints,
    codes_declarations,
    codes_holds,
    codes_layers,
    codes_lines,
    codes_orders,
    codes_running,
    codes_schedules,
    codes_serving,
    codes_sockets,
    codes_syntax,
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


TOPICS = (
    codes_syntax,
    codes_declarations,
    codes_orders,
    codes_holds,
    codes_lines,
    codes_balance,
    codes_layers,
    codes_schedules,
    codes_sockets,
    codes_running,
    codes_checkpoints,
    codes_serving,
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
    entries = [
        *(read_entry(text) for topic in TOPICS for text in topic.ENTRIES),
        *(Code(*entry) for entry in MACHINE_CODES),
    ]
    return {entry.code: entry for entry in sorted(entries, key=lambda entry: entry.code)}


CODES: dict[str, Code] = _all()


def explain(code: str) -> str:
    """What `rdflow explain` prints. KeyError when there is no such code."""
    entry = CODES[code.strip().upper()]
    wrong, right = (textwrap.indent(program, "    ") for program in (entry.wrong, entry.right))
    return f"{entry.code}: {entry.title}\n\n{entry.why}\n\nwrong:\n\n{wrong}\nright:\n\n{right}"
