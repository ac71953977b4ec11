"""The meter: what it draws and when, and a terminal that is left as it was, whoever ends the command."""

from __future__ import annotations

import os
import signal
import sys
from threading import Event
from typing import Any

import pytest

from rdflow import meter as drawn
from rdflow.console import TERMINATED, Told
from rdflow.meter import Meter


class Drawing:
    """Stands for a drawing on a terminal. `began`: it is there."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.stopped = 0
        self.began = Event()
        self.task_ids = [0]

    def update(self, task: int, description: str) -> None:
        self.said.append(description)
        self.began.set()

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    """What is drawn where nobody has much patience."""
    found = Drawing()
    monkeypatch.setattr(drawn, "PATIENCE", 0.05)
    monkeypatch.setattr(drawn, "_drawing", lambda: found)
    return found


def talking() -> Meter:
    """A meter as at a terminal."""
    meter = Meter(Told())
    meter.silent = False
    return meter


def test_what_takes_long_is_drawn_though_nothing_more_is_said(drawing: Drawing) -> None:
    with talking() as meter:
        meter.say("walking")
        meter.say("walking on")
        assert drawing.said == []
        assert drawing.began.wait(60)
        meter.say("done")
    assert drawing.said == ["walking on", "done"] and drawing.stopped == 1


def test_what_is_quick_is_never_drawn(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "PATIENCE", 600.0)
    with talking() as meter:
        meter.say("walking")
        timer = meter.waiting
    assert timer is not None
    timer.join(60)  # it was cancelled, so it ends at once
    assert not timer.is_alive() and drawing.said == []


# -- a terminal --------------------------------------------------------------------------------------------------------

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
COMMAND = """
import time
from rdflow.console import Told, ending, ending_quietly
from rdflow import meter

def command():
    meter.PATIENCE = 0.0
    with ending(Told()), meter.Meter(Told()) as shown:
        shown.say("walking")
        time.sleep(600)

ending_quietly(command)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, TERMINATED), (signal.SIGINT, 130)])
def test_the_cursor_comes_back_when_a_command_is_ended(number: signal.Signals, code: int) -> None:
    pexpect: Any = pytest.importorskip("pexpect")
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    child = pexpect.spawn(
        sys.executable,
        ["-c", COMMAND],
        env=environment,
        encoding="utf-8",
        timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )
    child.expect_exact("walking")
    before = child.before
    child.kill(number)
    child.expect(pexpect.EOF)
    child.close()
    assert HIDE in before and SHOW in child.before.rpartition(HIDE)[2]
    assert (child.exitstatus, child.signalstatus) == (code, None)
