"""Figure 10 for prompts: bars by hand."""

from __future__ import annotations

import pytest

from rdflow.paper import prompts, rows
from rdflow.paper.measures import Counted, Lab, Measured
from rdflow.paper.prompting import Kind, Prompt

KINDS = Prompt((Kind("a", 740, 1_200_000, 0, 600_000),))  # 740 launches of 1 ms a sequence


def test_bars_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused layers of 10 ms a sequence beside a launch of 20 us; those of the 70B, Falcon and BLOOM have 4, 2 and 9 times the
    FLOPs of Llama-2-7B's; around them 1 ms."""
    lab = Lab()
    work = {id(prompts.MODELS[name]): times for name, times in (("7b", 1), ("70b", 4), ("falcon", 2), ("bloom", 9))}
    monkeypatch.setattr(prompts, "prompted", lambda lab, program, **sizes: KINDS)
    monkeypatch.setattr(prompts, "measured", lambda lab, tuned: Measured(0, 10e-3, 10.02e-3, 1, 0, 0, 0))
    monkeypatch.setattr(prompts, "around", lambda lab, sizes: 1e-3)
    monkeypatch.setattr(prompts, "layer", lambda lab, model, *_: Counted(1, 1, work[id(model)]))
    wanted = [
        f"figure10.{what}"
        for what in ("prefill_7b", "prefill_70b", "prefill_most", "prefill_least", "orchestrated_most")
    ]
    found = {name: row.ours for name in wanted for row in rows(lab, name)}
    unfused = 740 * (8e-3 + 11e-6) + 15e-3
    fused = {name: layers * (times * 80e-3 + 20e-6) + 1e-3 for name, layers, times in (("7b", 32, 1), ("70b", 80, 4))}
    host = {name: 15e-3 + (layers + 3) * 1e-6 for name, layers in (("7b", 32), ("70b", 80))}
    for name in ("7b", "70b"):
        assert found[f"figure10.prefill_{name}"].value == pytest.approx(unfused / (fused[name] + host[name]))
    assert found["figure10.prefill_most"].value == found["figure10.prefill_7b"].value
    bloom = 740 * (8e-3 + 11e-6) + 15e-3, 70 * (9 * 80e-3 + 20e-6) + 1e-3 + 15e-3 + 73e-6
    assert found["figure10.prefill_least"].value == pytest.approx(bloom[0] / bloom[1])
    assert found["figure10.orchestrated_most"].value == pytest.approx((fused["7b"] + host["7b"]) / fused["7b"])
    assert "simulated layer" in found["figure10.prefill_7b"].how and "by its FLOPs" in found["figure10.prefill_70b"].how
    cycles = {name: 740 * 1_200_000 // layers for name, layers in (("7b", 32), ("70b", 80))}
    assert all(
        f"{n:,} cycles a layer and sequence" in found[f"figure10.prefill_{name}"].how for name, n in cycles.items()
    )


def test_copies_fill_a_socket() -> None:
    """Between two thirds and all but what holds of tokens need of its PCUs; of heads no more than there are outputs."""
    for name, model in prompts.MODELS.items():
        if name in prompts.COPIES:
            found, pcus = prompts.copies(Lab(), name), Lab().machine.pcus
            back = (("PD", "PE"),) if "PD" in found else ()
            for tokens, outputs in (("PM", "PN"), ("PH", "PO"), *back):
                assert 2 / 3 * pcus < found[tokens] * found[outputs] < 0.9 * pcus
            assert model.sizes["F"] // 8 <= found["PN"] * 8 * 3 and found["PO"] * 8 <= model.sizes["C"]
