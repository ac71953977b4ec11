"""A profile as tables: kernels and their roofline, memory tiers, units and what their cycles went to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from rdflow.api import Program
from rdflow.dsl.records import dataclass
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.figures import KernelProfile, Profile, UnitProfile
from rdflow.show import limit, percent, scaled, table, time_text

if TYPE_CHECKING:
    from rdflow.interpreter.reconcile import Compared
    from rdflow.interpreter.what_if import Doubled

OVERLOADED = "more than the peak: flows that meet there did not wait for each other in this run"
CARRIERS = 24  # channels, ports and links that are shown
BAR = 32  # characters of a unit's bar
BESIDE = 72  # columns of the figures beside it
STATES = {
    "busy": ("█", "green"),
    "starved": ("░", "blue"),
    "blocked": ("▒", "yellow"),
    "memory": ("▓", "magenta"),
    "link": ("╳", "cyan"),
    "idle": ("·", "bright_black"),
}
"""what a unit's cycles go to: the character and the colour of its part of the bar"""


def profiled(program: Program, profile: Profile, ports: bool = False) -> list[Any]:
    """All of a profile: kernels, then each kernel's units, then the tiers. `ports`: what carries packets, too."""
    parts: list[Any] = [*_kernels(profile), *_modelled(profile), *_compared(program, profile)]
    parts += [Text(f"{kernel.name}: limited by {limit(kernel)}") for kernel in profile.kernels]
    meaning = "Roofline: the least time for these FLOPs and bytes at the socket's peaks, over the time taken."
    parts += [Text(f"\n{meaning}\n", "bright_black")]
    parts.append(_tiers(profile))
    for kernel in profile.kernels:
        parts += [_units(kernel), _legend(), *([_carriers(kernel)] if ports else []), _formulas(kernel)]
    parts.append(_resources(program, profile))
    parts.append(Text(_simulated(profile), "bright_black"))
    return parts


def _modelled(profile: Profile) -> list[Text]:
    """What of the figures is a model, where not all launches were simulated."""
    if not profile.modelled:
        return []
    count = f"{profile.launches_modelled:,} of {len(profile.schedule):,} launches are modelled, and with them all figures here"
    return [Text("\n".join([f"{count}:", *profile.modelled, ""]), "yellow")]


def _simulated(profile: Profile) -> str:
    """How much of the run the engine did, and how much it knew."""
    text = f"{profile.firings:,} firings, {profile.firings_simulated:,} of them simulated"
    if profile.sockets_alike > 1:
        text += (
            f": {profile.sockets_alike} sockets do the same in every cycle, and one was (`--threads N` simulates all)"
        )
    if profile.fast_forwarded_cycles:
        text += f"; {profile.fast_forwarded_cycles:,} cycles repeat earlier ones and were counted as such"
    if profile.launches_repeated:
        text += f", {profile.launches_repeated} of {len(profile.schedule)} launches among them"
    if profile.cached:
        text += f"; from the cache, simulated on {profile.cached} (`--no-cache` simulates it again)"
    return text


def _compared(program: Program, profile: Profile) -> list[Text]:
    """The intensity by another way of counting, where the program names one."""
    if program.left_out is None:
        return []
    tensors, why = program.left_out
    ours = f"{profile.intensity:.1f} FLOP/byte counted from the bytes that moved"
    theirs = f"{profile.intensity_without(tensors):.1f} without {', '.join(tensors)} ({why})"
    return [Text(f"{ours}; {theirs}\n")]


def _kernels(profile: Profile) -> list[Table]:
    """What each kernel computes, and what it moves for that; with several, the sums."""
    work = table("kernel", ">launches", ">cycles", ">time", ">FLOP", ">achieved", ">of peak", ">of roofline", "bound")
    traffic = table("kernel", *(f">{name.upper()}" for name in profile.tiers), ">SRAM", ">FLOP/byte")
    rows = [_Row.of(kernel) for kernel in profile.kernels]
    for row in rows:
        row.add(work, traffic)
    if len(rows) > 1:
        work.add_section()
        traffic.add_section()
        _Row.sum(rows).add(work, traffic)
    return [work, traffic]


