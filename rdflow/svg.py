"""Elements of an SVG picture as text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

SANS = "DejaVu Sans, Segoe UI, Helvetica, Arial, sans-serif"
MONO = "DejaVu Sans Mono, Menlo, Consolas, monospace"
INK, FAINT, PAPER = "#1f2933", "#7b8794", "#ffffff"
ADVANCE = 0.605  # width of a monospaced character, of its size

Point = tuple[float, float]


def element(tag: str, content: str = "", /, **attributes: object) -> str:
    """`<tag a="b">content</tag>`: `_` in names of attributes is written `-`; numbers with at most two decimals."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(v)}"' for name, v in attributes.items() if v is not None
    )
    return f"<{tag}{given}>{content}</{tag}>" if content else f"<{tag}{given}/>"


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value), quote=True)


def text(x: float, y: float, content: str, size: float = 11, mono: bool = False, **attributes: object) -> str:
    family = MONO if mono else SANS
    fill = attributes.pop("fill", INK)
    return element("text", escape(content), x=x, y=y, font_size=size, font_family=family, fill=fill, **attributes)


def mono_width(content: str, size: float) -> float:
    return len(content) * size * ADVANCE


def path(data: str, /, **attributes: object) -> str:
    return element("path", d=data, **{"fill": "none", **attributes})


def points(of: Sequence[Point]) -> str:
    """A path along straight lines."""
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in of)


def group(parts: Sequence[str], x: float = 0.0, y: float = 0.0, **attributes: object) -> str:
    move = f"translate({x:.2f} {y:.2f})" if x or y else None
    return element("g", "\n".join(parts), transform=move, **attributes)


def site(kind: str, x: float, y: float, size: float, /, **attributes: object) -> str:
    """The mark of a PCU (a square), a PMU (a disc), an AGCU (a diamond), as wide as `size`."""
    half = size / 2
    if kind == "pcu":
        return element("rect", x=x - half, y=y - half, width=size, height=size, rx=size * 0.12, **attributes)
    if kind == "pmu":
        return element("circle", cx=x, cy=y, r=half, **attributes)
    corners = ((x, y - half), (x + half, y), (x, y + half), (x - half, y))
    return element("polygon", points=" ".join(f"{a:.2f},{b:.2f}" for a, b in corners), **attributes)
