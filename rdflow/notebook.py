"""`%load_ext rdflow.notebook`, then cells that begin with `%%rdf`: a REPL session over the cells of a notebook."""

from __future__ import annotations

import sys
from typing import Any

from rdflow.repl import show
from rdflow.session import Session
from rdflow.session_state import statements


class Cells:
    """The session that all cells share. `%%rdf new` begins with an empty one."""

    def __init__(self) -> None:
        self.session = Session()
        self.session.notify = lambda text: print(text, file=sys.stderr)

    def rdf(self, line: str, cell: str) -> None:
        """Enter every statement and command of a cell, up to the first that has a mistake."""
        if line.strip() == "new":
            self.session = Session()
        for entry in split(cell):
            reply = self.session.enter(entry)
            show(reply)
            if reply.failed:
                return


def split(cell: str) -> list[str]:
    """The entries of a cell: commands are lines of their own."""
    found: list[str] = []
    gathered: list[str] = []
    for line in [*cell.split("\n"), ":"]:
        if not line.startswith(":"):
            gathered.append(line)
            continue
        found += statements("\n".join(gathered))
        found += [line] if line != ":" else []
        gathered = []
    return [entry for entry in found if entry.strip()]


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext` calls."""
    shell.register_magic_function(Cells().rdf, "cell", "rdf")
