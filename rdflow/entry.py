"""Where the `rdflow` command starts. A plain `rdflow check FILE...` does not wait for the command line's library to load."""

from __future__ import annotations

import gc
import sys

PLAIN = ("--json", "--quiet", "-q")


def main() -> None:
    """Run the command line."""
    gc.set_threshold(100_000, 20, 20)  # while modules load, nothing becomes garbage that is worth looking for often
    words = sys.argv[1:]
    files = [w for w in words[1:] if w not in PLAIN]
    if words[:1] == ["check"] and files and not any(w.startswith("-") for w in files):
        _check(files, words)
        return
    from rdflow.cli import main as command_line

    command_line()


def _check(files: list[str], words: list[str]) -> None:
    """`rdflow check` without options that need more than the checker."""
    from rdflow.checking import check_files
    from rdflow.console import INTERRUPTED, Told, hush, plain_streams

    plain_streams()
    try:
        try:
            check_files(files, Told("--json" in words, "--quiet" in words or "-q" in words))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(hush())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
