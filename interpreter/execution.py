"""Executes a program on a machine: its launches in order, each to the end or to any cycle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import field, replace
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.collectives import Form
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.schedule import Walk
from rdflow.dsl.slices import number
from rdflow.dsl.steps import Activation, CopyCall, LaunchCall, LaunchSpec, Pause, Read, Step
from rdflow.interpreter.agenda import Agenda, Logged
from rdflow.interpreter.compiling import compiled
from rdflow.interpreter.estimates import Estimate, Estimates, Resize
from rdflow.interpreter.faults import deadlock
from rdflow.interpreter.image import Image, Status, advance, blank, one_for_all
from rdflow.interpreter.kernel.layout import FAR
from rdflow.interpreter.known import Known
from rdflow.interpreter.lasting import lasting
from rdflow.interpreter.launched import Compiled, Launched, Tables, Turn
from rdflow.interpreter.lookahead import WINDOW
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.memory import MemoryPlan, plan, respelled
from rdflow.interpreter.restart import Restart
from rdflow.interpreter.symmetry import symmetry
from rdflow.interpreter.tensors import Tensors
from rdflow.interpreter.transfer import Transfers, under_copy

Array = NDArray[Any]
Choices = Callable[[Read], Value]
LOOK, LOOK_APART = 0.1, 1.0  # seconds between two looks at a long launch, about; sockets apart are put together for one
FIRST_SLICE, LAST_SLICE = 1_000, 1 << 48  # cycles of the first slice, and of any; the next ones as LOOK wants


@dataclass
class Execution:
    """A program under way. `values`: the tensors, float32 or int32 (None: timing only). `collective`: the form of sums
    over sockets (None: whichever is faster). `threads`: for the sockets of a kernel (None: with values as many as the
    computer has cores; without, one, which counts what repeats, and as many where little does); results do not depend on
    them."""

    checked: Checked
    machine: Machine
    values: dict[str, Array] | None
    collective: Form | None = None
    threads: int | None = None
    launched: list[Launched] = field(default_factory=list)
    compiled: dict[LaunchSpec, Compiled] = field(default_factory=dict)
    choices: Choices | None = None
    """what the schedule reads, in a run without values"""
    policy: str | None = None
    """of caches, instead of those of the pools"""
    estimate: Estimate | None = None
    resize: Resize | None = None
    """how launches are estimated that are not simulated, without values, and the program with other params for that"""
    estimates: Estimates | None = field(init=False, default=None)
    plan: MemoryPlan = field(init=False)
    log: list[Logged] = field(default_factory=list)
    """the steps that are done"""
    one_for_all: bool = False
    """whether, without values and `threads`, one socket is executed for all that are alike (`symmetry`): then images have it
    alone"""
    _steps: Iterator[Step] = field(default_factory=lambda: iter(()))
    _next: LaunchCall | None = None
    """the launch after the current one; None: there is none"""
    _transfers: Transfers = field(init=False)
    _beside: dict[LaunchSpec, Execution] = field(default_factory=dict)
    """the kernels while experts are copied"""
    _known: Known = field(default_factory=Known)
    _read: list[Value] = field(default_factory=list)
    _first: dict[str, Array] | None = None
    """the values at cycle 0, where the cycles depend on them"""
    _tables: dict[LaunchSpec, Tables] = field(default_factory=dict)
    _tensors: Tensors | None = None

    def __post_init__(self) -> None:
        if self.values is not None and any(kernel.bounding for kernel in self.checked.kernels.values()):
            self._first = dict(self.values)
        self._transfers = Transfers(self.machine)
        self.plan = plan(self.checked, self.machine)
        self.checked = respelled(self.checked, self.plan)
        if self.values is not None:
            self._tensors = Tensors(self.checked.program, self.values)
        self._steps = Walk(self.checked.program, self._value, Reporter(), running=True).steps()
        if self.estimate is not None and self.resize is not None and self.values is None:
            self.estimates = Estimates(self, self.estimate, self.resize, self._coming())
        self._proceed()

    @property
    def finished(self) -> bool:
        done = not self.launched or self.launched[-1].finished
        return done and self._next is None

    @property
    def current(self) -> Launched | None:
        """The launch that runs now, or the last one."""
        return self.launched[-1] if self.launched else None

    @property
    def time(self) -> int:
        """Cycles executed: launches follow one another; what lies between them is not execution."""
        last = self.current
        if last is None:
            return 0
        return last.end if last.finished else last.start + last.image.time

    def advance(self, until: int | None = None, progress: Callable[[Execution], None] | None = None) -> None:
        """Execute every firing before cycle `until` (None: to the end). `progress` is called at the start and now and then.

        Raises CompileError with RDF401 where the kernel that runs deadlocks.
        """
        piece = FIRST_SLICE
        if progress is not None:
            progress(self)
        while not self.finished and (until is None or self.time < until):
            known = self._estimated(progress) if self.estimates is not None else self._repeated(until)
            if known is not None:
                self.launched.append(known)
                self._done(known)
                continue
            piece = self._simulated(self._running(), until, piece)
            if progress is not None:
                progress(self)

    def _simulated(self, launched: Launched, until: int | None, piece: int) -> int:
        """Simulate a launch for a piece of time, in cycles. How long the next one is. Raises CompileError (RDF401)."""
        image, began = launched.image, perf_counter()
        wanted = LOOK if image.apart is None else LOOK_APART
        status = advance(image, FAR if until is None else until - launched.start, pause=image.time + piece)
        spent = perf_counter() - began
        launched.host_seconds += spent
        if status is Status.DEADLOCK:
            raise CompileError([deadlock(launched.whole)], launched.compiled.kernel.program.source)
        if status is Status.FINISHED:
            launched.end_here()
            if self._tensors is not None:
                self._tensors.collect(launched)
            self._done(launched)
        elif until is None and self._gains_apart(launched):
            launched.begin_apart(self.cores)
        return max(1, min(16 * piece, int(piece * wanted / spent), LAST_SLICE))

    def _done(self, launched: Launched) -> None:
        self.log.append(self._logged(launched))
        self._proceed()

    @property
    def cores(self) -> int:
        """Threads that may run side by side."""
        return self.threads or os.cpu_count() or 1

    def _gains_apart(self, launched: Launched) -> bool:
        """Whether sockets had better run apart: fast-forward looks at all actors together, and has found little."""
        image = launched.image
        if self.values is not None or image.apart is not None:
            return False
        side_by_side = image.mapped.netlist.sockets > 1 and self.cores > 1
        return (side_by_side or image.tables.clock["window"][0] < WINDOW) and launched.repeats_little()

    def again(self, change: Callable[[Compiled], Compiled]) -> Execution:
        """The same program at cycle 0 with changed kernels: timing only, but where the cycles depend on values. Its schedule
        reads what this one's read; what was estimated is, from launches of the changed kernels."""
        values = None if self._first is None else dict(self._first)
        read, compiled = iter(list(self._read)), {spec: change(one) for spec, one in self.compiled.items()}
        found = Execution(
            self.checked, self.machine, values, self.collective, compiled=compiled, choices=lambda _: next(read)
        )
        found.one_for_all = self.one_for_all
        if self.estimates is not None:
            found.estimates = self.estimates.again(found, change)
        return found

    def begin(self) -> Launched:
        """The launch that runs, or the next one, which then stands at its first cycle. There must be one."""
        return self._running()

    def compile(self, spec: LaunchSpec) -> Compiled:
        """The mapped kernel of a launch, made once for each signature."""
        if spec not in self.compiled:
            with lasting():
                self.compiled[spec] = compiled(self.checked.kernel(spec), self.machine, self.collective)
        return self.compiled[spec]

    def _running(self) -> Launched:
        last = self.current
        if last is not None and not last.finished:
            return last
        call = self._next
        assert call is not None, "there is no launch left"
        compiled = self.compile(call.spec)
        start = last.end if last is not None else 0
        self.launched.append(Launched(call, compiled, start, self._enter(call, compiled)))
        if self.values is None:
            self._known.keep(self.launched[-1], self._tables[call.spec])
        return self.launched[-1]

    def _repeated(self, until: int | None) -> Launched | None:
        """The next launch, where one before it was alike and it ends by `until`: it is known and not simulated."""
        last, call = self.current, self._next
        if (
            self.values is not None
            or last is None
            or not last.finished
            or call is None
            or call.spec not in self._tables
        ):
            return None
        same = self._known.find(call, self._tables[call.spec])
        if same is None or (until is not None and until < last.end + same.counted.cycles):
            return None
        return same.again(call, last.end)

    # -- estimates -----------------------------------------------------------------------------------------------------

    def _coming(self) -> list[LaunchCall]:
        """All launches of the schedule, which reads what `choices` say."""
        steps = Walk(self.checked.program, self._value, Reporter(), running=True).steps()
        found = list(self.checked.calls(steps))
        self._read.clear()
        return found

    def _estimated(self, progress: Callable[[Execution], None] | None) -> Launched:
        assert self.estimates is not None and self._next is not None
        return self.estimates.launched(self._next, self.time, progress)

    def alone(self, compiled: Mapping[LaunchSpec, Compiled]) -> Execution:
        """Without its schedule, for launches of these kernels one by one (`simulate`)."""
        found = copy(self)
        found.launched, found.log, found._steps, found._next = [], [], iter(()), None
        found.compiled, found._tables, found._known, found.estimates = dict(compiled), {}, Known(), None
        found._beside = {}
        return found

    def simulate(self, call: LaunchCall, progress: Callable[[Execution], None] | None = None) -> Launched:
        """A launch of a kernel: known, where one was alike."""
        self._next = call
        self.advance(progress=progress)
        return self.launched[-1]

    def slowed(self, call: LaunchCall) -> int:
        """The cycles of a launch while experts are copied: a model, HBM without what the copy takes of it."""
        if self.estimates is not None:
            return self.estimates.slowed(call)
        if call.spec not in self._beside:
            compiled = self.compile(call.spec)
            mapped = under_copy(compiled.mapped, self.machine, self._transfers)
            found = self._beside[call.spec] = self.alone({call.spec: replace(compiled, mapped=mapped)})
            found.values = found._tensors = None
        return self._beside[call.spec].simulate(call).counted.cycles

    def kind(self, call: LaunchCall) -> bytes:
        """The same for launches of a kernel that are alike."""
        return self._known.kind(call, self._tables_of(call, self.compile(call.spec)))

    # -- the schedule --------------------------------------------------------------------------------------------------

    def _proceed(self) -> None:
        """Do what the schedule says up to its next launch."""
        self._next = None
        for step in self._steps:
            match step:
                case LaunchCall():
                    self._next = self.checked.settled(step)
                    return
                case Read() | Activation() | Pause():
                    pass  # `agenda` makes times of them
                case CopyCall() if self._tensors is not None:
                    self._tensors.copy(step)
            self.log.append(Logged(step))

    def _logged(self, launched: Launched) -> Logged:
        compiled = launched.compiled
        return Logged(launched.call, launched.counted.cycles, compiled.configured, compiled.mapped, launched.modelled)

    def agenda(self, policy: str | None = None) -> Agenda:
        """When everything that is done so far was done, with the policies of the pools or with another one."""
        chosen = policy or self.policy
        return Agenda(self.checked, self.machine, self.plan, self._transfers, chosen, self.slowed).follow(self.log)

    def _value(self, read: Read) -> Value:
        """What the schedule reads: of the values, or as `choices` say."""
        if self.choices is not None:
            value = self.choices(read)
        else:
            assert self.values is not None, "a schedule that reads values has some, or choices"
            value = number(self.checked.program, read, self.values)
        self._read.append(value)
        return value

    # -- tables --------------------------------------------------------------------------------------------------------

    def _enter(self, call: LaunchCall, compiled: Compiled) -> Turn:
        """Give a launch the tables of its kernel at their first cycle, with its numbers and tensors."""
        tables = self._tables_of(call, compiled)
        turn = tables.begin(call.numbers)
        if self._tensors is not None:
            self._tensors.enter(call, compiled.netlist, tables)
        return turn

    def _tables_of(self, call: LaunchCall, compiled: Compiled) -> Tables:
        """The tables of a kernel, made once."""
        if call.spec not in self._tables:
            with lasting():
                self._tables[call.spec] = Tables(Restart.of(self._blank(compiled.mapped)))
        return self._tables[call.spec]

    def _blank(self, mapped: Mapped) -> Image:
        """The image of a kernel at its first cycle."""
        if self.values is not None:
            return blank(mapped, True, self.cores)
        alike = symmetry(mapped) if self.one_for_all and self.threads is None else None
        return one_for_all(alike) if alike is not None else blank(mapped, False, self.threads)
