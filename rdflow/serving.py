"""Serving: requests that come over time, for a program whose schedule is a composition of experts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from fractions import Fraction
from pathlib import Path

from rdflow.api import Program, library
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.check import checked as check
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.pools import POLICIES
from rdflow.dsl.records import dataclass
from rdflow.dsl.schedule import UNROLLED
from rdflow.interpreter.request_files import read_requests
from rdflow.interpreter.requests import Draw, Request, Requests, drawn
from rdflow.interpreter.served import Served, Way
from rdflow.interpreter.service import ANSWER, BATCH, PROMPT, Service, answering, serves
from rdflow.interpreter.serving import serve
from rdflow.interpreter.sized import Say

__all__ = ["Draw", "Requests", "Served", "Serving", "Way", "drawn", "read_requests", "serving"]


@dataclass
class Serving:
    """A program that serves these requests, as often as asked: what its launches cost is simulated once."""

    program: Program
    requests: Requests
    service: Service
    known: dict[Way, Served] = field(default_factory=dict)

    def under(self, policy: str | None = None, group: bool = False, overlap: bool = False) -> Served:
        """The requests with this policy (None: the pool's)."""
        way = Way(policy or self.program.policy or self.service.pool.policy, group, overlap)
        if way.policy not in POLICIES:
            raise ValueError(f"there is no policy `{way.policy}`: {', '.join(POLICIES)}")
        if way not in self.known:
            self.known[way] = serve(self.service, self.requests, way)
        return self.known[way]


def serving(
    program: Program,
    requests: str | Path | Draw | Requests,
    batch: int | None = None,
    seed: int = 0,
    skew: float = 1.0,
    say: Say = lambda text: None,
) -> Serving:
    """A program for requests: a file (see `request_files`; topics that it lacks are drawn, as `Draw` says), a `Draw`, or
    requests. `batch`: prompts that the router takes at once (None: the program's B). `say` is told what is being done. Raises CompileError (RDF330, RDF331)."""
    serves(program.checked)
    topics = experts(program)
    if isinstance(requests, str | Path):
        found = read_requests(Path(requests), topics, skew, seed)
    else:
        found = drawn(requests, topics) if isinstance(requests, Draw) else requests
    _within(found, topics)
    size = batch if batch is not None else int(program.checked.program.params[BATCH])

    def sized(settings: dict[str, Value], most: int | None) -> Checked:
        own = {**program.settings, **settings}
        return check(program.checked.program.source, own, library, program.machine.pcu.stages, most)

    return Serving(
        program, found, Service.of(program.checked, program.machine, sized, size, found, say, program.estimate)
    )


def experts(program: Program) -> int:
    """How many experts a program that serves has."""
    (pool,) = answering(program.checked.program)
    return pool.count


def lengths(program: Program) -> tuple[int, int]:
    """Tokens of a prompt and of an answer, as the program's params are. Raises CompileError (RDF331)."""
    serves(program.checked)
    params = program.checked.program.params
    return int(params[PROMPT]), int(params[ANSWER])


def _within(requests: Requests, topics: int) -> None:
    """Refuse requests that nobody can serve. Raises CompileError (RDF330) with all of them."""
    mistakes = [] if requests else [Diagnostic("RDF330", "there are no requests", (), (), "ask for one at least")]
    for number, request in enumerate(requests):
        before = requests[number - 1].arrival if number else 0
        mistakes += [
            Diagnostic("RDF330", f"request {number} {what}", (), (), help)
            for what, help in _wrong(request, before, topics)
        ]
    if mistakes:
        raise CompileError(mistakes)


def _wrong(request: Request, before: Fraction | int, topics: int) -> Iterator[tuple[str, str]]:
    """What is wrong with a request that comes after that time, and what cures it."""
    if request.arrival < before:
        yield (
            f"comes at {float(request.arrival):g} s, before {float(before):g} s",
            "sort requests by arrival, from 0 on",
        )
    if request.prompt < 1 or request.answer < 1:
        yield f"has {request.prompt} and {request.answer} tokens", "a prompt and an answer have at least one"
    if request.answer > UNROLLED:
        yield f"has an answer of {request.answer:,} tokens", f"a schedule is followed for {UNROLLED:,} launches at most"
    if not 0 <= request.topic < topics:
        yield f"is for expert {request.topic}", f"experts are numbered from 0 to {topics - 1}"
