"""Where the `rdflow` command starts. What is plain, `rdflow run FILE`, does not wait for the command line's library."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

PLAIN = ("--json", "--quiet", "-q")


def main() -> None:
    """Run the command line."""
    gc.set_threshold(100_000, 20, 20)  # while modules load, nothing becomes garbage that is worth looking for often
    command = plain(sys.argv[1:])
    if command is not None:
        from rdflow.console import ending_quietly

        ending_quietly(command)
        return
    from rdflow.cli import main as command_line

    command_line()


def plain(words: list[str]) -> Callable[[], None] | None:
    """A check, a run or a profile that has no options but these."""
    files = [word for word in words[1:] if word not in PLAIN]
    if not files or any(word.startswith("-") for word in files):
        return None
    from rdflow.console import Told

    told = Told("--json" in words, "--quiet" in words or "-q" in words)
    if words[0] == "check":
        from rdflow.checking import check_files

        return lambda: check_files(files, told)
    if len(files) > 1 or words[0] not in ("run", "profile"):
        return None
    from rdflow.typed import Typed

    typed = Typed(files[0])
    if words[0] == "run":
        from rdflow import running

        return lambda: running.run(typed, told)
    from rdflow import profiling

    return lambda: profiling.profile(typed, told)


if __name__ == "__main__":
    main()
