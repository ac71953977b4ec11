"""The comparison with the paper: arithmetic by hand, the thresholds of the quick rows, its JSON, its page."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rdflow
from rdflow.cli import app
from rdflow.dsl.diagnostics import CompileError
from rdflow.paper import OURS, capacity, fusion, kept, rates, rows
from rdflow.paper.measures import Lab, Measured, NotRun
from rdflow.paper.models import FORMS, LLAMA_2_7B, MODELS
from rdflow.paper.published import MARKS, Published, published, setup, wanted
from rdflow.paper.rows import NOT_RUN, Ours, Row

KEYS = ["name", "what", "unit", "published", "low", "high", "source", "ours", "error", "within", "digits", "mark",
        "verdict", "how", "note"]  # fmt: skip


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab()


def row(given: float | None, **published: object) -> Row:
    return Row(Published("a.b", "what", "x", "simulated", "", **published), Ours(given, "by hand"))  # type: ignore[arg-type]


# -- rows --------------------------------------------------------------------------------------------------------------


def test_errors_and_verdicts_by_hand() -> None:
    assert (row(11.0, value=10, within=0.1).verdict, row(11.1, value=10, within=0.1).verdict) == ("holds", "miss")
    assert row(9.0, value=10).error == pytest.approx(-0.1)
    assert [row(v, value=39.5, digits=1).verdict for v in (39.46, 39.44)] == ["holds", "miss"]
    assert [row(v, low=2, high=4).error for v in (2, 3, 4)] == [0, 0, 0]
    assert (row(1.0, low=2, high=4).error, row(5.0, low=2, high=4).error) == (-0.5, 0.25)
    assert (row(1.9, low=2, within=0.1).verdict, row(1.7, low=2, within=0.1).verdict) == ("holds", "miss")
    assert (row(None, value=1).verdict, row(None, value=1).error) == (NOT_RUN, None)
    assert (row(3.0).verdict, row(3.0).error) == ("no number published", None)
    odd = row(3.0, value=2)
    assert replace(odd, published=replace(odd.published, mark="not reproducible")).verdict == "differs"


def test_every_row_has_its_source_its_mark_and_somebody_who_computes_it() -> None:
    for one in published():
        assert one.mark in MARKS and one.what and one.unit
        assert one.name.partition(".")[0] in OURS
        if one.value is not None or one.ranged:
            assert one.source, one.name
            assert one.within is not None or one.digits is not None or one.ranged
        if one.mark in ("fitted", "not reproducible"):
            assert one.note, one.name


def test_what_takes_minutes_waits_for_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RDFLOW_CACHE_DIR", str(tmp_path))
    assert {one.verdict for one in rows(Lab(), "rates")} == {NOT_RUN}


def test_no_published_number_is_in_the_sources() -> None:
    """What gives our numbers knows those of the paper from its file alone."""
    folder = Path(capacity.__file__).parent
    theirs = {f"{one.value:g}" for one in published() if one.value not in (None, 0, 1, 2)}
    for path in folder.glob("*.py"):
        text = re.sub(r'""".*?"""|#[^\n]*|"[^"\n]*"', "", path.read_text(), flags=re.DOTALL)
        assert theirs.isdisjoint(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", text)), path.name


def test_a_row_that_does_not_exist_is_a_diagnostic() -> None:
    with pytest.raises(CompileError) as caught:
        wanted("figure14")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.help) == ("RDF308", "did you mean `figure1`?")
    assert [one.name for one in wanted("figure13.ratio")] == ["figure13.ratio"]
    assert {one.name.partition(".")[0] for one in wanted("table1")} == {"table1"}


# -- thresholds --------------------------------------------------------------------------------------------------------


def test_table_1_is_exact_and_its_third_row_is_what_is_drawn(lab: Lab) -> None:
    """537,919,488 FLOP over 52, 20 and 4 x 256 KiB; with the scale tensor over 60, 28 and 12."""
    found = {one.published.name: one for one in rows(lab, "table1")}
    flops, small = 2 * (2 * 1024**2 * 128) + 1024**2, 2 * 131_072
    counts = {"unfused": 52, "partial": 20, "fused": 4, "unfused_all": 60, "partial_all": 28, "fused_all": 12}
    for name, count in counts.items():
        assert found[f"table1.{name}"].ours.value == flops / (count * small)
    assert [found[f"table1.{name}"].verdict for name in ("unfused", "partial", "fused")] == [
        "holds",
        "holds",
        "differs",
    ]


def test_eleven_times_fewer_launches(lab: Lab) -> None:
    (found,) = rows(lab, "figure11.prefill")
    assert found.ours.value == (23 * 32 + 4) / (2 * 32 + 3)
    assert found.verdict == "holds" and abs(found.error or 0) < 0.1


def test_a_layer_of_llama_2_7b_by_hand(lab: Lab) -> None:
    """At full width: a step reads weights and caches once and no more than 2 % else; FLOPs are two an element of either (and
    two more of the caches, whose elements stand for a head each)."""
    weights, cache = 4 * 4096**2 + 3 * 4096 * 11008, 2 * 4097 * 4096
    unfused, fused = (fusion.layer(lab, MODELS["7b"], form, "decode") for form in FORMS)
    assert (unfused.launches, fused.launches) == (23, 1)
    assert 2 * (weights + cache) < fused.bytes < unfused.bytes < 2.04 * (weights + cache)
    assert unfused.flops == pytest.approx(2 * (weights + cache), rel=0.02)
    assert fused.flops == pytest.approx(2 * (weights + cache), rel=0.02)


def test_repeated_heads_are_what_a_step_of_mistral_moves_more_by_hand(lab: Lab) -> None:
    """Keys and values are read, written for each of 4 queries, and read so often again; fused they are read once. All else,
    scores and norms on every socket for the most part, is less than a thirtieth of it."""
    cache = 2 * 2 * 4097 * 8 * 128
    unfused, fused = (fusion.layer(lab, MODELS["mistral"], form, "decode") for form in FORMS)
    assert (unfused.launches, fused.launches) == (24, 1)
    assert 8 * cache < unfused.bytes - fused.bytes < 8 * cache * 31 / 30


def test_a_prompt_of_mixtral_computes_two_experts_a_token_by_hand(lab: Lab) -> None:
    """Beyond Mistral, which has its attention and the experts' sizes: one more MLP a token, and on each socket scores of eight experts."""
    tokens, width, wide = 8 * 4096, 4096, 14336
    more = 2 * 3 * tokens * width * wide + 8 * 2 * tokens * width * 8
    for form in FORMS:
        mixtral, mistral = (fusion.layer(lab, MODELS[name], form, "prefill") for name in ("mixtral", "mistral"))
        assert mixtral.flops - mistral.flops == pytest.approx(more, rel=0.002)


