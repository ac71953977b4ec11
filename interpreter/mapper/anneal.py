"""Simulated annealing of a placement, in whole numbers: the same moves on every machine, compiled or not.

The cost of an edge is its distance times its pull. An edge spreads its load in equal parts over the two ways with one
corner, and wherever two edges meet on a link, twice the product of their loads is added.
"""

from __future__ import annotations

from typing import Any, NamedTuple

EAST, SOUTH, WEST, NORTH = 0, 1, 2, 3  # link 4 x switch + direction leads from a switch to the next one that way
FACTOR, PRIME = 48271, 2147483647  # of the random numbers: Park and Miller, CACM 36 (7), 1993
COOLING = 7  # of 8: the heat from one stage to the next


class Board(NamedTuple):
    """A placement under way: flat lists (or arrays) of whole numbers; `at`, `owner`, `loads` and `seed` change."""

    rows: int
    columns: int
    pairs: int  # PCUs of the socket: sites of theirs come first, then as many of PMUs at the same switches
    trades: bool  # pairs may change places with others, as well as single cells
    row: Any  # by site
    column: Any  # by site
    owner: Any  # by site: the cell on it, -1: none
    near: Any  # by kind x switches + switch: the nearest site
    kind: Any  # by cell
    at: Any  # by cell: its site
    first: Any  # by cell: where its edges begin in `edges`, and a last one
    edges: Any
    wire: Any  # by edge five numbers: SOURCE, SINK, PULL, LOAD, LAYER
    loads: Any  # by link
    seed: Any  # one number


SOURCE, SINK = 0, 1  # cells
PULL = 2  # the cost of a hop
LOAD = 3  # on each of the two ways
LAYER = 4  # the first link of the network
WIRE = 5  # numbers of an edge


