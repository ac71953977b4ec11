"""Tables and sentences of the command line, drawn with rich."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from rdflow.api import Program, Verification
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.profile import KernelProfile, Profile, UnitProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rdflow.units import KernelCost

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
SCALES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))

# -- numbers -----------------------------------------------------------------------------------------------------------


def scaled(value: float, unit: str) -> str:
    """`135.7 GB/s`: four digits and a decimal prefix."""
    for scale, prefix in SCALES:
        if abs(value) >= scale:
            return f"{value / scale:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def time_text(seconds: float) -> str:
    for scale, unit in TIMES:
        if seconds >= scale:
            return f"{seconds / scale:.4g} {unit}"
    return f"{seconds / 1e-9:.4g} ns"


def percent(part: float, whole: float) -> str:
    """Of a whole; nothing where there is none of it, so that what there is stands out."""
    return f"{part / whole:.1%}" if part and whole else ""


def table(*columns: str, title: str | None = None) -> Table:
    """A table without frames. Columns that begin with `>` are numbers."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    for column in columns:
        right = column.startswith(">")
        made.add_column(column.lstrip(">"), justify="right" if right else "left", no_wrap=True, header_style="bold")
    return made


# -- check -------------------------------------------------------------------------------------------------------------


def costs(kernel: KernelCost, machine: str) -> list[Any]:
    """The units of a kernel, what they take of the socket and the cycles they need."""
    columns = ("unit", "verb", "order", ">copies", ">PCUs", ">PMUs", ">AGCUs", ">scratchpad", ">firings", ">cycles")
    made = table(*columns, title=f"kernel {kernel.name}")
    slowest = kernel.cycles
    by_name = {unit.name: unit for unit in kernel.units}
    for row in kernel.rows:
        taken = [str(n) if n else "" for n in row.totals]
        unit = by_name.get(row.name)
        if unit is None:
            made.add_row(row.name, "", "", str(row.copies), *taken)
            continue
        scratchpad = size_text(unit.bytes * unit.copies) if unit.bytes else ""
        style = "bold" if unit.cycles == slowest else ""
        cells = (unit.name, unit.verb, unit.order, str(row.copies), *taken, scratchpad)
        made.add_row(*map(Text, cells), f"{unit.firings:,}", Text(f"{unit.cycles:,}", style))
    made.add_section()
    made.add_row("total", "", "", "", *map(str, kernel.totals))
    made.add_row(f"socket of {machine}", "", "", "", *map(str, kernel.capacity))
    names = [unit.name for unit in kernel.units if unit.cycles == slowest]
    meaning = "PCUs, PMUs, AGCUs and scratchpad are of all copies; firings and cycles of one that never waits."
    return [made, Text(f"At least {slowest:,} cycles, for {_names(names)}."), Text(meaning + "\n", "bright_black")]


def _names(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:4])
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")


# -- run ---------------------------------------------------------------------------------------------------------------


def outputs(program: Program, arrays: Mapping[str, NDArray[Any]], files: Mapping[str, Any]) -> Table:
    """Shape, dtype, least, mean, largest and the NaNs of each output."""
    made = table("output", "shape", "dtype", ">min", ">mean", ">max", ">NaN", *(["file"] if files else []))
    for name, array in arrays.items():
        dtype = program.checked.program.tensors[name].dtype
        shape = Text(str(list(array.shape)))
        made.add_row(name, shape, dtype, *_summary(array), *([str(files.get(name, ""))] if files else []))
    return made


def _summary(array: NDArray[Any]) -> list[str]:
    """Of the numbers that are numbers."""
    import numpy as np

    known = array[~np.isnan(array)] if array.dtype.kind == "f" else array.reshape(-1)
    nans = array.size - known.size
    if not known.size:
        return ["", "", "", str(nans)]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(known.mean(dtype=np.float64))
    return [f"{known.min():.6g}", f"{mean:.6g}", f"{known.max():.6g}", str(nans)]


def summary(program: Program, profile: Profile) -> list[Text]:
    """Cycles, time, and what limited them."""
    lines = [f"{profile.cycles:,} cycles, {time_text(profile.seconds)} on {program.machine.name}"]
    if len(profile.kernels) > 1:
        longest = max(profile.kernels, key=lambda k: k.cycles)
        launches = sum(k.launches for k in profile.kernels)
        share = percent(longest.cycles, profile.cycles)
        lines.append(
            f"{launches} launches of {len(profile.kernels)} kernels; `{longest.name}` takes {share} of the cycles:"
        )
        lines.append(f"limited by {limit(longest)}")
    elif profile.kernels:
        lines.append(f"limited by {limit(profile.kernels[0])}")
    return [Text(line) for line in lines]


def limit(kernel: KernelProfile) -> str:
    return f"{kernel.limiter} ({kernel.bound}): {kernel.why}"


def verified(verification: Verification) -> str:
    if verification.passed:
        return "verified: equal to the NumPy evaluator, bit for bit"
    return f"NOT equal to the NumPy evaluator: `{verification.tensor}` differs by up to {verification.max_abs_error:g}"


def seeds(random: Mapping[str, int]) -> str:
    """`inputs Q, K are random (seed 0)`."""
    groups: dict[int, list[str]] = {}
    for name, seed in random.items():
        groups.setdefault(seed, []).append(name)
    parts = [f"{', '.join(names)} random (seed {seed})" for seed, names in groups.items()]
    return f"inputs: {'; '.join(parts)}; `--input NAME=FILE.npy` gives values"


# -- profile -----------------------------------------------------------------------------------------------------------


def profiled(program: Program, profile: Profile) -> list[Any]:
    """All of a profile: kernels, then each kernel's units, then the tiers."""
    parts: list[Any] = [*_kernels(profile), *_compared(program, profile)]
    parts += [Text(f"{kernel.name}: limited by {limit(kernel)}") for kernel in profile.kernels]
    meaning = "Roofline: the least time for these FLOPs and bytes at the socket's peaks, over the time taken."
    parts += [Text(f"\n{meaning}\n", "bright_black")]
    parts.append(_tiers(profile))
    for kernel in profile.kernels:
        parts.append(_units(kernel))
    parts += [_legend(), Text(""), _resources(program, profile)]
    return parts


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


# -- lists -------------------------------------------------------------------------------------------------------------


def listed(rows: Iterable[tuple[str, str]], *columns: str) -> Table:
    """Names and a line for each, which wraps in a terminal."""
    made = Table(box=None, show_header=bool(columns), pad_edge=False)
    made.add_column(columns[0] if columns else "", no_wrap=True, style="bold")
    made.add_column(columns[1] if columns else "")
    for name, line in rows:
        made.add_row(Text(name), Text(line))
    return made
