"""The floor plan of a kernel: which sites of the socket its units take, and the wires between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.floorplan import Floorplan
from rdflow.interpreter.links import streams
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.route import Route, Switch
from rdflow.interpreter.sites import Site
from rdflow.interpreter.sites import sites as all_sites
from rdflow.svg import FAINT, INK, Point, element, group, path, points, site, text

WIDTH, HEIGHT = 680.0, 620.0  # the most that the plan of the part in use may take
MARGIN = 1  # switches around the part in use
EDGE = 0.25  # of a pitch, more on the left, for the names of AGCUs
NAMED = 30.0  # distance of switches from which names are written
MAP_WIDTH = 190.0  # of the whole socket, small
SHAPES = {"pcu": ("PCU", 0.32, 0.5), "pmu": ("PMU", 0.72, 0.5), "agcu": ("AGCU", 0.0, 0.0)}
"""name of a kind of site, and where it is between its switch and the next ones"""


@dataclass(frozen=True)
class Window:
    """The part of the socket that is drawn: rows and columns of switches (ends included), and their distance."""

    top: int
    left: int
    bottom: int
    right: int
    pitch: float

    @property
    def width(self) -> float:
        return (self.right - self.left + 1 + EDGE) * self.pitch

    @property
    def height(self) -> float:
        return (self.bottom - self.top + 1) * self.pitch

    def at(self, switch: Switch) -> Point:
        return ((switch[1] - self.left + 0.5 + EDGE) * self.pitch, (switch[0] - self.top + 0.5) * self.pitch)

    def holds(self, switch: Switch) -> bool:
        return self.top <= switch[0] <= self.bottom and self.left <= switch[1] <= self.right


@dataclass(frozen=True)
class Drawing:
    content: str
    width: float
    height: float


def floor(netlist: Netlist, plan: Floorplan, machine: Machine, colors: Sequence[str]) -> Drawing:
    """The part of the socket in use, and the whole of it small beside."""
    window = _window(plan, machine)
    every = all_sites(machine)
    parts = [
        text(0, 14, "Floor plan", 13, font_weight="bold"),
        text(0, 31, f"{_caption(plan, machine)}; {plan.summary(netlist)}", 11, fill=FAINT),
        group(_tiles(window, machine) + _free(window, machine, every) + _loads(netlist, plan, window) + _wires(netlist, plan, window, machine, colors)
              + _taken(netlist, plan, window, machine, colors), 0, 44),
        _socket(plan, window, machine, colors, window.width + 26, 44),
        _legend(window.width + 26, 44 + _map_height(machine) + 40),
    ]  # fmt: skip
    height = 44 + max(window.height, _map_height(machine) + 200)
    return Drawing("\n".join(parts), window.width + 26 + MAP_WIDTH, height)


def _window(plan: Floorplan, machine: Machine) -> Window:
    switches = [s.switch for taken in plan.sites.values() for s in taken] or [(0, 0)]
    rows, columns = _rows(machine), _columns(machine)
    top = max(0, min(r for r, _ in switches) - MARGIN)
    bottom = min(rows - 1, max(r for r, _ in switches) + MARGIN)
    left = max(0, min(c for _, c in switches) - MARGIN)
    right = min(columns - 1, max(c for _, c in switches) + MARGIN)
    pitch = min(WIDTH / (right - left + 1 + EDGE), HEIGHT / (bottom - top + 1), 76.0)
    return Window(top, left, bottom, right, pitch)


def _rows(machine: Machine) -> int:
    return machine.socket.tiles_down * (machine.tile.rows + 1)


def _columns(machine: Machine) -> int:
    return machine.socket.tiles_across * (machine.tile.columns + 1)


def _caption(plan: Floorplan, machine: Machine) -> str:
    taken = Counter(s.kind for sites in plan.sites.values() for s in sites)
    of = {"pcu": machine.pcus, "pmu": machine.pmus, "agcu": machine.agcus}
    used = ", ".join(f"{taken[kind]} of {count} {SHAPES[kind][0]}s" for kind, count in of.items())
    return used


# -- the part in use ---------------------------------------------------------------------------------------------------


def _place(own: Site, machine: Machine, window: Window) -> Point:
    """Where a site is drawn: pairs beside their switch; AGCUs outside of their tile's edge."""
    x, y = window.at(own.switch)
    if own.kind != "agcu":
        _, dx, dy = SHAPES[own.kind]
        return x + dx * window.pitch, y + dy * window.pitch
    outward = -1 if own.switch[1] % (machine.tile.columns + 1) == 0 else 1
    return x + outward * 0.3 * window.pitch, y + 0.12 * window.pitch