def test_heads_are_repeated_in_the_unfused_70b_by_hand(lab: Lab) -> None:
    """A kernel more a layer, and in a step what copies of keys and values for 8 queries move: as they are, and twice as copies."""
    prefill, decode = (fusion.layer(lab, MODELS["70b"], "unfused", phase) for phase in ("prefill", "decode"))
    fused = fusion.layer(lab, MODELS["70b"], "fused", "decode")
    cache = 2 * 2 * 4097 * 8 * 128
    assert prefill.launches == decode.launches == 24
    assert 16 * cache < decode.bytes - fused.bytes < 16.5 * cache


HEADS = {"llama": {"R": 1, "W": 32}, "mistral": {"R": 2, "W": 32}, "bloom": {"E1": 32}}
SAME = [("7b", "unfused"), ("7b", "fused"), ("mistral", "unfused"), ("bloom", "unfused")]


@pytest.mark.parametrize(("name", "form"), SAME)
def test_what_is_counted_is_what_a_profile_counts(lab: Lab, name: str, form: str) -> None:
    """A prompt of two tiles of tokens, of whose products the mask leaves three of four, and a step: FLOPs are equal; bytes too
    but for ids, which memory moves in bursts. Every socket counts."""
    program = MODELS[name].program(form)
    sizes = HEADS[MODELS[name].family] | {
        "NL": 1,
        "C": 256,
        "F": 512,
        "V": 512,
        "G": 8,
        "D": 8,
        "T": 64,
        "U": 96,
        "B": 1,
        "M": 2,
    }
    counted, found = lab.counted(program, **sizes), rdflow.load(program, **sizes).profile()
    node = max(kernel.peak_flops for kernel in found.kernels)
    times = [round(node / kernel.peak_flops) for kernel in found.kernels]  # one that all sockets run alike runs on one
    assert set(times) <= {1, 8}
    assert counted.launches == len(found.schedule)
    assert counted.flops == sum(n * kernel.flops for n, kernel in zip(times, found.kernels, strict=True))
    moved = sum(n * kernel.bytes for n, kernel in zip(times, found.kernels, strict=True))
    assert counted.bytes <= moved < 1.005 * counted.bytes


