"""What the lines that could not be read would have defined."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.source import Source

_GOES_ON = ("+", "-", "*", "/", "%", "=", ",", "(", "[", "|")  # a line that ends so goes on below


def lost_names(source: Source, mistakes: Iterable[Diagnostic]) -> Iterable[str]:
    """The names on lines that could not be read: what they define is missing through no fault of its users."""
    lines = [text.split("#")[0].strip() for text in source.text.split("\n")]
    for mistake in mistakes:
        first = last = source.position(mistake.labels[0].span.start)[0] - 1
        while first > 0 and lines[first - 1].endswith(_GOES_ON):
            first -= 1
        while last + 1 < len(lines) and lines[last].endswith(_GOES_ON):
            last += 1
        for text in lines[first : last + 1]:
            yield from re.findall(r"[^\W\d]\w*", text)
