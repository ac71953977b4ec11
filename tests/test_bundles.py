"""Bundles: the requests of a multicast as one, which is to change nothing but the time that it takes to simulate."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

import rdflow
from rdflow.dsl.elaborate import elaborate
from rdflow.interpreter.bundles import Bundled, bundled
from rdflow.interpreter.image import Image, advance, blank, counters
from rdflow.interpreter.kernel.layout import ALONE, FOLLOWS
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.mapping import map_netlist
from rdflow.interpreter.waiting import tokens

NODE = load_machine("sn40l")
KERNELS = {
    "products of one stream": (
        """
        axis g = 2, t = 256, c = 64, n = 1024
        tensor X: bf16[t, c] in hbm input
        tensor W: bf16[g @socket, n, c] in hbm input
        tensor V: bf16[g @socket, n, c] in hbm input
        tensor Y: f32[g @socket, t] in hbm output
        kernel k {
            x = pmu load X    as [t/L; n/(ST*64), c | t%L]
            w = pmu load W @8 as [; g @socket, t/L, n/ST @64, c | n%ST]
            v = pmu load V @8 as [; g @socket, t/L, n/ST @64, c | n%ST]
            a = pcu sum(c) x * w as bf16 [t/L, g @socket, n/ST @64, n%ST | t%L]
            b = pcu sum(c) x * v as bf16 [t/L, g @socket, n/ST @64, n%ST | t%L]
            y = pcu sum(n) a * b as f32 [t/L, g @socket | t%L]
            store y -> Y
        }
        """,
        {},
    ),
    "a prompt": ("llama_prefill_layer", {"T": 64, "C": 128, "F": 1024, "R": 2, "W": 8, "G": 2}),
    "a step": ("llama_decode", {"C": 128, "F": 1024, "U": 40, "NL": 2, "R": 2, "W": 8, "POS": 20, "G": 2}),
}


@pytest.fixture(scope="module", params=KERNELS)
def mapped(request: pytest.FixtureRequest) -> Mapped:
    text, params = KERNELS[request.param]
    program = rdflow.loads(text) if not params else rdflow.load(text, **params)
    (kernel,) = program.checked.kernels.values()
    return map_netlist(elaborate(kernel), NODE)[0]


def found(mapped: Mapped) -> Bundled:
    return bundled(mapped, blank(mapped, False).tables)


def ways(mapped: Mapped, bundles: Bundled, number: int, hop: int) -> dict[int, list[int]]:
    """By queue of a bundle the servers that it passes, hop by hop, as the tables say."""
    passed: dict[int, list[int]] = {}
    row = bundles.bundles[number]
    for part in bundles.parts[row["first"] : row["last"]]:
        servers = [stage.server for stage in mapped.queues[part["queue"]].stages]
        if part["bundle"] == ALONE:
            passed[int(part["queue"])] = servers
            continue
        for queue, rest in ways(mapped, bundles, int(part["bundle"]), hop + 1).items():
            passed[queue] = servers[: hop + 1] + rest[hop + 1 :]
    return passed


def test_the_parts_of_a_bundle_are_the_ways_of_its_queues(mapped: Mapped) -> None:
    bundles = found(mapped)
    leaders = np.flatnonzero(bundles.leads >= 0)
    together: list[int] = []
    for leader in leaders:
        passed = ways(mapped, bundles, int(bundles.leads[leader]), 0)
        assert leader in passed and len(passed) > 1
        assert passed == {q: [stage.server for stage in mapped.queues[q].stages] for q in passed}
        assert len({mapped.netlist.queues[q].source for q in passed}) == 1
        together += passed
    assert len(together) == len(set(together))
    assert sorted(together) == np.flatnonzero(bundles.leads != ALONE).tolist()
    assert len(together) - leaders.size == np.count_nonzero(bundles.leads == FOLLOWS)


def test_some_bundles_part_and_some_queues_go_on_alone() -> None:
    """What the other tests hold is there."""
    text, _ = KERNELS["products of one stream"]
    (kernel,) = rdflow.loads(text).checked.kernels.values()
    bundles = found(map_netlist(elaborate(kernel), NODE)[0])
    assert (bundles.leads >= 0).sum() >= 2
    assert (bundles.parts["bundle"] >= 0).any() and (bundles.parts["bundle"] == ALONE).any()


def state(image: Image) -> list[object]:
    counted = counters(image)
    known = [[ready for ready, _ in tokens(image, q)] for q in range(len(image.mapped.netlist.queues))]
    return [known, *(getattr(counted, field.name).tolist() for field in fields(counted))]


def test_bundled_or_not_everything_happens_in_the_same_cycles(mapped: Mapped) -> None:
    """Sockets together have no bundles; stops catch tokens on their way."""
    together, apart = blank(mapped, False), blank(mapped, False, 1)
    for until in (150, 400, 401, 1000, 2500, 1 << 40):
        assert advance(apart, until) == advance(together, until, forward=False)
        assert state(apart) == state(together)
