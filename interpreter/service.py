"""What serving a request costs: launches of a program, simulated at some lengths of prompts and some steps of an answer.

The program is sized for its batch and for the longest answer, as a server's is. Where there are few lengths (or steps) each
is simulated; else POINTS of them, and what lies between is interpolated (`interpolated` says so).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from functools import cached_property, partial
from itertools import accumulate

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.pools import Kind, Pool
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.schedule import Walk
from rdflow.dsl.steps import Activation, CopyCall, LaunchCall, LaunchSpec, Pause, Read, Step
from rdflow.interpreter.alike import Alike
from rdflow.interpreter.costs import Cost, Stretch, missing, mixed, points
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import advance, blank
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.requests import Requests
from rdflow.interpreter.restart import Restart
from rdflow.interpreter.transfer import Transfers

CODE = "RDF331"
BATCH, PROMPT, ANSWER, BATCHES = "B", "T", "M", "Q"  # params of a program that serves
Resize = Callable[[dict[str, Value]], Checked]
"""the program with other params"""
Say = Callable[[str], None]
"""what is told what is being done"""


@dataclass
class Sized:
    """A program at one length of prompts. `own`: the launches for a batch; `experts`: by kind, those for a prompt."""

    execution: Execution
    own: list[LaunchCall]
    experts: dict[str, list[LaunchCall]]
    reads: bool
    say: Say
    _known: dict[object, Cost] = field(default_factory=dict, repr=False)
    _tables: dict[LaunchSpec, tuple[Restart, Alike]] = field(default_factory=dict, repr=False)

    def cost(self, call: LaunchCall) -> Cost:
        """A launch, simulated once with all that are alike."""
        call = self.execution.checked.settled(call)
        restart, alike = self._ready(call.spec)
        key = (call.spec, alike.key(call.numbers))
        if key not in self._known:
            self._known[key] = self._simulated(call, restart)
        return self._known[key]

    def _ready(self, spec: LaunchSpec) -> tuple[Restart, Alike]:
        """The tables of a kernel. Raises CompileError where values decide its cycles."""
        if spec not in self._tables:
            compiled, checked = self.execution.compile(spec), self.execution.checked
            if compiled.kernel.bounding:
                why = f"the cycles of `{spec.kernel}` depend on values"
                raise CompileError([_refused(checked, why)], checked.program.source)
            restart = Restart.of(blank(compiled.mapped, False))
            self._tables[spec] = restart, Alike.of(restart.image)
        return self._tables[spec]

    def _simulated(self, call: LaunchCall, restart: Restart) -> Cost:
        compiled = self.execution.compile(call.spec)
        self.say(f"simulating {call.spec.kernel}{_numbers(call)}")
        image = restart.begin(call.numbers)
        advance(image)
        home = f"{call.expert.pool}." if call.expert else ""
        what = f"launch {home}{call.spec.kernel}"
        return Cost(
            what,
            call.by,
            compiled.configured,
            image.cycles,
            _reaches(compiled, "ddr"),
            partial(self.execution.slowed, call),
        )


def _numbers(call: LaunchCall) -> str:
    """The numbers of a launch, by name."""
    found = ", ".join(f"{name} = {value}" for name, value in call.scalars)
    return f" ({found})" if found else ""


def _reaches(compiled: Compiled, tier: str) -> bool:
    """Whether a kernel loads from a tier, or stores to it."""
    netlist = compiled.netlist
    used = {netlist.tensors[a.burst.tensor].name for a in netlist.actors if a.burst is not None}
    return any(tensor.tier == tier and tensor.name in used for tensor in compiled.kernel.tensors.values())


@dataclass
class Service:
    """The costs of a program for requests of these lengths. Raises CompileError where it does not serve (RDF331)."""

    checked: Checked
    machine: Machine
    resize: Resize
    batch: int
    lengths: tuple[int, ...]
    """of prompts, each once, in order"""
    longest: int
    """tokens of the longest answer"""
    say: Say
    _programs: dict[int, Sized] = field(default_factory=dict, repr=False)
    _stretches: dict[tuple[str, int], Stretch] = field(default_factory=dict, repr=False)
    _costs: dict[object, list[Cost]] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(checked: Checked, machine: Machine, resize: Resize, batch: int, requests: Requests, say: Say) -> Service:
        """For requests, of which there is at least one. `say` is told what is being done."""
        serves(checked)
        lengths = tuple(sorted({r.prompt for r in requests}))
        return Service(checked, machine, resize, batch, lengths, max(r.answer for r in requests), say)

    @cached_property
    def pool(self) -> Pool:
        (pool,) = self.checked.program.pools.values()
        return pool

    @cached_property
    def points(self) -> tuple[int, ...]:
        """The lengths of prompts that are simulated."""
        return points(self.lengths)

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """The steps of an answer that are simulated, from 1."""
        return points(range(1, self.longest))

    @property
    def interpolated(self) -> tuple[str, ...]:
        """What lies between simulated points."""
        found = (
            missing(self.lengths, self.points, "prompts of {} tokens"),
            missing(range(1, self.longest), self.steps, "steps {} of answers"),
        )
        return tuple(filter(None, found))

    @property
    def largest(self) -> Sized:
        """The program for the longest prompt: its memory plan is the server's."""
        return self.program(self.points[-1])

    @cached_property
    def transfers(self) -> Transfers:
        return Transfers(self.machine)

    @cached_property
    def firsts(self) -> int:
        """Launches of an expert up to the first token."""
        return len(next(iter(self._walked(self.points[0], 1).experts.values())))

    def program(self, length: int) -> Sized:
        if length not in self._programs:
            self._programs[length] = self._walked(length, self.longest)
        return self._programs[length]

    # -- costs ---------------------------------------------------------------------------------------------------------

    def router(self, length: int) -> list[Cost]:
        """The launches for a batch whose longest prompt has so many tokens."""
        return self._between(length, ("",), lambda program: [program.cost(call) for call in program.own])

    def first(self, kind: Kind, length: int) -> list[Cost]:
        """The launches of an expert up to the first token."""
        return self._between(
            length, (kind.label,), lambda p: [p.cost(call) for call in p.experts[kind.label][: self.firsts]]
        )

    def step(self, kind: Kind, length: int, number: int) -> list[Cost]:
        """The launches for the next token, number 1 being the first of these."""
        return self._between(length, (kind.label, number), lambda program: self._step(program, kind.label, number))

    def stretch(self, kind: Kind, length: int) -> Stretch:
        """All steps of an answer, up to each of them."""
        key = (kind.label, length)
        if key not in self._stretches:
            rows = []
            for number in range(1, self.longest):
                costs = self.step(kind, length, number)
                loads = [cost.loads(self.machine) for cost in costs]
                rows.append((sum(a for a, _ in loads), sum(b for _, b in loads), sum(c.cycles for c in costs)))
            sums = [list(accumulate((row[i] for row in rows), initial=0)) for i in range(3)]
            self._stretches[key] = Stretch(*sums)
        return self._stretches[key]

    def _between(self, length: int, key: tuple[object, ...], of: Callable[[Sized], list[Cost]]) -> list[Cost]:
        """What holds at a length: simulated there, or interpolated between its neighbours."""
        if (length, *key) not in self._costs:
            at = bisect_left(self.points, length)
            high = of(self.program(self.points[at]))
            if self.points[at] != length:
                low, ends = of(self.program(self.points[at - 1])), (self.points[at - 1], self.points[at])
                high = [mixed(a, b, ends, length) for a, b in zip(low, high, strict=True)]
            self._costs[length, *key] = high
        return self._costs[length, *key]

    def _step(self, program: Sized, label: str, number: int) -> list[Cost]:
        """A step of a program, simulated or interpolated."""
        at = bisect_left(self.steps, number)
        high = self._launches(program, label, self.steps[at])
        if self.steps[at] == number:
            return high
        ends = (self.steps[at - 1], self.steps[at])
        low = self._launches(program, label, ends[0])
        return [mixed(a, b, ends, number) for a, b in zip(low, high, strict=True)]

    def _launches(self, program: Sized, label: str, number: int) -> list[Cost]:
        calls = program.experts[label]
        each = (len(calls) - self.firsts) // (self.longest - 1)
        start = self.firsts + (number - 1) * each
        return [program.cost(call) for call in calls[start : start + each]]

    # -- programs ------------------------------------------------------------------------------------------------------

    def _walked(self, length: int, answer: int) -> Sized:
        """The program for prompts and answers of these lengths, its schedule walked for an expert of each kind."""
        self.say(f"reading the schedule: prompts of {length:,} tokens, answers of {answer:,}")
        settings: dict[str, Value] = {PROMPT: length, ANSWER: answer, BATCH: self.batch}
        if BATCHES in self.checked.program.params:
            settings[BATCHES] = 1
        checked = self.resize(settings)
        execution = Execution(checked, self.machine, None, choices=lambda _: 0)
        pool = next(iter(checked.program.pools.values()))
        walks = {kind.label: _walk(execution, kind.first) for kind in pool.kinds}
        own, reads = self._own(next(iter(walks.values())), checked)
        experts = {label: self._of_a_prompt(steps, checked) for label, steps in walks.items()}
        return Sized(execution, own, experts, reads, self.say)

    def _own(self, steps: Sequence[Step], checked: Checked) -> tuple[list[LaunchCall], bool]:
        """The launches of the program's own kernels, and whether the host reads what these computed."""
        first = next((i for i, step in enumerate(steps) if getattr(step, "expert", None) is not None), len(steps))
        own = [step for step in steps if isinstance(step, LaunchCall) and step.expert is None]
        others = [step for step in steps if isinstance(step, CopyCall | Pause)]
        if others or any(isinstance(step, LaunchCall) and step.expert is None for step in steps[first:]):
            why = "its schedule does more than launch for a batch and then for each prompt"
            raise CompileError([_refused(checked, why)], checked.program.source)
        tensors = checked.program.tensors
        return own, any(isinstance(s, Read) and not tensors[s.element.tensor].given for s in steps)

    def _of_a_prompt(self, steps: Iterable[Step], checked: Checked) -> list[LaunchCall]:
        """The launches of an expert for the first prompt; as many follow for each of the others."""
        calls = [step for step in steps if isinstance(step, LaunchCall) and step.expert is not None]
        if not calls or len(calls) % self.batch:
            why = f"its schedule launches {len(calls)} kernels of experts for {self.batch} prompts"
            raise CompileError([_refused(checked, why)], checked.program.source)
        return calls[: len(calls) // self.batch]


def _walk(execution: Execution, expert: int) -> list[Step]:
    """The steps of a schedule in which each choice is this expert."""
    steps = Walk(execution.checked.program, lambda _: expert, Reporter(), running=True).steps()
    return [step for step in steps if not isinstance(step, Activation) or not step.overlaps]


def serves(checked: Checked) -> None:
    """Refuse a program that does not serve. Raises CompileError (RDF331) with all that it lacks."""
    program = checked.program
    found = [f"it has no param `{name}`" for name in (BATCH, PROMPT, ANSWER) if name not in program.params]
    if len(program.pools) != 1:
        found.append(f"it has {len(program.pools) or 'no'} pool{'s' if len(program.pools) > 1 else ''} of experts")
    if found:
        raise CompileError([_refused(checked, why) for why in found], program.source)


def _refused(checked: Checked, why: str) -> Diagnostic:
    name = checked.program.source.name
    help = "`samba_coe` is a program that serves; `rdflow explain RDF331` says what one has"
    return Diagnostic(CODE, f"`{name}` does not serve requests: {why}", (), (), help)
