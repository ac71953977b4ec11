"""Executes a program on a machine: its launches in order, each to the end or to any cycle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.checked import Kernel
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.collectives import Form
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.launched import launched_netlist
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.schedule import Walk
from rdflow.dsl.slices import argument_of, number, sliced, view_of
from rdflow.dsl.steps import Activation, CopyCall, LaunchCall, LaunchSpec, Pause, Read, Step
from rdflow.interpreter.agenda import Agenda, Logged
from rdflow.interpreter.allocate import unit_table
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.faults import deadlock
from rdflow.interpreter.floorplan import Floorplan
from rdflow.interpreter.forward import Skipped
from rdflow.interpreter.image import Image, Status, advance, build, memory_words
from rdflow.interpreter.kernel.layout import FAR
from rdflow.interpreter.lasting import lasting
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.mapping import map_netlist
from rdflow.interpreter.memory import MemoryPlan, plan, respelled
from rdflow.interpreter.sockets import shard
from rdflow.interpreter.transfer import Transfers

Array = NDArray[Any]
Choices = Callable[[Read], Value]
LOOK = 0.1  # seconds between two looks at the progress of a long launch, about
FIRST_SLICE, LAST_SLICE = 100_000, 1 << 48  # cycles of the first slice, and of any; the next ones as LOOK wants


@dataclass(frozen=True)
class Compiled:
    """A kernel mapped to a machine."""

    kernel: Kernel
    mapped: Mapped
    floorplan: Floorplan

    configured: int = 0
    """PCUs and PMUs that it takes of a socket"""

    @property
    def netlist(self) -> Netlist:
        return self.mapped.netlist

    def launched(self, call: LaunchCall) -> Mapped:
        """The mapped kernel with the numbers of a launch in its netlist."""
        return replace(self.mapped, netlist=launched_netlist(self.netlist, self.kernel, call.numbers))


@dataclass
class Launched:
    """A launch: its image and when it started, in cycles of execution since the start of the program."""

    call: LaunchCall
    compiled: Compiled
    image: Image
    start: int
    host_seconds: float = 0.0
    repeats: bool = False
    """whether it was not simulated, as a launch before it is the same"""

    @property
    def end(self) -> int:
        return self.start + self.image.cycles

    @property
    def firings(self) -> int:
        """Of all actors, so far."""
        return int(self.image.tables.actors["firings"].sum())

    @property
    def skipped(self) -> Skipped:
        """What was counted and not simulated."""
        return Skipped(1, self.image.cycles, self.firings) if self.repeats else self.image.skipped


@dataclass
class Execution:
    """A program under way. `values`: the tensors, float32 or int32 (None: timing only). `collective`: the form of sums
    over sockets (None: whichever is faster). `threads`: for the sockets of a kernel (None: with values as many as the
    computer has cores; without, one, which counts what repeats); results do not depend on them."""

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
    plan: MemoryPlan = field(init=False)
    log: list[Logged] = field(default_factory=list)
    """the steps that are done"""
    _steps: Iterator[Step] = field(default_factory=lambda: iter(()))
    _next: LaunchCall | None = None
    """the launch after the current one; None: there is none"""
    _transfers: Transfers = field(init=False)
    _slowed: dict[tuple[LaunchSpec, object], int] = field(default_factory=dict)
    _seen: dict[tuple[LaunchSpec, object], Launched] = field(default_factory=dict)
    _read: list[Value] = field(default_factory=list)
    _first: dict[str, Array] | None = None
    """the values at cycle 0, where the cycles depend on them"""

    def __post_init__(self) -> None:
        if self.values is not None and any(kernel.bounding for kernel in self.checked.kernels.values()):
            self._first = {name: array.copy() for name, array in self.values.items()}
        self._transfers = Transfers(self.machine)
        self.plan = plan(self.checked, self.machine)
        self.checked = respelled(self.checked, self.plan)
        self._steps = Walk(self.checked.program, self._value, Reporter(), running=True).steps()
        self._proceed()

    @property
    def finished(self) -> bool:
        done = not self.launched or self.launched[-1].image.status is Status.FINISHED
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
        return last.end if last.image.status is Status.FINISHED else last.start + last.image.time

    def advance(self, until: int | None = None, progress: Callable[[Execution], None] | None = None) -> None:
        """Execute every firing before cycle `until` (None: to the end). `progress` is called at the start and now and then.

        Raises CompileError with RDF401 where the kernel that runs deadlocks.
        """
        piece = FIRST_SLICE
        if progress is not None:
            progress(self)
        while not self.finished and (until is None or self.time < until):
            launched = self._repeated(until) or self._running()
            pause = launched.image.time + piece
            began = perf_counter()
            status = advance(launched.image, FAR if until is None else until - launched.start, pause=pause)
            spent = perf_counter() - began
            launched.host_seconds += spent
            piece = max(1, min(16 * piece, int(piece * LOOK / spent), LAST_SLICE))
            if status is Status.DEADLOCK:
                raise CompileError([deadlock(launched.image)], launched.compiled.kernel.program.source)
            if status is Status.FINISHED:
                self._collect(launched)
                self.log.append(self._logged(launched))
                self._proceed()
            if progress is not None:
                progress(self)

    def again(self, compiled: dict[LaunchSpec, Compiled]) -> Execution:
        """The same program at cycle 0 with these mapped kernels: timing only, but where the cycles depend on values. Its
        schedule reads what this one's read."""
        values = None if self._first is None else {name: array.copy() for name, array in self._first.items()}
        read = iter(list(self._read))
        return Execution(
            self.checked, self.machine, values, self.collective, compiled=compiled, choices=lambda _: next(read)
        )

    def begin(self) -> Launched:
        """The launch that runs, or the next one, which then stands at its first cycle. There must be one."""
        return self._running()

    def compile(self, spec: LaunchSpec) -> Compiled:
        """The mapped kernel of a launch, made once for each signature."""
        if spec not in self.compiled:
            with lasting():
                self.compiled[spec] = self._compile(spec)
        return self.compiled[spec]

    def _compile(self, spec: LaunchSpec) -> Compiled:
        kernel = self.checked.kernel(spec)
        netlist = coalesce(elaborate(kernel, chosen(self.machine, self.collective)))
        try:
            mapped, floorplan = map_netlist(netlist, self.machine)
        except CompileError as error:
            raise CompileError(error.diagnostics, kernel.program.source) from None
        rows = unit_table(mapped.netlist, self.machine)
        configured = sum((row.pcus + row.pmus) * row.copies for row in rows)
        return Compiled(kernel, mapped, floorplan, configured)

    def _running(self) -> Launched:
        last = self.current
        if last is not None and last.image.status is not Status.FINISHED:
            return last
        call = self._next
        assert call is not None, "there is no launch left"
        compiled = self.compile(call.spec)
        threads = self.threads if self.values is None else self.threads or os.cpu_count() or 1
        with lasting():
            image = build(compiled.mapped, self._given(call, compiled), threads, call.numbers)
        self.launched.append(Launched(call, compiled, image, last.end if last is not None else 0))
        self._seen.setdefault((call.spec, call.scalars), self.launched[-1])
        return self.launched[-1]

    def _repeated(self, until: int | None) -> Launched | None:
        """The next launch, where one before it was the same and it ends by `until`: it is known and not simulated.

        Without values nothing depends on data, launches follow one another, and each finds the memory channels idle.
        A kernel's tensors have the addresses of its mapping in all its launches, so the channels are the same too.
        """
        last = self.current
        if self.values is not None or last is None or last.image.status is not Status.FINISHED:
            return None
        call = self._next
        same = None if call is None else self._seen.get((call.spec, call.scalars))
        if call is None or same is None or (until is not None and until < last.end + same.image.cycles):
            return None
        self.launched.append(Launched(call, same.compiled, same.image, last.end, repeats=True))
        return self.launched[-1]

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
                case CopyCall(source, target) if self.values is not None:
                    program = self.checked.program
                    sliced(program, target, self.values)[...] = sliced(program, source, self.values)
            self.log.append(Logged(step))

    def _logged(self, launched: Launched) -> Logged:
        return Logged(launched.call, launched.image.cycles, launched.compiled.configured, launched.compiled.mapped)

    def agenda(self, policy: str | None = None) -> Agenda:
        """When everything that is done so far was done, with the policies of the pools or with another one."""
        chosen = policy or self.policy
        return Agenda(self.checked, self.machine, self.plan, self._transfers, self._slowed, chosen).follow(self.log)

    def _value(self, read: Read) -> Value:
        """What the schedule reads: of the values, or as `choices` say."""
        if self.choices is not None:
            value = self.choices(read)
        else:
            assert self.values is not None, "a schedule that reads values has some, or choices"
            value = number(self.checked.program, read, self.values)
        self._read.append(value)
        return value

    # -- tensors -------------------------------------------------------------------------------------------------------

    def _given(self, call: LaunchCall, compiled: Compiled) -> Mapping[int, Array] | None:
        """The values of the kernel's tensors, by number; None for timing alone."""
        if self.values is None:
            return None
        return {i: np.array(self._slice(call, use.name), order="C") for i, use in enumerate(compiled.netlist.tensors)}

    def _slice(self, call: LaunchCall, name: str) -> Array:
        """What a kernel's tensor is in the program: itself, an expert's, or the part of what is given for it that its
        view leaves free."""
        assert self.values is not None
        return view_of(self.checked.program, call, name, self.values)

    def stored(self, launched: Launched) -> set[str]:
        """The tensors of the program that a launch stores to."""
        netlist, call = launched.compiled.netlist, launched.call
        numbers = {m.tensor for m in netlist.memories if m.tensor is not None and "#" in m.name}
        names = [netlist.tensors[number].name for number in numbers]
        given = [argument_of(self.checked.program, call, name) for name in names]
        return {name if argument is None else argument.tensor for name, argument in zip(names, given, strict=True)}

    def _collect(self, launched: Launched) -> None:
        """Bring what the kernel stored back to the program's tensors: the last version of each, from the socket that has
        it; from the first one where all have."""
        if self.values is None:
            return
        netlist = launched.compiled.netlist
        for i, memory in enumerate(netlist.memories):
            if memory.tensor is None or "#" not in memory.name:
                continue
            use = netlist.tensors[memory.tensor]
            if use.sharded is None and memory.socket:
                continue
            words = memory_words(launched.image, i)
            array = words if use.dtype in ("bf16", "f32") else words.view(np.int32)
            target = shard(use, self._slice(launched.call, use.name), memory.socket)
            target[...] = array[: max(1, target.size)].reshape(target.shape)
