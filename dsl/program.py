"""Declarations: params, axes, tensors, kernels, layers, the schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Known
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.axes import Axis
from rdflow.dsl.constants import evaluate, whole
from rdflow.dsl.libraries import Brought, Layers, Library, mentioned, read
from rdflow.dsl.orders import BYTES
from rdflow.dsl.pools import Pool, homes
from rdflow.dsl.pools import pool as declare_pool
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.source import NOWHERE, Source, Span

LANES = 32
STAGES = 8
PREDEFINED: dict[str, Value] = {"L": LANES, "ST": STAGES, "H": LANES // 2}
"""ST is that of the usual machine: `declare` is told the stages of another."""
TIERS = ("hbm", "ddr")
Shapes = tuple[tuple[int, ...] | None, ...]  # lengths of tensor arguments, by parameter
SCALARS = ("int32", "f32")  # what an argument register holds

Resolve = Callable[[str], Source | None]


@dataclass(frozen=True)
class Tensor:
    """A tensor: its axes from the slowest to the fastest, where it lives, and whether a user gives or gets it."""

    name: str
    dtype: str
    axes: tuple[Axis, ...]
    sharded: tuple[bool, ...]
    tier: str
    direction: str | None
    span: Span

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(a.length for a in self.axes)

    @property
    def given(self) -> bool:
        """Whether a user gives it: where nobody does, it is random."""
        return self.direction in ("input", "input output")


@dataclass
class Program:
    """A module with its declarations resolved. Kernels and the schedule are still trees: they are checked by launch."""

    source: Source
    module: syntax.Module
    names: dict[str, Value] = field(default_factory=dict)
    params: dict[str, Value] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    roots: dict[str, int] = field(default_factory=dict)
    ragged: set[str] = field(default_factory=set)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    kernels: dict[str, syntax.Kernel] = field(default_factory=dict)
    layers: Layers = field(default_factory=dict)
    libraries: dict[str, Library] = field(default_factory=dict)  # by the names of their files
    brought: dict[str, Brought] = field(default_factory=dict)  # the kernels that are from libraries
    pools: dict[str, Pool] = field(default_factory=dict)
    schedule: syntax.Schedule | None = None
    spans: dict[str, Span] = field(default_factory=dict)
    stages: int = STAGES  # of a unit: rows of a systolic array, operations without a chain
    constant: dict[tuple[str, Shapes], frozenset[str]] = field(default_factory=dict)
    """by kernel and lengths, the scalar parameters whose numbers decide how it is built: found by its check"""
    library_missing: bool = False  # a `use` failed: unknown layers may be its layers

    @property
    def lengths(self) -> dict[str, int]:
        """Lengths of all axes by name."""
        return {name: axis.length for name, axis in self.axes.items()}

    @property
    def held(self) -> dict[str, Tensor]:
        """All that has values: the tensors, and those of the experts of each kind as one (`expert.Wq`)."""
        stacked = [kind.stacked(name) for _, kind in homes(self.pools) for name in kind.program.tensors]
        return {**self.tensors, **{tensor.name: tensor for tensor in stacked}}

    def beside(self, kernel: str) -> Program:
        """What a kernel's tree is read with: this program, as if its text were the file that the kernel is from."""
        return replace(self, source=self.brought[kernel].source) if kernel in self.brought else self

    def home(self, name: str) -> Program:
        """The program of a launch: this one, or that of an expert."""
        return self if not name else next(kind.program for _, kind in homes(self.pools) if kind.home == name)


def declare(
    module: syntax.Module,
    settings: Mapping[str, Value],
    report: Reporter,
    library: Resolve | None = None,
    stages: int = STAGES,
) -> Program:
    """Resolve a module's declarations, with params set as `settings` say, for units of so many stages. Mistakes are
    reported; the rest is kept."""
    program = Program(module.source, module, names=PREDEFINED | {"ST": stages}, stages=stages)
    for item in module.items:
        try:
            _declare(program, item, settings, report, library)
        except Abandon:
            report.silent |= _declared(item) - set(program.spans)
            program.library_missing |= isinstance(item, syntax.Use)
    _brought(program, report)
    for name in settings:
        if name not in program.params:
            report.unknown("param", name, NOWHERE, list(program.params))
    return program


def _declare(
    program: Program, item: syntax.Item, settings: Mapping[str, Value], report: Reporter, library: Resolve | None
) -> None:
    match item:
        case syntax.Param():
            _param(program, item, settings, report)
        case syntax.Axis():
            _axis(program, item, report)
        case syntax.Tensor():
            program.tensors[item.name.text] = tensor(program, item, report)
            _claim(program, item.name, report)
        case syntax.Kernel():
            _parameters(program, item, report)
            _claim(program, item.name, report)
            program.kernels[item.name.text] = item
        case syntax.Layer():
            _claim(program, item.name, report)
            program.layers[item.name.text] = (item, program.source)
        case syntax.Pool():
            pool = declare_pool(program, item, report, library)
            _claim(program, item.name, report)
            program.pools[item.name.text] = pool
        case syntax.Use():
            _use(program, item, report, library)
        case syntax.Schedule():
            if program.schedule is not None:
                labels = [(item.span, "a second schedule"), (program.schedule.span, "the first one")]
                raise report.fail(
                    "RDF011", "a program has one schedule", labels, help="put both into one `schedule { }`"
                )
            program.schedule = item


