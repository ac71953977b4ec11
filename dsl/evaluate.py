"""The values of a checked program, without any machine: what the cycle engine must give, bit for bit.

Every stream is an array with a dimension per digit, every line a function of arrays. Only a carry makes time matter:
the lines of its cycle are evaluated one iteration of the carried loop after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, assert_never

import numpy as np
from numpy.typing import ArrayLike

from rdflow.dsl.axes import Digit
from rdflow.dsl.check import Checked
from rdflow.dsl.checked import (
    Carry,
    Compute,
    Hold,
    Kernel,
    Line,
    Load,
    Route,
    Store,
    Stream,
    TensorView,
    bounds_of,
    sources_of,
    streams_of,
)
from rdflow.dsl.evaluate_arrays import Array, Fixed, Numbers, constant, stacked
from rdflow.dsl.evaluate_compute import compute
from rdflow.dsl.evaluate_frame import Frame
from rdflow.dsl.evaluate_memory import hold, load, store
from rdflow.dsl.evaluate_operations import rounded
from rdflow.dsl.evaluate_route import route
from rdflow.dsl.launched import launched_kernel
from rdflow.dsl.program import Tensor
from rdflow.dsl.report import Reporter
from rdflow.dsl.schedule import Walk
from rdflow.dsl.slices import number, sliced, view_of
from rdflow.dsl.steps import Activation, CopyCall, LaunchCall, Pause, Read


def evaluate(checked: Checked, inputs: Mapping[str, ArrayLike]) -> dict[str, Numbers]:
    """All tensors after the launches of a program; a tensor that is not given starts as zeros."""
    tensors = checked.program.held
    unknown = set(inputs) - set(tensors)
    if unknown:
        raise ValueError(f"no tensor {', '.join(sorted(unknown))}")
    memory = {name: stored(tensor, inputs.get(name)) for name, tensor in tensors.items()}
    program = checked.program
    walk = Walk(program, lambda read: number(program, read, memory), Reporter(), running=True)
    for step in walk.steps():
        match step:
            case LaunchCall():
                _launch(checked, step, memory)
            case CopyCall(source, target):
                sliced(program, target, memory)[...] = sliced(program, source, memory)
            case Activation() | Read() | Pause():
                pass  # they take time and change no value
            case _:
                assert_never(step)
    return memory


def _launch(checked: Checked, call: LaunchCall, memory: dict[str, Numbers]) -> None:
    """Run a kernel on its arguments, slices of tensors that it reads and writes through."""
    call = checked.settled(call)
    kernel = launched_kernel(checked.kernel(call.spec), call.numbers)
    views = {name: view_of(checked.program, call, name, memory) for name in kernel.tensors}
    results = evaluate_kernel(kernel, views)
    for name in {line.view.tensor.name for line in kernel.lines if isinstance(line, Store)}:
        views[name][...] = results[name]


def stored(tensor: Tensor, values: ArrayLike | None) -> Numbers:
    """What memory holds of given values: float32 (rounded to bf16 where the tensor is), or int32."""
    kind: Any = np.float32 if tensor.dtype in ("bf16", "f32") else np.int32
    if values is None:
        return np.zeros(tensor.shape, kind)
    found = np.array(values, kind)
    if found.shape != tensor.shape:
        raise ValueError(f"`{tensor.name}` has shape {tensor.shape}, not {found.shape}")
    return rounded(found, tensor.dtype)


def evaluate_kernel(kernel: Kernel, tensors: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """All tensors of a kernel after it ran; the given arrays stay as they are."""
    frame = _run(kernel, tensors)
    latest = {name: max(v for n, v in frame.versions if n == name) for name, _ in frame.versions}
    return {name: frame.versions[name, version] for name, version in latest.items()}


def evaluate_streams(kernel: Kernel, tensors: Mapping[str, Numbers]) -> dict[str, Array]:
    """Every stream of a kernel, with its digits: for looking into a kernel."""
    return {name: entry.array for name, entry in _run(kernel, tensors).entries.items()}


def _run(kernel: Kernel, tensors: Mapping[str, Numbers]) -> Frame:
    versions = {(name, 0): _given(tensor, tensors.get(name)) for name, tensor in kernel.tensors.items()}
    frame = Frame(kernel, versions)
    with np.errstate(all="ignore"):
        run_groups(frame, groups(kernel.lines))
    return frame


def _given(tensor: Tensor, values: Numbers | None) -> Numbers:
    return stored(tensor, None) if values is None else values


# -- lines -------------------------------------------------------------------------------------------------------------


def run_groups(frame: Frame, ordered: Sequence[Sequence[Line]]) -> None:
    """Evaluate lines, a cycle of them together."""
    for group in ordered:
        if any(isinstance(line, Carry) for line in group):
            run_carried(frame, group)
        else:
            run_line(frame, group[0])


def run_line(frame: Frame, line: Line) -> None:
    match line:
        case Load():
            load(frame, line)
        case Hold():
            hold(frame, line)
        case Compute():
            compute(frame, line)
        case Store():
            store(frame, line)
        case Route():
            route(frame, line)
        case Carry():
            raise AssertionError("a carry is run with its cycle")
        case _:
            assert_never(line)


def groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that depend on each other in a cycle together, every group behind those that it reads."""
    reach = _reach(lines)
    cycles: dict[int, list[int]] = {}
    for i in range(len(lines)):
        first = next(j for j in range(i + 1) if j == i or (reach[i] >> j & reach[j] >> i & 1))
        cycles.setdefault(first, []).append(i)
    ordered = sorted(cycles.values(), key=lambda group: (reach[group[0]].bit_count(), group[0]))
    return [[lines[i] for i in group] for group in ordered]


