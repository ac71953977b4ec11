"""A program on a roofline model as tables."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from rdflow.api import Program
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.roofline import CLOCK, Cost, Modelled
from rdflow.show import percent, scaled, table, time_text
from rdflow.show_schedule import switches


def shown(program: Program, found: Modelled) -> list[Any]:
    """What launches cost, kernel by kernel, and what the schedule's time went to."""
    rival = found.rival
    made = table("kernel", ">launches", ">GPU kernels", ">GPUs", ">HBM", ">FLOP", ">launching", ">memory", ">compute", ">time", "bound by",
                 title=f"{program.name} on {rival.name}, by a roofline model (of one launch)")  # fmt: skip
    rows: dict[str, tuple[int, Cost]] = {}
    for (spec, _), (times, one) in found.launched.items():
        name = f"{spec.home.partition('(')[0].removesuffix('.rdf')}.{spec.kernel}" if spec.home else spec.kernel
        before, first = rows.get(name, (0, one))
        rows[name] = before + times, first
    for name, (times, one) in rows.items():
        parts = (time_text(float(part)) for part in (one.launching, one.memory, one.compute, one.seconds))
        made.add_row(Text(name), f"{times:,}", f"{one.kernels:,}", str(one.devices), size_text(one.bytes),
                     scaled(one.flops, ""), *parts, one.bound)  # fmt: skip
    return [made, _time(found), *switches(found.agenda, CLOCK), Text(_note(found) + "\n", "bright_black")]


def _time(found: Modelled) -> Any:
    spent = found.agenda.timetable.spent()
    made = table("schedule", ">time", ">of all", title=f"{time_text(found.seconds)} in all, launches and copies")
    for part, cycles in spent.items():
        made.add_row(part, time_text(cycles / CLOCK), percent(cycles, found.agenda.timetable.end))
    return made


def _note(found: Modelled) -> str:
    rival = found.rival
    return (
        f"Modelled, not simulated: bytes and FLOPs are those of the formulas, at {float(rival.device.efficiency):.0%} of the roofs; "
        f"{time_text(float(rival.launch.kernel))} a kernel, {rival.launch.layer} kernels a step of a carry over layers; experts over "
        f"{scaled(rival.host.bandwidth, 'B/s')} (`rdflow machines {rival.name}`)."
    )
