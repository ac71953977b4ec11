"""Walks the statements of a schedule in the order of the text, and gives a step for each thing that is done.

Who takes the steps does them: the evaluator with arrays, the interpreter with cycles. A step comes when all steps before
it are done, so that a value that the chip computed can decide what comes next. The checker walks with values that are
not known: then all branches are walked, and a loop of unknown length once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.constants import evaluate
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.launch_arguments import TensorArgument, element, integer, same_shape, slice_of
from rdflow.dsl.launch_statement import launch
from rdflow.dsl.mentioned import reads
from rdflow.dsl.pools import Expert, Pool
from rdflow.dsl.program import Program
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Abandon, Reporter, plural
from rdflow.dsl.source import Span
from rdflow.dsl.steps import Activation, CopyCall, LaunchCall, LaunchSpec, Pause, Read, Step
from rdflow.dsl.unknown import UNKNOWN, Unknown, unknown

UNROLLED = 100_000  # steps of a schedule that are followed
STEPS = syntax.Launch | syntax.Copy | syntax.Activate | syntax.Wait
"""statements that are a step, whatever is known"""

Names = Mapping[str, Value]
Steps = Generator[Step, None, None]


@dataclass
class Walk:
    """A walk over a program's schedule. `read` gives the value of an element, UNKNOWN where nobody knows it yet.

    `running`: the first mistake ends it with CompileError; else all are reported.
    """

    program: Program
    read: Callable[[Read], Value]
    report: Reporter
    running: bool = False
    taken: int = 0
    """steps so far"""
    repeated: list[tuple[int, int]] = field(default_factory=list)
    """from which step to which a loop runs, how often nobody knows"""

    def steps(self) -> Iterator[Step]:
        """Without a schedule each kernel without parameters is launched once."""
        for step in self._all():
            self.taken += 1
            yield step

    def _all(self) -> Steps:
        if self.program.schedule is None:
            for name, kernel in self.program.kernels.items():
                if not kernel.parameters and name not in self.program.brought:
                    yield LaunchCall(LaunchSpec(name), (), None, kernel.name.span)
        else:
            yield from self._block(self.program.schedule.statements, {}, False)

    def _block(self, statements: Iterable[syntax.Statement], outer: Names, overlaps: bool) -> Steps:
        local = dict(outer)
        for statement in statements:
            try:
                yield from self._statement(statement, local, overlaps)
            except Abandon:
                if self.running:
                    raise CompileError(self.report.found, self.program.source) from None
                if isinstance(statement, syntax.Let):
                    local[statement.name.text] = UNKNOWN

    def _statement(self, statement: syntax.Statement, local: dict[str, Value], overlaps: bool) -> Steps:
        match statement:
            case syntax.Launch():
                yield from self._launch(statement, local, overlaps)
            case syntax.Activate(target):
                for expert in (yield from self._experts(target, local)):
                    yield Activation(expert, statement.span, overlaps)
            case syntax.Copy():
                yield (yield from self._copy(statement, local, overlaps))
            case syntax.Let(name, value):
                local[name.text] = yield from self._value(value, local)
            case syntax.Wait(until):
                yield Pause(self._seconds(until, (yield from self._value(until, local))), statement.span)
            case syntax.For():
                yield from self._for(statement, local, overlaps)
            case syntax.If(condition, then, otherwise):
                chosen = yield from self._value(condition, local)
                for branch in (then, otherwise) if isinstance(chosen, Unknown) else (then if chosen else otherwise,):
                    yield from self._block(branch, local, overlaps)
            case syntax.Async(inner):
                yield from self._statement(inner, local, True)

    def _for(self, loop: syntax.For, local: Names, overlaps: bool) -> Steps:
        first = integer((yield from self._value(loop.start, local)), loop.start.span, self.report)
        last = integer((yield from self._value(loop.stop, local)), loop.stop.span, self.report)
        known = not isinstance(first, Unknown) and not isinstance(last, Unknown)
        start = self.taken
        for i in self._followed(loop, first, last) if known else (UNKNOWN,):
            yield from self._block(loop.body, {**local, loop.name.text: i}, overlaps)
        if not known:
            self.repeated.append((start, self.taken))

    def _followed(self, loop: syntax.For, first: int, last: int) -> range:
        """The rounds of a loop that a check walks: one of those that are too many, where each is a step at least."""
        if self.running or last - first <= UNROLLED or not any(isinstance(s, STEPS) for s in loop.body):
            return range(first, last)
        too_long(loop.span, self.report)
        return range(first, first + 1)

    def _seconds(self, until: syntax.Expr, value: Value) -> float:
        if isinstance(value, str) or not value >= 0:
            help = "write a time, as `wait ARRIVAL(r = i)` or `wait 0.5`"
            raise self.report.fail("RDF061", "a number of seconds is expected here", [(until.span, f"this is {value}")],
                                   help=help)  # fmt: skip
        return float(value)

    # -- values --------------------------------------------------------------------------------------------------------

    def _names(self, local: Names) -> dict[str, Value]:
        return {**self.program.names, **local}

    def _value(self, expr: syntax.Expr, local: Names) -> Generator[Step, None, Value]:
        """The value of an expression; the elements of tensors in it are read."""
        expr = yield from self._resolved(expr, local)
        return evaluate(expr, self._names(local), self.program.lengths, self.report)

    def _resolved(self, expr: syntax.Expr, local: Names) -> Generator[Step, None, syntax.Expr]:
        """An expression with numbers for the elements of tensors; UNKNOWN where one is not known."""
        if unknown(expr, local):
            return syntax.Number(UNKNOWN, expr.span)
        values: dict[syntax.View, Value] = {}
        for view in reads(expr):
            values[view] = yield from self._read(view, local)
        if any(isinstance(value, Unknown) for value in values.values()):
            return syntax.Number(UNKNOWN, expr.span)
        return _with(expr, values) if values else expr

    def _read(self, view: syntax.View, local: Names) -> Generator[Step, None, Value]:
        plain = yield from self._indices(view, local)
        step = Read(element(self.program, plain, self._names(local), self.report), view.span)
        yield step
        return self.read(step)

    def _indices(self, view: syntax.View, local: Names) -> Generator[Step, None, syntax.View]:
        """A view with numbers for the elements of tensors that its indices mention; itself where there are none."""
        values = []
        for binding in view.bindings:
            values.append((yield from self._resolved(binding.value, local)))
        bindings = _given(view.bindings, values)
        return view if bindings is view.bindings else replace(view, bindings=bindings)

    def _argument(self, expr: syntax.Expr, local: Names) -> Generator[Step, None, syntax.Expr]:
        """An argument of a launch: a tensor, a slice of one, or a number."""
        if isinstance(expr, syntax.View) and expr.name.text in self.program.tensors:
            free = len(self.program.tensors[expr.name.text].axes) - len(expr.bindings)
            if free > 0:
                return (yield from self._indices(expr, local))
        return (yield from self._resolved(expr, local))

    # -- statements ----------------------------------------------------------------------------------------------------

    def _launch(self, statement: syntax.Launch, local: Names, overlaps: bool) -> Steps:
        given = []
        for expr in statement.arguments or ():
            given.append((yield from self._argument(expr, local)))
        named = []
        for binding in statement.bindings:
            named.append((yield from self._argument(binding.value, local)))
        arguments = None if statement.arguments is None else tuple(given)
        plain = replace(statement, arguments=arguments, bindings=_given(statement.bindings, named))
        experts: list[Expert | None] = [None]
        if statement.target.name.text in self.program.pools:
            experts = list((yield from self._experts(statement.target, local)))
        for expert in experts:
            call = launch(self.program, plain, expert, self._names(local), self.report)
            yield replace(call, overlaps=True) if overlaps else call

    def _copy(self, statement: syntax.Copy, local: Names, overlaps: bool) -> Generator[Step, None, CopyCall]:
        source = yield from self._sliced(statement.source, local)
        target = yield from self._sliced(statement.target, local)
        same_shape(self.program, statement, source, target, self.report)
        return CopyCall(source, target, statement.span, overlaps)

    def _sliced(self, view: syntax.View, local: Names) -> Generator[Step, None, TensorArgument]:
        plain = yield from self._indices(view, local)
        return slice_of(self.program, plain, self._names(local), self.report)

    def _experts(self, target: syntax.Target, local: Names) -> Generator[Step, None, list[Expert]]:
        """The expert that is meant; one of each kind where nobody knows it yet."""
        pool = self._pool(target)
        if target.index is None:
            help = f"`{pool.name}[0]`, or an index that the schedule reads"
            labels = [(target.span, "which expert?"), (pool.span, plural(pool.count, "expert"))]
            raise self.report.fail("RDF082", f"`{pool.name}` is a pool", labels, help=help)
        number = integer((yield from self._value(target.index, local)), target.index.span, self.report)
        if isinstance(number, Unknown):
            return [Expert(pool.name, kind.first) for kind in pool.kinds]
        if not 0 <= number < pool.count:
            labels = [(target.index.span, f"this is {number}"), (pool.span, f"0 to {pool.count - 1}")]
            help = f"let the router choose among {pool.count}, or declare more experts"
            raise self.report.fail("RDF082", f"`{pool.name}` has no expert {number}", labels, help=help)
        return [Expert(pool.name, number)]

    def _pool(self, target: syntax.Target) -> Pool:
        name = target.name.text
        if name in self.report.silent:
            raise Abandon
        if name not in self.program.pools:
            raise self.report.unknown("pool", name, target.name.span, list(self.program.pools))
        return self.program.pools[name]


def _given(bindings: tuple[syntax.Binding, ...], values: Sequence[syntax.Expr]) -> tuple[syntax.Binding, ...]:
    """Bindings with these values; as they are where nothing changes, which is nearly always, and a schedule is long."""
    if all(binding.value is value for binding, value in zip(bindings, values, strict=True)):
        return bindings
    return tuple(replace(binding, value=value) for binding, value in zip(bindings, values, strict=True))


def too_long(span: Span, report: Reporter) -> None:
    """RDF061 for a schedule with more steps than are followed."""
    report.add(
        "RDF061",
        f"the schedule launches more than {UNROLLED} kernels",
        [(span, "here")],
        notes=["loops of a schedule are followed to find every size that must be mapped"],
        help="move the loop into the kernel: a loop of the hardware costs nothing",
    )


def _with(expr: syntax.Expr, values: Mapping[syntax.View, Value]) -> syntax.Expr:
    """An expression with numbers in the place of views."""
    match expr:
        case syntax.View():
            value = values[expr]
            return syntax.Number(value, expr.span)  # type: ignore[arg-type]
        case syntax.Unary(_, x):
            return replace(expr, operand=_with(x, values))
        case syntax.Binary(_, a, b):
            return replace(expr, left=_with(a, values), right=_with(b, values))
        case syntax.Call(_, arguments):
            return replace(expr, arguments=tuple(_with(a, values) for a in arguments))
    return expr
