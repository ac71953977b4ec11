"""Grows the tree of a flow over a mesh of switches: from what is there already to one sink after another, at least cost."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

HOP = 64  # the cost of a link that nobody else takes, where there is no history
DEPTH = 32  # the cost of a hop between the source and where a branch leaves the tree: latency counts, though half


class Mesh(NamedTuple):
    """Flat lists (or arrays) of whole numbers. Link 4 x switch + direction leads east, south, west, north."""

    rows: int
    columns: int
    margin: int  # switches around source and sink that a search looks at
    users: Any  # by link: flows that take it
    load: Any  # by link: packets in a run
    history: Any  # by link: what it costs more, for it was wanted by too many
    cost: Any  # by switch: the least found
    stamp: Any  # by switch: the search in which it was found
    came: Any  # by switch: the link by which it is reached, in the search or the tree
    tree: Any  # by switch: the tree that it is in
    depth: Any  # by switch: hops from the source, in the tree
    count: Any  # two numbers: searches so far, trees so far
    box: Any  # the first and the last row, the first and the last column, that a search looks at


def grow(mesh: Mesh, source: int, sinks: Any, packets: Any, full: int, sharing: int, heavy: int, crowding: int) -> None:
    """The tree of a flow, left in `came`: the links by which its switches are reached.

    `packets`: what each sink gets in a run; `full`: what a link carries in a run. A link that others take costs
    `sharing` more, up to `heavy` the busier it gets, and `crowding` for each packet a cycle above 1.
    """
    mesh.count[1] += 1
    mesh.tree[source] = mesh.count[1]
    mesh.depth[source] = 0
    mesh.came[source] = -1
    members = [source]
    for i in range(len(sinks)):
        if mesh.tree[sinks[i]] != mesh.count[1]:
            frame(mesh, source, sinks[i])
            search(mesh, members, sinks[i], packets[i], full, sharing, heavy, crowding)
            join(mesh, members, sinks[i])


def frame(mesh: Mesh, one: int, other: int) -> None:
    """Look at switches between these two, and a little around."""
    rows, columns = (one // mesh.columns, other // mesh.columns), (one % mesh.columns, other % mesh.columns)
    mesh.box[0], mesh.box[1] = max(0, min(rows) - mesh.margin), min(mesh.rows - 1, max(rows) + mesh.margin)
    mesh.box[2], mesh.box[3] = max(0, min(columns) - mesh.margin), min(mesh.columns - 1, max(columns) + mesh.margin)


def search(
    mesh: Mesh, members: Any, sink: int, packets: int, full: int, sharing: int, heavy: int, crowding: int
) -> None:
    """The cheapest way from the members of a tree to a sink (A*: no link costs less than HOP)."""
    switches = mesh.rows * mesh.columns
    mesh.count[0] += 1
    heap: list[int] = []
    for switch in members:
        mesh.cost[switch] = DEPTH * mesh.depth[switch]
        mesh.stamp[switch] = mesh.count[0]
        heap.append((mesh.cost[switch] + HOP * distance(mesh, switch, sink)) * switches + switch)
    heapify(heap)
    here = -1
    while here != sink:
        key = heappop(heap)
        here = key % switches
        if key // switches > mesh.cost[here] + HOP * distance(mesh, here, sink):
            continue
        for direction in range(4):
            there = beside(mesh, here, direction)
            if there < 0 or mesh.tree[there] == mesh.count[1]:
                continue
            link = 4 * here + direction
            cost = mesh.cost[here] + price(mesh, link, packets, full, sharing, heavy, crowding)
            if mesh.stamp[there] != mesh.count[0] or cost < mesh.cost[there]:
                mesh.stamp[there] = mesh.count[0]
                mesh.cost[there] = cost
                mesh.came[there] = link
                heappush(heap, (cost + HOP * distance(mesh, there, sink)) * switches + there)


def distance(mesh: Mesh, one: int, other: int) -> int:
    """Hops between two switches, at least."""
    rows = one // mesh.columns - other // mesh.columns
    columns = one % mesh.columns - other % mesh.columns
    return abs(rows) + abs(columns)


def beside(mesh: Mesh, switch: int, direction: int) -> int:
    """The next switch in a direction, -1 at the edge of the box."""
    row, column = switch // mesh.columns, switch % mesh.columns
    if direction == 0:
        column += 1
    elif direction == 1:
        row += 1
    elif direction == 2:
        column -= 1
    else:
        row -= 1
    inside = mesh.box[0] <= row <= mesh.box[1] and mesh.box[2] <= column <= mesh.box[3]
    return row * mesh.columns + column if inside else -1


def price(mesh: Mesh, link: int, packets: int, full: int, sharing: int, heavy: int, crowding: int) -> int:
    """What a link costs a flow that brings so many packets."""
    cost: int = HOP + mesh.history[link]
    if mesh.users[link] > 0:
        cost += sharing + heavy * min(full, mesh.load[link] + packets) // full
        over = mesh.load[link] + packets - full
        if over > 0:
            cost += crowding * over // full
    return cost


def join(mesh: Mesh, members: Any, sink: int) -> None:
    """Make the way that a search found a part of the tree."""
    way: list[int] = []
    switch = sink
    while mesh.tree[switch] != mesh.count[1]:
        mesh.tree[switch] = mesh.count[1]
        way.append(switch)
        switch = mesh.came[switch] // 4
    depth = mesh.depth[switch]
    for i in range(len(way)):
        switch = way[len(way) - 1 - i]
        depth += 1
        mesh.depth[switch] = depth
        members.append(switch)
