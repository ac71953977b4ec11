"""Places: legal, the same every time, compiled or not; annealing is better than greed."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketch import Sketch, chains

from rdflow.dsl.netlist import Netlist
from rdflow.interpreter import place as placing
from rdflow.interpreter.allocate import KINDS, unit_copies
from rdflow.interpreter.edges import Cells, Edge, cells
from rdflow.interpreter.floorplan import floorplan
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.mapper import anneal as loops
from rdflow.interpreter.place import annealed, greedy, order, place
from rdflow.interpreter.rates import rates_of
from rdflow.interpreter.sites import Grid, mesh, sites


@pytest.fixture(scope="module")
def toy() -> Machine:
    return load_machine("toy")


@pytest.fixture(scope="module")
def sn40l() -> Machine:
    return load_machine("sn40l")


def cells_of(netlist: Netlist, machine: Machine) -> Cells:
    return cells(netlist, unit_copies(netlist, machine), rates_of(netlist, machine))


def scrambled(count: int, edges: int, seed: int = 7) -> Cells:
    """Cells of two kinds with edges between any two of them."""
    random = Random(seed)
    pairs = {tuple(random.sample(range(count), 2)) for _ in range(edges)}
    return Cells(
        [cell % 2 for cell in range(count)], [*range(count)], [Edge(a, b, 1000, 64, 0) for a, b in sorted(pairs)]
    )


@st.composite
def boards(draw: st.DrawFn) -> Cells:
    """Cells of all kinds with edges of all sorts: loads of none, of little and of much, on two networks."""
    kinds = draw(st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=2, max_size=24))
    ends = st.lists(st.sampled_from(range(len(kinds))), min_size=2, max_size=2, unique=True)
    edge = st.builds(
        lambda ends, *rest: Edge(*ends, *rest),
        ends,
        st.integers(0, 9999),
        st.sampled_from([0, 1, 16, 200]),
        st.integers(0, 1),
    )
    return Cells(kinds, [*range(len(kinds))], draw(st.lists(edge, min_size=1, max_size=60)))


def cost(grid: Grid, of: Cells, at: list[int]) -> int:
    """By definition: pull times distance, and twice the product of the loads of any two edges that meet on a link."""
    total, links = 0, {}
    for edge in of.edges:
        (row, column), (last_row, last_column) = grid.switch(at[edge.source]), grid.switch(at[edge.sink])
        total += edge.pull * (abs(row - last_row) + abs(column - last_column))
        across = [(row, column), (row, last_column), (last_row, last_column)]
        down = [(row, column), (last_row, column), (last_row, last_column)]
        loads: dict[object, int] = {}
        for corners in (across, down):
            for step in pairwise(walk(corners)):
                loads[edge.network, step] = loads.get((edge.network, step), 0) + edge.load
        for step, load in loads.items():
            links.setdefault(step, []).append(load)
    return total + sum(sum(loads) ** 2 - sum(load**2 for load in loads) for loads in links.values())


def walk(corners: list[tuple[int, int]]) -> list[tuple[int, int]]:
    way = [corners[0]]
    for row, column in corners[1:]:
        while way[-1] != (row, column):
            r, c = way[-1]
            way.append((r + (row > r) - (row < r), c + (column > c) - (column < c)))
    return way


# -- sites -------------------------------------------------------------------------------------------------------------


def test_a_socket_has_its_sites(sn40l: Machine) -> None:
    grid = sites(sn40l)
    assert {kind: len(list_) for kind, list_ in grid.items()} == {"pcu": 1040, "pmu": 1040, "agcu": 104}
    assert len({site.switch for site in grid["pcu"]}) == 1040
    assert {site.switch[1] for site in grid["agcu"]} == {0, 20, 21, 41}
    steps = [(abs(a.switch[0] - b.switch[0]), abs(a.switch[1] - b.switch[1])) for a, b in pairwise(grid["pcu"][:260])]
    assert {sum(step) for step in steps} == {1}


def test_a_tile_may_have_any_number_of_agcus(toy: Machine) -> None:
    odd = sites(toy.replace(tile_agcus=5))["agcu"]
    assert [site.switch for site in odd] == [(0, 0), (2, 0), (5, 0), (0, 8), (4, 8)]


def test_the_nearest_site_of_every_switch(sn40l: Machine) -> None:
    grid = Grid(sn40l)
    rows, columns = mesh(sn40l)
    near = grid.near().tolist()
    random = Random(3)
    for _ in range(50):
        kind, row, column = random.randrange(3), random.randrange(rows), random.randrange(columns)
        own = range(*grid.of(KINDS[kind]).indices(len(grid.sites)))
        by_hand = min(own, key=lambda s: abs(grid.row[s] - row) + abs(grid.column[s] - column))
        assert near[(kind * rows + row) * columns + column] == by_hand


# -- greed -------------------------------------------------------------------------------------------------------------


def test_chains_are_placed_depth_first() -> None:
    assert order([{1: 1, 2: 1}, {0: 1, 3: 1}, {0: 1, 4: 1}, {1: 1}, {2: 1}]) == [0, 1, 3, 2, 4]


def test_the_nearest_free_site_is_taken_once(toy: Machine) -> None:
    of = Cells([0, 0, 0], [0, 1, 2], [Edge(0, 1, 1, 0, 0), Edge(0, 2, 1, 0, 0)])
    grid = Grid(toy)
    at = greedy(grid, of)
    assert len(set(at)) == 3
    assert [grid.switch(site) for site in at] == [(0, 0), (0, 1), (1, 0)]


# -- annealing ---------------------------------------------------------------------------------------------------------


def test_a_chain_of_pairs_is_placed_as_well_as_can_be(toy: Machine) -> None:
    """Eight PCUs and eight PMUs in turn: two of them at each switch, so 7 hops."""
    edges = [Edge(cell, cell + 1, 64 * 72, 64, 0) for cell in range(15)]
    of = Cells([cell % 2 for cell in range(16)], [*range(16)], edges)
    grid = Grid(toy)
    at = place(grid, of)
    hops = [
        sum(abs(a - b) for a, b in zip(grid.switch(at[e.source]), grid.switch(at[e.sink]), strict=True)) for e in edges
    ]
    assert sum(hops) == 7


@pytest.mark.parametrize("count", [40, 100])
def test_annealing_beats_greed(sn40l: Machine, count: int) -> None:
    """By far where all pull on all: in Python (40 cells) and compiled (100)."""
    of, grid = scrambled(count, 2 * count), Grid(sn40l)
    first = greedy(grid, of)
    found = annealed(grid, of, first)
    assert cost(grid, of, found) < (0.9, 0.75)[count > placing.SMALL] * cost(grid, of, first)


@pytest.mark.parametrize("trades", [False, True])
def test_what_annealing_says_it_gains_is_what_it_gains(toy: Machine, trades: bool) -> None:
    of, grid = scrambled(30, 60), Grid(toy)
    first = greedy(grid, of)
    gained, found = placing._annealed(grid, of, first, 20000, trades)
    assert all(
        site in range(*grid.of(KINDS[kind]).indices(len(grid.sites)))
        for kind, site in zip(of.kinds, found, strict=True)
    )
    assert len(set(found)) == len(found)
    assert gained == cost(grid, of, found) - cost(grid, of, first) < 0


@pytest.mark.parametrize("trades", [False, True])
def test_compiled_moves_are_those_of_python(toy: Machine, monkeypatch: pytest.MonkeyPatch, trades: bool) -> None:
    of, grid = scrambled(30, 60), Grid(toy)
    first = greedy(grid, of)
    monkeypatch.setattr(placing, "STAGES", placing.FEW_STAGES)
    monkeypatch.setattr(placing, "TRIES", placing.FEW_TRIES)
    assert placing._annealed(grid, of, first, 20000, trades) == placing._annealed_fast(grid, of, first, 20000, trades)


@settings(max_examples=25, deadline=None, database=None)
@given(boards(), st.integers(0, 1 << 20), st.booleans())
def test_on_any_board_moves_cost_what_they_say_compiled_or_not(of: Cells, heat: int, trades: bool) -> None:
    grid = Grid(load_machine("toy").replace(tile_agcus=24))
    first = greedy(grid, of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "STAGES", placing.FEW_STAGES)
        patch.setattr(placing, "TRIES", placing.FEW_TRIES)
        gained, found = placing._annealed_fast(grid, of, first, heat, trades)
    assert (gained, found) == placing._annealed(grid, of, first, heat, trades)
    assert gained == cost(grid, of, found) - cost(grid, of, first)


@settings(max_examples=50, deadline=None, database=None)
@given(boards(), st.data())
def test_no_move_is_turned_down_that_costs_no_more_than_allowed(of: Cells, data: st.DataObject) -> None:
    """Against moves carried out and costed by definition, one after another on the same board."""
    grid = Grid(load_machine("toy").replace(tile_agcus=24))
    rows, columns = mesh(grid.machine)
    tables = (table.tolist() for table in placing._tables(grid, of, greedy(grid, of)))
    board = loops.Board(rows, columns, grid.machine.pcus, True, *tables)
    for number, edge in enumerate(of.edges):
        loops.lay(board, number, edge.load)
    for _ in range(20):
        cell = data.draw(st.integers(0, len(of.kinds) - 1))
        kind, both = KINDS[of.kinds[cell]], data.draw(st.booleans())
        target = data.draw(st.sampled_from(range(*grid.of(kind).indices(len(grid.sites)))))
        home, before = board.at[cell], list(board.at)
        if target != home:
            sites = (home, target, *(loops.mate(board, site) for site in (home, target) if both))
            moved = dict(zip(sites, (target, home, *reversed(sites[2:])), strict=True))
            after = [moved.get(site, site) for site in before]
            change = cost(grid, of, after) - cost(grid, of, before)
            allowed = change + data.draw(st.sampled_from([-(10**5), -1, 0, 1]))
            assert loops.move(board, home, target, both, allowed, 1 << 40) == (change if change <= allowed else 0)
            assert board.at == (after if change <= allowed else before)
            assert [board.owner[site] for site in board.at] == [*range(len(of.kinds))]


def test_pairs_trade_places(toy: Machine) -> None:
    """Two pairs of a PCU and a PMU, each beside what pulls on the other: a single move would part a pair."""
    strong = [Edge(0, 1, 1 << 20, 0, 0), Edge(2, 3, 1 << 20, 0, 0)]
    of = Cells([0, 1, 0, 1, 0, 0], [*range(6)], [*strong, Edge(0, 4, 1, 0, 0), Edge(2, 5, 1, 0, 0)])
    grid, pcus = Grid(toy), toy.pcus
    at = [1, pcus + 1, 7, pcus + 7, 8, 0]  # along the first row
    gained, found = placing._annealed(grid, of, at, 0, trades=True)
    _, left = placing._annealed(grid, of, at, 0)
    assert left[:4] == at[:4] != found[:4] and gained < 0
    assert {grid.switch(found[0]), grid.switch(found[2])} == {grid.switch(found[1]), grid.switch(found[3])}


def test_a_good_place_is_left_alone(toy: Machine) -> None:
    of = Cells([0, 1], [0, 1], [Edge(0, 1, 1000, 64, 0)])
    grid = Grid(toy)
    assert place(grid, of) == greedy(grid, of)


def test_random_numbers_are_park_and_miller_s() -> None:
    """The 10,000th after 1, with the newer multiplier: 399268537 (C++11, 26.5.5 minstd_rand)."""
    board = loops.Board(*[None] * (len(loops.Board._fields) - 1), [1])  # type: ignore[arg-type]
    for _ in range(10_000):
        loops.draw(board, 1)
    assert board.seed == [399268537]


# -- kernels -----------------------------------------------------------------------------------------------------------


def test_no_site_is_taken_twice_and_places_repeat(toy: Machine) -> None:
    netlist = chains(15, 4)
    first, again = floorplan(netlist, toy), floorplan(netlist, toy)
    taken = [site for list_ in first.sites.values() for site in list_]
    assert first == again
    assert len(set(taken)) == len(taken) == 61


def test_connected_units_are_neighbours(sn40l: Machine) -> None:
    """Of 60 chains of 6 units behind one multicast; routes may be longer, around links that are full."""
    plan = floorplan(chains(60, 6), sn40l)
    ends = [(way[0], way[-1]) for way in plan.routes[1 + 60 :] if way]
    far = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in ends]
    assert max(far) <= 4 and sum(far) < 0.5 * len(far)
    assert plan.loads[0].rate == 1


def test_a_copy_of_several_sites_takes_adjacent_ones(sn40l: Machine) -> None:
    sketch = Sketch()
    sketch.unit("a", "pcu", pcus=3, pmus=2)
    sketch.unit("b", "pcu", pcus=1)
    sketch.queue(0, 1)
    plan = floorplan(sketch.netlist, sn40l)
    taken = plan.sites[0, 0]
    assert [site.kind for site in taken] == ["pcu", "pcu", "pcu", "pmu", "pmu"]
    far = [abs(taken[0].switch[0] - s.switch[0]) + abs(taken[0].switch[1] - s.switch[1]) for s in taken]
    assert sorted(far) == [0, 0, 1, 1, 1]
    assert len(set(taken) | set(plan.sites[1, 0])) == 6


def test_a_kernel_may_fill_the_socket(sn40l: Machine) -> None:
    """52 chains of 40 units on all 1040 PCUs and PMUs: nearly as short as a serpentine, and no link carries too much."""
    plan = floorplan(chains(26, 80), sn40l)
    taken = [site for list_ in plan.sites.values() for site in list_]
    assert len(set(taken)) == len(taken) == 2081
    assert plan.loads[0].rate <= 1
    assert plan.wire_length < 1.5 * 1040
