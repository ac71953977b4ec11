"""Runs and profiles as JSON. The keys are stable, and versioned by `rdflow`; golden tests hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.api import Program
from rdflow.verification import Verification

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rdflow.generation import Generated
    from rdflow.interpreter.agenda import Agenda, Switch
    from rdflow.interpreter.bandwidth import Carrier
    from rdflow.interpreter.figures import KernelProfile, Profile, TierProfile, UnitProfile
    from rdflow.interpreter.memory import MemoryPlan
    from rdflow.interpreter.reconcile import Compared
    from rdflow.interpreter.what_if import Doubled

Document = dict[str, Any]
UNIT_KEYS = ("name", "kind", "copies", "firings", "busy", "starved", "blocked", "memory", "link", "idle")
TRAFFIC_KEYS = ("unit", "tensor", "text", "again", "formula", "measured", "causes")
WORK_KEYS = ("unit", "text", "formula", "measured", "causes")


def document(
    program: Program,
    profile: Profile,
    outputs: Mapping[str, NDArray[Any]] | None = None,
    files: Mapping[str, Path] | None = None,
    verification: Verification | None = None,
    doubled: Sequence[Doubled] | None = None,
    generated: Generated | None = None,
) -> Document:
    """A run (or, without outputs, a profile) of a program. `doubled`: what twice of each resource gives, if asked;
    `generated`: what a model said, where it was given a prompt."""
    from rdflow import __version__

    return {
        "rdflow": __version__,
        "program": program.name,
        "machine": program.machine.name,
        "params": dict(program.checked.program.params),
        "cycles": profile.cycles,
        "cycles_depend_on": list(program.bounding),
        "seconds": profile.seconds,
        "kernels": [_kernel(kernel) for kernel in profile.kernels],
        "intensity": profile.intensity,
        "compared": _compared(program, profile),
        "tiers": {name: _tier(tier) for name, tier in profile.tiers.items()},
        "schedule": [dict(entry) for entry in profile.schedule],
        "timeline": _timeline(program, profile.agenda),
        "switches": [_switch(switch) for switch in profile.agenda.switches],
        "memory": _memory(profile.agenda.plan),
        "outputs": {name: _output(program, name, files or {}) for name in outputs or ()},
        "verify": None if verification is None else _verify(verification),
        "simulation": {
            "firings": profile.firings,
            "firings_simulated": profile.firings_simulated,
            "host_seconds": profile.host_seconds,
            "fast_forwarded_cycles": profile.fast_forwarded_cycles,
            "sockets_alike": profile.sockets_alike,
            "launches_repeated": profile.launches_repeated,
            "launches_modelled": profile.launches_modelled,
            "modelled": list(profile.modelled),
            "cached": profile.cached or None,
        },
        "what_if": None if doubled is None else [asdict(one) for one in doubled],
    } | ({} if generated is None else {"generated": _generated(generated)})


def _generated(said: Generated) -> Document:
    fields = {"ids": [list(row) for row in said.ids], "texts": list(said.texts), "ended": list(said.ended)}
    return fields | {"host_seconds": said.host_seconds}


def _timeline(program: Program, agenda: Agenda) -> Document:
    """What the chip, the copy path and the host do, in cycles since the start, loads and the host included."""
    table = agenda.timetable
    return {
        "cycles": table.end,
        "seconds": table.end / float(program.machine.socket.clock),
        "parts": table.spent(),
        "statements": [
            {"what": name, "times": times, "cycles": cycles} for name, (times, cycles) in table.statements().items()
        ],
        "entries": [asdict(entry) for entry in table.entries],
    }


def _switch(switch: Switch) -> Document:
    """A request for an expert."""
    names = {"expert": str(switch.expert), "evicted": [str(one) for one in switch.evicted]}
    return asdict(switch) | names


def _memory(plan: MemoryPlan) -> Document:
    """Where every tensor is on a socket, and what is left for experts."""
    placed = [
        {"tensor": p.symbol.name, "tier": p.tier, "address": p.address, "bytes": p.size, "from_step": p.symbol.first,
         "to_step": p.symbol.last, "moved": p.symbol.moved, "why": p.why}
        for p in plan.placed
    ]  # fmt: skip
    return {"placed": placed, "experts": {n: asdict(f) for n, f in plan.footprints.items()},
            "caches": [asdict(region) for region in plan.regions.values()]}  # fmt: skip


def _compared(program: Program, profile: Profile) -> Document | None:
    """The intensity by another way of counting, where the program names one."""
    if program.left_out is None:
        return None
    tensors, why = program.left_out
    return {"without": list(tensors), "intensity": profile.intensity_without(tensors), "why": why}


def _kernel(kernel: KernelProfile) -> Document:
    moved: Document = {name: {"read": tier.read, "written": tier.written} for name, tier in kernel.tiers.items()}
    return {
        "name": kernel.name,
        "launches": kernel.launches,
        "cycles": kernel.cycles,
        "flops": kernel.flops,
        "bytes": moved | {"sram": kernel.sram_bytes, "links": kernel.link_bytes},
        "intensity": kernel.intensity,
        "bound": kernel.bound,
        "limiter": kernel.limiter,
        "why": kernel.why,
        "waits": [asdict(wait) for wait in kernel.waits],
        "resources": dict(kernel.resources),
        "units": [_unit(unit) for unit in kernel.units],
        "carriers": [_carrier(one) for one in kernel.carriers],
        "traffic": [_line(line, TRAFFIC_KEYS) for line in kernel.compared if line.tensor is not None],
        "work": [_line(line, WORK_KEYS) for line in kernel.compared if line.tensor is None],
    }


def _carrier(one: Carrier) -> Document:
    return asdict(one) | {"utilization": one.utilization}


def _line(line: Compared, keys: tuple[str, ...]) -> Document:
    """Bytes or FLOPs of a line by formula and measured, with the causes of the difference."""
    causes = [{"cause": cause, "amount": amount} for cause, amount in line.causes]
    fields = asdict(line) | {"again": {"axes": line.again[0], "times": line.again[1]}, "causes": causes}
    return {key: fields[key] for key in keys}


def _unit(unit: UnitProfile) -> Document:
    fields = asdict(unit)
    return {key: fields[key] for key in UNIT_KEYS}


def _tier(tier: TierProfile) -> Document:
    return {"peak": tier.peak, "achieved": tier.achieved, "utilization": tier.utilization}


def _output(program: Program, name: str, files: Mapping[str, Path]) -> Document:
    tensor = program.checked.program.tensors[name]
    file = files.get(name)
    return {"shape": list(tensor.shape), "dtype": tensor.dtype, "file": None if file is None else str(file)}


def _verify(verification: Verification) -> Document:
    error = verification.max_abs_error
    return {
        "passed": verification.passed,
        "max_abs_error": error if isfinite(error) else None,
        "tolerance": verification.tolerance,
    }
