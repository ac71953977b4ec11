"""`rdflow repl`: a session in a terminal, with history, completion and colours, or line by line from a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rdflow.api import find
from rdflow.console import WRONG, print_rich, show_diagnostics
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.parse import is_incomplete
from rdflow.session import Reply, Session
from rdflow.session_state import statements

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from rdflow.interpreter.machine import Machine

PROMPT, MORE = "rdf> ", "...> "
GREETING = "Type declarations and units, as in a file; `:load attention` brings a program, `:help` lists the commands."


def main(file: str | None = None, settings: Mapping[str, Value] | None = None, machine: Machine | None = None) -> int:
    """Read, check, answer, until the input ends. The exit code: 1 if it was not typed and an entry failed."""
    session = Session(settings, machine)
    session.notify = lambda text: print(text, file=sys.stderr, flush=True)
    failed = file is not None and not _load(session, file)
    if sys.stdin.isatty():
        return _converse(session)
    for entry in _piped():
        reply = _entered(session, entry)
        failed |= reply.failed
        if reply.ends:
            break
    return WRONG if failed else 0


def _load(session: Session, file: str) -> bool:
    """Begin with a program; whether it has no mistakes."""
    try:
        reply = session.load(find(file))
    except CompileError as error:
        reply = Reply(diagnostics=error.diagnostics, source=error.source)
    show(reply)
    return not reply.failed


def _entered(session: Session, entry: str) -> Reply:
    """Enter and show; Ctrl-C stops what runs."""
    with _stoppable(session):
        reply = session.enter(entry)
    show(reply)
    return reply


def show(reply: Reply) -> None:
    """Results to stdout, what is wrong to stderr."""
    for part in reply.parts:
        if isinstance(part, str):
            print(part)
        else:
            print_rich(part)
    sys.stdout.flush()
    show_diagnostics(reply.diagnostics, reply.source)
    if reply.mistake is not None:
        print(f"error: {reply.mistake}", file=sys.stderr)
    sys.stderr.flush()


@contextmanager
def _stoppable(session: Session) -> Iterator[None]:
    """Ctrl-C asks a run to stop between two cycles; once more, and it is not asked."""
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    session.stopping = lambda: bool(pressed)
    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# -- from a pipe -------------------------------------------------------------------------------------------------------


def _piped() -> Iterator[str]:
    """Entries of stdin: a line each, or several where a bracket is open."""
    gathered: list[str] = []
    for line in sys.stdin:
        gathered.append(line.rstrip("\r\n"))
        text = "\n".join(gathered)
        if _is_whole(text):
            yield text
            gathered = []
    if gathered:
        yield "\n".join(gathered)


def _is_whole(text: str) -> bool:
    return text.lstrip().startswith(":") or not is_incomplete(text)


# -- in a terminal -----------------------------------------------------------------------------------------------------


def _converse(session: Session) -> int:
    """Read from a terminal until Ctrl-D. Ctrl-C drops the line, or stops what runs."""
    reader = _reader(session)
    print(GREETING)
    while True:
        try:
            if _typed(session, reader.prompt(PROMPT)):
                return 0
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0


def _typed(session: Session, text: str) -> bool:
    """Enter what was typed or pasted, up to the first mistake. Whether the session ends."""
    for entry in [text] if text.lstrip().startswith(":") else statements(text):
        try:
            reply = _entered(session, entry)
        except KeyboardInterrupt:
            session.execution = None
            print("stopped at once; execution is at cycle 0 again", file=sys.stderr)
            return False
        if reply.ends or reply.failed:
            return reply.ends
    return False


def _reader(session: Session) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.lexers import PygmentsLexer

    from rdflow.completion import RdfCompleter
    from rdflow.console import colored
    from rdflow.highlight import RdfLexer

    return PromptSession(
        history=_history(),
        lexer=PygmentsLexer(RdfLexer) if colored(sys.stdout) else None,
        completer=RdfCompleter(session),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory() if colored(sys.stdout) else None,
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation=MORE,
    )


def _history() -> Any:
    """What was typed before, in the user's data folder; in memory where that cannot be written."""
    from platformdirs import user_data_path
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        path = Path(user_data_path("rdflow", ensure_exists=True)) / "history"
        path.touch()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def _keys() -> Any:
    """Enter ends an entry that is whole, and breaks the line of one that is not."""
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if _is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys
