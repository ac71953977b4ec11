"""Simulated annealing of a placement, in whole numbers: the same moves on every machine, compiled or not.

The cost of an edge is its distance times its pull. An edge spreads its load in equal parts over the two ways with one
corner, and wherever two edges meet on a link, twice the product of their loads is added: on a link of load L, that is L x L
less the square of what each edge brings itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

FACTOR, PRIME = 48271, 2147483647  # of the random numbers: Park and Miller, CACM 36 (7), 1993
COOLING = 7  # of 8: the heat from one stage to the next


class Board(NamedTuple):
    """A placement under way: flat lists (or arrays) of whole numbers.

    `owner`, `at`, `y`, `x` and what follows `wire` change. `sums` has four parts for each network: links that lead east, west,
    south and north. Each has a line for each row (of the last two: each column) of switches, and by switch what the links
    before it carry: what is between two switches is the difference.
    """

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
    y: Any  # by cell: its row
    x: Any  # by cell: its column
    first: Any  # by cell: where its edges begin in `edges`, and a last one
    edges: Any
    wire: Any  # by edge five numbers: SOURCE, SINK, PULL, LOAD, LAYER
    sums: Any
    touched: Any  # edges whose cells a move takes elsewhere, the first of it
    stamp: Any  # by edge: the last move that touched it, of those that `seed` counts
    seed: Any  # two numbers: the last random one, moves so far


SOURCE, SINK = 0, 1  # cells
PULL = 2  # the cost of a hop
LOAD = 3  # on each of the two ways
LAYER = 4  # where the network begins in `sums`
WIRE = 5  # numbers of an edge


def anneal(board: Board, logs: Any, stages: int, tries: int, heat: int, slack: int) -> int:
    """Moves and swaps of cells, from `heat` to none: by how much the cost changes. `logs`: of a uniform variate, negative, in 256ths.

    `slack`: how much longer than allowed the wires may get in a move for its loads to be looked at.
    """
    for edge in range(len(board.stamp)):
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
    width = 2 * reach + 1
    row = board.y[centre] + draw(board, width) - reach
    column = board.x[centre] + draw(board, width) - reach
    row, column = min(max(row, 0), board.rows - 1), min(max(column, 0), board.columns - 1)
    found: int = board.near[(board.kind[cell] * board.rows + row) * board.columns + column]
    return found


def mate(board: Board, site: int) -> int:
    """The site at the same switch of a PCU's PMU or of a PMU's PCU; an AGCU has none."""
    if site < board.pairs:
        return site + board.pairs
    return site - board.pairs if site < 2 * board.pairs else site


def move(board: Board, home: int, target: int, both: bool, allowed: int, slack: int) -> int:
    """Exchange who is on two sites, and who is beside them if `both`, unless that costs more than allowed. What it costs.

    Most moves cost too much by a bound that no load need be laid for.
    """
    here, there = (mate(board, home), mate(board, target)) if both else (home, target)
    count = gather(board, home, target, here, there)
    change, meeting = -wires(board, count), 0
    exchange(board, home, target, here, there)
    change += wires(board, count)
    if change <= allowed + slack:
        meeting = meets(board, count, 1)
    exchange(board, home, target, here, there)
    if change > allowed + slack or change + meeting - meets(board, count, 1) > allowed:
        return 0
    return carry(board, count, home, target, here, there, change, allowed)


def gather(board: Board, home: int, target: int, here: int, there: int) -> int:
    """The edges of who is there, each once, in `touched`. How many."""
    board.seed[1] += 1
    count = touch(board, board.owner[target], touch(board, board.owner[home], 0))
    if here != home:
        count = touch(board, board.owner[there], touch(board, board.owner[here], count))
    return count


def touch(board: Board, cell: int, count: int) -> int:
    """The edges of a cell (-1: none) that are not yet in `touched`, behind the first so many. How many there are now."""
    if cell >= 0:
        for i in range(board.first[cell], board.first[cell + 1]):
            edge = board.edges[i]
            if board.stamp[edge] != board.seed[1]:
                board.stamp[edge] = board.seed[1]
                board.touched[count] = edge
                count += 1
    return count


def exchange(board: Board, home: int, target: int, here: int, there: int) -> None:
    """Who is on two sites, and on two others beside them."""
    swap(board, home, target)
    if here != home:
        swap(board, here, there)


def swap(board: Board, one: int, other: int) -> None:
    """Who is on two sites; nobody (-1) may be."""
    first, second = board.owner[one], board.owner[other]
    settle(board, first, other)
    settle(board, second, one)


def settle(board: Board, cell: int, site: int) -> None:
    """A cell (-1: none) on a site."""
    board.owner[site] = cell
    if cell >= 0:
        board.at[cell], board.y[cell], board.x[cell] = site, board.row[site], board.column[site]


def wires(board: Board, count: int) -> int:
    """The cost of so many touched edges, but for the load of links."""
    total = 0
    for i in range(count):
        edge = WIRE * board.touched[i]
        one, other = board.wire[edge + SOURCE], board.wire[edge + SINK]
        hops = abs(board.y[one] - board.y[other]) + abs(board.x[one] - board.x[other])
        total += board.wire[edge + PULL] * hops
    return total


def meets(board: Board, count: int, laid: int) -> int:
    """Twice the product of what touched edges bring and what their links carry, less their own squares if they are `laid` (1).

    Before they are laid, that is what it costs at least: they may meet one another as well. For edges that are laid here and
    would be laid there, the difference is what it costs at least to carry them over: what changes on a link, squared, comes on top.
    """
    total = 0
    switches = board.rows * board.columns
    for i in range(count):
        edge = WIRE * board.touched[i]
        load = board.wire[edge + LOAD]
        if load != 0:
            one, other = board.wire[edge + SOURCE], board.wire[edge + SINK]
            row, last_row, column, last_column = board.y[one], board.y[other], board.x[one], board.x[other]
            lying = board.wire[edge + LAYER] + (0 if last_column >= column else switches)
            standing = board.wire[edge + LAYER] + (2 if last_row >= row else 3) * switches
            across = between(board.sums, lying + row * board.columns, column, last_column)
            across += between(board.sums, lying + last_row * board.columns, column, last_column)
            down = between(board.sums, standing + column * board.rows, row, last_row)
            down += between(board.sums, standing + last_column * board.rows, row, last_row)
            hops = abs(last_row - row) + abs(last_column - column)
            own = (4 if row == last_row or column == last_column else 2) * load * load
            total += 2 * load * (abs(across) + abs(down)) - laid * hops * own
    return total


def between(sums: Any, line: int, one: int, other: int) -> int:
    """What the links of a line carry between two switches."""
    found: int = sums[line + other] - sums[line + one]
    return found


def carry(board: Board, count: int, home: int, target: int, here: int, there: int, change: int, allowed: int) -> int:
    """Exchange who is there, and the loads of the edges touched, unless all costs more than allowed; `change` is for wires."""
    change += spread(board, count, -1)
    exchange(board, home, target, here, there)
    if change + meets(board, count, 0) <= allowed:
        change += spread(board, count, 1)
        if change <= allowed:
            return change
        spread(board, count, -1)
    exchange(board, home, target, here, there)
    spread(board, count, 1)
    return 0


def spread(board: Board, count: int, sign: int) -> int:
    """Lay so many touched edges, or take them up. What that costs."""
    change = 0
    for i in range(count):
        edge = board.touched[i]
        change += lay(board, edge, sign * board.wire[WIRE * edge + LOAD])
    return change


def lay(board: Board, edge: int, load: int) -> int:
    """Add to the loads of an edge's two ways with one corner (of the one way, twice). What that costs."""
    if load == 0:
        return 0
    one, other = board.wire[WIRE * edge + SOURCE], board.wire[WIRE * edge + SINK]
    row, last_row, column, last_column = board.y[one], board.y[other], board.x[one], board.x[other]
    switches = board.rows * board.columns
    lying = board.wire[WIRE * edge + LAYER] + (0 if last_column >= column else switches)
    standing = board.wire[WIRE * edge + LAYER] + (2 if last_row >= row else 3) * switches
    if row == last_row or column == last_column:
        load *= 2
    change = line(board.sums, lying + row * board.columns, column, last_column, board.columns, load)
    change += line(board.sums, standing + last_column * board.rows, row, last_row, board.rows, load)
    if row != last_row and column != last_column:
        change += line(board.sums, lying + last_row * board.columns, column, last_column, board.columns, load)
        change += line(board.sums, standing + column * board.rows, row, last_row, board.rows, load)
    return change


def line(sums: Any, start: int, one: int, other: int, length: int, load: int) -> int:
    """Add a load to the links of a line between two switches (or take it off). Twice its product with what others load on them.

    What all sums of a line have in common is of no account, so that the shorter side of the links takes the change.
    """
    low, high = start + min(one, other), start + max(one, other)
    hops = high - low
    change: int = load * (2 * (sums[high] - sums[low]) + hops * (load - abs(load)))
    if one + other >= length:
        for i in range(1, hops):
            sums[low + i] += i * load
        for i in range(high, start + length):
            sums[i] += hops * load
    else:
        for i in range(1, hops):
            sums[high - i] -= i * load
        for i in range(start, low + 1):
            sums[i] -= hops * load
    return change
