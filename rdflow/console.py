"""Where the command line prints, and how it ends: results to stdout, diagnostics and progress to stderr, exit codes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import NOWHERE, Source

if TYPE_CHECKING:
    from types import FrameType

    from rdflow.interpreter.execution import Execution

WRONG, USAGE, BUG = 1, 2, 3  # exit codes
INTERRUPTED, PIPE, TERMINATED = 130, 141, 143  # 128 and the signal, as of any tool
UNKNOWN = Source("rdflow", "")
WIDE = 400  # columns where nothing wraps


@dataclass
class Told:
    """What a command has been asked about its output, and how far the run is that an interrupt would end."""

    as_json: bool = False
    quiet: bool = False
    execution: Execution | None = None


# -- printing ----------------------------------------------------------------------------------------------------------


def colored(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal does, unless NO_COLOR is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def note(text: str, told: Told) -> None:
    """A line about what happens, to stderr."""
    if not told.quiet:
        print(text, file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False))


def print_rich(*parts: Any, wrap: bool = False) -> None:
    """Tables and texts of rich to stdout: as wide as they are, or wrapped to a terminal's width."""
    from rich.console import Console

    color = colored(sys.stdout)
    console = Console(
        file=sys.stdout,
        width=None if wrap and sys.stdout.isatty() else WIDE,
        no_color=not color,
        force_terminal=color,
        highlight=False,
        emoji=False,
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    print("\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before))


# -- diagnostics -------------------------------------------------------------------------------------------------------


def placed(diagnostic: Diagnostic) -> Diagnostic:
    """Without the labels that point nowhere: what they say of is not in the text."""
    return replace(diagnostic, labels=tuple(label for label in diagnostic.labels if label.span != NOWHERE))


def show_diagnostics(diagnostics: Iterable[Diagnostic], source: Source | None) -> None:
    from rdflow.dsl.render import render

    for diagnostic in diagnostics:
        print(render(placed(diagnostic), source or UNKNOWN, colored(sys.stderr)), file=sys.stderr, end="\n\n")


def diagnostics_json(diagnostics: Iterable[Diagnostic], source: Source | None) -> list[dict[str, Any]]:
    from rdflow.dsl.render import as_json

    return [as_json(placed(d), source or UNKNOWN) for d in diagnostics]


def counted(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    found = list(diagnostics)
    errors = sum(d.severity is Severity.ERROR for d in found)
    parts = [(errors, "error"), (len(found) - errors, "warning")]
    return ", ".join(f"{n} {what}{'s' if n > 1 else ''}" for n, what in parts if n)


# -- ends --------------------------------------------------------------------------------------------------------------


def plain_streams() -> None:
    """Let a terminal that cannot show a character show a mark instead."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]


@contextmanager
def ending(told: Told) -> Iterator[None]:
    """Turns whatever ends a command early into its exit code and a text that a user can act on. Never a traceback,
    unless RDFLOW_DEBUG asks for one."""
    try:
        yield
    except CompileError as error:
        refuse(error, told)
        raise SystemExit(WRONG) from None
    except KeyboardInterrupt:
        print(f"\n{_interrupted(told.execution)}; nothing was written", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        raise SystemExit(hush()) from None
    except OSError as error:
        what = f"cannot use `{error.filename}`: " if error.filename else ""
        print(f"error: {what}{(error.strerror or str(error)).lower()}", file=sys.stderr)
        raise SystemExit(WRONG) from None
    except MemoryError:
        print("error: out of memory; smaller params need less (`--set NAME=VALUE`)", file=sys.stderr)
        raise SystemExit(WRONG) from None
    except Exception as error:
        if _of_typer(error) or os.environ.get("RDFLOW_DEBUG"):
            raise
        print(_bug(error), file=sys.stderr)
        raise SystemExit(BUG) from None


def ending_quietly(command: Callable[[], None]) -> None:
    """Do a command, with a quiet end where the reader of a pipe has gone or somebody else ends it: what is drawn goes, and
    what is half written."""
    signal.signal(signal.SIGTERM, _terminated)
    plain_streams()
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(hush())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


def refuse(error: CompileError, told: Told) -> None:
    """Show what is wrong: drawn on stderr, and with --json as the document on stdout."""
    if told.as_json:
        from rdflow import __version__

        found = diagnostics_json(error.diagnostics, error.source)
        print_json({"rdflow": __version__, "diagnostics": found})
    else:
        show_diagnostics(error.diagnostics, error.source)
        print(counted(error.diagnostics), file=sys.stderr)


def _of_typer(error: Exception) -> bool:
    """Exits, and wrong usage, which typer reports."""
    return hasattr(error, "exit_code") or type(error).__name__ == "Abort"


def _interrupted(execution: Execution | None) -> str:
    if execution is None or execution.current is None:
        return "interrupted"
    number, kernel = len(execution.launched), execution.current.call.spec.kernel
    return f"interrupted at cycle {execution.time:,} (`{kernel}`, launch {number})"


def _bug(error: Exception) -> str:
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return (
        f"rdflow has a bug here ({what}; {Path(last.filename).name}:{last.lineno} in {last.name}). This is not a mistake of "
        "yours, and no result was changed. Please report it with the program, the command, the output of "
        "`rdflow --version`, and what the command prints with RDFLOW_DEBUG=1 set."
    )


def hush() -> int:
    """Nobody reads stdout any more: say nothing further, not even when Python flushes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE


# -- files -------------------------------------------------------------------------------------------------------------


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is there whole or not at all: beside it first, then in its place. Raises CompileError."""
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        write(beside)
        if target.exists():
            beside.chmod(target.stat().st_mode & 0o777)
        os.replace(beside, target)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CompileError([Diagnostic("RDF306", f"cannot write `{path}`: {why}")]) from None
    finally:
        beside.unlink(missing_ok=True)