def _size(kind: str, window: Window) -> float:
    return window.pitch * (0.34 if kind != "agcu" else 0.32)


def _tiles(window: Window, machine: Machine) -> list[str]:
    """The ground of each tile, and the mesh."""
    found = []
    rows, columns, pitch = machine.tile.rows + 1, machine.tile.columns + 1, window.pitch
    for down in range(machine.socket.tiles_down):
        for across in range(machine.socket.tiles_across):
            top, left = max(down * rows, window.top), max(across * columns, window.left)
            bottom, right = min((down + 1) * rows - 1, window.bottom), min((across + 1) * columns - 1, window.right)
            if top <= bottom and left <= right:
                x, y = window.at((top, left))
                more = EDGE * pitch if left == window.left else 0.0
                width, height = (right - left + 1) * pitch + more, (bottom - top + 1) * pitch
                at = {"x": x - pitch / 2 - more + 1, "y": y - pitch / 2 + 1}
                found.append(element("rect", **at, width=width - 2, height=height - 2, rx=6, fill="#f3f5f8"))  # type: ignore[arg-type]
    lines = []
    for row in range(window.top, window.bottom + 1):
        lines.append(points([window.at((row, window.left)), window.at((row, window.right))]))
    for column in range(window.left, window.right + 1):
        lines.append(points([window.at((window.top, column)), window.at((window.bottom, column))]))
    return [*found, path("".join(lines), stroke="#dfe4ea", stroke_width=1)]


def _free(window: Window, machine: Machine, every: dict[str, list[Site]]) -> list[str]:
    """All sites of the window, as outlines."""
    look = {"fill": "#ffffff", "stroke": "#cbd2d9", "stroke_width": 0.8}
    return [
        site(kind, *_place(own, machine, window), _size(kind, window), **look)
        for kind, sites in every.items()
        for own in sites
        if window.holds(own.switch) and (kind == "agcu" or window.holds((own.switch[0] + 1, own.switch[1] + 1)))
    ]


def _taken(netlist: Netlist, plan: Floorplan, window: Window, machine: Machine, colors: Sequence[str]) -> list[str]:
    marks, names = [], []
    for (unit, copy), sites in plan.sites.items():
        info = netlist.units[unit]
        for number, own in enumerate(sites):
            x, y = _place(own, machine, window)
            title = element("title", f"{info.name} copy {copy}, {own.kind} {own.number}")
            mark = site(own.kind, x, y, _size(own.kind, window), fill=colors[unit], stroke=INK, stroke_width=0.8)
            marks.append(element("g", title + mark))
            if window.pitch >= NAMED and number == 0:
                names.append(_name(info.name, x, y, own.kind, window))
    return marks + names


def _name(name: str, x: float, y: float, kind: str, window: Window) -> str:
    """Above the mark of a PCU and below that of others, so that names of a pair do not meet; on white."""
    size = min(10.0, window.pitch * 0.19)
    down = -0.24 * window.pitch if kind == "pcu" else 0.24 * window.pitch + size * 0.75
    look = {"text_anchor": "middle", "paint_order": "stroke", "stroke": "#ffffff", "stroke_width": 2.5}
    return text(x, y + down, name if len(name) < 13 else name[:11] + "..", size, mono=True, **look)


# -- wires -------------------------------------------------------------------------------------------------------------


def _loads(netlist: Netlist, plan: Floorplan, window: Window) -> list[str]:
    """The links that carry packets, each direction on its side, coloured by load; their streams on pointing at them."""
    found = []
    aside = 0.09 * window.pitch
    for load in reversed([load for load in plan.loads if load.link.socket == 0]):
        (x, y), (end_x, end_y) = window.at(load.link.start), window.at(load.link.end)
        dx, dy = (y - end_y) / window.pitch * aside, (end_x - x) / window.pitch * aside
        look = {"stroke": load_color(load.rate), "stroke_width": max(1.5, 0.09 * window.pitch)}
        line = path(points([(x + dx, y + dy), (end_x + dx, end_y + dy)]), **look)
        words = f"{load.rate:.2f} packets a cycle: {'; '.join(streams(netlist, load))}"
        found.append(element("g", element("title", words) + line))
    return found


def load_color(rate: float) -> str:
    """From yellow, hardly used, over orange to a dark red at a packet a cycle and above: all seen on light and dark."""
    share = min(1.0, max(0.0, rate))
    low, high = (250, 214, 90), (178, 24, 43)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True))


