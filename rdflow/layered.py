"""Places for the nodes of a graph in layers, top down, so that edges are short and cross little (after Sugiyama)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import field

from rdflow.dsl.records import dataclass

SWEEPS = 24  # rounds of ordering, and of moving nodes to the middle of their neighbours
LANE = 14.0  # width of an edge that passes a layer

Edge = tuple[int, int]
Key = Hashable  # a node's number; (edge, layer) where an edge passes a layer


@dataclass
class Layout:
    """`x`: centres of nodes; `layer`: of each node; `ways`: the centres at which each edge passes the layers between its
    ends; `width`: of everything. Edges that lead back up are in `back`."""

    x: dict[int, float]
    layer: dict[int, int]
    ways: dict[Edge, list[float]]
    back: set[Edge]
    width: float


@dataclass
class _Rows:
    """The layers while they are put in order."""

    rows: list[list[Key]]
    above: dict[Key, list[Key]] = field(default_factory=dict)
    below: dict[Key, list[Key]] = field(default_factory=dict)
    widths: dict[Key, float] = field(default_factory=dict)

    def join(self, upper: Key, lower: Key) -> None:
        self.below.setdefault(upper, []).append(lower)
        self.above.setdefault(lower, []).append(upper)


def layout(widths: Sequence[float], edges: Sequence[Edge], gap: float = 22.0) -> Layout:
    """Layers, and a place in its layer for each node of a width."""
    edges = list(dict.fromkeys(edges))
    back = _back_edges(len(widths), edges)
    forward = [edge for edge in edges if edge not in back]
    layer = _layers(len(widths), forward)
    rows = _rows(widths, forward, layer)
    _order(rows)
    x = _spread(rows, gap)
    left = min((x[k] - rows.widths[k] / 2 for k in x), default=0.0)
    right = max((x[k] + rows.widths[k] / 2 for k in x), default=0.0)
    centres = {key: value - left for key, value in x.items()}
    ways = {e: [centres[(e, level)] for level in range(layer[e[0]] + 1, layer[e[1]])] for e in forward}
    return Layout({n: centres[n] for n in range(len(widths))}, layer, ways, back, right - left)


def _back_edges(count: int, edges: Sequence[Edge]) -> set[Edge]:
    """Edges that close a cycle, found depth first from the first node on."""
    sinks: dict[int, list[int]] = {}
    for source, sink in edges:
        sinks.setdefault(source, []).append(sink)
    found: set[Edge] = set()
    finished: set[int] = set()
    for root in range(count):
        path: list[tuple[int, int]] = [] if root in finished else [(root, 0)]
        active = {root}
        while path:
            node, tried = path.pop()
            targets = sinks.get(node, [])
            if tried == len(targets):
                finished.add(node)
                active.discard(node)
                continue
            path.append((node, tried + 1))
            target = targets[tried]
            if target in active:
                found.add((node, target))
            elif target not in finished:
                active.add(target)
                path.append((target, 0))
    return found


def _layers(count: int, edges: Sequence[Edge]) -> dict[int, int]:
    """Below all producers; what has none is just above its first consumer."""
    layer = dict.fromkeys(range(count), 0)
    for _ in range(count):
        moved = False
        for source, sink in edges:
            if layer[sink] <= layer[source]:
                layer[sink] = layer[source] + 1
                moved = True
        if not moved:
            break
    fed = {sink for _, sink in edges}
    for node in range(count):
        consumers = [layer[sink] for source, sink in edges if source == node]
        if node not in fed and consumers:
            layer[node] = min(consumers) - 1
    return layer


def _rows(widths: Sequence[float], edges: Sequence[Edge], layer: Mapping[int, int]) -> _Rows:
    rows = _Rows([[] for _ in range(1 + max(layer.values(), default=0))])
    for node, width in enumerate(widths):
        rows.rows[layer[node]].append(node)
        rows.widths[node] = width
    for edge in edges:
        last: Key = edge[0]
        for level in range(layer[edge[0]] + 1, layer[edge[1]]):
            here = (edge, level)
            rows.rows[level].append(here)
            rows.widths[here] = LANE
            rows.join(last, here)
            last = here
        rows.join(last, edge[1])
    return rows


def _order(rows: _Rows) -> None:
    """Order each layer by the middle of its neighbours, downwards and upwards in turn; keep the best order seen."""
    best, fewest = [list(row) for row in rows.rows], _crossings(rows)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        levels = range(1, len(rows.rows)) if down else range(len(rows.rows) - 2, -1, -1)
        for level in levels:
            fixed = rows.rows[level - 1 if down else level + 1]
            place = {key: i for i, key in enumerate(fixed)}
            near = rows.above if down else rows.below
            own = {key: i for i, key in enumerate(rows.rows[level])}
            scale = max(1, len(fixed)) / max(1, len(own))
            middle = {k: _mean([place[o] for o in near.get(k, ()) if o in place], i * scale) for k, i in own.items()}
            rows.rows[level].sort(key=lambda key, m=middle, o=own: (m[key], o[key]))  # type: ignore[misc]
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows.rows], crossings
    rows.rows = best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(rows: _Rows) -> int:
    total = 0
    for upper, lower in zip(rows.rows, rows.rows[1:], strict=False):
        place = {key: i for i, key in enumerate(lower)}
        ends = [place[other] for key in upper for other in sorted(rows.below.get(key, ()), key=lambda o: place[o])]
        total += sum(ends[j] < ends[i] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return total


def _spread(rows: _Rows, gap: float) -> dict[Key, float]:
    """Centres: each node moves to the mean of its neighbours as far as its row lets it."""
    x: dict[Key, float] = {}
    for row in rows.rows:
        at = 0.0
        for key in row:
            x[key] = at + rows.widths[key] / 2
            at += rows.widths[key] + gap
        for key in row:
            x[key] -= at / 2
    for sweep in range(SWEEPS):
        for row in rows.rows if sweep % 2 == 0 else reversed(rows.rows):
            wanted = [_wanted(rows, x, key) for key in row]
            for key, value in zip(row, _apart([rows.widths[k] for k in row], wanted, gap), strict=True):
                x[key] = value
    return x


def _wanted(rows: _Rows, x: Mapping[Key, float], key: Key) -> float:
    near = [*rows.above.get(key, ()), *rows.below.get(key, ())]
    return _mean([x[other] for other in near], x[key])


def _apart(widths: Sequence[float], wanted: Sequence[float], gap: float) -> list[float]:
    """The centres nearest to those wanted that leave a gap: blocks that touch move together (to their mean)."""
    blocks: list[tuple[float, int, int]] = []  # sum of the wanted shifts, how many, the first one
    offset = 0.0
    offsets = []
    for number, (width, want) in enumerate(zip(widths, wanted, strict=True)):
        offset += width / 2
        offsets.append(offset)
        total, count, first = want - offset, 1, number
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before = blocks.pop()
            total, count, first = total + before[0], count + before[1], before[2]
        blocks.append((total, count, first))
        offset += width / 2 + gap
    found = []
    for i, (total, count, first) in enumerate(blocks):
        last = blocks[i + 1][2] if i + 1 < len(blocks) else len(widths)
        found += [total / count + offsets[k] for k in range(first, last)]
    return found
