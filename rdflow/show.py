"""Tables and sentences of the command line, drawn with rich."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from rdflow.api import Program
from rdflow.dsl.report import plural
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.figures import KernelProfile, Profile
from rdflow.verification import Verification

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rdflow.generation import Generated
    from rdflow.units import KernelCost, Ordered

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


def costs(kernel: KernelCost, machine: str, what: str = "kernel") -> list[Any]:
    """The units of a kernel (or of a part of one), what they take of the socket and the cycles they need."""
    columns = ("unit", "verb", "order", ">copies", ">PCUs", ">PMUs", ">AGCUs", ">scratchpad", ">firings", ">cycles")
    made = table(*columns, title=f"{what} {kernel.name}")
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
    full = f", where {_names(list(kernel.bounding))} bounds nothing" if kernel.bounding else ""
    least = Text(f"At least {slowest:,} cycles{full}, for {_names(names)}.")
    wires = [Text(_network(kernel.network))] if kernel.network else []
    waits = [Text(_ordered(wait)) for wait in kernel.ordered]
    return [made, least, *wires, *waits, Text(meaning + "\n", "bright_black")]


def _ordered(wait: Ordered) -> str:
    """`store.wb` waits for `wd` until Wd is read, once."""
    often = "once" if wait.times == 1 else f"{wait.times:,} times"
    return f"`{wait.unit}` waits for `{wait.on}` until {wait.until}, {often}."


def _network(found: Mapping[str, Any]) -> str:
    """What place and route achieve: an estimate, for a run in which nothing waits."""
    line = f"Wires of {plural(found['hops'], 'hop')} over {plural(found['links'], 'link')}, {found['shared']} of them shared"
    if not found["links"]:
        return line + "."
    return f"{line}; without waits the busiest carries {found['most_load']:.2f} packets a cycle: {'; '.join(found['streams'][:3])}."


def _names(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:4])
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")


# -- run ---------------------------------------------------------------------------------------------------------------


def generated(said: Generated) -> list[Text]:
    """The tokens of each sequence, as text where there is a tokenizer, and how long they took."""
    rows = zip(said.ids, said.texts, said.ended, strict=True)
    lines = [line for ids, text, ended in rows for line in _sequence(ids, text if said.decoded else None, ended)]
    count = sum(map(len, said.ids))
    each = time_text(said.result.seconds / len(said.ids[0]))
    rate = f"{said.tokens_per_second:.3g} a second"
    lines.append(
        f"{count} tokens in {said.host_seconds:.3g} s of host time ({rate}); the machine takes {each} a step.\n"
    )
    return [Text(line) for line in lines]


def _sequence(ids: tuple[int, ...], text: str | None, ended: bool) -> list[str]:
    end = "  (it ended before)" if ended else ""
    return [*([text] if text is not None else []), f"tokens: {' '.join(map(str, ids))}{end}"]


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


# -- lists -------------------------------------------------------------------------------------------------------------


def sections(rows: Mapping[str, Iterable[tuple[str, str]]]) -> list[Any]:
    """Lists under headings, an empty line between."""
    parts: list[Any] = []
    for heading, lines in rows.items():
        parts += [Text(""), Text(heading, "bold"), listed((f"  {name}", line) for name, line in lines)]
    return parts[1:]


def listed(rows: Iterable[tuple[str, str]], *columns: str) -> Table:
    """Names and a line for each, which wraps in a terminal."""
    made = Table(box=None, show_header=bool(columns), pad_edge=False)
    made.add_column(columns[0] if columns else "", no_wrap=True, style="bold")
    made.add_column(columns[1] if columns else "")
    for name, line in rows:
        made.add_row(Text(name), Text(line))
    return made


def depends(program: Program, random: Mapping[str, int]) -> list[str]:
    """Whose values the cycles depend on, and what they were."""
    if not program.bounding:
        return []
    told = f"the cycles depend on values ({_names(list(program.bounding))} bounds loops), so values were computed"
    return [told, *([seeds(random)] if random else [])]