def _claim(program: Program, name: syntax.Name, report: Reporter) -> None:
    """Make sure that a name is new and not predefined."""
    if name.text in PREDEFINED:
        raise _predefined(name, report)
    if name.text in program.spans:
        labels = [(name.span, "declared again"), (program.spans[name.text], "first declared here")]
        raise report.fail("RDF011", f"`{name.text}` is declared twice", labels, help="rename one of them")
    program.spans[name.text] = name.span


def _predefined(name: syntax.Name, report: Reporter) -> Abandon:
    return report.fail(
        "RDF012",
        f"`{name.text}` is predefined",
        [(name.span, f"already {PREDEFINED[name.text]}")],
        notes=["L is the lanes of a unit, ST its stages, H = L/2; orders are written with them"],
        help=f"choose another name, as `{name.text.lower()}0`",
    )


def _declared(item: syntax.Item) -> set[str]:
    """The name that a declaration was to give."""
    return set() if isinstance(item, syntax.Use | syntax.Schedule) else {item.name.text}


def _parameters(program: Program, kernel: syntax.Kernel, report: Reporter) -> None:
    """A kernel's parameters: each name once, whole axes, scalars of a dtype that a register holds."""
    seen: dict[str, Span] = {}
    for parameter in kernel.parameters:
        name = parameter.name
        if name.text in PREDEFINED:
            raise _predefined(name, report)
        if name.text in seen:
            labels = [(name.span, "declared again"), (seen[name.text], "first declared here")]
            message = f"`{name.text}` is declared twice"
            raise report.fail("RDF011", message, labels, help="rename one of them")
        seen[name.text] = name.span
        if isinstance(parameter.type, syntax.TensorType):
            _whole_axes(parameter.type, report)
            if parameter.type.dtype is not None:
                dtype(parameter.type.dtype, program.names, report)
        elif dtype(parameter.type, program.names, report) not in SCALARS:
            raise report.fail(
                "RDF016",
                f"a scalar parameter is not {parameter.type.text}",
                [(parameter.type.span, "a launch loads this into a register")],
                notes=["argument registers hold 32 bits: a whole number or a float"],
                help=f"`{name.text}: f32` or `{name.text}: int32`",
            )


def _param(program: Program, item: syntax.Param, settings: Mapping[str, Value], report: Reporter) -> None:
    name = item.name.text
    default = (
        item.value.name
        if isinstance(item.value, syntax.Ref) and item.value.name in BYTES
        else evaluate(item.value, program.names, program.lengths, report)
    )
    value = settings.get(name, default)
    if isinstance(default, str) != isinstance(value, str) or isinstance(value, str) and value not in BYTES:
        report.add(
            "RDF017",
            f"`{name}` cannot be {value}",
            [(item.span, f"its default is {default}")],
            help=f"give {'a dtype: ' + ', '.join(BYTES) if isinstance(default, str) else 'a number'}",
        )
        value = default
    _claim(program, item.name, report)
    program.names[name] = program.params[name] = value


def _factors(expr: syntax.Expr) -> list[syntax.Ref] | None:
    """The names of a product of names, or None."""
    match expr:
        case syntax.Ref():
            return [expr]
        case syntax.Binary("*", left, right):
            a, b = _factors(left), _factors(right)
            return a + b if a is not None and b is not None else None
    return None


def _axis(program: Program, item: syntax.Axis, report: Reporter) -> None:
    name = item.name.text
    factors = _factors(item.length)
    product = factors is not None and len(factors) > 1 and all(f.name in program.axes for f in factors)
    known = program.axes.get(name)
    if not product:
        length = whole(item.length, program.names, program.lengths, report, f"the length of axis `{name}`")
        _claim(program, item.name, report)
        program.axes[name] = Axis(name, name, 1, length)
        program.roots[name] = length
    else:
        assert factors is not None
        if known is None:
            _claim(program, item.name, report)
        _product(program, item, factors, report)
    if item.ragged:
        program.ragged.add(name)


