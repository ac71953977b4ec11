"""What the REPL answers to an entry: a unit's order, what it takes, how often it fires; what a declaration made."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from rdflow.dsl import syntax
from rdflow.dsl.checked import Hold, Kernel, Line, Stream, streams_of
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.firings import firings
from rdflow.dsl.netlist import Netlist, UnitInfo
from rdflow.dsl.orders import BYTES
from rdflow.dsl.program import Program
from rdflow.interpreter.allocate import MAIN, size_text, unit_table
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.rates import cycles
from rdflow.session import Session
from rdflow.units import UnitCost

MANY = 8  # units of a layer call that are told one by one


def answer(session: Session) -> Iterator[str]:
    """What the last entry of a session made, a line each."""
    found = session.examined
    items, lines, _ = found.parts[-1]
    program = found.checked.program
    for item in items:
        yield from _declared(session, program, item)
    if not lines:
        return
    kernel = session.kernel()
    if kernel is None:
        yield f"not checked yet: nothing launches `{found.kernel}`"
        return
    costs = _costs(kernel, session.machine)
    for line in lines:
        yield from _line(kernel, line, costs, found.pending)


def overview(session: Session) -> Iterator[str]:
    """What a file brought: its params and its kernels."""
    program = session.examined.checked.program
    if program.params:
        yield f"{session.state.name}: " + ", ".join(f"{name} = {value}" for name, value in program.params.items())
    launched = {spec.kernel for spec in session.examined.checked.launches}
    for name in program.kernels:
        if name in launched or name not in program.brought:
            yield _kernel(session, name)


# -- declarations ------------------------------------------------------------------------------------------------------


def _declared(session: Session, program: Program, item: syntax.Item) -> Iterator[str]:
    match item:
        case syntax.Param(name):
            changed = " (as set)" if name.text in session.state.settings else ""
            yield f"param {name.text} = {program.params[name.text]}{changed}"
        case syntax.Axis(name):
            axis = program.axes[name.text]
            parts = [a.name for a in program.axes.values() if a.root == axis.root and a.name != axis.name]
            yield f"axis {name.text} = {axis.length:,}" + (f", of which {', '.join(parts)} are digits" if parts else "")
        case syntax.Tensor(name):
            tensor = program.tensors[name.text]
            size = size_text(prod(tensor.shape) * BYTES[tensor.dtype])
            shape = ", ".join(f"{a.name} = {a.length}" for a in tensor.axes)
            yield f"tensor {name.text}: {tensor.dtype}[{shape}], {size} in {tensor.tier}"
        case syntax.Kernel(name):
            yield _kernel(session, name.text)
        case syntax.Layer(name, parameters):
            yield f"layer {name.text}({', '.join(p.name.text for p in parameters)})"
        case syntax.Use(path):
            source = f"std/{path[-1].text}.rdf"
            names = [name for name, (_, origin) in program.layers.items() if origin.name == source]
            names += [name for name, brought in program.brought.items() if brought.source.name == source]
            yield f"{'.'.join(n.text for n in path)}: {', '.join(names)}"
        case syntax.Pool(name):
            pool = program.pools[name.text]
            kinds = ", ".join(f"{kind.count} of {kind.program.source.name}" for kind in pool.kinds)
            cached = f", cached in {pool.cache}, evict {pool.policy}" if pool.cache else ""
            yield f"pool {name.text}: {kinds} in {pool.tier}{cached}"
        case syntax.Schedule():
            kernels = ", ".join(dict.fromkeys(spec.kernel for spec in session.examined.checked.launches))
            yield f"schedule: launches {kernels or 'nothing'}"


def _kernel(session: Session, name: str) -> str:
    kernels = session.examined.checked.kernels
    kernel = next((k for spec, k in kernels.items() if spec.kernel == name), None)
    if kernel is None:
        return f"kernel {name}: not checked yet, nothing launches it"
    costs = _costs(kernel, session.machine)
    if isinstance(costs, CompileError):
        return f"kernel {name}: {len(kernel.lines)} lines; {costs.diagnostics[0].message}"
    taken = [sum(getattr(c, kind) * c.copies for c in costs.values()) for kind in ("pcus", "pmus", "agcus")]
    slowest = max(costs.values(), key=lambda c: c.cycles, default=None)
    least = f"; at least {slowest.cycles:,} cycles, for `{slowest.name}`" if slowest else ""
    return f"kernel {name}: {len(costs)} units on {_sites(*taken)}{least}"


# -- units -------------------------------------------------------------------------------------------------------------

Costs = dict[str, UnitCost] | CompileError


def _costs(kernel: Kernel, machine: Machine) -> Costs:
    """Every unit of a kernel by name; what is wrong where it cannot be executed."""
    try:
        netlist = coalesce(elaborate(kernel, chosen(machine)))
    except CompileError as error:
        return error
    rows = {row.name: row for row in unit_table(netlist, machine)}
    found = {}
    for number, info in enumerate(netlist.units):
        row = rows[info.name]
        found[info.name] = _cost(netlist, number, info, row.pcus, row.pmus, row.agcus)
    return found


def _cost(netlist: Netlist, number: int, info: UnitInfo, pcus: int, pmus: int, agcus: int) -> UnitCost:
    main = [actor for _, actor in netlist.actors_of(number) if actor.kind in MAIN]
    fired = max((firings(a) for a in main), default=0)
    spent = max((cycles(a) for a in main), default=0)
    verb = "systolic" if info.systolic else info.verb
    return UnitCost(info.name, info.kind, verb, info.order, info.copies, pcus, pmus, agcus, info.bytes, fired, spent)


def _line(kernel: Kernel, line: syntax.Line, costs: Costs, pending: tuple[str, ...]) -> Iterator[str]:
    match line:
        case syntax.Store(source, _, target):
            name = f"store.{source.text}"
            yield f"{target.name.text}: stored{_taken(costs, name)}"
        case syntax.Unit(names, body) if isinstance(body, syntax.LayerCall):
            yield from _layer(kernel, names[0].text, costs)
        case syntax.Unit(names):
            found = next(l for l in kernel.lines if names[0].text in [s.name for s in streams_of(l)])
            for stream in streams_of(found):
                yield f"{_typed(kernel, found, stream)}{_depth(found)}{_taken(costs, stream.name)}"
            if isinstance(line.body, syntax.Carry) and line.body.feedback.text in pending:
                yield f"{names[0].text} waits for its feedback `{line.body.feedback.text}`, which is to come"


def _layer(kernel: Kernel, name: str, costs: Costs) -> Iterator[str]:
    """The units that a layer call became, those that the program itself could not name last."""
    made = [(l, s) for l in kernel.lines for s in streams_of(l) if s.name == name or s.name.startswith(f"{name}.")]
    for line, stream in made[-MANY:]:
        yield f"{_typed(kernel, line, stream)}{_depth(line)}{_taken(costs, stream.name)}"
    if len(made) > MANY:
        yield f"and {len(made) - MANY} units before these"


def _typed(kernel: Kernel, line: Line, stream: Stream) -> str:
    """`s: f32 [q/L, k | q%L]`."""
    tile = line.tile if isinstance(line, Hold) and not line.fifo else None
    return f"{stream.name}: {stream.dtype} {kernel.writer.order(stream.order, tile)}"


def _depth(line: Line) -> str:
    return f"   depth {line.depth}" if isinstance(line, Hold) else ""


def _taken(costs: Costs, name: str) -> str:
    """What a unit takes, and how often each copy fires."""
    if isinstance(costs, CompileError):
        return f"   ({costs.diagnostics[0].message})"
    if name not in costs:
        return ""
    cost = costs[name]
    parts = [_sites(cost.pcus, cost.pmus, cost.agcus, cost.copies)]
    parts += ["systolic"] if cost.verb == "systolic" else []
    parts += [size_text(cost.bytes)] if cost.bytes else []
    every = cost.cycles / cost.firings if cost.firings else 1.0
    pace = "one a cycle" if every <= 1 else f"one in {every:.4g} cycles"
    return f"   {', '.join(parts)}; {cost.firings:,} firings, {pace}"


def _sites(pcus: int, pmus: int, agcus: int, copies: int = 1) -> str:
    """`8 x 2 PCUs`."""
    parts = [f"{n} {name}{'s' if n > 1 else ''}" for n, name in ((pcus, "PCU"), (pmus, "PMU"), (agcus, "AGCU")) if n]
    return f"{copies} x {' + '.join(parts)}" if copies > 1 else ", ".join(parts)
