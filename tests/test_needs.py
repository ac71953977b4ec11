"""Needs: which blocks a reader waits for, in closed form, against the same counted one by one."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdflow.api import find, library
from rdflow.checking import outcome
from rdflow.dsl.check import check
from rdflow.dsl.flow import Blocks, Pulses
from rdflow.dsl.needs import Needs
from rdflow.interpreter.machine import load_machine

NEEDS = st.builds(
    Needs,
    iterations=st.integers(1, 12),
    blocks=st.integers(1, 12),
    const=st.integers(-20, 60),
    each=st.integers(-9, 9),
    granule=st.sampled_from([1, 2, 8]),
    stride=st.sampled_from([1, 4, 8]),
)


def counted(need: Needs) -> list[int]:
    """Blocks that each iteration waits for beyond those before, by looking at the elements one by one."""
    found: list[int] = []
    for j in range(need.iterations):
        elements = range(max(need.const + need.each * j, 1))
        granules = {e // need.granule for e in elements}
        blocks = {e // need.stride for g in granules for e in range(g * need.granule, (g + 1) * need.granule)}
        reached = min(need.blocks, len(blocks))
        found.append(max(0, reached - sum(found)))
    found[-1] += need.blocks - sum(found)
    return found


@given(NEEDS)
def test_blocks_are_those_of_a_count_one_by_one(need: Needs) -> None:
    sums = [need.sum(j) for j in range(need.iterations + 1)]
    assert sums[0] == 0
    assert [b - a for a, b in pairwise(sums)] == counted(need)


@given(NEEDS, st.integers(1, 3))
def test_a_port_takes_the_blocks_of_its_moments_round_after_round(need: Needs, rounds: int) -> None:
    each = counted(need) * rounds
    port = Blocks(Pulses(((1, 1, 0, len(each)),), len(each), len(each), True), need)
    sums = [0, *accumulate(each)]
    assert port.total == sums[-1]
    assert [port.tokens(firings) for firings in range(len(sums))] == sums
    for tokens in range(port.total):  # the most firings that take no more than these
        assert port.firings(tokens) == max(f for f, taken in enumerate(sums) if taken <= tokens)


def test_a_check_does_not_take_longer_for_longer_axes() -> None:
    result = check(find("attention"), {"S": 10**15}, library=library)  # one by one, this would take months
    assert result.diagnostics == [] and result.kernels


@pytest.mark.parametrize(("name", "param"), [("attention_causal", "S"), ("llama", "V"), ("gpt_train", "N")])
def test_what_a_netlist_would_count_for_ever_is_not_held_against_the_machine(name: str, param: str) -> None:
    found = outcome(name, {param: 10**8}, load_machine("sn40l"))
    assert found.passed and not found.held


def test_what_is_soon_counted_is_held_against_the_machine() -> None:
    assert outcome("attention_causal", {}, load_machine("sn40l")).held