def _reach(lines: Sequence[Line]) -> list[int]:
    """For each line a bit set of the lines that it depends on, over any number of steps (itself included)."""
    makers = {s.name: i for i, line in enumerate(lines) for s in streams_of(line)}
    reach = [1 << i | _sources(lines, i, makers) for i in range(len(lines))]
    for middle in range(len(lines)):
        for i, known in enumerate(reach):
            if known >> middle & 1:
                reach[i] |= reach[middle]
    return reach


def _sources(lines: Sequence[Line], number: int, makers: Mapping[str, int]) -> int:
    line = lines[number]
    names = {s.name for s in sources_of(line)} | bounds_of(line)
    if isinstance(line, Carry):
        names.add(line.feedback)
    found = sum(1 << maker for maker in {makers[name] for name in names if name in makers})
    if isinstance(line, Load | Store):
        stores = [i for i, other in enumerate(lines) if isinstance(other, Store) and _precedes(other.view, line.view)]
        found |= sum(1 << i for i in stores)
    return found


def _precedes(store: TensorView, access: TensorView) -> bool:
    return store.tensor.name == access.tensor.name and store.version < access.version


# -- carries -----------------------------------------------------------------------------------------------------------


def run_carried(frame: Frame, group: Sequence[Line]) -> None:
    """Evaluate a cycle of lines iteration by iteration of its outermost carry."""
    carries = [line for line in group if isinstance(line, Carry)]
    outer = min(carries, key=lambda c: min(map(c.stream.order.time.index, c.over), default=0))
    driven = [c for c in carries if set(c.over) == set(outer.over)]
    rest = groups([line for line in group if line not in driven])
    over = tuple(d for d in outer.stream.order.time if d in outer.over)
    slices: dict[str, list[Array]] = {s.name: [] for line in group for s in streams_of(line)}
    before: dict[str, Array] = {}
    for fixed in _iterations(over):
        inner = frame.inside(fixed)
        for carry in driven:
            inner.define(carry.stream, before.get(carry.stream.name) or _initial(inner, carry))
        run_groups(inner, rest)
        before = {c.stream.name: inner.entries[c.feedback].array.at(inner.fixed) for c in driven}
        for name, found in slices.items():
            found.append(inner.entries[name].array)
    for stream in (s for line in group for s in streams_of(line)):
        frame.define(stream, stacked(over, slices[stream.name]))


def _iterations(over: Sequence[Digit]) -> Iterator[Fixed]:
    for counters in product(*(range(d.extent) for d in over)):
        yield dict(zip(over, counters, strict=True))


def _initial(frame: Frame, carry: Carry) -> Array:
    if isinstance(carry.initial, Stream):
        return frame.read(carry.initial)
    kind = np.float32 if carry.stream.dtype in ("bf16", "f32") else np.int32
    return constant(rounded(np.asarray(carry.initial, kind), carry.stream.dtype))
