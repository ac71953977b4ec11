"""Negotiates the trees of flows round by round: those that meet on a link are grown again, while that link costs more and more."""

from __future__ import annotations

from typing import Any, NamedTuple

from rdflow.interpreter.mapper.grow import HOP, Costs, Mesh, grow, plant

FAR = 1 << 62
DEAREST = 12 * HOP  # what a shared link costs at most


class Prices(NamedTuple):
    """How a group of flows is negotiated: what a shared link costs more, in multiples of `sharing`, and when to end."""

    heavy: int  # of one that is as full as it can be
    crowding: int  # of one that would carry two packets a cycle
    grudge: int  # hops that a link costs more for good after each round in which it was too full
    most_rounds: int
    patience: int  # rounds without a better result that end it
    by_packets: bool  # what counts of shared links are the packets on them, not their number
    leave: int  # flows are routed again if they share a link that is so full, in 64ths
    margin: int  # switches around source and sink that are looked at


class Trees(NamedTuple):
    """Flows and their trees: flat lists (or arrays) of whole numbers. A tree has room for a link to each switch."""

    source: Any  # by flow: its switch
    first: Any  # by flow: where its sinks begin, and a last one
    sink: Any  # by sink: its switch
    packets: Any  # by sink: what it gets in a run
    order: Any  # sinks of each flow by gate and port
    port: Any  # by sink: the number of its gate and port
    gate: Any  # by sink: the number of its gate
    size: Any  # by flow: links of its tree
    links: Any
    carried: Any  # by link of a tree: packets of the flow
    best_size: Any  # the same of the best round
    best_links: Any
    best_carried: Any
    laid: Any  # by flow: 1 if it is under negotiation, or was
    again: Any  # flows to be grown again


def settle(mesh: Mesh, trees: Trees, prices: Prices, count: int, least: int) -> int:
    """Route the first so many flows of `again` beside those that are laid, which may have to be routed again. The rounds.

    The best round counts: first no link is to carry too much, then little is to be shared, then trees are to be short.
    `least`: what must be shared in any case.
    """
    best, since, rounds = (FAR, FAR, FAR), 0, 0
    for i in range(count):
        trees.laid[trees.again[i]] = 1
    if count == 0:
        return 0
    while count > 0 and rounds < prices.most_rounds and since < prices.patience:
        sharing = min(DEAREST, HOP * (1 + rounds))
        costs = Costs(sharing, prices.heavy * sharing, prices.crowding * sharing, prices.margin)
        for i in range(count):
            renew(mesh, trees, costs, trees.again[i])
        rounds += 1
        since += 1
        found = score(mesh, prices.by_packets)
        if found < best:
            best, since = found, 0
            keep(trees)
        count = meeting(mesh, trees, prices) if (found[0], found[1]) > (0, least) else 0
    for flow in range(len(trees.size)):
        take_up(mesh, trees, flow)
    restore(trees)
    for flow in range(len(trees.size)):
        lay(mesh, trees, flow)
    return rounds


def renew(mesh: Mesh, trees: Trees, costs: Costs, flow: int) -> None:
    """Grow the tree of a flow again."""
    take_up(mesh, trees, flow)
    plant(mesh, trees.source[flow])
    for sink in range(trees.first[flow], trees.first[flow + 1]):
        grow(mesh, costs, trees.sink[sink], trees.packets[sink])
    weigh(mesh, trees, flow)
    note(mesh, trees, flow)
    lay(mesh, trees, flow)


# -- what a tree carries -----------------------------------------------------------------------------------------------


# What comes to a switch of a tree: through one port, most through one with the same gate, in all.
PORT, GATE, FLOW = 0, 1, 2


def weigh(mesh: Mesh, trees: Trees, flow: int) -> None:
    """What the tree grown last carries to each of its switches, in `sums`.

    What one port deals to several sinks adds up; what several ports with the same gate send is the same; behind other
    gates it is taken as something else.
    """
    of_port = of_gate = trees.first[flow]
    end = trees.first[flow + 1]
    for i in range(of_port, end):
        sink = trees.order[i]
        add(mesh, trees.sink[sink], trees.packets[sink])
        following = trees.order[i + 1] if i + 1 < end else sink
        if i + 1 == end or trees.port[following] != trees.port[sink]:
            for j in range(of_port, i + 1):
                close_port(mesh, trees.sink[trees.order[j]])
            of_port = i + 1
        if i + 1 == end or trees.gate[following] != trees.gate[sink]:
            for j in range(of_gate, i + 1):
                close_gate(mesh, trees.sink[trees.order[j]])
            of_gate = i + 1


