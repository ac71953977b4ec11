"""A page of HTML that needs nothing else: its style, its one script, and elements as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""what the page may load: nothing"""

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fbfcfd; --card: #ffffff; --ink: #16202b; --soft: #52606d; --line: #e1e6ec; --wash: #f1f4f8; --accent: #0b6e99;
  --busy: #1b9e77; --starved: #4a82d4; --blocked: #e3a008; --memory: #9b5fc0; --link: #1aa6b7; --idle: #d3dae2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #10161d; --card: #18212b; --ink: #e6edf4; --soft: #9fb0c0; --line: #2b3845; --wash: #1f2a36; --accent: #5cc0ea;
    --busy: #2fbf92; --starved: #6a9fee; --blocked: #efb82f; --memory: #b883da; --link: #36c3d3; --idle: #35424f;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 20px; margin: 44px 0 4px; }
h3 { font-size: 16px; margin: 26px 0 4px; }
p { margin: 6px 0; }
.soft, caption, .note { color: var(--soft); }
.note { font-size: 13px; max-width: 78ch; }
.why { font-size: 17px; max-width: 80ch; margin: 18px 0 8px; padding: 14px 18px; background: var(--card); border-left: 4px solid var(--accent); border-radius: 0 8px 8px 0; box-shadow: 0 1px 3px #0001; }
code, .why code { font: .92em ui-monospace, "DejaVu Sans Mono", Menlo, monospace; background: var(--wash); padding: 1px 5px; border-radius: 4px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 22px 0 0; padding: 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.figures dt { color: var(--soft); font-size: 13px; }
.figures dd { margin: 0; font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures small { display: block; font-size: 12.5px; font-weight: 400; color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; margin: 12px 0; overflow-x: auto; }
.paper { background: #ffffff; }
.card > svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
caption { text-align: left; font-size: 13px; padding-bottom: 6px; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: 13px; }
th.text, td.text { text-align: left; }
td.wrap { white-space: normal; min-width: 16em; }
tr.limiter td:first-child { font-weight: 700; }
tr.limiter td:first-child::before { content: "\\25B6\\00A0"; color: var(--accent); }
th button { all: unset; cursor: pointer; color: inherit; }
th button:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
.bar { display: flex; width: 100%; min-width: 240px; height: 15px; border-radius: 4px; overflow: hidden; background: var(--wash); }
.bar span, .key i { display: block; height: 100%; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.busy { background: var(--busy); }
.starved { background: repeating-linear-gradient(45deg, var(--starved) 0 4px, color-mix(in srgb, var(--starved) 72%, #fff) 4px 6px); }
.blocked { background: repeating-linear-gradient(-45deg, var(--blocked) 0 4px, color-mix(in srgb, var(--blocked) 68%, #fff) 4px 6px); }
.memory { background: repeating-linear-gradient(90deg, var(--memory) 0 4px, color-mix(in srgb, var(--memory) 70%, #fff) 4px 6px); }
.link { background: repeating-linear-gradient(0deg, var(--link) 0 3px, color-mix(in srgb, var(--link) 70%, #fff) 3px 5px); }
.idle { background: var(--idle); }
.gain { background: var(--accent); }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0; padding: 0; list-style: none; font-size: 13px; }
.key li { display: flex; align-items: center; gap: 7px; }
.key i { width: 22px; height: 13px; border-radius: 3px; }
svg text { fill: var(--ink); font: 11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
svg text.soft { fill: var(--soft); }
svg .grid { stroke: var(--line); stroke-width: 1; fill: none; }
svg .roof { stroke: var(--ink); stroke-width: 2; fill: none; }
svg .used { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 6 4; fill: none; }
svg .ridge { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 4; }
svg .point { stroke: var(--card); stroke-width: 1.5; }
svg .hbm { fill: var(--accent); } svg .ddr { fill: var(--memory); } svg .sram { fill: var(--blocked); }
svg .lane { fill: var(--wash); }
svg .s-busy { fill: var(--busy); } svg .s-starved { fill: var(--starved); } svg .s-blocked { fill: var(--blocked); }
svg .s-memory { fill: var(--memory); } svg .s-link { fill: var(--link); } svg .s-idle { fill: var(--idle); }
svg .rate { fill: var(--accent); }
svg .launch { fill: var(--accent); opacity: .85; stroke: var(--card); }
svg .estimated { fill-opacity: .45; }
svg .copy { fill: var(--s-memory, #8e44ad); }
svg .load { fill: currentColor; opacity: .35; }
.paper svg text { fill: #1f2933; stroke: #ffffff; }
footer { margin-top: 48px; padding-top: 14px; border-top: 1px solid var(--line); font-size: 13px; color: var(--soft); }
@media print {
  main { max-width: none; padding: 0; } .card, .figures div, .why { break-inside: avoid; box-shadow: none; } h2 { break-after: avoid; }
}
"""

SCRIPT = """\
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0], place = head.cellIndex;
  const up = head.getAttribute("aria-sort") === "descending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = row => row.cells[place].dataset.value ?? row.cells[place].textContent;
  const order = (a, b) => isNaN(key(a)) || isNaN(key(b)) ? key(b).localeCompare(key(a)) : key(b) - key(a);
  body.append(...[...body.rows].sort((a, b) => up ? order(b, a) : order(a, b)));
});
document.documentElement.dataset.ready = "yes";
"""
"""sorts a table by the column whose head is pressed"""


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """`<name a="b">content</name>`; content is HTML already, attributes are escaped. `class_` is class, `_` is `-`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{content}</{name}>"


def prose(text: str) -> str:
    """A text as HTML, with what stands between backticks as code."""
    parts = escape(text, quote=False).split("`")
    return "".join(part if i % 2 == 0 else tag("code", part) for i, part in enumerate(parts))


Cell = str | tuple[str, float] | tuple[str, float, str]
"""a text; a text and the number that it is sorted by; these and a class"""


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], marked: int | None = None) -> str:
    """A table that can be sorted. Heads that begin with `<` are of columns of texts, with `=` of columns of HTML.
    `marked`: the number of the row that stands out."""
    kinds = [head[0] if head[:1] in ("<", "=") else "" for head in heads]
    titles = [head.removeprefix(kind) for head, kind in zip(heads, kinds, strict=True)]
    top = "".join(_head(title, kind) for title, kind in zip(titles, kinds, strict=True))
    body = "".join(
        tag("tr", "".join(map(_cell, row, kinds)), class_="limiter" if number == marked else None)
        for number, row in enumerate(rows)
    )
    return tag("table", tag("caption", prose(caption)) + tag("thead", tag("tr", top)) + tag("tbody", body))


def _head(title: str, kind: str) -> str:
    content = tag("button", escape(title), type="button") if title and kind != "=" else escape(title)
    return tag("th", content, scope="col", class_="text" if kind else None)


def _cell(cell: Cell, kind: str) -> str:
    shown, value, look = (cell, None, None) if isinstance(cell, str) else (*cell, None)[:3]
    classes = " ".join(filter(None, ("text" if kind else None, look)))
    content = shown if kind == "=" else escape(str(shown), quote=False)
    return tag("td", content, data_value=value, class_=classes or None)


def card(content: str, look: str = "card") -> str:
    """A box of the page."""
    return tag("div", content, class_=look)


def page(title: str, content: str) -> str:
    """The whole page."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>\n{STYLE}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{tag("main", content)}\n'
        f"<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
