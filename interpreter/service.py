"""What serving a request costs: launches of a program, simulated at some lengths of prompts and some steps of an answer.

The program is sized for its batch and for the longest answer, as a server's is. Where there are few lengths (or steps) each
is simulated; else POINTS of them, and what lies between is interpolated (`interpolated` says so).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, replace
from functools import cached_property
from itertools import accumulate, islice, pairwise

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.pools import Kind, Pool
from rdflow.dsl.program import Program
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.schedule import UNROLLED, Walk
from rdflow.dsl.steps import Activation, CopyCall, LaunchCall, Pause, Read, Step
from rdflow.interpreter.costs import Cost, Stretch, missing, mixed, points
from rdflow.interpreter.estimates import Estimate
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.requests import Requests
from rdflow.interpreter.sized import Say, Sized, refused
from rdflow.interpreter.transfer import Transfers

BATCH, PROMPT, ANSWER, BATCHES = "B", "T", "M", "Q"  # params of a program that serves
SHORT = UNROLLED // 20  # tokens of a batch whose schedule is not too long to follow, whatever it does for each
PROMPTS = 3  # about, that are followed of a schedule too long: what each needs is needed in between, as by all
Resize = Callable[[dict[str, Value], int | None], Checked]
"""the program with other params, its schedule followed for so many steps (None: to its end)"""


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
    estimate: Estimate | None = None
    """how many lengths and steps are simulated (`points`), and what carries are extrapolated from"""
    _programs: dict[int, Sized] = field(default_factory=dict, repr=False)
    _stretches: dict[tuple[str, int], Stretch] = field(default_factory=dict, repr=False)
    _costs: dict[object, list[Cost]] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(
        checked: Checked,
        machine: Machine,
        resize: Resize,
        batch: int,
        requests: Requests,
        say: Say,
        estimate: Estimate | None = None,
    ) -> Service:
        """For requests, of which there is at least one. `say` is told what is being done."""
        serves(checked)
        lengths = tuple(sorted({r.prompt for r in requests}))
        return Service(checked, machine, resize, batch, lengths, max(r.answer for r in requests), say, estimate)

    @cached_property
    def pool(self) -> Pool:
        """The pool whose experts answer."""
        (pool,) = answering(self.checked.program)
        return pool

    @property
    def _most(self) -> int | None:
        return None if self.estimate is None else self.estimate.points

    @cached_property
    def points(self) -> tuple[int, ...]:
        """The lengths of prompts that are simulated: about evenly spread, and where the program begins to launch others."""
        spread = points(self.lengths, self._most)
        return tuple(sorted({*spread, *(n for ends in pairwise(spread) for n in self._turn(*ends))}))

    def _turn(self, low: int, high: int) -> tuple[int, ...]:
        """The last length that launches what the lower one does, and the next one; none where both launch the same."""
        if self._form(low) == self._form(high):
            return ()
        between = self.lengths[self.lengths.index(low) : self.lengths.index(high) + 1]
        at = bisect_left(between, True, key=lambda length: self._form(length) != self._form(low))
        return between[at - 1 : at + 1]

    def _form(self, length: int) -> list[str]:
        """The kernels that are launched for a batch and for a prompt of a length."""
        program = self.program(length)
        return [call.spec.kernel for call in (*program.own, *next(iter(program.experts.values())))]

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """The steps of an answer that are simulated, from 1."""
        return points(range(1, self.longest), self._most)

    @property
    def interpolated(self) -> tuple[str, ...]:
        """What lies between simulated points, or beyond them."""
        found = (
            missing(self.lengths, self.points, "prompts of {} tokens"),
            missing(range(1, self.longest), self.steps, "steps {} of answers"),
        )
        estimates = (program.execution.estimates for program in self._programs.values())
        beyond = dict.fromkeys(note for one in estimates if one is not None for note in one.notes)
        return (*filter(None, found), *beyond)

    @property
    def largest(self) -> Sized:
        """The program for the longest prompt: its memory plan is the server's."""
        return self.program(self.points[-1])

    @cached_property
    def transfers(self) -> Transfers:
        return Transfers(self.machine)

    @cached_property
    def each(self) -> int:
        """Launches of an expert for each token after the first."""
        if self.longest == 1:
            return 0
        all_, first = (
            len(next(iter(program.experts.values())))
            for program in (self.program(self.points[0]), self._walked(self.points[0], 1))
        )
        return (all_ - first) // (self.longest - 1)

    def _firsts(self, calls: Sequence[LaunchCall]) -> int:
        """How many of an expert's launches come up to the first token."""
        return len(calls) - self.each * (self.longest - 1)

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

        def of(program: Sized) -> list[Cost]:
            calls = program.experts[kind.label]
            return [program.cost(call) for call in calls[: self._firsts(calls)]]

        return self._between(length, (kind.label,), of)

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
        start = self._firsts(calls) + (number - 1) * self.each
        return [program.cost(call) for call in calls[start : start + self.each]]

    # -- programs ------------------------------------------------------------------------------------------------------

    def _walked(self, length: int, answer: int) -> Sized:
        """The program for prompts and answers of these lengths, its schedule walked for an expert of each kind."""
        self.say(f"reading the schedule: prompts of {length:,} tokens, answers of {answer:,}")
        settings: dict[str, Value] = {PROMPT: length, ANSWER: answer}
        if BATCHES in self.checked.program.params:
            settings[BATCHES] = 1
        alone = self._of_one(settings, answer)
        most = None if alone is None else PROMPTS * len(alone.steps.steps)
        whole = {**settings, BATCH: self.batch}
        checked = self.resize(whole, most)
        execution = Execution(
            checked,
            self.machine,
            None,
            choices=lambda _: 0,
            estimate=None if self.estimate is None else replace(self.estimate, points=None),
            resize=lambda shorter: self.resize({**whole, **shorter}, most),
            one_for_all=True,
        )
        pool = checked.program.pools[self.pool.name]
        walks = {kind.label: _walk(checked, kind.first, most) for kind in pool.kinds}
        own, reads = self._own(next(iter(walks.values())), checked)
        if alone is None:
            experts = {label: self._of_a_prompt(steps, checked) for label, steps in walks.items()}
        else:
            each = {kind.label: len(self._of_experts(_walk(alone, kind.first, None))) for kind in pool.kinds}
            experts = {label: self._of_experts(steps)[: each[label]] for label, steps in walks.items()}
        return Sized(execution, own, experts, reads, self.say)

    def _of_one(self, settings: dict[str, Value], answer: int) -> Checked | None:
        """The program for a batch of one prompt, where the schedule of the whole batch is too long to follow."""
        if self.batch <= PROMPTS or answer * self.batch <= SHORT:
            return None
        alone = self.resize({**settings, BATCH: 1}, None)
        return alone if len(alone.steps.steps) * self.batch > UNROLLED else None

    def _own(self, steps: Sequence[Step], checked: Checked) -> tuple[list[LaunchCall], bool]:
        """The launches of the program's own kernels, and whether the host reads what these computed."""
        first = next((i for i, step in enumerate(steps) if self._answers(step)), len(steps))
        own = [step for step in steps if isinstance(step, LaunchCall) and not self._answers(step)]
        others = [step for step in steps if isinstance(step, CopyCall | Pause)]
        if others or any(isinstance(step, LaunchCall) and not self._answers(step) for step in steps[first:]):
            why = "its schedule does more than launch for a batch and then for each prompt"
            raise CompileError([refused(checked, why)], checked.program.source)
        tensors = checked.program.tensors
        return own, any(isinstance(s, Read) and not tensors[s.element.tensor].given for s in steps)

    def _of_a_prompt(self, steps: Iterable[Step], checked: Checked) -> list[LaunchCall]:
        """The launches of an expert for the first prompt; as many follow for each of the others."""
        calls = self._of_experts(steps)
        if not calls or len(calls) % self.batch:
            why = f"its schedule launches {len(calls)} kernels of experts for {self.batch} prompts"
            raise CompileError([refused(checked, why)], checked.program.source)
        return calls[: len(calls) // self.batch]

    def _of_experts(self, steps: Iterable[Step]) -> list[LaunchCall]:
        """The launches of the experts that answer."""
        return [step for step in steps if isinstance(step, LaunchCall) and self._answers(step)]

    def _answers(self, step: Step) -> bool:
        """Whether an expert of the pool that answers does it."""
        expert = step.expert if isinstance(step, LaunchCall | Activation) else None
        return expert is not None and expert.pool == self.pool.name


def _walk(checked: Checked, expert: int, most: int | None) -> list[Step]:
    """The steps of a schedule in which each choice is this expert: so many, or all."""
    steps = islice(Walk(checked.program, lambda _: expert, Reporter(), running=True).steps(), most)
    return [step for step in steps if not isinstance(step, Activation) or not step.overlaps]


def answering(program: Program) -> list[Pool]:
    """The pools whose experts may answer: those with a cache, beside which a router may have one without; else all."""
    cached = [pool for pool in program.pools.values() if pool.cache is not None]
    return cached or list(program.pools.values())


def serves(checked: Checked) -> None:
    """Refuse a program that does not serve. Raises CompileError (RDF331) with all that it lacks."""
    program = checked.program
    found = [f"it has no param `{name}`" for name in (BATCH, PROMPT, ANSWER) if name not in program.params]
    pools = answering(program)
    if len(pools) != 1:
        found.append(f"it has {len(pools) or 'no'} pool{'s' if len(pools) > 1 else ''} of experts")
    if found:
        raise CompileError([refused(checked, why) for why in found], program.source)