def add(mesh: Mesh, switch: int, packets: int) -> None:
    """Packets on the way to a sink."""
    while mesh.came[switch] >= 0:
        mesh.sums[3 * switch + PORT] += packets
        mesh.sums[3 * switch + GATE] = max(mesh.sums[3 * switch + GATE], mesh.sums[3 * switch + PORT])
        switch = mesh.came[switch] >> 2


def close_port(mesh: Mesh, switch: int) -> None:
    """Another port follows, on the way to a sink: it is weighed by itself."""
    while mesh.came[switch] >= 0:
        mesh.sums[3 * switch + PORT] = 0
        switch = mesh.came[switch] >> 2


def close_gate(mesh: Mesh, switch: int) -> None:
    """Another gate follows, on the way to a sink: it comes on top."""
    while mesh.came[switch] >= 0:
        mesh.sums[3 * switch + FLOW] += mesh.sums[3 * switch + GATE]
        mesh.sums[3 * switch + GATE] = 0
        switch = mesh.came[switch] >> 2


# -- trees on the mesh -------------------------------------------------------------------------------------------------


def note(mesh: Mesh, trees: Trees, flow: int) -> None:
    """The tree grown last is that of a flow."""
    room = flow * len(mesh.row)
    trees.size[flow] = mesh.count[2] - 1
    for i in range(trees.size[flow]):
        switch = mesh.members[i + 1]
        trees.links[room + i] = mesh.came[switch]
        trees.carried[room + i] = mesh.sums[3 * switch + FLOW]
        mesh.sums[3 * switch + FLOW] = 0


def lay(mesh: Mesh, trees: Trees, flow: int) -> None:
    """The links of a flow's tree carry it."""
    room = flow * len(mesh.row)
    for i in range(room, room + trees.size[flow]):
        mesh.users[trees.links[i]] += 1
        mesh.load[trees.links[i]] += trees.carried[i]


def take_up(mesh: Mesh, trees: Trees, flow: int) -> None:
    """They no longer do."""
    room = flow * len(mesh.row)
    for i in range(room, room + trees.size[flow]):
        mesh.users[trees.links[i]] -= 1
        mesh.load[trees.links[i]] -= trees.carried[i]


def keep(trees: Trees) -> None:
    """This round is the best."""
    room = len(trees.links) // len(trees.size)
    for flow in range(len(trees.size)):
        trees.best_size[flow] = trees.size[flow]
        for i in range(flow * room, flow * room + trees.size[flow]):
            trees.best_links[i], trees.best_carried[i] = trees.links[i], trees.carried[i]


def restore(trees: Trees) -> None:
    """The trees of the best round."""
    room = len(trees.links) // len(trees.size)
    for flow in range(len(trees.size)):
        trees.size[flow] = trees.best_size[flow]
        for i in range(flow * room, flow * room + trees.size[flow]):
            trees.links[i], trees.carried[i] = trees.best_links[i], trees.best_carried[i]


# -- a round -----------------------------------------------------------------------------------------------------------


def meeting(mesh: Mesh, trees: Trees, prices: Prices) -> int:
    """The flows that are to be routed again, in `again`, for they share a link with others. Shared links get a price."""
    for link in range(len(mesh.users)):
        if mesh.users[link] > 1:
            mesh.history[link] += prices.grudge * HOP if mesh.load[link] > mesh.full else HOP // 2
    count = 0
    for flow in range(len(trees.size)):
        if trees.laid[flow] == 1 and meets(mesh, trees, prices, flow):
            trees.again[count] = flow
            count += 1
    return count


def meets(mesh: Mesh, trees: Trees, prices: Prices, flow: int) -> bool:
    """Whether a flow shares a link that is too full to be left so."""
    room = flow * len(mesh.row)
    for i in range(room, room + trees.size[flow]):
        link = trees.links[i]
        if mesh.users[link] > 1 and 64 * mesh.load[link] > prices.leave * mesh.full:
            return True
    return False


def score(mesh: Mesh, by_packets: bool) -> tuple[int, int, int]:
    """Packets too many, links that are shared (or the packets on them), and length: less is better."""
    over, worth, length = 0, 0, 0
    for link in range(len(mesh.users)):
        length += mesh.users[link]
        over += max(0, mesh.load[link] - mesh.full)
        if mesh.users[link] > 1:
            worth += mesh.load[link] if by_packets else 1
    return over, worth, length
