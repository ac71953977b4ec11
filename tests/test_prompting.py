"""A prompt put together of launches, each simulated on one socket where none waits for another, is the prompt of a whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rdflow
from rdflow.dsl.launched import launched_kernel
from rdflow.interpreter.execution import Execution
from rdflow.paper import kept
from rdflow.paper.measures import Lab, NotRun
from rdflow.paper.prompting import Kind, Prompt, exchanges, prompted

PROGRAM = "mistral_operators"
SIZES = {"NL": 1, "C": 64, "F": 96, "V": 64, "G": 2, "R": 2, "W": 8, "D": 2, "T": 70, "U": 80, "B": 1}
COPIES = {"XT": 2, "XP": 2, "PM": 2, "PN": 4, "PH": 3, "PO": 4, "PS": 4}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "folder", lambda: folder)
        yield Lab(full=True)


def test_a_prompt_is_kept_and_waits_for_full(lab: Lab) -> None:
    with pytest.raises(NotRun):
        prompted(Lab(), PROGRAM, **SIZES, **COPIES)
    found = prompted(lab, PROGRAM, **SIZES, **COPIES)
    assert prompted(Lab(), PROGRAM, **SIZES, **COPIES) == found


def test_a_kind_is_kept_and_shared_by_programs_with_the_same_operators(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Llama with groups launches is what Mistral does, but for the window's number: nothing else is simulated again."""
    found, simulated = prompted(lab, PROGRAM, **SIZES, **COPIES), []
    simulate = Execution.simulate
    monkeypatch.setattr(
        Execution,
        "simulate",
        lambda self, call, progress=None: simulated.append(call.spec.kernel) or simulate(self, call, progress),
    )
    same = prompted(lab, "llama_operators", **SIZES, **COPIES)
    assert simulated == ["hide"] and [kind.kernel for kind in same.kinds] == [kind.kernel for kind in found.kinds]
    others = {kind for kind in found.kinds if kind.kernel != "hide"}
    assert others <= set(same.kinds)


def test_a_kind_is_not_another_one_of_the_same_name(lab: Lab) -> None:
    """Of other lengths, other copies, and a gather from a longer table, which meets memory elsewhere."""
    found = {kind.kernel: kind.cycles for kind in prompted(lab, PROGRAM, **SIZES, **COPIES).kinds}
    longer = {kind.kernel: kind.cycles for kind in prompted(lab, PROGRAM, **SIZES | {"T": 72}, **COPIES).kinds}
    alone = {kind.kernel: kind.cycles for kind in prompted(lab, PROGRAM, **SIZES, **COPIES | {"PD": 1, "PE": 2}).kinds}
    assert longer["add"] > found["add"]
    assert {name for name in found if found[name] != alone[name]} == {"project_down"}


def test_a_prompt_of_launches_is_the_prompt_of_a_run(lab: Lab) -> None:
    """Of a run on both sockets: as many launches, as many cycles, as long with what lies between them."""
    found, run = prompted(lab, PROGRAM, **SIZES, **COPIES), lab.measure(PROGRAM, **SIZES, **COPIES, M=1)
    stepped = found.stepped(lab.machine, 1)
    assert stepped.launches == run.launches == sum(kind.launches for kind in found.kinds)
    assert stepped.executed == pytest.approx(run.seconds, rel=1e-9)
    assert stepped.hardware == pytest.approx(run.total, rel=1e-9)


def test_what_sockets_exchange_is_simulated_on_all(lab: Lab) -> None:
    checked = rdflow.load(PROGRAM, **SIZES, M=1).checked
    calls = list(checked.calls(checked.steps.steps))
    found = {call.spec.kernel for call in calls if exchanges(launched_kernel(checked.kernel(call.spec), call.numbers))}
    assert found == {"reduce", "choose"} and len({call.spec.kernel for call in calls}) > 20


def test_nothing_is_faster_than_memory_and_units_allow(lab: Lab) -> None:
    kinds = {kind.kernel: kind for kind in prompted(lab, PROGRAM, **SIZES, **COPIES).kinds}
    assert all(0 <= kind.share < 1 for kind in kinds.values())
    moved = 3 * 70 * 64 * 2  # a sum reads two tensors and writes one, of bf16
    cycles = moved / lab.machine.sustained(lab.machine.hbm) * float(lab.machine.socket.clock)
    assert kinds["add"].least == round(cycles)


def test_a_batch_takes_as_much_longer_and_the_host_a_step_and_its_queue(lab: Lab) -> None:
    found = Prompt((Kind("a", 3, 1200, 0, 600), Kind("b", 1, 2400, 0, 2400)))
    one, eight, costs = found.stepped(lab.machine, 1), found.stepped(lab.machine, 8), lab.machine.launch
    assert found.cycles == 6000 and eight.executed == 8 * one.executed == pytest.approx(8 * 5e-6)
    assert eight.hardware - one.hardware == pytest.approx(7 * 5e-6)
    assert one.hardware == pytest.approx(5e-6 + 4 * float(costs.boundary + costs.arguments))
    assert one.software - one.hardware == pytest.approx(float(costs.host_step) + 4 * float(costs.queued), rel=1e-6)
