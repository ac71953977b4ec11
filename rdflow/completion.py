"""What Tab completes in the REPL: commands, their arguments, the names of the program, the words of the language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from rdflow.commands import COMMANDS
from rdflow.highlight import DECLARATIONS, DTYPES, FUNCTIONS, PARTICLES, UNITS
from rdflow.session import Session

WORDS = {
    **dict.fromkeys(DECLARATIONS, "declaration"),
    **dict.fromkeys(UNITS, "unit"),
    **dict.fromkeys(PARTICLES, "word"),
    **dict.fromkeys(DTYPES, "dtype"),
    **dict.fromkeys(FUNCTIONS, "function"),
}


class RdfCompleter(Completer):
    """Completes the word before the cursor."""

    def __init__(self, session: Session):
        self.session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        for word, kind, start in candidates(self.session, document.text_before_cursor):
            yield Completion(word, start_position=start, display_meta=kind)


def candidates(session: Session, text: str) -> Iterator[tuple[str, str, int]]:
    """Words that may stand at the end of a text, what they are, and how many characters back they begin."""
    command = re.match(r"\s*:(\w*)$", text)
    if command:
        yield from _beginning(command[1], dict.fromkeys(COMMANDS, "command"))
        return
    argument = re.match(r"\s*:(\w+)\s+(?:.*\s)?(\S*)$", text, re.DOTALL)
    if argument:
        yield from _beginning(argument[2], _arguments(session, argument[1]))
        return
    word = re.search(r"\w*$", text)
    assert word is not None
    known = {name: kind for kind, names in session.names().items() for name in names}
    yield from _beginning(word[0], known | WORDS)


def _arguments(session: Session, command: str) -> dict[str, str]:
    """What a command takes."""
    takes = COMMANDS[command].takes if command in COMMANDS else ""
    match takes:
        case "command":
            return dict.fromkeys(COMMANDS, "command")
        case "program":
            from rdflow.api import programs

            return programs()
        case "machine":
            from rdflow.interpreter.machine import machines

            return dict(machines())
        case _:
            return dict.fromkeys(session.names().get(takes, []), takes)


def _beginning(start: str, words: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    return ((word, str(kind), -len(start)) for word, kind in sorted(words.items()) if word.startswith(start))
