"""A profile as one page of HTML that opens anywhere, without a network: figures, bars, roofline, floor plan, timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from rdflow import __version__
from rdflow.api import Program
from rdflow.charts import Mark, Roof, roofline
from rdflow.floor import floor
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.figures import KernelProfile, Profile, UnitProfile
from rdflow.interpreter.machine import BURST, Machine
from rdflow.interpreter.profile import spec_names
from rdflow.interpreter.states import STATES
from rdflow.interpreter.timeline import Timeline
from rdflow.page import Cell, card, page, prose, table, tag
from rdflow.report_time import key, over_time, schedule
from rdflow.show import percent, scaled, time_text
from rdflow.show_profile import OVERLOADED, formula_row, overloaded
from rdflow.show_profile import roofline as least_seconds
from rdflow.svg import element

if TYPE_CHECKING:
    from rdflow.interpreter.what_if import Doubled

LONGEST = 4  # kernels of which the top of the page says what limits them
CARRIERS = 24  # channels, ports and links that are shown
COLD, HOT = (230, 236, 243), (196, 43, 28)  # of the heat map: never busy, always busy
WARM = (245, 176, 65)  # half of the time
FIGURES = "<dt>{}</dt><dd>{}<small>{}</small></dd>"


def report(
    program: Program, execution: Execution, profile: Profile, timeline: Timeline, doubled: Sequence[Doubled] | None
) -> str:
    """The page. `doubled`: what twice of each resource gives, where that was asked."""
    title = f"{program.name} on {program.machine.name}"
    parts = [_head(program, profile), *_modelled(profile), *_why(profile), _figures(program, profile)]
    parts += _section("Where the cycles go", _units(profile))
    if doubled:
        parts += _section("What twice of each resource gives", _doubled(doubled))
    parts += _section("Schedule", schedule(program, profile))
    parts += _section("Over time", over_time(profile, timeline))
    parts += _section("Roofline", _roofline(program.machine, profile))
    parts += _section("Floor plan", _floor_plans(execution, profile))
    parts += _section("Bytes", _tiers(profile))
    parts += _section("Channels, ports and links", _carriers(profile))
    parts += _section("By formula and as measured", _formulas(profile))
    return page(title, "\n".join((*parts, _foot(profile))))


def _section(title: str, content: Iterator[str]) -> list[str]:
    name = title.lower().replace(",", "").replace(" ", "-")
    return [tag("section", tag("h2", escape(title), id=name) + "\n".join(content), aria_labelledby=name)]


# -- the top -----------------------------------------------------------------------------------------------------------


def _head(program: Program, profile: Profile) -> str:
    params = ", ".join(f"{name} = {value}" for name, value in program.checked.program.params.items())
    kernels = f"{len(profile.kernels)} kernel{'s' if len(profile.kernels) != 1 else ''}"
    about = f"{program.machine.about}; {kernels}{f'; {params}' if params else ''}"
    return tag("h1", escape(f"{program.name} on {program.machine.name}")) + tag("p", escape(about), class_="soft")


def _modelled(profile: Profile) -> Iterator[str]:
    """What of the figures is a model, where not all launches were simulated."""
    if not profile.modelled:
        return
    count = f"{profile.launches_modelled:,} of {len(profile.schedule):,} launches are estimated, and with them all figures here"
    items = "".join(
        tag("li", prose(f"`{name}`:{about}")) for name, _, about in (n.partition(":") for n in profile.modelled)
    )
    yield tag("p", f"{count}:") + tag("ul", items)


def _why(profile: Profile) -> Iterator[str]:
    """What limits the kernels that take the most cycles, in the order of the program."""
    longest = sorted(profile.kernels, key=lambda k: -k.cycles)[:LONGEST]
    for kernel in (k for k in profile.kernels if k in longest):
        share = f" ({percent(kernel.cycles, profile.cycles)} of the cycles)" if len(profile.kernels) > 1 else ""
        bound = f"`{kernel.name}`{share} is limited by {_limited(kernel)}: "
        yield tag("p", prose(bound + kernel.why + "."), class_="why")
    if len(profile.kernels) > LONGEST:
        yield tag("p", f"These are the {LONGEST} longest of {len(profile.kernels)} kernels.", class_="note")


def _limited(kernel: KernelProfile) -> str:
    return (
        f"{kernel.bound}" if kernel.bound in (kernel.limiter, "latency") else f"{kernel.bound}, in `{kernel.limiter}`"
    )


def _figures(program: Program, profile: Profile) -> str:
    """The few numbers that are asked first."""
    moved = sum(kernel.bytes for kernel in profile.kernels)
    rate = profile.flops / profile.seconds if profile.seconds else 0.0
    peak = profile.kernels[0].peak_flops if profile.kernels else 0.0
    least = sum(least_seconds(kernel) for kernel in profile.kernels)
    clock = f"at {scaled(float(program.machine.socket.clock), 'Hz')}"
    told = [
        ("time", time_text(profile.seconds), f"{profile.cycles:,} cycles {clock}"),
        ("work", scaled(profile.flops, "FLOP"), f"{scaled(rate, 'FLOP/s')}, {percent(rate, peak) or '0 %'} of peak"),
        ("traffic", size_text(moved), "to and from HBM and DDR"),
        ("intensity", f"{profile.intensity:.4g}", "FLOP per byte"),
        ("roofline", percent(least, profile.seconds) or "0 %", f"of the time taken: {time_text(least)} at least"),
    ]
    return tag("dl", "".join(tag("div", FIGURES.format(*map(escape, one))) for one in told), class_="figures")


# -- units -------------------------------------------------------------------------------------------------------------


def _units(profile: Profile) -> Iterator[str]:
    yield key(profile)
    for kernel in profile.kernels:
        marked = next((i for i, u in enumerate(kernel.units) if u.name == kernel.limiter), None)
        shown = [s for s in STATES if any(getattr(u, s) for u in kernel.units)]
        heads = ("<unit", "<kind", "copies", "firings", "=cycles of all copies", *shown)
        caption = f"`{kernel.name}`: {kernel.cycles:,} cycles in {_times(kernel.launches, 'launch', 'launches')}"
        yield card(table(caption, heads, (_unit(u, shown) for u in kernel.units), marked))


def _times(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _unit(unit: UnitProfile, shown: Sequence[str]) -> list[Cell]:
    shares: list[Cell] = [(percent(getattr(unit, s), unit.total), getattr(unit, s) / max(1, unit.total)) for s in shown]
    figures: list[Cell] = [(str(unit.copies), unit.copies), (f"{unit.firings:,}", unit.firings)]
    return [unit.name, unit.kind, *figures, _bar(unit), *shares]


def _bar(unit: UnitProfile) -> str:
    """The unit's cycles as a bar, which says its figures to who cannot see it."""
    parts = [(s, getattr(unit, s) / unit.total) for s in STATES if unit.total and getattr(unit, s)]
    spans = "".join(tag("span", class_=s, style=f"width:{share:.3%}", title=f"{s} {share:.1%}") for s, share in parts)
    told = ", ".join(f"{s} {share:.1%}" for s, share in parts)
    return tag("div", spans, class_="bar", role="img", aria_label=told)


