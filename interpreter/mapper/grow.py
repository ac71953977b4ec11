"""Grows the tree of a flow over a mesh of switches: from what is there already to one sink after another, at least cost."""

from __future__ import annotations

from typing import Any, NamedTuple

HOP = 64  # the cost of a link that nobody else takes, where there is no history
DEPTH = 32  # the cost of a hop between the source and where a branch leaves the tree: latency counts, though half


class Mesh(NamedTuple):
    """Flat lists (or arrays) of whole numbers. Link 4 x switch + direction leads east, south, west, north."""

    full: int  # what a link carries in a run
    row: Any  # by switch
    column: Any  # by switch
    beside: Any  # by link: the switch that it leads to, -1 where there is none
    users: Any  # by link: flows that take it
    load: Any  # by link: packets in a run
    history: Any  # by link: what it costs more, for it was wanted by too many
    cost: Any  # by switch: the least found
    stamp: Any  # by switch: the search in which it was found
    came: Any  # by switch: the link by which it is reached, in the search or the tree
    tree: Any  # by switch: the tree that it is in
    depth: Any  # by switch: hops from the source, in the tree
    members: Any  # switches of the tree, the source first
    sums: Any  # three numbers by switch of a tree, 0 when it is laid: see `settle`
    heap: Any  # of a search
    count: Any  # three numbers: searches so far, trees so far, members
    box: Any  # the first and the last row, the first and the last column, that a search looks at


class Costs(NamedTuple):
    """What a link costs more that others take: `sharing`, up to `heavy` the busier it gets, `crowding` for each packet a
    cycle above 1. A search looks so far (`margin`) around source and sink."""

    sharing: int
    heavy: int
    crowding: int
    margin: int


def plant(mesh: Mesh, source: int) -> None:
    """A new tree, of its source."""
    mesh.count[1] += 1
    mesh.count[2] = 1
    mesh.members[0] = source
    mesh.tree[source] = mesh.count[1]
    mesh.depth[source] = 0
    mesh.came[source] = -1


def grow(mesh: Mesh, costs: Costs, sink: int, packets: int) -> None:
    """Let the tree reach a sink, which gets so many packets in a run. It is left in `came`."""
    if mesh.tree[sink] != mesh.count[1]:
        frame(mesh, mesh.members[0], sink, costs.margin)
        search(mesh, costs, sink, packets)
        join(mesh, sink)


def frame(mesh: Mesh, one: int, other: int, margin: int) -> None:
    """Look at switches between these two, and a little around."""
    last = len(mesh.row) - 1
    mesh.box[0] = max(0, min(mesh.row[one], mesh.row[other]) - margin)
    mesh.box[1] = min(mesh.row[last], max(mesh.row[one], mesh.row[other]) + margin)
    mesh.box[2] = max(0, min(mesh.column[one], mesh.column[other]) - margin)
    mesh.box[3] = min(mesh.column[last], max(mesh.column[one], mesh.column[other]) + margin)


def search(mesh: Mesh, costs: Costs, sink: int, packets: int) -> None:
    """The cheapest way from the members of a tree to a sink (A*: no link costs less than HOP)."""
    mesh.count[0] += 1
    switches, found, tree = len(mesh.row), mesh.count[0], mesh.count[1]
    size = start(mesh, sink)
    here = -1
    while here != sink:
        key = pop(mesh.heap, size)
        size -= 1
        here = key % switches
        if key // switches > mesh.cost[here] + HOP * distance(mesh, here, sink):
            continue
        for link in range(4 * here, 4 * here + 4):
            there = mesh.beside[link]
            if there < 0 or mesh.tree[there] == tree or not inside(mesh, there):
                continue
            cost = mesh.cost[here] + price(mesh, costs, link, packets)
            if mesh.stamp[there] != found or cost < mesh.cost[there]:
                mesh.stamp[there] = found
                mesh.cost[there] = cost
                mesh.came[there] = link
                push(mesh.heap, size, (cost + HOP * distance(mesh, there, sink)) * switches + there)
                size += 1


def start(mesh: Mesh, sink: int) -> int:
    """A heap of the members of the tree. How many they are."""
    for i in range(mesh.count[2]):
        switch = mesh.members[i]
        mesh.cost[switch] = DEPTH * mesh.depth[switch]
        mesh.stamp[switch] = mesh.count[0]
        push(mesh.heap, i, (mesh.cost[switch] + HOP * distance(mesh, switch, sink)) * len(mesh.row) + switch)
    count: int = mesh.count[2]
    return count


def push(heap: Any, size: int, key: int) -> None:
    """One more number in a heap of so many."""
    above = (size - 1) >> 1
    while size > 0 and heap[above] > key:
        heap[size] = heap[above]
        size, above = above, (above - 1) >> 1
    heap[size] = key


def pop(heap: Any, size: int) -> int:
    """The least of a heap of so many, which is left without it."""
    least: int = heap[0]
    size -= 1
    last, at, below = heap[size], 0, 1
    while below < size:
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= last:
            break
        heap[at] = heap[below]
        at, below = below, 2 * below + 1
    heap[at] = last
    return least


def distance(mesh: Mesh, one: int, other: int) -> int:
    """Hops between two switches, at least."""
    hops: int = abs(mesh.row[one] - mesh.row[other]) + abs(mesh.column[one] - mesh.column[other])
    return hops


def inside(mesh: Mesh, switch: int) -> bool:
    """Whether a search looks at a switch."""
    row, column, box = mesh.row[switch], mesh.column[switch], mesh.box
    found: bool = box[0] <= row and row <= box[1] and box[2] <= column and column <= box[3]
    return found


def price(mesh: Mesh, costs: Costs, link: int, packets: int) -> int:
    """What a link costs a flow that brings so many packets."""
    cost: int = HOP + mesh.history[link]
    if mesh.users[link] > 0:
        cost += costs.sharing + costs.heavy * min(mesh.full, mesh.load[link] + packets) // mesh.full
        over = mesh.load[link] + packets - mesh.full
        if over > 0:
            cost += costs.crowding * over // mesh.full
    return cost


def join(mesh: Mesh, sink: int) -> None:
    """Make the way that a search found a part of the tree: its switches are members from the tree on."""
    hops, switch = 0, sink
    while mesh.tree[switch] != mesh.count[1]:
        hops += 1
        switch = mesh.came[switch] >> 2
    mesh.count[2] += hops
    depth, last = mesh.depth[switch] + hops, mesh.count[2] - 1
    switch = sink
    for i in range(hops):
        mesh.tree[switch] = mesh.count[1]
        mesh.depth[switch] = depth - i
        mesh.members[last - i] = switch
        switch = mesh.came[switch] >> 2
