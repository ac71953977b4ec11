"""Figure 10 in decoding: a step put together of its launches is the step of a whole run; bars by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdflow.paper import kept, orchestrated, rows
from rdflow.paper.measures import Counted, Lab, NotRun
from rdflow.paper.stepping import Stepped, stepped

SIZES = {"NL": 2, "C": 32, "F": 48, "V": 40, "G": 1, "R": 2, "W": 8, "D": 1, "T": 20, "U": 32, "B": 1, "XS": 2}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(kept, "folder", lambda: tmp_path)
    return Lab(full=True)


def test_a_step_of_launches_simulated_alone_is_the_step_of_a_run(lab: Lab) -> None:
    """By two runs, to one token and to two: cycles are equal, and so is the time between but for its rounding to cycles."""
    found = stepped(lab, "llama_operators", **SIZES)
    one, two = (lab.measure("llama_operators", **SIZES, M=tokens) for tokens in (1, 2))
    assert found.launches == two.launches - one.launches == 24 * SIZES["NL"] + 4
    assert found.executed == pytest.approx(two.seconds - one.seconds, rel=1e-9)
    assert found.hardware == pytest.approx(two.total - one.total, rel=1e-9)


def test_the_host_takes_a_step_and_queues_its_launches(lab: Lab) -> None:
    found, costs = stepped(lab, "llama_operators", **SIZES), lab.machine.launch
    host = float(costs.host_step) + found.launches * float(costs.queued)
    assert found.software - found.hardware == pytest.approx(host, rel=1e-6)


def test_a_step_is_kept_and_waits_for_full(lab: Lab) -> None:
    with pytest.raises(NotRun):
        stepped(Lab(), "llama_operators", **SIZES)
    found = stepped(lab, "llama_operators", **SIZES)
    assert stepped(Lab(), "llama_operators", **SIZES) == found


def test_bars_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unfused steps of 30 ms; fused layers of 20 us beside a launch of 30, and of 10 us more for every 8 x 1.58 TB/s x 10 us of
    bytes that a layer has more than Llama-2-7B's; around them 1 ms."""
    lab = Lab()
    more = orchestrated.streamed(lab) * 10e-6
    layers = {name: 1e8 + n * more for n, name in enumerate(("7b", "mistral", "70b", "falcon", "bloom"))}
    families = {id(orchestrated.MODELS[name]): size for name, size in layers.items()}
    unfused = Stepped(740, 10e-3, 30e-3, 15e-3)
    monkeypatch.setattr(orchestrated, "stepped", lambda lab, program, **sizes: unfused)
    monkeypatch.setattr(orchestrated, "one_layer", lambda lab, tuned: (20e-6, 30e-6))
    monkeypatch.setattr(orchestrated, "around", lambda lab, sizes: 1e-3)
    monkeypatch.setattr(orchestrated, "layer", lambda lab, model, *_: Counted(1, int(families[id(model)]), 0))
    found = {
        row.published.name.partition(".")[2]: row.ours
        for row in rows(lab, "figure10")
        if row.published.name.startswith(("figure10.decode", "figure10.launch"))
    }
    assert found["decode_7b"].value == pytest.approx(30e-3 / (32 * 50e-6 + 1e-3))
    assert found["decode_70b"].value == pytest.approx(30e-3 / (80 * 70e-6 + 1e-3), rel=1e-4)
    assert found["launch_7b"].value == pytest.approx(1 + (15e-3 + 35e-6) / (32 * 50e-6 + 1e-3))
    assert found["decode_most"].value == found["decode_7b"].value == found["decode_mistral"].value
    assert found["decode_least"].value == found["decode_bloom"].value < found["decode_70b"].value
    assert found["decode_least"].how.startswith("bloom, of 7b ")
    assert "simulated layer" in found["decode_mistral"].how and "layer by its bytes" in found["decode_falcon"].how