def test_intermediates_of_a_prompt_dominate_what_an_unfused_layer_moves(lab: Lab) -> None:
    """Scores and what softmax makes of them alone, batch 8: 32 heads, 4096 x 4096, bf16, written and read. Fused, products of
    queries and keys above the diagonal, half of two products of so many rows of 4096, are never made."""
    unfused, fused = (fusion.layer(lab, MODELS["7b"], form, "prefill") for form in FORMS)
    assert unfused.bytes - fused.bytes > 2 * 2 * 2 * 8 * 32 * 4096**2
    masked = 8 * 32 * 2 * 2 * 128 * 4096**2 / 2
    assert unfused.flops - masked == pytest.approx(fused.flops, rel=0.002)


def test_figure_13_by_hand(lab: Lab) -> None:
    """45 experts of 14 GB in 640 GB; 942 in 8 x 1.5 TiB, 857 in 12 TB; the grid is 10 + 40 k."""
    found = {one.published.name.partition(".")[2]: one.ours.value for one in rows(lab, "figure13")}
    assert found == {"rival": 19, "node": 1, "ratio": 19, "most": 930, "most_decimal": 850, "resident": 45}
    assert [capacity.nodes(n, 45) for n in (1, 45, 46, 850)] == [1, 1, 2, 19]
    assert [capacity.last(n) for n in (10, 49, 50, 857, 889)] == [10, 10, 50, 850, 850]


def test_switching_is_consistent(lab: Lab) -> None:
    names = ("copy_rate", "switch_a100", "switch_h100")
    found = {name: next(rows(lab, f"table5.{name}")) for name in names}
    rate = found["copy_rate"].ours.value
    assert rate is not None
    for name, link in (("switch_a100", 0.032), ("switch_h100", 0.064)):
        assert found[name].ours.value == pytest.approx(rate / link)
        assert found[name].verdict == "holds" and found[name].published.mark == "fitted"
    assert setup("expert_bytes") == 2 * 7 * 10**9


class Layers(Lab):
    """Layers whose steps take a ms, and half of one for each layer more; a launch is a tenth of one."""

    def measure(self, program: str, long: bool = False, machine: object = None, **settings: object) -> Measured:
        assert long and program == "llama_decode" and settings["B"] == 1
        layers = int(str(settings["NL"]))
        seconds = 1e-3 + 5e-4 * (layers - 1)
        return Measured(0, seconds, seconds + 1e-4, 1, 0, 400_000_000 * layers, 0)