def anneal(board: Board, logs: Any, stages: int, tries: int, heat: int, slack: int) -> int:
    """Moves and swaps of cells, from `heat` to none: by how much the cost changes. `logs`: of a uniform variate, negative, in 256ths.

    `slack`: how much longer than allowed the wires may get in a move for its loads to be looked at.
    """
    for edge in range(len(board.wire) // WIRE):
        lay(board, edge, board.wire[WIRE * edge + LOAD])
    total = 0
    reach = max(board.rows, board.columns) // 2
    for stage in range(stages):
        if stage == stages - 1:
            heat = 0
        for _ in range(tries):
            allowed = heat * logs[draw(board, len(logs))] >> 8
            cell = draw(board, len(board.at))
            target = propose(board, cell, 1 + reach * (stages - 1 - stage) // stages)
            both = board.trades and draw(board, 2) == 0
            if target != board.at[cell]:
                total += move(board, board.at[cell], target, both, allowed, slack)
        heat = heat * COOLING // 8
    return total


def draw(board: Board, below: int) -> int:
    """A random number."""
    board.seed[0] = board.seed[0] * FACTOR % PRIME
    found: int = board.seed[0] % below
    return found


def propose(board: Board, cell: int, reach: int) -> int:
    """A site for a cell: beside a neighbour, or within reach of its own."""
    begin, end = board.first[cell], board.first[cell + 1]
    centre, choice = cell, draw(board, 2 * (end - begin) + 1)
    if choice < end - begin:
        edge = WIRE * board.edges[begin + choice]
        centre = board.wire[edge + SOURCE] + board.wire[edge + SINK] - cell
        reach = 1
    site, width = board.at[centre], 2 * reach + 1
    row = board.row[site] + draw(board, width) - reach
    column = board.column[site] + draw(board, width) - reach
    row, column = min(max(row, 0), board.rows - 1), min(max(column, 0), board.columns - 1)
    found: int = board.near[(board.kind[cell] * board.rows + row) * board.columns + column]
    return found


def mate(board: Board, site: int) -> int:
    """The site at the same switch of a PCU's PMU or of a PMU's PCU; an AGCU has none."""
    if site < board.pairs:
        return site + board.pairs
    return site - board.pairs if site < 2 * board.pairs else site


def move(board: Board, home: int, target: int, both: bool, allowed: int, slack: int) -> int:
    """Exchange who is on two sites, and who is beside them if `both`, unless that costs more than allowed. What it costs."""
    here, there = (mate(board, home), mate(board, target)) if both else (home, target)
    before = around(board, home, target, here, there)
    exchange(board, home, target, here, there)
    change = around(board, home, target, here, there) - before
    exchange(board, home, target, here, there)
    if change > allowed + slack:
        return 0
    change += carry(board, home, target, here, there)
    if change > allowed:
        carry(board, home, target, here, there)
        return 0
    return change


def around(board: Board, home: int, target: int, here: int, there: int) -> int:
    """The cost of the wires of who is there."""
    total = wires(board, board.owner[home]) + wires(board, board.owner[target])
    if here != home:
        total += wires(board, board.owner[here]) + wires(board, board.owner[there])
    return total


def exchange(board: Board, home: int, target: int, here: int, there: int) -> None:
    """Who is on two sites, and on two others beside them."""
    swap(board, home, target)
    if here != home:
        swap(board, here, there)


def swap(board: Board, one: int, other: int) -> None:
    """Who is on two sites; nobody (-1) may be."""
    first, second = board.owner[one], board.owner[other]
    board.owner[one], board.owner[other] = second, first
    if first >= 0:
        board.at[first] = other
    if second >= 0:
        board.at[second] = one


def wires(board: Board, cell: int) -> int:
    """The cost of the wires of a cell (-1: none), but for the load of links."""
    total = 0
    if cell >= 0:
        for i in range(board.first[cell], board.first[cell + 1]):
            edge = WIRE * board.edges[i]
            one, other = board.at[board.wire[edge + SOURCE]], board.at[board.wire[edge + SINK]]
            hops = abs(board.row[one] - board.row[other]) + abs(board.column[one] - board.column[other])
            total += board.wire[edge + PULL] * hops
    return total


def carry(board: Board, home: int, target: int, here: int, there: int) -> int:
    """Exchange who is there, and the loads of their edges (each edge once). What that costs."""
    change = shift(board, home, target)
    if here != home:
        change += shift(board, here, there)
    return change


def shift(board: Board, one: int, other: int) -> int:
    """The same of two sites."""
    change = 0
    cell, its = board.owner[one], board.owner[other]
    for sign in (-1, 1):
        if cell >= 0:
            for i in range(board.first[cell], board.first[cell + 1]):
                edge = board.edges[i]
                change += lay(board, edge, sign * board.wire[WIRE * edge + LOAD])
        if its >= 0:
            for i in range(board.first[its], board.first[its + 1]):
                edge = board.edges[i]
                if board.wire[WIRE * edge + SOURCE] != cell and board.wire[WIRE * edge + SINK] != cell:
                    change += lay(board, edge, sign * board.wire[WIRE * edge + LOAD])
        if sign < 0:
            swap(board, one, other)
    return change


def lay(board: Board, edge: int, load: int) -> int:
    """Add to the loads of an edge's two ways with one corner (of the one way, twice). What that costs."""
    one, other = board.at[board.wire[WIRE * edge + SOURCE]], board.at[board.wire[WIRE * edge + SINK]]
    down, across = board.row[other] - board.row[one], board.column[other] - board.column[one]
    if load == 0 or down == across == 0:
        return 0
    first = board.wire[WIRE * edge + LAYER] + 4 * (board.row[one] * board.columns + board.column[one])
    right, right_step = (EAST, 4) if across >= 0 else (WEST, -4)
    under, under_step = (SOUTH, 4 * board.columns) if down >= 0 else (NORTH, -4 * board.columns)
    corner = first + 4 * across
    if down == 0 or across == 0:
        load *= 2
    change = line(board, first + right, right_step, abs(across), load)
    change += line(board, corner + under, under_step, abs(down), load)
    if down != 0 and across != 0:
        corner = first + 4 * board.columns * down
        change += line(board, first + under, under_step, abs(down), load)
        change += line(board, corner + right, right_step, abs(across), load)
    return change


def line(board: Board, link: int, step: int, count: int, load: int) -> int:
    """Add a load to links one after another (or take it off). Twice its product with what others load on them."""
    change = 0
    for _ in range(count):
        change += load * (2 * board.loads[link] + load - abs(load))
        board.loads[link] += load
        link += step
    return change
