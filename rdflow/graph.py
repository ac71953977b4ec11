"""A program as a picture: the pipeline of each kernel (units and streams with their orders) and its floor plan."""

from __future__ import annotations

from colorsys import hls_to_rgb

from rdflow.api import Program
from rdflow.dsl.netlist import Netlist, UnitInfo
from rdflow.dsl.records import dataclass
from rdflow.floor import Drawing, floor
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.machine import Machine
from rdflow.layered import Edge, Layout, layout
from rdflow.svg import FAINT, INK, PAPER, Point, element, group, mono_width, path, site, text

BOX_HEIGHT, TAG_HEIGHT, BETWEEN = 40.0, 17.0, 36.0
STACKED = 4.0  # how far the card behind a unit with copies stands out
BORDER = 28.0
GOLDEN = 0.61803398875  # hues this far apart stay apart, however many there are


def draw(program: Program) -> str:
    """A self-contained SVG of every kernel that the schedule launches, one below the other. Raises CompileError
    (RDF321 where it launches none)."""
    if not program.checked.launches:
        raise program.nothing("draw")
    execution = Execution(program.checked, program.machine, None, program.collective)
    compiled = [execution.compile(spec) for spec in dict.fromkeys(program.checked.launches)]
    parts: list[str] = []
    width, y = 0.0, BORDER
    for kernel in compiled:
        drawing = _kernel(kernel, program.machine)
        parts.append(group([drawing.content], BORDER, y))
        width, y = max(width, drawing.width), y + drawing.height + 2 * BORDER
    size = {"width": round(width + 2 * BORDER), "height": round(y - BORDER)}
    title = element("title", f"{program.name} on {program.machine.name}")
    ground = element("rect", width="100%", height="100%", fill=PAPER)
    box = f"0 0 {size['width']} {size['height']}"
    content = "\n".join([title, ground, *parts])
    return element("svg", "\n" + content + "\n", xmlns="http://www.w3.org/2000/svg", viewBox=box, **size) + "\n"


def _kernel(kernel: Compiled, machine: Machine) -> Drawing:
    """Title, pipeline on the left, floor plan on the right."""
    netlist = kernel.netlist
    colors = palette(len(netlist.units))
    pipeline = _Pipeline(netlist, colors).drawing()
    plan = floor(netlist, kernel.floorplan, machine, colors)
    parts = [
        text(0, 16, netlist.kernel, 20, font_weight="bold"),
        text(0, 36, f"{len(netlist.units)} units on {machine.name}", 12, fill=FAINT),
        group([pipeline.content], 0, 52),
        group([plan.content], pipeline.width + 48, 52),
    ]
    return Drawing("\n".join(parts), pipeline.width + 48 + plan.width, 52 + max(pipeline.height, plan.height))


def palette(count: int) -> list[str]:
    """Colours that differ, neighbours most."""
    found = []
    for number in range(count):
        lightness = (0.62, 0.5, 0.72)[number % 3]
        rgb = hls_to_rgb((0.58 + number * GOLDEN) % 1.0, lightness, 0.62)
        found.append("#" + "".join(f"{round(255 * part):02x}" for part in rgb))
    return found


# -- pipeline ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """Tokens from one unit to another. `data`: they carry values; else they only say when."""

    edge: Edge
    name: str
    data: bool


def streams(netlist: Netlist) -> list[Stream]:
    """The queues between units, those of all copies as one."""
    found: dict[tuple[Edge, bool], Stream] = {}
    for queue in netlist.queues:
        edge = (netlist.actors[queue.source].unit, netlist.actors[queue.sink].unit)
        if edge[0] != edge[1]:
            data = queue.width > 0
            found.setdefault((edge, data), Stream(edge, queue.stream, data))
    return [s for (edge, data), s in found.items() if data or (edge, True) not in found]


