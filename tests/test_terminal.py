"""A session at a terminal, as a user has it: a program built line by line, three mistakes and their cures, a look inside."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pexpect = pytest.importorskip("pexpect")

HEAD = (
    "param S = 256, D = 64",
    "axis q = S, k = S, d = D",
    "tensor Q: bf16[q, d], K: bf16[k, d], V: bf16[k, d] in hbm input",
    "tensor O: bf16[q, d] in hbm output",
    "qt = pmu load Q as [q/L; k/ST, d | q%L]",
    "kt = pmu load K as [; q/L, k/ST, d | k%ST]",
    "vt = pmu load V as [; q/L, d/ST, k | d%ST]",
)
TAIL = (
    "l = pcu sum(k) p as f32",
    "pb = pmu p as [q/L; d/ST, k | q%L]",
    "o = pcu sum(k) pb * vt as f32",
    "y = pcu o / l as bf16",
    "yt = pmu y as [q/L; q%L, d/L | d%L]",
    "store yt -> O",
)
QUICK, SLOW = 60, 900  # seconds: the first run compiles the engine
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


class Terminal:
    """A child at the prompt."""

    def __init__(self, folder: Path):
        environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "200", "XDG_DATA_HOME": str(folder)}
        command = ["-c", "import sys; from rdflow.repl import main; sys.exit(main())"]
        self.child: Any = pexpect.spawn(
            sys.executable,
            command,
            env=environment,
            cwd=str(folder),
            encoding="utf-8",
            dimensions=(50, 200),
            timeout=QUICK,
        )
        self.greeting = self.prompted()

    def prompted(self, timeout: int = QUICK) -> str:
        """What was printed up to the next prompt."""
        self.child.expect_exact("rdf> ", timeout=timeout)
        return CONTROL.sub("", self.child.before)

    def type(self, text: str, timeout: int = QUICK) -> str:
        """Type a line; what is printed for it."""
        self.child.send(text + "\r")
        return self.prompted(timeout)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.child.close(force=True)


def cure(said: str) -> str:
    """The line that the help of a diagnostic gives."""
    found = re.search(r"= help: [^`]*`([^`]+)`", said)
    assert found is not None, said
    return found[1]


def test_attention_is_built_with_three_mistakes_and_looked_into(terminal: Terminal, tmp_path: Path) -> None:
    assert ":help" in terminal.greeting
    for line in HEAD:
        assert "error" not in terminal.type(line)

    # 1: an order in which the unit does not emit
    said = terminal.type("s = pcu sum(d) qt * kt / sqrt(D) as f32 [k, q/L | q%L]")
    assert "error[RDF030]" in said
    said = terminal.type(f"s = pcu sum(d) qt * kt / sqrt(D) {cure(said).replace('as ', 'as f32 ')}")
    assert "s: f32 [q/L, k | q%L]" in said
    assert "m: f32 [q/L | q%L]" in terminal.type("m = pcu max(k) s")

    # 2: scores that are not held until their maximum is known
    said = terminal.type("p = pcu exp(s - m) as bf16")
    assert "error[RDF050]" in said
    assert "m = pcu max(k) s" in said
    said = terminal.type(cure(said))
    assert "sb: f32" in said
    assert "PMU" in said

    # 3: a name that there is not
    said = terminal.type("p = pcu exp(sb - mm) as bf16")
    assert "error[RDF010]" in said
    said = terminal.type(f"p = pcu exp(sb - {cure(said)}) as bf16")
    assert "p: bf16 [q/L, k | q%L]" in said

    for line in TAIL:
        assert "error" not in terminal.type(line)

    assert "cycle 1,000, in `main`" in terminal.type(":step 1000", SLOW)
    said = terminal.type(":peek sb")
    assert re.search(r"`sb.read` to `p`: (\d+) of \1 tokens \(f32, 32 lanes, full\)", said), said
    assert "ready now" in said
    said = terminal.type(":why p")
    made = re.search(r"`p` waits for `m`, which gives a token after 256 firings and has made (\d+)", said)
    assert made is not None, said
    assert 0 < int(made[1]) < 256
    assert "`s` is the cause" in said
    units = terminal.type(":units")
    assert re.search(rf"\bm\s+pcu\s+1\s+0/8 {made[1]}/256", units), units
    assert re.search(r"\bp\s+pcu\s+1 .*waits for `m`", units), units

    assert "verified: equal to the NumPy evaluator, bit for bit" in terminal.type(":run verify", SLOW)
    assert "limited by" in terminal.type(":profile", SLOW)
    assert "wrote kept.rdf" in terminal.type(":save kept.rdf")
    assert "store yt -> O" in (tmp_path / "kept.rdf").read_text()
    assert "undone: store yt -> O" in terminal.type(":undo")
    assert "store" not in terminal.type(":list")
    terminal.child.send(":quit\r")
    terminal.child.expect(pexpect.EOF)
    terminal.child.close()
    assert terminal.child.exitstatus == 0


def test_an_open_bracket_goes_on_in_the_next_line(terminal: Terminal) -> None:
    terminal.child.send("axis n = (2 *\r")
    terminal.child.send("32)\r")
    assert "axis n = 64" in terminal.prompted()


def test_control_c_drops_a_line_and_control_d_ends(terminal: Terminal) -> None:
    terminal.child.send("axis n = 6")
    terminal.child.sendcontrol("c")
    terminal.prompted()
    assert "axis n = 8" in terminal.type("axis n = 8")
    for _ in range(20):  # the terminal takes it for itself until the prompt has set it up
        terminal.child.sendcontrol("d")
        if terminal.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0:
            break
    terminal.child.close()
    assert terminal.child.exitstatus == 0


def test_control_c_stops_a_run_at_a_definite_cycle(terminal: Terminal) -> None:
    terminal.type(":load attention")
    terminal.type(":set S=16384")
    terminal.type(":step 10", SLOW)
    terminal.child.send(":until end\r")
    terminal.child.expect_exact(":until end")
    time.sleep(2)
    terminal.child.sendintr()
    said = terminal.prompted(SLOW)
    stopped = re.search(r"interrupted at cycle ([\d,]+)", said)
    assert stopped is not None, said
    now = int(stopped[1].replace(",", ""))
    assert f"cycle {now + 1:,}, in `attention`" in terminal.type(":step 1")