def test_token_rates_by_hand() -> None:
    """32 layers of Llama 3 8B; beside them three small launches of 10 us and the classifier's 128256 x 4096 x 2 bytes."""
    lab = Layers()
    rate = 8 * lab.machine.sustained(lab.machine.hbm)
    around = 3 * 10e-6 + 128_256 * 4096 * 2 / rate
    looped, apart = 1e-3 + 31 * 5e-4 + 1e-4 + around, 32 * 1.1e-3 + around
    found = {one.published.name.partition(".")[2]: one.ours.value for one in rows(lab, "rates")}
    assert found["tokens8_looped"] == pytest.approx(1 / looped)
    assert found["tokens8_apart"] == pytest.approx(1 / apart)
    assert found["looping"] == pytest.approx(apart / looped)
    assert found["peak"] == pytest.approx((32 * 4e8 + 128_256 * 4096 * 2) / looped / (8 * 1.6e12))
    assert found["streamed"] == pytest.approx(4e8 / 5e-4 / (8 * 1.8e12))
    assert found["unscaled"] == pytest.approx((5e-4 - 4e8 / rate) * 1e6)
    shared = 1e-3 + 31 * 5e-4 + 1e-4 + 3 * 10e-6 + 128_256 * 4096 * 2 / (2 * rate)
    assert found["tokens16"] == pytest.approx(1 / shared)
    assert found["looping_most"] == pytest.approx((32 * 1.1e-3 + shared - 1e-3 - 31 * 5e-4 - 1e-4) / shared)
    assert found["sockets16"] == pytest.approx(apart / shared)
    assert found["tokens8_70b"] == pytest.approx(1 / (1e-3 + 79 * 5e-4 + 1e-4 + 3e-5 + 128_256 * 8192 * 2 / rate))
    sixteen = rates.sixteen(lab)
    assert (sixteen.node.sockets, sixteen.links.ports) == (16, 15)
    assert 15 * sixteen.links.bandwidth == pytest.approx(10 * lab.machine.links.bandwidth, rel=1e-4)


class Convolutions(Lab):
    """21 launches that take 5 ms, and one that takes half of one."""

    def measure(self, program: str, long: bool = False, machine: object = None, **settings: object) -> Measured:
        assert long and settings == {"NB": fusion.SEQUENCES}
        launches, total = {"fftconv_unfused": (21, 5e-3), "fftconv": (1, 5e-4)}[program]
        return Measured(0, total / 2, total, launches, 0, 0, 0)


def test_a_convolution_is_compared_with_its_launches() -> None:
    (found,) = rows(Convolutions(), "figure10.fft")
    assert found.ours.value == pytest.approx(10)
    assert "21 launches of fftconv_unfused in 5,000 us (2,500 of execution)" in found.ours.how


def test_experts_on_rivals_are_prompt_and_steps(lab: Lab) -> None:
    """A step is 5.1 ms on an A100, as TensorRT-LLM extrapolates, and a prompt of 200 ids little more than one."""
    (row,) = rows(lab, "table5.expert_a100_20")
    assert row.ours.value == pytest.approx(20 * 5.11, rel=0.01)


class Composed(Lab):
    """A layer of a prompt takes 1 ms with its launch, a step of 32 layers 2 ms, a copy 13.5 ms, all by hand."""

    def measure(self, program: str, long: bool = False, machine: object = None, **settings: object) -> Measured:
        if program == "ddr_to_hbm":
            assert settings in ({"N": n, "SOCKETS": 8} for n in (6_738_415_616, 7_000_000_000))
            return Measured(0, 13.5e-3, 13.6e-3, 1, 0, 0, 0)
        assert long
        if program == "llama_prefill_layer":
            assert settings == {"F": 11008, "G": 8, "K": 4, "R": 1, "Z": 172, "D": 192, "T": 4096}
            return Measured(0, 0.9e-3, 1e-3, 1, 0, 0, 0)
        return Measured(0, 2e-3, 2e-3, 1, 0, 0, 0)


def test_table_5_by_hand() -> None:
    """total = n x switch + router + n x (prompt + steps); the router is an expert of 20 tokens; weights are 13.48 GB, and come
    over 32 GB/s to an A100. Around the layers: three small launches, and 32000 x 4096 x 2 bytes of the classifier."""
    lab = Composed()
    rate = 8 * lab.machine.sustained(lab.machine.hbm)
    around = 3 * 10e-6 + 32_000 * 4096 * 2 / rate
    expert = {n: 32e-3 + around + (n - 1) * (2e-3 + around) for n in (20, 200)}
    theirs = {n: lab.modelled("a100", "llama", **LLAMA_2_7B | {"T": 200, "M": n})[0] for n in (20, 200)}
    found = {
        one.published.name: one.ours.value for name in ("table5", "figure1", "figure12") for one in rows(lab, name)
    }
    for batch in (1, 8):
        for n in (20, 200):
            ours = expert[20] + batch * (13.5e-3 + expert[n])
            other = theirs[20] + batch * (13.476831232 / 32 + theirs[n])
            assert found[f"table5.overall_a100_{batch}_{n}"] == pytest.approx(other / ours)
        total = expert[20] + batch * (13.5e-3 + expert[20])
        assert found[f"figure12.node_{batch}"] == pytest.approx(total * 1e3)
        assert found[f"figure1.share_node_{batch}"] == pytest.approx(batch * 13.5e-3 / total)
    assert found["table5.alone_a100_200"] == pytest.approx(theirs[200] / expert[200])
    parts = [found[f"figure1.{part}"] for part in ("switch_node", "prefill_node", "decode_node_20")]
    assert sum(p for p in parts if p is not None) == pytest.approx((13.5e-3 + expert[20]) * 1e3)
    assert found["figure1.router_node"] == pytest.approx(expert[20] * 1e3)


