"""How far actors may stray from the windows of the engine: exactly as far as nothing of a run changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rdflow
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.netlist import Queue
from rdflow.interpreter.image import Image, advance, blank, take_sockets_apart
from rdflow.interpreter.lookahead import AHEAD, WINDOW, freedom, lookahead
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.mapping import map_netlist
from tests.test_bundles import state

NODE = load_machine("sn40l")
PROGRAMS = {
    "a prompt": ("llama_prefill_layer", {"T": 64, "C": 64, "F": 256, "R": 2, "W": 8, "G": 2, "Z": 4, "D": 4}),
    "a step": (
        "llama_decode",
        {"C": 64, "F": 256, "U": 40, "NL": 1, "R": 2, "W": 8, "POS": 20, "G": 2, "Z": 2, "J": 2, "Y": 2},
    ),
    "one socket": ("llama_prefill_layer", {"T": 96, "C": 64, "F": 128, "R": 2, "W": 8, "G": 1, "Z": 4, "D": 4}),
}


@pytest.fixture(scope="module", params=PROGRAMS)
def mapped(request: pytest.FixtureRequest) -> Mapped:
    name, params = PROGRAMS[request.param]
    (kernel,) = rdflow.load(name, **params).checked.kernels.values()
    return map_netlist(elaborate(kernel), NODE)[0]


def ways(mapped: Mapped) -> list[int]:
    """By actor the cycles from a firing to the nearest server, as a breadth of steps finds them one cycle after the other."""
    netlist, look = mapped.netlist, lookahead(mapped, WINDOW)
    begun = {(queue.source, queue.sink) for queue in netlist.queues if queue.initial}
    found = [look.reach + AHEAD] * len(netlist.actors)
    changed = True
    while changed:
        before = list(found)
        for number, (queue, timing) in enumerate(zip(netlist.queues, mapped.queues, strict=True)):
            ends = (queue.source, queue.sink)
            sent = timing.first + look.shifts[number] if timing.stages else timing.latency + found[queue.sink]
            found[queue.source] = min(found[queue.source], sent)
            if ends not in begun and ends[::-1] not in begun:
                found[queue.sink] = min(found[queue.sink], timing.credit + found[queue.source])
        changed = found != before
    return found


def test_lags_are_what_the_ways_to_servers_leave(mapped: Mapped) -> None:
    look = lookahead(mapped, WINDOW)
    free = freedom(mapped, look)
    assert (free.lag + look.reach).tolist() == ways(mapped)
    assert free.lag.min() >= 0 and free.ahead.min() >= 0


def test_many_actors_may_stray(mapped: Mapped) -> None:
    """What the other tests hold is there."""
    free = freedom(mapped, lookahead(mapped, WINDOW))
    assert np.count_nonzero(free.lag) > len(free.lag) // 4
    assert np.count_nonzero(free.ahead) > len(free.ahead) // 4


def taken_apart(mapped: Mapped) -> Image:
    image = blank(mapped, False)
    take_sockets_apart(image, 1)
    return image


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=4))
def test_at_every_stop_everything_is_as_without(mapped: Mapped, steps: list[int]) -> None:
    """Sockets together do not stray; stops come at any distance, within a window and after many."""
    together, apart = blank(mapped, False), taken_apart(mapped)
    for until in (*np.cumsum(steps).tolist(), 1 << 40):
        assert advance(apart, until) == advance(together, until, forward=False)
        assert state(apart) == state(together)


def test_the_tokens_of_tiles_always_have_room(mapped: Mapped) -> None:
    """No actor waits for room in a queue of a loop that begins with tokens, so lags need not count that it could."""
    image = blank(mapped, False)
    begun = {(queue.source, queue.sink) for queue in mapped.netlist.queues if queue.initial}
    loops = [q for q, queue in enumerate(mapped.netlist.queues) if {queue_ends(queue), queue_ends(queue)[::-1]} & begun]
    assert loops
    ends = image.rank[[mapped.netlist.queues[q].source for q in loops]]
    for until in range(50, 5_000, 50):
        advance(image, until, forward=False)
        rows = image.tables.queues[loops]
        assert not (image.tables.actors["waiting"][ends] == loops).any()
        assert (rows["pushed"] - rows["popped"] <= rows["capacity"]).all()


def queue_ends(queue: Queue) -> tuple[int, int]:
    return queue.source, queue.sink
