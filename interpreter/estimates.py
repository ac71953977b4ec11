"""Schedules too long to simulate: some launches of a kernel are simulated, and the others lie between or beyond them.

Two ways, alone or together. `points`: of launches that differ in one number so many are simulated, the others interpolated.
`param`, `ends`: a kernel that carries a state over an axis (a model over its layers) is simulated with two shorter ones, on
the places and routes of the whole, and extrapolated. Both are models, and everything that prints such a launch says so;
launches that are alike one that was simulated are exact, here as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.checked import Carry, Kernel
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.pools import homes
from rdflow.dsl.records import dataclass
from rdflow.dsl.steps import LaunchCall, LaunchSpec
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.costs import points
from rdflow.interpreter.lasting import lasting
from rdflow.interpreter.launched import Compiled, Counted, Launched
from rdflow.interpreter.memory import respelled
from rdflow.interpreter.mixed import mixed, on_line

if TYPE_CHECKING:
    from rdflow.interpreter.execution import Execution

CODE = "RDF309"
HELP = "a param to extrapolate from is the length of what a carry goes over, and of nothing else; two steps at least"
Resize = Callable[[dict[str, Value]], Checked]
"""the program with other params"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Launches of a kernel that are simulated of those that differ in one number (None: all that are not alike); a param, and
    the two lengths that are simulated of an axis that a kernel carries over."""

    points: int | None = None
    param: str | None = None
    ends: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.points is not None and self.points < 2:
            raise ValueError(f"{self.points} points: what lies between needs two at least")
        if self.param is not None and not (len(self.ends) == 2 and 0 < self.ends[0] < self.ends[1]):
            raise ValueError(f"{self.param} = {', '.join(map(str, self.ends))}: two lengths, the shorter one first")


@dataclass
class Kind:
    """A kernel: the runs that it is simulated in, one, or two of which it is extrapolated, with the lengths of their axis
    and its own. `number`: the one that its launches differ in, where some are interpolated; `stand_in`: by its value, the
    value that is simulated, where the launch is that one or is alike; none for those between."""

    compiled: Compiled
    runs: list[Execution]
    lengths: tuple[int, ...]
    length: int
    number: str = ""
    stand_in: dict[int, int | None] = field(default_factory=dict)
    known: dict[object, Counted] = field(default_factory=dict)
    """by numbers, what is extrapolated"""
    between: dict[object, Counted] = field(default_factory=dict)
    """and what is interpolated"""

    @property
    def simulated(self) -> list[int]:
        return sorted({value for value in self.stand_in.values() if value is not None})

    def again(self, execution: Execution, spec: LaunchSpec, change: Callable[[Compiled], Compiled]) -> Kind:
        """The same kernel changed, in runs of which nothing is known."""
        runs = [execution.alone({spec: change(run.compiled[spec])}) for run in self.runs]
        return replace(self, compiled=execution.compiled[spec], runs=runs, known={}, between={})

    @property
    def notes(self) -> Iterator[str]:
        """What of it is a model."""
        name, between = self.compiled.kernel.name, sum(value is None for value in self.stand_in.values())
        if between:
            values = ", ".join(f"{value:,}" for value in self.simulated)
            yield f"{name}: {self.number} = {values} are simulated, {between:,} values between are interpolated"
        if len(self.runs) > 1:
            steps = " and ".join(map(str, self.lengths))
            yield f"{name}: {steps} steps of its carry are simulated, its {self.length} are extrapolated"


@dataclass
class Estimates:
    """Of the launches of an execution without values. `calls`: all of them."""

    execution: Execution = field(repr=False)
    asked: Estimate
    resize: Resize = field(repr=False)
    calls: Sequence[LaunchCall] = field(repr=False)
    _kinds: dict[LaunchSpec, Kind] = field(default_factory=dict, repr=False)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(note for kind in self._kinds.values() for note in kind.notes)

    def launched(self, call: LaunchCall, start: int, progress: Callable[[Execution], None] | None) -> Launched:
        """A launch as it counts: simulated, alike one that was, or estimated."""
        if call.spec not in self._kinds:
            self._kinds[call.spec] = self._kind(call.spec)
        kind = self._kinds[call.spec]
        if not kind.number:
            return self._at(kind, call, start, progress)
        own = int(call.numbers[kind.number])
        same = kind.stand_in[own]
        if same is not None:
            return replace(self._at(kind, _with(call, kind.number, same), start, progress), call=call)
        host = 0.0
        if call.scalars not in kind.between:
            low, high = _around(kind.simulated, own)
            ends = [self._at(kind, _with(call, kind.number, n), start, progress) for n in (low, high)]
            kind.between[call.scalars] = mixed(ends[0].counted, ends[1].counted, (low, high), own)
            host = sum(end.host_seconds for end in ends)
        return Launched(call, kind.compiled, start, None, host, False, kind.between[call.scalars], modelled=True)

    def again(self, execution: Execution, change: Callable[[Compiled], Compiled]) -> Estimates:
        """The same for an execution whose kernels are changed: what was simulated is, anew."""
        kinds = {spec: kind.again(execution, spec, change) for spec, kind in self._kinds.items()}
        return replace(self, execution=execution, _kinds=kinds)

    def _at(self, kind: Kind, call: LaunchCall, start: int, progress: Callable[[Execution], None] | None) -> Launched:
        """A launch that is simulated, or extrapolated from two that are."""
        if len(kind.runs) == 1:
            one = kind.runs[0].simulate(call, progress)
            return replace(one.again(call, start), repeats=one.repeats, host_seconds=one.host_seconds)
        host = 0.0
        if call.scalars not in kind.known:
            low, high = (run.simulate(call, progress) for run in kind.runs)
            ends = kind.lengths[0], kind.lengths[1]
            kind.known[call.scalars] = mixed(low.counted, high.counted, ends, kind.length)
            host = low.host_seconds + high.host_seconds
        return Launched(call, kind.compiled, start, None, host, False, kind.known[call.scalars], modelled=True)

    def slowed(self, call: LaunchCall) -> int:
        """The cycles of a launch while experts are copied, from as many that are simulated as those of the launch."""
        kind = self._kinds[call.spec]
        if not kind.number:
            return _slowed(kind, call)
        own = int(call.numbers[kind.number])
        same = kind.stand_in[own]
        if same is not None:
            return _slowed(kind, _with(call, kind.number, same))
        ends = _around(kind.simulated, own)
        low, high = (_slowed(kind, _with(call, kind.number, n)) for n in ends)
        return on_line(low, high, ends, own)

    # -- kernels -------------------------------------------------------------------------------------------------------

    def _kind(self, spec: LaunchSpec) -> Kind:
        compiled = self.execution.compile(spec)
        shorter = self._shortened(spec, compiled)
        runs = [self.execution.alone({spec: one}) for one, _ in shorter] or [self.execution.alone({spec: compiled})]
        lengths = tuple(length for _, length in shorter)
        kind = Kind(compiled, runs, lengths, _carried(compiled.kernel))
        self._choose(kind, list({call.scalars: call for call in self.calls if call.spec == spec}.values()))
        return kind

    def _choose(self, kind: Kind, calls: Sequence[LaunchCall]) -> None:
        """Which launches of a kernel are simulated: all, but where more than some differ in one number and are not alike."""
        most, columns = self.asked.points, list(zip(*(call.scalars for call in calls), strict=True))
        varying = [column for column in columns if len({value for _, value in column}) > 1]
        kinds = [kind.runs[0].kind(call) for call in calls] if most is not None and len(varying) == 1 else []
        if most is None or len(set(kinds)) <= most:
            return
        values = [int(value) for _, value in varying[0]]
        simulated = points(sorted(values), most)
        known = {key: value for key, value in zip(kinds, values, strict=True) if value in simulated}
        kind.number = varying[0][0][0]
        kind.stand_in = {value: known.get(key) for key, value in zip(kinds, values, strict=True)}
        kind.stand_in |= {value: value for value in simulated}

    def _shortened(self, spec: LaunchSpec, compiled: Compiled) -> list[tuple[Compiled, int]]:
        """The kernel with shorter carries, on its own places and routes; none where it carries over nothing that is shorter."""
        kernels = self._shorter.get(spec, [])
        return [(self._on_places(kernel, compiled), _carried(kernel)) for kernel in kernels]

    @cached_property
    def _shorter(self) -> dict[LaunchSpec, list[Kernel]]:
        """The kernels whose carries are shorter with the two lengths. Raises CompileError (RDF309) where none is."""
        whole, param, ends = self.execution.checked, self.asked.param, self.asked.ends
        if param is None or not int(whole.program.params.get(param, ends[1] + 1)) > ends[1]:
            return {}
        programs = [respelled(self.resize({param: end}), self.execution.plan) for end in ends]
        found = {}
        for spec in dict.fromkeys(call.spec for call in self.calls):
            kernels = [checked.kernel(_same(spec, whole, checked)) for checked in programs]
            if _carried(kernels[0]) < _carried(kernels[1]) < _carried(whole.kernel(spec)):
                found[spec] = kernels
        if not found:
            what = f"no kernel carries over an axis whose length is `{param}`: nothing can be extrapolated"
            raise CompileError([Diagnostic(CODE, what, (), (), HELP)], whole.program.source)
        return found

    def _on_places(self, kernel: Kernel, compiled: Compiled) -> Compiled:
        """A kernel of the same shape in the mapping of another one. Raises CompileError (RDF309)."""
        with lasting():
            netlist = coalesce(elaborate(kernel, chosen(self.execution.machine, self.execution.collective)))
        if _shape(netlist) != _shape(compiled.netlist):
            what = f"`{kernel.name}` has other units with another `{self.asked.param}`: it cannot be extrapolated"
            raise CompileError([Diagnostic(CODE, what, (), (), HELP)], kernel.program.source)
        return replace(compiled, kernel=kernel, mapped=replace(compiled.mapped, netlist=netlist))


def _slowed(kind: Kind, call: LaunchCall) -> int:
    """The same of a launch that is simulated, or extrapolated from two that are."""
    found = [run.slowed(call) for run in kind.runs]
    return found[0] if len(found) == 1 else on_line(found[0], found[1], (kind.lengths[0], kind.lengths[1]), kind.length)


def _same(spec: LaunchSpec, whole: Checked, shorter: Checked) -> LaunchSpec:
    """A kernel in the program with another param: the one that is launched there, of the same place among programs."""
    programs = [[kind.home for _, kind in homes(one.program.pools)] for one in (whole, shorter)]
    home = programs[1][programs[0].index(spec.home)] if spec.home else ""
    return next(
        c.spec for c in shorter.calls(shorter.steps.steps) if (c.spec.kernel, c.spec.home) == (spec.kernel, home)
    )


def _carried(kernel: Kernel) -> int:
    """The steps of the longest carry; 0 without one."""
    roots = [digit.root for line in kernel.lines if isinstance(line, Carry) for digit in line.over]
    return max((kernel.lengths[root] for root in roots), default=0)


def _shape(netlist: Netlist) -> object:
    """What a mapping is made for: actors, and queues from one to another."""
    actors = [(a.name, a.unit, a.kind, a.socket) for a in netlist.actors]
    return actors, [(q.source, q.sink, q.packets, q.server) for q in netlist.queues]


def _around(simulated: Sequence[int], at: int) -> tuple[int, int]:
    return max(n for n in simulated if n < at), min(n for n in simulated if n > at)


def _with(call: LaunchCall, name: str, number: int) -> LaunchCall:
    return replace(call, scalars=tuple((n, number if n == name else v) for n, v in call.scalars))