def _wires(netlist: Netlist, plan: Floorplan, window: Window, machine: Machine, colors: Sequence[str]) -> list[str]:
    """The routes of all queues, those of the same way once; each unit's a little aside, so that they are told apart."""
    count: Counter[tuple[int, int, Route]] = Counter()
    for queue, way in zip(netlist.queues, plan.routes, strict=True):
        if way and queue.width:
            count[(netlist.actors[queue.source].unit, netlist.actors[queue.sink].unit, way)] += 1
    homes = {(unit, taken[0].switch): taken[0] for (unit, _), taken in plan.sites.items()}
    found = []
    for (source, sink, way), several in sorted(count.items()):
        aside = ((source * 3) % 7 - 3) * 0.035 * window.pitch
        ends = [_place(homes[end], machine, window) for end in ((source, way[0]), (sink, way[-1]))]
        at = [ends[0], *((x + aside, y + aside) for x, y in map(window.at, _corners(way))), ends[1]]
        look: dict[str, object] = {
            "stroke": colors[source],
            "stroke_width": min(4.0, window.pitch * 0.02 + 0.4 * several),
        }
        found.append(path(points(at), **look, stroke_opacity=0.8, stroke_linejoin="round"))
    return found


def _corners(way: Route) -> list[Switch]:
    """The first, the last, and the switches where the way turns."""
    inner = [b for a, b, c in zip(way, way[1:], way[2:], strict=False) if a[0] != c[0] and a[1] != c[1]]
    return [way[0], *inner, way[-1]]


# -- beside ------------------------------------------------------------------------------------------------------------


def _map_height(machine: Machine) -> float:
    return MAP_WIDTH * _rows(machine) / _columns(machine)


def _socket(plan: Floorplan, window: Window, machine: Machine, colors: Sequence[str], x: float, y: float) -> str:
    """The whole socket, small: its tiles, the sites in use, and the part that is drawn large."""
    whole = Window(0, 0, _rows(machine) - 1, _columns(machine) - 1, MAP_WIDTH / _columns(machine))
    rows, columns, pitch = machine.tile.rows + 1, machine.tile.columns + 1, whole.pitch
    parts = []
    for down in range(machine.socket.tiles_down):
        for across in range(machine.socket.tiles_across):
            at = {"x": across * columns * pitch + 1, "y": down * rows * pitch + 1}
            size = {"width": columns * pitch - 2, "height": rows * pitch - 2}
            parts.append(element("rect", **at, **size, rx=3, fill="#f3f5f8", stroke="#cbd2d9", stroke_width=0.8))  # type: ignore[arg-type]
    for (unit, _), sites in plan.sites.items():
        parts += [site(own.kind, *_place(own, machine, whole), pitch * 0.7, fill=colors[unit]) for own in sites]
    left, top = window.left * pitch, window.top * pitch
    frame = {"width": (window.right - window.left + 1) * pitch, "height": window.height / window.pitch * pitch}
    parts.append(element("rect", x=left, y=top, **frame, rx=2, fill="none", stroke=INK, stroke_width=1))  # type: ignore[arg-type]
    tiles = machine.socket.tiles
    parts.append(
        text(
            0,
            whole.height + 15,
            f"the socket: {tiles} tile{'s' if tiles > 1 else ''} of {machine.name}",
            10,
            fill=FAINT,
        )
    )
    return group(parts, x, y)


def _legend(x: float, y: float) -> str:
    lines = list(_legend_lines())
    marks = []
    for number, (kind, line) in enumerate(lines):
        at = 16.0 * number
        if kind in SHAPES:
            marks.append(site(kind, 6, at - 3.5, 10, fill="#9aa5b1", stroke=INK, stroke_width=0.8))
        elif kind == "wire":
            marks.append(path(points([(0, at - 3.5), (12, at - 3.5)]), stroke="#9aa5b1", stroke_width=2))
        elif kind.startswith("load"):
            stroke = load_color(float(kind.split()[1]))
            marks.append(path(points([(0, at - 3.5), (12, at - 3.5)]), stroke=stroke, stroke_width=4))
        marks.append(text(20, at, line, 10))
    return group(marks, x, y)


def _legend_lines() -> Iterator[tuple[str, str]]:
    yield "pcu", "PCU: computes"
    yield "pmu", "PMU: holds and reorders"
    yield "agcu", "AGCU: loads and stores"
    yield "wire", "route, coloured as its source"
    yield "load 0.1", "link, 0.1 packets a cycle"
    yield "load 0.5", "link, half a packet a cycle"
    yield "load 1", "link, one a cycle or more"
    yield "", "outlines are free; colours as left"
