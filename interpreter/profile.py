"""The profile of what has run: kernel by kernel, and over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.launches import LaunchSpec
from rdflow.dsl.source import Source
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.figures import Profile, TierProfile
from rdflow.interpreter.kernel_profile import kernel_profile
from rdflow.interpreter.lasting import lasting
from rdflow.interpreter.launched import Compiled, Launched
from rdflow.interpreter.machine import Machine


def profile(execution: Execution) -> Profile:
    """The profile of what has run so far."""
    with lasting():
        return _profile(execution)


def _profile(execution: Execution) -> Profile:
    machine = execution.machine
    groups: dict[LaunchSpec, list[Launched]] = {}
    for launched in execution.launched:
        groups.setdefault(launched.call.spec, []).append(launched)
    kernels = tuple(kernel_profile(name, groups[spec], machine) for spec, name in spec_names(execution).items())
    cycles = execution.time
    seconds = cycles / float(machine.socket.clock)
    tiers = {name: _sum((k.tiers[name] for k in kernels), seconds) for name in machine.tiers}
    return Profile(
        kernels,
        tiers,
        cycles,
        seconds,
        sum(k.flops for k in kernels),
        sum(l.firings for l in execution.launched),
        sum(l.simulated for l in execution.launched),
        sum(l.skipped.cycles for l in execution.launched),
        sum(l.repeats for l in execution.launched),
        sum(l.host_seconds for l in execution.launched),
        tuple(_entry(l, machine) for l in execution.launched),
        execution.agenda(),
        execution.plan.warnings
        + tuple(
            d for kernel in execution.compiled.values() for d in _warnings(kernel, execution.checked.program.source)
        ),
        execution.estimates.notes if execution.estimates is not None else (),
        sum(l.modelled for l in execution.launched),
        sockets_alike=max((l.counted.sockets for l in execution.launched), default=1),
    )


def _warnings(compiled: Compiled, own: Source) -> Iterable[Diagnostic]:
    """Of a kernel's places and routes; where it is an expert's, in the text of its program."""
    source = compiled.kernel.program.source
    for found in compiled.floorplan.warnings(compiled.netlist):
        labels = (replace(l, source=l.source or source) for l in found.labels)
        yield found if source is own else replace(found, labels=tuple(labels))


def spec_names(execution: Execution) -> dict[LaunchSpec, str]:
    """A name for each mapping: the kernel's, numbered from its second size on (`gemm`, `gemm#2`)."""
    seen: Counter[str] = Counter()
    names = {}
    for spec in dict.fromkeys(launched.call.spec for launched in execution.launched):
        seen[spec.kernel] += 1
        names[spec] = spec.kernel if seen[spec.kernel] == 1 else f"{spec.kernel}#{seen[spec.kernel]}"
    return names


def _entry(launched: Launched, machine: Machine) -> dict[str, object]:
    """A line of the schedule's timeline: execution in cycles, and what the launch costs beside it (a fit)."""
    return {
        "what": f"launch {launched.call.spec.kernel}",
        "start": launched.start,
        "end": launched.end,
        "boundary_cycles_fitted": machine.boundary_cycles(launched.compiled.configured),
        "modelled": launched.modelled,
    }


def _sum(parts: Iterable[TierProfile], seconds: float) -> TierProfile:
    found = list(parts)
    read, written = sum(t.read for t in found), sum(t.written for t in found)
    peak, sustained = (found[0].peak, found[0].sustained) if found else (0.0, 0.0)
    return TierProfile.over(seconds, read, written, peak, sustained)
