"""How far a command is, drawn on a terminal's stderr while it runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rdflow.console import Told, colored

if TYPE_CHECKING:
    from threading import Timer

    from rich.progress import Progress

    from rdflow.interpreter.execution import Execution

PATIENCE = 1.0  # seconds of a run before its progress is drawn


class Meter:
    """Draws how far a run is, on a terminal's stderr, once it has taken a second."""

    def __init__(self, told: Told):
        from threading import RLock
        from time import perf_counter

        self.told = told
        self.doing = ""  # before the kernel's name
        self.clock = perf_counter
        self.began = perf_counter()
        self.text = ""
        self.drawing: Progress | None = None
        self.waiting: Timer | None = None  # draws what is done by then, where it says nothing else for long
        self.lock = RLock()
        self.silent = told.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"

    def __call__(self, execution: Execution) -> None:
        self.told.execution = execution
        if execution.current is None:
            return
        spent = sum(l.host_seconds for l in execution.launched) or 1.0
        firings = sum(l.firings for l in execution.launched)
        rate = f"{execution.time:,} cycles  {firings / spent / 1e6:.1f} M firings/s"
        self.say(f"{self.doing}{self.where(execution)}  {rate}")

    def where(self, execution: Execution) -> str:
        """The kernel that runs, and which launch it is."""
        assert execution.current is not None
        return f"{execution.current.call.spec.kernel} (launch {len(execution.launched)})"

    def say(self, text: str) -> None:
        """Show what is being done, from a second after the beginning on."""
        if self.silent:
            return
        with self.lock:
            self.text = text
            if self.drawing is not None or self.clock() - self.began >= PATIENCE:
                self._draw()
            elif self.waiting is None:
                self._draw_later()

    def _draw(self) -> None:
        if self.drawing is None:
            self.drawing = _drawing()
        self.drawing.update(self.drawing.task_ids[0], description=self.text)

    def _draw_later(self) -> None:
        from threading import Timer

        self.waiting = Timer(PATIENCE - (self.clock() - self.began), self._waited)
        self.waiting.daemon = True
        self.waiting.start()

    def _waited(self) -> None:
        with self.lock:
            if self.waiting is not None:
                self._draw()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            if self.waiting is not None:
                self.waiting.cancel()
                self.waiting = None
            if self.drawing is not None:
                self.drawing.stop()
                self.drawing = None


def _drawing() -> Progress:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=not colored(sys.stderr), highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    drawing = Progress(*columns, console=console, transient=True)
    drawing.add_task("")
    drawing.start()
    return drawing