class _Pipeline:
    """Boxes in layers, top down; below each box the order of its stream, from which its edges leave."""

    def __init__(self, netlist: Netlist, colors: list[str]):
        self.netlist = netlist
        self.colors = colors
        self.streams = streams(netlist)
        self.feeding = {s.edge[0] for s in self.streams if s.data}
        widths = [self.width(n) for n in range(len(netlist.units))]
        self.layout: Layout = layout(widths, [s.edge for s in self.streams])
        self.top = 52.0

    def drawing(self) -> Drawing:
        parts = [text(0, 14, "Pipeline", 13, font_weight="bold")]
        parts.append(text(0, 31, "each stream with its order: counters in time | lanes; @ copies", 11, fill=FAINT))
        parts += [self.edge(stream) for stream in self.streams]
        parts += [self.unit(number) for number in range(len(self.netlist.units))]
        layers = 1 + max(self.layout.layer.values(), default=0)
        margin = 40.0 if self.layout.back else 0.0
        return Drawing("\n".join(parts), max(380.0, self.layout.width) + margin, self.top + layers * self.step)

    @property
    def step(self) -> float:
        return BOX_HEIGHT + TAG_HEIGHT + BETWEEN

    def width(self, number: int) -> float:
        info = self.netlist.units[number]
        lines = (mono_width(_title(info), 11.5) + 30, mono_width(self.about(number), 9.5) + 16)
        tag = mono_width(info.order, 9.5) + 14 if number in self.feeding else 0.0
        return max(96.0, *lines, tag) + (2 * STACKED if info.copies > 1 else 0.0)

    def about(self, number: int) -> str:
        """What a unit takes: its tensor, its sites, its scratchpad."""
        info = self.netlist.units[number]
        taken = [f"{n} {kind}" for kind, n in (("PCU", info.pcus), ("PMU", info.pmus), ("AGCU", info.agcus)) if n > 1]
        parts = [
            self.tensor(number),
            *taken,
            size_text(info.bytes) if info.bytes else "",
            "systolic" if info.systolic else "",
        ]
        return ", ".join(part for part in parts if part)

    def tensor(self, number: int) -> str:
        for _, actor in self.netlist.actors_of(number):
            if actor.burst is not None:
                use = self.netlist.tensors[actor.burst.tensor]
                return f"{use.name}: {use.dtype}{list(use.shape)} in {use.tier}".replace(", ", ",")
        return ""

    # -- drawing -------------------------------------------------------------------------------------------------------

    def corner(self, number: int) -> Point:
        """The top of a unit's box, in the middle."""
        return self.layout.x[number], self.top + self.layout.layer[number] * self.step

    def unit(self, number: int) -> str:
        info, color = self.netlist.units[number], self.colors[number]
        x, y = self.corner(number)
        width = self.width(number) - (2 * STACKED if info.copies > 1 else 0.0)
        left = x - width / 2
        frame: dict[str, object] = {"width": width, "height": BOX_HEIGHT, "rx": 5, "fill": PAPER, "stroke": color}
        parts = [element("title", f"{info.name}: {info.verb}, {info.copies} copies, order {info.order}")]
        if info.copies > 1:
            parts.append(element("rect", x=left + STACKED, y=y - STACKED, **frame, stroke_width=1.2))
        parts.append(element("rect", x=left, y=y, **frame, stroke_width=1.6))
        about = self.about(number)
        base = y + (17 if about else 24)
        parts.append(site(info.kind, left + 13, base - 4, 11, fill=color, stroke=INK, stroke_width=0.8))
        parts.append(text(left + 24, base, _title(info), 11.5, mono=True, font_weight="bold"))
        if about:
            parts.append(text(left + 8, y + 32, about, 9.5, mono=True, fill="#52606d"))
        if number in self.feeding:
            parts += self.tag(x, y + BOX_HEIGHT, info.order, color)
        return element("g", "".join(parts))

    def tag(self, x: float, y: float, order: str, color: str) -> list[str]:
        """The order of a stream, hanging below its box."""
        width = mono_width(order, 9.5) + 14
        frame = {"x": x - width / 2, "y": y, "width": width, "height": TAG_HEIGHT, "rx": 4.0}
        return [
            element("rect", **frame, fill=color, fill_opacity=0.16),
            text(x, y + 12, order, 9.5, mono=True, text_anchor="middle"),
        ]

    def edge(self, stream: Stream) -> str:
        source, sink = stream.edge
        look: dict[str, object] = {
            "stroke": self.colors[source] if stream.data else "#9aa5b1",
            "stroke_width": 1.8 if stream.data else 1.0,
            "stroke_dasharray": None if stream.data else "2 3",
        }
        start = self.leaves(source)
        end = self.enters(source, sink)
        if stream.edge in self.layout.back:
            side = self.layout.width + 24
            data = f"M{start[0]:.2f} {start[1]:.2f}C{start[0]:.2f} {start[1] + 26:.2f} {side:.2f} {start[1] + 26:.2f} {side:.2f} "
            data += f"{(start[1] + end[1]) / 2:.2f}S{end[0]:.2f} {end[1] - 30:.2f} {end[0]:.2f} {end[1]:.2f}"
            return path(data, **(look | {"stroke_dasharray": "6 3"})) + _head(end, str(look["stroke"]))
        at = [start]
        for level, x in enumerate(self.layout.ways[stream.edge], self.layout.layer[source] + 1):
            top = self.top + level * self.step
            at += [(x, top - 6), (x, top + BOX_HEIGHT + TAG_HEIGHT)]
        return path(_curve([*at, end]), **look) + _head(end, str(look["stroke"]))

    def leaves(self, number: int) -> Point:
        x, y = self.corner(number)
        return x, y + BOX_HEIGHT + (TAG_HEIGHT if number in self.feeding else 0.0)

    def enters(self, source: int, sink: int) -> Point:
        """Streams enter a box beside each other, in the order of where they come from."""
        entering = [s.edge for s in self.streams if s.edge[1] == sink]
        entering.sort(key=self.side)
        x, y = self.corner(sink)
        share = (entering.index((source, sink)) + 1) / (len(entering) + 1) - 0.5
        return x + share * min(self.width(sink) * 0.8, 34.0 * len(entering)), y - 1

    def side(self, edge: Edge) -> float:
        ways = self.layout.ways.get(edge)
        if edge in self.layout.back:
            return self.layout.width + 1
        return ways[-1] if ways else self.layout.x[edge[0]]


def _title(info: UnitInfo) -> str:
    verb = info.verb if info.verb not in info.name.split(".") else ""
    return " ".join(part for part in (info.name, verb, f"x{info.copies}" if info.copies > 1 else "") if part)


def _head(at: Point, color: str) -> str:
    x, y = at
    return path(f"M{x:.2f} {y + 1:.2f}l-4 -8h8z", fill=color)


def _curve(at: list[Point]) -> str:
    """Through all points: bent between layers, straight through them."""
    (x, y), *rest = at
    data = f"M{x:.2f} {y:.2f}"
    for a, b in rest:
        bend = (b - y) / 2
        data += f"L{a:.2f} {b:.2f}" if a == x else f"C{x:.2f} {y + bend:.2f} {a:.2f} {b - bend:.2f} {a:.2f} {b:.2f}"
        x, y = a, b
    return data