def test_shares_and_totals_of_rivals(lab: Lab) -> None:
    """Over 32 GB/s a copy takes 421 ms; it is most of what a batch of eight takes, and ends below the figure's axes."""
    found = {one.published.name: one for name in ("figure1", "figure12") for one in rows(lab, name)}
    assert found["figure1.switch_a100"].ours.value == pytest.approx(421.2, rel=1e-3)
    for name, least in (("a100", 0.6), ("h100", 0.5)):
        assert found[f"figure1.share_{name}_8"].ours.value > found[f"figure1.share_{name}_1"].ours.value > least
        assert found[f"figure12.{name}_8"].ours.value < 5000 and found[f"figure12.{name}_1"].ours.value < 800


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_long_rows_are_run_on_demand_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RDFLOW_CACHE_DIR", str(tmp_path))
    with pytest.raises(NotRun):
        Lab().measure("hello", long=True, N=64)
    first = Lab(full=True).measure("hello", long=True, N=64)
    (file,) = (tmp_path / "paper").iterdir()
    assert Lab().measure("hello", long=True, N=64) == first
    file.write_text(json.dumps(json.loads(file.read_text()) | {"cycles": 7}))
    assert Lab().measure("hello", long=True, N=64).cycles == 7
    file.write_text("not JSON")
    assert Lab().measure("hello", N=64) == first


def test_what_is_kept_follows_from_program_settings_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDFLOW_CACHE_DIR", str(tmp_path))
    lab = Lab()
    slower = lab.machine.replace(hbm_bandwidth="900GB/s")
    one, other = lab.measure("hello"), lab.measure("hello", machine=slower)
    assert one.cycles < other.cycles
    assert len(list((tmp_path / "paper").iterdir())) == 2
    assert kept.key("a", 1) != kept.key("a", 2)


@pytest.mark.parametrize(
    ("room", "file"), [("rdflow.paper", "measures.py"), ("rdflow", "rivals.py"), ("rdflow.dsl", "formulas.py")]
)
def test_another_way_of_counting_finds_nothing_kept(
    room: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line more in what measures, models or executes is another key."""
    where = kept.resources.files
    shutil.copytree(str(where(room)), tmp_path / "room", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(kept.resources, "files", lambda name: tmp_path / "room" if name == room else where(name))
    before = kept._sources.__wrapped__()
    assert before == kept._sources.__wrapped__()
    with (tmp_path / "room" / file).open("a") as text:
        text.write("ANOTHER = 1\n")
    assert kept._sources.__wrapped__() != before


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_prints_json_tables_and_a_page(tmp_path: Path) -> None:
    call = CliRunner().invoke
    found = json.loads(call(app, ["paper", "--only", "figure13", "--json"]).stdout)
    assert found["machine"] == "sn40l" and [list(one) for one in found["rows"]] == [KEYS] * 6
    page = tmp_path / "paper.html"
    shown = call(app, ["paper", "--only", "figure13", "--report", str(page)])
    assert shown.exit_code == 0
    assert "figure13.most:" in shown.stdout and "miss" in shown.stdout
    text = page.read_text()
    assert text.count("<svg") == 2 and "figure13.ratio" in text and "<polyline" in text
    refused = call(app, ["paper", "--only", "figure14"])
    assert refused.exit_code == 1 and "RDF308" in refused.stderr