@dataclass
class _Row:
    """A kernel, or the sum of several. `least`: seconds by the roofline."""

    name: str
    launches: int
    cycles: int
    seconds: float
    flops: int
    peak: float
    least: float
    bound: str
    moved: list[int]
    sram: int

    @classmethod
    def of(cls, k: KernelProfile) -> _Row:
        moved = [tier.read + tier.written for tier in k.tiers.values()]
        return cls(
            k.name, k.launches, k.cycles, k.seconds, k.flops, k.peak_flops, roofline(k), k.bound, moved, k.sram_bytes
        )

    @classmethod
    def sum(cls, rows: list[_Row]) -> _Row:
        first = rows[0]
        moved = [sum(sizes) for sizes in zip(*(row.moved for row in rows), strict=True)]
        return cls(
            "all",
            sum(row.launches for row in rows),
            sum(row.cycles for row in rows),
            sum(row.seconds for row in rows),
            sum(row.flops for row in rows),
            first.peak,
            sum(row.least for row in rows),
            "",
            moved,
            sum(row.sram for row in rows),
        )

    def add(self, work: Table, traffic: Table) -> None:
        rate = self.flops / self.seconds if self.seconds else 0.0
        cells = [f"{self.cycles:,}", time_text(self.seconds), scaled(self.flops, ""), scaled(rate, "FLOP/s")]
        shares = (percent(rate, self.peak), percent(self.least, self.seconds))
        work.add_row(self.name, str(self.launches), *cells, *shares, self.bound)
        intensity = f"{self.flops / sum(self.moved):.2f}" if any(self.moved) else ""
        traffic.add_row(self.name, *(size_text(size) if size else "" for size in (*self.moved, self.sram)), intensity)


def roofline(kernel: KernelProfile) -> float:
    """The least seconds for the kernel's FLOPs and bytes at the peaks of the socket."""
    moving = [(t.read + t.written) / t.peak for t in kernel.tiers.values() if t.peak]
    return max([kernel.flops / kernel.peak_flops, *moving])


def _tiers(profile: Profile) -> Table:
    made = table("tier", ">read", ">written", ">achieved", ">peak", ">of peak")
    for name, tier in profile.tiers.items():
        if tier.read or tier.written:
            rates = (scaled(tier.achieved, "B/s"), scaled(tier.peak, "B/s"), percent(tier.achieved, tier.peak))
            made.add_row(name, size_text(tier.read), size_text(tier.written), *rates)
    return made


def _units(kernel: KernelProfile) -> Table:
    shown = [state for state in STATES if any(getattr(unit, state) for unit in kernel.units)]
    made = table(
        "unit", "kind", ">copies", ">firings", "cycles of all copies", *(f">{s}" for s in shown), title=kernel.name
    )
    width = bar_width()
    for unit in kernel.units:
        shares = (percent(getattr(unit, state), unit.total) for state in shown)
        name = Text(unit.name, "bold" if unit.name == kernel.limiter else "")
        made.add_row(name, f"{unit.kind}", str(unit.copies), f"{unit.firings:,}", bar(unit, width), *shares)
    return made


def _formulas(kernel: KernelProfile) -> Table:
    """Bytes and FLOPs of each line by the formula of its axes, as they were measured, and what makes the difference."""
    made = table("line", "by its axes", ">", ">measured", ">differs by", "because of")
    for number, one in enumerate(kernel.compared):
        if number and one.tensor is None and kernel.compared[number - 1].tensor is not None:
            made.add_section()
        made.add_row(*map(Text, formula_row(one)))
    return made


