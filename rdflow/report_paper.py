"""The comparison with the paper as one page: the table, each section's bars, and the curves of figure 13."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from rdflow import __version__
from rdflow.charts import WIDTH, label, line
from rdflow.page import page, table, tag
from rdflow.paper import capacity
from rdflow.paper.measures import Lab
from rdflow.paper.published import setup
from rdflow.paper.rows import Row
from rdflow.show_paper import count, error, number, ours, theirs
from rdflow.svg import element

BAR, LEFT, RIGHT = 15.0, 420.0, 90.0  # a bar's height, and the room beside the bars
TITLES = {
    "table1": "Table I: operational intensity", "figure1": "Figure 1: what a composition spends its time on", "figure11": "Figure 11: kernels launched",
    "figure12": "Figure 12: a batch of Samba-CoE, and out of memory", "figure13": "Figure 13: nodes against experts", "table5": "Table V",
    "rates": "Token rates", "figure10": "Figure 10: fusion",
}  # fmt: skip


def page_of(rows: Sequence[Row], lab: Lab) -> str:
    """The page. `lab` has the machines whose capacities the curves show."""
    parts = [tag("h1", "The SN40L paper and this model"), tag("p", escape(count(rows)), class_="soft")]
    for section, found in groupby(rows, key=lambda row: row.published.name.partition(".")[0]):
        parts.append(tag("section", "".join(_section(section, list(found), lab))))
    parts.append(tag("footer", f"rdflow {__version__}; nothing but the published column is typed in."))
    return page("the SN40L paper and this model", "\n".join(parts))


def _section(name: str, rows: Sequence[Row], lab: Lab) -> Iterator[str]:
    yield tag("h2", escape(TITLES.get(name, name)), id=name)
    if name == "figure13":
        yield tag("div", curves(lab), class_="card")
    yield tag("div", bars(rows), class_="card")
    heads = (
        "<row",
        "<what",
        "<unit",
        "published",
        "ours",
        "error",
        "<how",
        "<verdict",
        "<source",
        "<why, and from what",
    )
    cells = ([row.published.name, row.published.what, row.published.unit, theirs(row), ours(row), error(row),
              row.published.mark, row.verdict, row.published.source, "; ".join(filter(None, (row.published.note, row.ours.how)))]
             for row in rows)  # fmt: skip
    yield tag("div", table("", heads, cells), class_="card")


def bars(rows: Sequence[Row]) -> str:
    """For each row, what is published (a bar, or the range as one from end to end) and ours below it, to the section's most."""
    drawn = [row for row in rows if row.ours.value is not None or _ends(row)]
    most = max([*(row.ours.value or 0.0 for row in drawn), *(end for row in drawn for end in _ends(row)), 1e-9])
    parts, y = [], 4.0
    for row in drawn:
        parts.append(label(LEFT - 8, y + 20, row.published.what, text_anchor="end"))
        parts += _bar(_ends(row), theirs(row), most, y, "s-idle")
        parts += _bar([0.0, row.ours.value or 0.0], f"{ours(row)} {row.published.unit}", most, y + BAR + 2, "rate")
        y += 2 * BAR + 14
    return element("svg", "\n".join(parts), viewBox=f"0 0 {WIDTH:g} {y:g}", width=int(WIDTH), height=int(y), role="img",
                   aria_label="published in grey, ours in colour")  # fmt: skip


def _ends(row: Row) -> list[float]:
    """Where what is published begins and ends as a bar."""
    published = row.published
    if published.value is not None:
        return [0.0, published.value]
    return [published.low or 0.0, published.high or published.low or 0.0] if published.ranged else []


def _bar(ends: Sequence[float], told: str, most: float, y: float, look: str) -> list[str]:
    if not ends:
        return []
    scale = (WIDTH - LEFT - RIGHT) / most
    start, end = LEFT + ends[0] * scale, LEFT + ends[1] * scale
    bar = element("rect", x=start, y=y, width=max(1.0, end - start), height=BAR, rx=2, class_=look)
    return [bar, label(end + 5, y + 12, told, class_="soft")]


def curves(lab: Lab) -> str:
    """Nodes that hold so many experts, of both machines."""
    expert, first, step = (setup(name) for name in ("expert_bytes", "first", "step"))
    each = {"DGX": lab.rivals["a100"].memory // expert, "SN40L": capacity.ddr(lab) // expert}
    grid = list(range(first, setup("many") + step + 1, step))
    most = capacity.nodes(grid[-1], each["DGX"])
    x, y = (WIDTH - 120.0) / grid[-1], 240.0 / most
    parts = []
    for tick in range(0, most + 1, 5):
        parts.append(line(60, 270 - tick * y, WIDTH - 60, 270 - tick * y, "grid"))
        parts.append(label(52, 274 - tick * y, str(tick), text_anchor="end", class_="soft"))
    for tick in grid[::3]:
        parts.append(label(60 + tick * x, 288, str(tick), text_anchor="middle", class_="soft"))
    parts.append(label(WIDTH / 2, 306, "experts", text_anchor="middle", class_="soft"))
    for name, look in (("DGX", "used"), ("SN40L", "roof")):
        dots = [(60 + n * x, 270 - capacity.nodes(n, each[name]) * y) for n in grid]
        parts.append(element("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in dots), class_=look))
        told = f"{name}: {number(capacity.nodes(grid[-1], each[name]))} nodes"
        parts.append(label(WIDTH - 62, dots[-1][1] - 6, told, text_anchor="end"))
    return element("svg", "\n".join(parts), viewBox=f"0 0 {WIDTH:g} 314", width=int(WIDTH), height=314, role="img",
                   aria_label="nodes against experts")  # fmt: skip
