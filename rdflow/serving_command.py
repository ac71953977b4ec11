"""What `rdflow serve` does, without the command line's library."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.console import Told, ending, print_json, print_rich, write_whole
from rdflow.dsl.records import dataclass
from rdflow.meter import Meter
from rdflow.typed import Typed, load

if TYPE_CHECKING:
    from rdflow.api import Program
    from rdflow.interpreter.sized import Say
    from rdflow.serving import Draw, Served, Serving


@dataclass(frozen=True)
class Asked:
    """The requests, and how they are served; see the options of `rdflow serve`."""

    trace: Path | None = None
    poisson: float | None = None
    burst: float = 1.0
    count: int = 200
    prompt: str | None = None
    answer: str | None = None
    skew: float = 1.0
    batch: int | None = None
    group: bool = False
    overlap: bool = False
    report: Path | None = None
    seed: int = 0
    points: int | None = None
    extrapolate: str | None = None


def serve(typed: Typed, told: Told, asked: Asked, policies: list[str] | None = None) -> None:
    """Serve the requests under each policy, and print how they compare. Leaves where it cannot."""
    with ending(told):
        from rdflow import options
        from rdflow.running import announce_compilation

        _usable(asked)
        chosen = _policies(policies)
        if asked.report is not None:
            options.target(asked.report)
        estimate = options.estimate(asked.points, asked.extrapolate)
        program = replace(load(typed, told), estimate=estimate)
        announce_compilation(False, told)
        with Meter(told) as meter:
            found = _serving(program, asked, meter.say)
            served = [found.under(policy, asked.group, asked.overlap) for policy in chosen]
        if asked.report is not None:
            _write(found, served, asked.report)
        _tell(found, served, told)


def _serving(program: Program, asked: Asked, say: Say) -> Serving:
    """The program for the requests that are asked for. Raises CompileError."""
    from rdflow.serving import serving

    return serving(program, asked.trace or _draw(program, asked), asked.batch, asked.seed, asked.skew, say)


def _draw(program: Program, asked: Asked) -> Draw:
    from rdflow.serving import Draw, lengths

    prompt, answer = lengths(program)
    ends = ends_of(asked.prompt, "--prompt", prompt), ends_of(asked.answer, "--answer", answer)
    assert asked.poisson is not None, "a trace or a rate is given"
    return Draw(asked.count, asked.poisson, *ends, asked.burst, asked.skew, asked.seed)


def _usable(asked: Asked) -> None:
    """Refuse options that do not go together."""
    if (asked.trace is None) == (asked.poisson is None):
        raise _misused("give one of `--trace FILE.csv` and `--poisson RATE`", "--trace")
    for value, option in ((asked.poisson, "--poisson"), (asked.burst, "--burst")):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise _misused(f"{value:g} is not a number above 0", option)
    if not math.isfinite(asked.skew):
        raise _misused(f"{asked.skew:g} is not a number", "--skew")
    for text, option in ((asked.prompt, "--prompt"), (asked.answer, "--answer")):
        ends_of(text, option, 1)


def ends_of(text: str | None, option: str, default: int) -> tuple[int, int]:
    """`8` or `4..32`: from how many tokens to how many."""
    if text is None:
        return default, default
    found = re.fullmatch(r"(\d{1,9})(?:\.\.(\d{1,9}))?", text)
    low, high = (0, 0) if found is None else (int(found[1]), int(found[2] or found[1]))
    if not 1 <= low <= high:
        raise _misused(f"`{text}` is neither a number of tokens nor LOW..HIGH", option)
    return low, high


def _policies(texts: list[str] | None) -> list[str]:
    """Each policy that is asked for once; all where none is."""
    from rdflow import options
    from rdflow.dsl.pools import POLICIES

    return list(dict.fromkeys(str(options.policy(text)) for text in texts or POLICIES))


def _misused(what: str, option: str) -> Exception:
    """Wrong usage, which the command line's library reports."""
    from typer import BadParameter

    return BadParameter(what, param_hint=option)


def _tell(found: Serving, served: list[Served], told: Told) -> None:
    if told.as_json:
        from rdflow.show_serving import document

        print_json(document(found, served))
    elif not told.quiet:
        from rdflow.show_serving import shown

        print_rich(*shown(found, served))


def _write(found: Serving, served: list[Served], path: Path) -> None:
    from rdflow.serving_page import report

    text: Any = report(found, served)
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