def _product(program: Program, item: syntax.Axis, factors: list[syntax.Ref], report: Reporter) -> None:
    """`axis re = r * e`: the factors become intervals of the product, the last one the fastest."""
    name = item.name.text
    length = 1
    for factor in factors:
        length *= program.axes[factor.name].length
    known = program.axes.get(name)
    if known is not None and known.length != length:
        labels = [(item.span, f"these factors make {length}"), (program.spans[name], f"`{name}` has {known.length}")]
        raise report.fail(
            "RDF015",
            f"the factors of `{name}` do not multiply to its length",
            labels,
            notes=["a product names the digits of an axis: together they count from 0 to its length"],
            help=f"change a factor, or declare `{name}` with {length} values",
        )
    whole_axis = known or Axis(name, name, 1, length)
    program.axes[name] = whole_axis
    program.roots.setdefault(whole_axis.root, length)
    stride = 1
    for factor in reversed(factors):
        part = program.axes[factor.name]
        if part.root != part.name or part.name == whole_axis.root:
            labels = [(factor.span, "used again here"), (program.spans[part.name], f"already a digit of `{part.root}`")]
            raise report.fail(
                "RDF015",
                f"`{part.name}` is already a digit of `{part.root}`",
                labels,
                help="declare another axis of the same length for the second product",
            )
        _adopt(program, part, whole_axis, stride)
        stride *= part.length


def _adopt(program: Program, part: Axis, product: Axis, stride: int) -> None:
    """Make `part`, and all that are intervals of it, intervals of the product's root."""
    for name, axis in list(program.axes.items()):
        if axis.root == part.root:
            program.axes[name] = Axis(name, product.root, product.stride * stride * axis.stride, axis.length)
    program.roots.pop(part.root, None)


def dtype(name: syntax.Name, names: Mapping[str, Known], report: Reporter) -> str:
    """A dtype by name, or by a param whose value is one."""
    value = names.get(name.text, name.text)
    if not isinstance(value, str) or value not in BYTES:
        raise report.fail(
            "RDF016",
            f"there is no dtype `{name.text}`",
            [(name.span, "unknown dtype")],
            help=f"use one of {', '.join(BYTES)}",
        )
    return value


def tensor(program: Program, item: syntax.Tensor, report: Reporter) -> Tensor:
    """A declared tensor with its axes."""
    if item.type.dtype is None:
        raise report.fail("RDF016", "a tensor needs a dtype", [(item.type.span, "as bf16[q, d]")], help="`bf16[..]`")
    element = dtype(item.type.dtype, program.names, report)
    if item.tier.text not in TIERS:
        tier = item.tier
        help = "write `in hbm` or `in ddr`"
        raise report.fail("RDF016", f"there is no memory tier `{tier.text}`", [(tier.span, "unknown tier")], help=help)
    axes, sharded = shape(program.axes, item.type, report)
    return Tensor(item.name.text, element, axes, sharded, item.tier.text, item.direction, item.name.span)


def shape(
    axes: Mapping[str, Axis], type_: syntax.TensorType, report: Reporter
) -> tuple[tuple[Axis, ...], tuple[bool, ...]]:
    """The axes of a tensor type, and which of them are sharded over the sockets."""
    _whole_axes(type_, report)
    found: list[Axis] = []
    sharded: list[bool] = []
    for place in type_.places:
        term = place.term
        if term.axis.text not in axes:
            raise report.unknown("axis", term.axis.text, term.span, list(axes))
        found.append(axes[term.axis.text])
        sharded.append(place.at == "socket")
    return tuple(found), tuple(sharded)


def _whole_axes(type_: syntax.TensorType, report: Reporter) -> None:
    """A tensor's axes are whole, and each stands once."""
    seen: dict[str, Span] = {}
    for place in type_.places:
        name = place.term.axis.text
        if place.term.over is not None or place.term.modulo is not None or place.at not in (None, "socket"):
            raise report.fail(
                "RDF020",
                "a tensor's axes are whole",
                [(place.span, "a digit or copies here")],
                notes=[
                    "how a tensor is cut is the business of the units that load and store it; only sockets shard it"
                ],
                help=f"write `{name}`",
            )
        if name in seen:
            raise report.fail(
                "RDF020",
                f"`{name}` is two axes of one tensor",
                [(place.span, "again here"), (seen[name], "first here")],
                notes=["axes are told apart by their names: an order could not say which of the two it means"],
                help=f"declare another axis of the same length: `axis {name}2 = len({name})`",
            )
        seen[name] = place.span


def _use(program: Program, item: syntax.Use, report: Reporter, library: Resolve | None) -> None:
    """Bring a library file's layers and kernels into the program."""
    found = read(program, item, report, library)
    for name, entry in found.layers.items():
        _claim(program, syntax.Name(name, item.span), report)
        program.layers[name] = entry
    for kernel in found.kernels:
        _claim(program, syntax.Name(kernel.name.text, item.span), report)
        program.kernels[kernel.name.text] = kernel
        program.brought[kernel.name.text] = Brought(found.source, item.span)


def _brought(program: Program, report: Reporter) -> None:
    """Hold the parameters of a library's kernels against the names of this program, those that it launches."""
    launched = set(mentioned(program.schedule.statements)) if program.schedule is not None else set()
    for name in launched & set(program.brought):
        brought, outside = program.brought[name], (report.origin, list(report.callers))
        report.origin, report.callers = brought.source, [*report.callers, brought.label]
        try:
            _parameters(program, program.kernels[name], report)
        except Abandon:
            report.silent.add(name)
            del program.kernels[name]
        finally:
            report.origin, report.callers = outside