def formula_row(one: Compared) -> tuple[str, str, str, str, str, str]:
    """A line's name, formula, both figures, and the difference with its causes."""
    name = one.unit if one.tensor is None else f"{one.unit} ({one.tensor})"
    told = [
        f"{scaled(size, '').strip() if one.tensor is None else _signed(size)}: {cause}" for cause, size in one.causes
    ]
    again = f"; moved {one.again[1]} times, for {one.again[0]}" if one.again[1] > 1 else ""
    differs = percent(one.measured - one.formula, one.formula)
    return name, one.text + again, _amount(one, one.formula), _amount(one, one.measured), differs, ", ".join(told)


def _amount(one: Compared, amount: int) -> str:
    return scaled(amount, "FLOP") if one.tensor is None else size_text(amount)


def _signed(size: int) -> str:
    return f"{'-' if size < 0 else ''}{size_text(abs(size))}"


def _carriers(kernel: KernelProfile) -> Table:
    """The busiest of what carries packets."""
    made = table("carries", "what", ">bytes", ">achieved", ">peak", ">of peak")
    for one in kernel.carriers[:CARRIERS]:
        rates = (scaled(one.achieved, "B/s"), scaled(one.peak, "B/s"), percent(one.achieved, one.peak))
        made.add_row(*map(Text, (one.kind, one.name, size_text(one.bytes), *rates)))
    if len(kernel.carriers) > CARRIERS:
        made.add_row(
            "", Text(f"and {len(kernel.carriers) - CARRIERS:,} more, less busy; `--json` has all", "bright_black")
        )
    if overloaded(kernel):
        made.add_row("", Text(OVERLOADED, "bright_black"))
    return made


def overloaded(kernel: KernelProfile) -> bool:
    """Whether packets passed a link faster than it takes them, for the run did not let them wait for each other."""
    return any(one.utilization > 1 for one in kernel.carriers)


def bar_width() -> int:
    """As wide as a terminal leaves room beside the figures."""
    return max(8, min(BAR, get_terminal_size().columns - BESIDE)) if sys.stdout.isatty() else BAR


def bar(unit: UnitProfile, width: int = BAR) -> Text:
    """The unit's cycles, a character for each `width`th of them; the states' ends are rounded, so that the bar is full."""
    made = Text()
    done, spent = 0, 0
    for state, (character, color) in STATES.items():
        spent += getattr(unit, state)
        end = round(width * spent / unit.total) if unit.total else 0
        made.append(character * (end - done), color)
        done = end
    return made


def _legend() -> Text:
    made = Text()
    for state, (character, color) in STATES.items():
        made.append(character * 2, color)
        made.append(f" {state}   ")
    return made


def _resources(program: Program, profile: Profile) -> Table:
    machine = program.machine
    capacity = {"pcu": machine.pcus, "pmu": machine.pmus, "agcu": machine.agcus}
    made = table("resources", *(f">{kind.upper()}s" for kind in capacity))
    for kernel in profile.kernels:
        taken = (f"{kernel.resources[k]} of {n} ({kernel.resources[k] / n:.1%})" for k, n in capacity.items())
        made.add_row(kernel.name, *taken)
    return made


# -- what if -----------------------------------------------------------------------------------------------------------


def doublings(doubled: Sequence[Doubled]) -> list[Any]:
    """What twice of each resource gives; nothing where it was not asked."""
    if not doubled:
        return []
    from rdflow.interpreter.what_if import ABOUT

    made = table("twice", ">cycles", ">time", ">faster", ">with launches", ">faster", "how", "what")
    for one in doubled:
        run = (f"{one.cycles:,}", time_text(one.seconds), f"{one.speedup:.2f}x")
        total = (time_text(one.total), f"{one.total_speedup:.2f}x", one.how, ABOUT[one.resource])
        made.add_row(one.resource, *run, *total)
    meaning = (
        "Run again in half cycles, in which all else takes twice as many; latencies stay. Times of launches are fits."
    )
    return [Text(""), made, Text(meaning, "bright_black")]