# -- what if -----------------------------------------------------------------------------------------------------------


def _doubled(doubled: Sequence[Doubled]) -> Iterator[str]:
    from rdflow.interpreter.what_if import ABOUT

    most = max(2.0, *(one.total_speedup for one in doubled))
    heads = ("<twice", "=faster, with launches", "faster", "cycles", "time", "with launches", "<how", "<what")
    rows = ([*_doubling(one, most), one.how, (ABOUT[one.resource], 0, "wrap")] for one in doubled)
    yield card(table("each row is a run of its own, the most useful first", heads, rows))
    yield tag("p", "Run again in half cycles, in which all else takes twice as many; latencies stay in seconds. "
              "The times of launches are fits to published figures, and only reckoned.", class_="note")  # fmt: skip


def _doubling(one: Doubled, most: float) -> list[Cell]:
    gain = max(0.0, one.total_speedup - 1) / (most - 1)
    bar = tag("div", tag("span", class_="gain", style=f"width:{gain:.2%}"), class_="bar", role="img",
              aria_label=f"{one.total_speedup:.2f} times as fast")  # fmt: skip
    faster: Cell = (f"{one.speedup:.2f}x", one.speedup)
    times: list[Cell] = [(time_text(one.seconds), one.seconds), (time_text(one.total), one.total)]
    return [one.resource, bar, faster, (f"{one.cycles:,}", one.cycles), *times]


# -- roofline ----------------------------------------------------------------------------------------------------------


def _roofline(machine: Machine, profile: Profile) -> Iterator[str]:
    clock = float(machine.socket.clock)
    each = float(machine.pcu.lanes * machine.pcu.stages * 2) * clock
    peak = max((kernel.peak_flops for kernel in profile.kernels), default=0.0)
    sram = peak / each / machine.pcus * machine.pmus * 2 * BURST * clock
    marks = [mark for kernel in profile.kernels for mark in _marks(kernel, kernel.peak_flops / each / machine.pcus)]
    if not marks:
        yield tag("p", "No kernel computes and moves bytes: there is no point to draw.", class_="note")
        return
    peaks = {name: tier.peak for name, tier in profile.tiers.items()} | {"sram": sram}
    roofs = [Roof(name, peak) for name, peak in peaks.items()]
    yield card(roofline(peak, each, roofs, marks))
    yield tag("p", "A point for each kernel and memory: its FLOP a second against the FLOP per byte of that memory. HBM and "
              "DDR have the bandwidths of the machine file; scratchpads a packet of 64 bytes in and one out, each cycle "
              "and PMU. Dashed: all that the PCUs in use can do.", class_="note")  # fmt: skip


def _marks(kernel: KernelProfile, sockets: float) -> Iterator[Mark]:
    """`sockets`: on which the kernel runs, with the same units on each."""
    rate = kernel.flops / kernel.seconds if kernel.seconds else 0.0
    moved = {name: t.read + t.written for name, t in kernel.tiers.items()} | {"sram": kernel.sram_bytes}
    for tier, size in moved.items():
        if size and rate:
            yield Mark(kernel.name, tier, kernel.flops / size, rate, round(sockets * kernel.resources["pcu"]))


# -- floor plan --------------------------------------------------------------------------------------------------------


def _floor_plans(execution: Execution, profile: Profile) -> Iterator[str]:
    names = spec_names(execution)
    kernels = {kernel.name: kernel for kernel in profile.kernels}
    for spec, compiled in execution.compiled.items():
        if spec not in names:
            continue
        kernel = kernels[names[spec]]
        drawn = floor(
            compiled.netlist, compiled.floorplan, execution.machine, [heat(u.utilization) for u in kernel.units]
        )
        size = {"width": round(drawn.width), "height": round(drawn.height)}
        told = f"floor plan of {kernel.name}: {', '.join(f'{u.name} busy {u.utilization:.0%}' for u in kernel.units)}"
        picture = element(
            "svg", drawn.content, viewBox=f"0 0 {drawn.width:g} {drawn.height:g}", role="img", aria_label=told, **size
        )
        yield tag("h3", prose(f"`{kernel.name}`")) + card(picture, "card paper")
    ramp = ", ".join(f"{heat(n / 10)} {n * 10}%" for n in range(11))
    yield tag("ul", tag("li", "never busy") + tag("li", tag("i", style=f"width:180px;background:linear-gradient(90deg, {ramp})"))
              + tag("li", "always busy"), class_="key")  # fmt: skip


def heat(share: float) -> str:
    """A colour from cold (0) over warm (0.5) to hot (1)."""
    below, above, part = (COLD, WARM, share * 2) if share < 0.5 else (WARM, HOT, share * 2 - 1)
    mixed = (round(a + (b - a) * min(1.0, part)) for a, b in zip(below, above, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


# -- bytes -------------------------------------------------------------------------------------------------------------


def _tiers(profile: Profile) -> Iterator[str]:
    heads = ("<kernel", "<memory", "read", "written", "achieved", "peak", "of peak")
    rows = [row for kernel in profile.kernels for row in _tier_rows(kernel)]
    yield card(table("bytes that moved, in bursts of 64", heads, rows))


def _carriers(profile: Profile) -> Iterator[str]:
    heads = ("<kind", "<what", "bytes", "achieved", "peak", "of peak")
    for kernel in profile.kernels:
        more = f", the {CARRIERS} busiest of {len(kernel.carriers)}" if len(kernel.carriers) > CARRIERS else ""
        rows: list[list[Cell]] = []
        for one in kernel.carriers[:CARRIERS]:
            rates: list[Cell] = [(scaled(v, "B/s"), v) for v in (one.achieved, one.peak)]
            share: Cell = (percent(one.achieved, one.peak), one.utilization)
            rows.append([one.kind, one.name, (size_text(one.bytes), one.bytes), *rates, share])
        yield card(table(f"`{kernel.name}`{more}", heads, rows))
        if overloaded(kernel):
            yield tag("p", escape(f"Links that carry {OVERLOADED}."), class_="note")


def _tier_rows(kernel: KernelProfile) -> Iterator[list[Cell]]:
    for name, tier in kernel.tiers.items():
        if tier.read or tier.written:
            sizes: list[Cell] = [(size_text(tier.read), tier.read), (size_text(tier.written), tier.written)]
            rates: list[Cell] = [(scaled(v, "B/s"), v) for v in (tier.achieved, tier.peak)]
            yield [kernel.name, name.upper(), *sizes, *rates, (percent(tier.achieved, tier.peak), tier.utilization)]
    if kernel.sram_bytes:
        rate = kernel.sram_bytes / kernel.seconds
        size: Cell = (size_text(kernel.sram_bytes), kernel.sram_bytes)
        yield [kernel.name, "SRAM, in and out", size, "", (scaled(rate, "B/s"), rate), "", ""]


def _formulas(profile: Profile) -> Iterator[str]:
    heads = ("<line", "<by its axes", "by formula", "measured", "differs by", "<because of")
    for kernel in profile.kernels:
        rows: list[list[Cell]] = []
        for one in kernel.compared:
            name, text, formula, measured, differs, told = formula_row(one)
            share = (one.measured - one.formula) / max(1, one.formula)
            rows.append(
                [name, text, (formula, one.formula), (measured, one.measured), (differs, share), (told, 0, "wrap")]
            )
        yield card(table(f"`{kernel.name}`", heads, rows))


def _foot(profile: Profile) -> str:
    counted = "Every cycle and byte is counted from a run of the modelled machine, cycle by cycle"
    counted += ", or estimated from such runs where it says so" * bool(profile.modelled)
    return tag("footer", prose(
        f"rdflow {__version__}. {counted}; the machine is a model, and `rdflow machines` says where each of its numbers comes from."
    ))  # fmt: skip
