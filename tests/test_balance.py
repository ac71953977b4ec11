"""The static balance against the run: what it refuses must stop, what it lets pass must finish, its factors must be near."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from rdflow.dsl import check as checking
from rdflow.dsl.checked import Hold, Kernel
from rdflow.dsl.depths import slowdown
from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import Source
from rdflow.dsl.turns import left
from rdflow.interpreter.image import Status, advance, build
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.mapping import map_netlist

DEADLOCKS = {"RDF050", "RDF051", "RDF056"}
MACHINE = load_machine("sn40l")

ATTENTION = """
param S = 512, D = 32
axis q = S, k = S, d = D
tensor Q: bf16[q, d] in hbm input
tensor K: bf16[k, d] in hbm input
tensor V: bf16[k, d] in hbm input
tensor O: bf16[q, d] in hbm output
kernel attention {{
    qt = pmu load Q                   as [q/L{all}; k/ST, d | q%L]
    kt = pmu load K                   as [; {rounds}, k/ST, d | k%ST]
    vt = pmu load V                   as [; {rounds}, d/ST, k | d%ST]
    s  = pcu sum(d) qt * kt           as f32  [q/L{two}, k | q%L]
    m  = pcu max(k) s                 as f32  [q/L{all} | q%L]
    {hold}
    p  = pcu exp({held} - m)          as bf16 [q/L{all}, k | q%L]
    l  = pcu sum(k) p                 as f32  [q/L{all} | q%L]
    pb = pmu p                        as      [q/L{all}; d/ST, k | q%L]
    o  = pcu sum(k) pb * vt           as f32  [q/L{two}, d | q%L]
    y  = pcu o / l                    as bf16 [q/L{all}, d | q%L]
    yt = pmu y                        as      [; q, d/L | d%L]
    store yt -> O
}}
schedule {{ launch attention }}
"""


def attention(copies: str = "", hold: str = "sb = pmu s as [q/L{all}; k | q%L]", depth: str = "") -> str:
    """Attention with `@8` nowhere, on the systolic lines only ("two"), or along the whole path ("all")."""
    everywhere = " @8" if copies == "all" else ""
    return ATTENTION.format(
        all=everywhere,
        two=" @8" if copies else "",
        rounds="q/(L*8)" if copies == "all" else "q/L",
        hold=hold.format(all=everywhere) + depth,
        held="sb" if hold else "s",
    )


def balanced(text: str) -> tuple[Kernel, list[Diagnostic]]:
    """The kernel of a program as it is after the balance, and what the balance said; refused otherwise: ValueError."""
    kept: list[tuple[Kernel, Reporter]] = []

    def keep(kernel: Kernel, report: Reporter) -> None:
        own = Reporter()
        real(kernel, own)
        kept.append((kernel, own))

    real = checking.balance
    checking.balance = keep
    try:
        result = checking.check(Source("test.rdf", text))
    finally:
        checking.balance = real
    if result.errors or len(kept) != 1:
        raise ValueError("; ".join(f"{d.code} {d.message}" for d in result.errors))
    return kept[0][0], kept[0][1].found


def codes(text: str) -> list[str]:
    return [d.code for d in balanced(text)[1]]


def run(text: str) -> tuple[Status, int]:
    """The engine's verdict and the cycles."""
    image = build(map_netlist(elaborate(balanced(text)[0]), MACHINE)[0], None)
    status = Status(advance(image, 10**9))
    return status, image.cycles


def depths(text: str) -> dict[str, int]:
    return {line.stream.name: line.depth for line in balanced(text)[0].lines if isinstance(line, Hold)}


# -- a missing hold ----------------------------------------------------------------------------------------------------


def test_a_missing_hold_is_a_deadlock_with_its_cure() -> None:
    text = attention(hold="")
    ((error,), kernel) = (balanced(text)[1], balanced(text)[0])
    assert error.code == "RDF050"
    assert "`s` feeds both `m` and `p`; `m` needs all 512 tokens over `k`" in error.message
    assert error.help == "hold it: `sb = pmu s as [q/L; k | q%L]`, and read `sb` in `p`"
    assert {kernel.stream(n).span for n in "smp"} == {label.span for label in error.labels}
    assert run(text)[0] is Status.DEADLOCK


@pytest.mark.parametrize("hold", ["sb = pmu s as [q/L; k | q%L]", "fifo s depth 1024"])
def test_its_cure_runs(hold: str) -> None:
    text = attention(hold=hold if hold.startswith("sb") else f"sb = {hold}")
    assert codes(text) == []
    assert run(text)[0] is Status.FINISHED


def test_a_fifo_too_shallow() -> None:
    text = attention(hold="sb = fifo s depth 100")
    assert codes(text) == ["RDF050"]
    assert run(text)[0] is Status.DEADLOCK


def test_a_row_that_fits_the_queue() -> None:
    text = attention(hold="").replace("S = 512", "S = 32").replace("D = 32", "D = 64")
    assert "RDF050" not in codes(text)


CAUSAL = """
axis q = 64, k = 64
tensor X: f32[q, k] in hbm input
tensor Y: f32[q, k] in hbm output
kernel causal {
    x  = load X as [q, k/H | k%H]
    xt = pmu x as [; q/H, k < q/H*H + H | q%H]
    m  = pcu max(k) xt
    xb = pmu xt as [q/H; k | q%H]
    p  = pcu xb - m
    yt = pmu p as [; q, k/H | k%H]
    store yt -> Y
}
schedule { launch causal }
"""


def test_bounds_that_grow_are_no_reason_to_refuse() -> None:
    assert not DEADLOCKS & set(codes(CAUSAL))
    assert run(CAUSAL)[0] is Status.FINISHED


CARRY = """
axis n = 8, c = 64, l = 32
tensor X: f32[n, c, l] in hbm input
tensor Y: f32[n, c, l] in hbm output
kernel scan {
    x = load X as [n, c | l]
    a = carry b from 0 over n as f32 [n, c | l]
    b = pcu a + x
    store b -> Y
}
schedule { launch scan }
"""


def test_a_carry_is_a_cycle_that_runs() -> None:
    assert codes(CARRY) == []
    assert run(CARRY)[0] is Status.FINISHED


# -- copies that move together -----------------------------------------------------------------------------------------


def test_copies_on_the_systolic_lines_alone_deadlock() -> None:
    text = attention("two", hold="sb = pmu s as [; q/L, k | q%L]")
    assert codes(text) == ["RDF051"]
    (error,) = balanced(text)[1]
    assert error.help is not None
    assert error.help.startswith(
        "carry `@8` along the path from `qt` to `y`: `qt`, `s`, `m`, `sb`, `p`, `l`, `pb`, `o`, `y`"
    )
    assert run(text)[0] is Status.DEADLOCK


def test_copies_along_the_whole_path_run() -> None:
    assert codes(attention("all")) == []
    assert run(attention("all"))[0] is Status.FINISHED


MULTICAST = """
axis n = 8, c = {turn}, w = 32, l = 32
tensor X: bf16[n, c, l] in hbm input
tensor W: bf16[w, l] in hbm input
tensor Y: f32[n, c, l] in hbm output
kernel multicast {{
    x = load X as [n, c | l]
    wl = load W as [w | l]
    b = pmu wl as [; n/4, c, w | l]
    {held}
    s = pcu sum(w) {operand} * b as f32 [n @4, c | l]
    y = pcu s * 2 as f32 [n, c | l]
    store y -> Y
}}
schedule {{ launch multicast }}
"""


@pytest.mark.parametrize(("turn", "expected"), [(8, []), (256, ["RDF051"])])
def test_a_multicast_beside_a_deal(turn: int, expected: list[str]) -> None:
    text = MULTICAST.format(turn=turn, held="", operand="x")
    assert codes(text) == expected
    assert run(text)[0] is (Status.DEADLOCK if expected else Status.FINISHED)


# -- copies that take turns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("turn", "measured"), [(8, 4.0), (16, 4.0), (64, 1.30), (1024, 1.015)])
def test_what_is_left_of_four_copies(turn: int, measured: float) -> None:
    assert left(4, turn, 16) == pytest.approx(measured, rel=0.04)


GATHER = """
axis n = 16, c = {turn}, w = 8, l = 32
tensor X: bf16[n, c, l] in hbm input
tensor Y: bf16[n, c, l] in hbm output
kernel gather {{
    x = pmu load X as [n{hold}; c, w | l]
    s = pcu sum(w) x as bf16 [n{copies}, c | l]
    y = pcu s * 2 as bf16 [n, c | l]
    store y -> Y
}}
schedule {{ launch gather }}
"""


@pytest.mark.parametrize("turn", [16, 64, 256])
def test_copies_that_are_gathered_in_turns(turn: int) -> None:
    alone = run(GATHER.format(turn=turn, hold="", copies=""))[1]
    text = GATHER.format(turn=turn, hold=" @4", copies=" @4")
    status, cycles = run(text)
    assert status is Status.FINISHED
    warnings = [d for d in balanced(text)[1] if d.code == "RDF052"]
    assert bool(warnings) == (turn > 16)
    for warning in warnings:
        predicted = float(warning.message.split("are worth ")[1].split(":")[0])
        assert predicted == pytest.approx(alone / cycles, rel=0.2)


# -- depths ------------------------------------------------------------------------------------------------------------


def residual(holds: int, depth: str = "") -> str:
    """A path with holds beside a path with one, over 32 tiles of 100 tokens."""
    chain = [f"h{i} = pmu {f'h{i - 1}' if i else 'x'} as [n; {'a, b' if i % 2 else 'b, a'} | l]" for i in range(holds)]
    return "\n".join(
        [
            "axis n = 32, a = 10, b = 10, l = 32",
            "tensor X: bf16[n, a, b, l] in hbm input",
            "tensor Y: bf16[n, a, b, l] in hbm output",
            "kernel residual {",
            "x = load X as [n, a, b | l]",
            *chain,
            f"xr = pmu x as [n; a, b | l] {depth}",
            f"y = pcu xr + h{holds - 1}",
            "store y -> Y",
            "}",
            "schedule { launch residual }",
        ]
    )


@pytest.mark.parametrize(("depth", "measured"), [(2, 3.10), (4, 1.88), (8, 1.13)])
def test_the_slowdown_beside_eight_holds(depth: int, measured: float) -> None:
    assert slowdown(7, depth) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("holds", [2, 4, 8])
def test_a_default_depth_follows_the_longer_path(holds: int) -> None:
    assert depths(residual(holds))["xr"] == holds + 1
    assert codes(residual(holds)) == []
    assert run(residual(holds))[1] <= 1.06 * run(residual(holds, "depth 24"))[1]


@pytest.mark.parametrize(("holds", "depth"), [(2, 1), (4, 2), (4, 3), (8, 2), (8, 4), (8, 6)])
def test_an_explicit_depth_below_it_is_a_warning_with_the_slowdown(holds: int, depth: int) -> None:
    text = residual(holds, f"depth {depth}")
    (warning,) = balanced(text)[1]
    assert warning.code == "RDF053"
    assert depths(text)["xr"] == depth
    predicted = float(warning.message.split("about ")[1].split(" ")[0])
    assert predicted == pytest.approx(run(text)[1] / run(residual(holds, "depth 24"))[1], rel=0.25)


def test_one_tile_of_scores_is_written_and_read_in_turn() -> None:
    text = attention(depth=" depth 1")
    (warning,) = balanced(text)[1]
    assert warning.code == "RDF053"
    assert "about 1." in warning.message
    assert run(text)[1] > 1.1 * run(attention())[1]


def test_a_hold_of_one_tile_needs_no_more() -> None:
    text = residual(2).replace("xr = pmu x as [n; a, b | l]", "xr = pmu x as [; n, a, b | l] depth 1")
    assert codes(text) == []
    assert run(text)[0] is Status.FINISHED


# -- at random ---------------------------------------------------------------------------------------------------------


class Lines:
    """The lines of a random kernel. The kind of a stream is the digits of its time inside n: "ab", "ba", "a", "b" or ""."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text: list[str] = []
        self.copies = draw(st.booleans())
        self.kinds = {"x": "ab"}
        self.copied = {"x": False}

    def add(self, kind: str, verb: str, tile: bool = False, tail: str = "", copied: bool | None = None) -> str:
        name = f"v{len(self.text)}"
        copied = self.copies and self.draw(st.integers(0, 3)) > 0 if copied is None else copied
        self.kinds[name], self.copied[name] = kind, copied
        order = f" as {written(kind, copied, tile)}" if not verb.startswith("fifo") else ""
        self.text.append(f"{name} = {verb}{order}{tail}")
        return name

    def step(self, source: str) -> str:
        """A line that keeps the order."""
        kind = self.kinds[source]
        match self.draw(st.sampled_from(["map", "map", "fifo", "hold", "none", "none"])):
            case "map":
                return self.add(kind, f"pcu {source} * 2")
            case "fifo":
                return self.add(
                    kind,
                    f"fifo {source}",
                    tail=f" depth {self.draw(st.sampled_from([4, 40, 1000]))}",
                    copied=self.copied[source],
                )
            case "hold" if kind:
                depth = self.draw(st.sampled_from(["", " depth 1", " depth 3"]))
                return self.add(kind, f"pmu {source}", True, depth, self.copied[source])
        return source

    def detour(self, source: str) -> str:
        """Lines that take in much before they give anything."""
        kind = self.kinds[source]
        match self.draw(st.sampled_from(["inner", "all", "turn", "step", "rounds"])):
            case "inner" if kind:
                return self.step(self.add(kind[:-1], f"pcu sum({kind[-1]}) {source}"))
            case "all" if kind:
                return self.step(self.add("", f"pcu sum({', '.join(kind)}) {source}"))
            case "turn" if len(kind) == 2:
                back = self.add(kind[::-1], f"pmu {source}", True, "", self.copied[source])
                return self.add(kind, f"pmu {self.step(back)}", True, "", self.copied[back])
            case "rounds" if len(kind) == 2:
                outer = self.add(kind[1], f"pcu sum({kind[0]}) {source}")
                return self.add(kind, f"pmu {outer}", True, "", self.copied[outer])
        return self.step(source)

    def join(self, source: str) -> str:
        """A diamond: two ways from a stream that meet again."""
        one, other = self.step(self.step(source)), self.detour(source)
        if one == other:
            return source
        return self.add(self.kinds[one], f"pcu {one} + {other}")


def written(kind: str, copied: bool, tile: bool) -> str:
    inner = ", ".join(kind)
    return f"[{'n @2' if copied else 'n'}{'; ' if tile else ', ' if kind else ''}{inner} | l]"


@st.composite
def kernels(draw: st.DrawFn, sizes: list[tuple[int, int]]) -> str:
    """One to three random forks and joins of maps, sums, holds and queues, with and without copies along n."""
    lines = Lines(draw)
    last = lines.add("ab", "pcu x + 1")
    for _ in range(draw(st.integers(1, 3))):
        last = lines.join(last)
    axes = ", ".join(["n", *lines.kinds[last], "l"])
    a, b = draw(st.sampled_from(sizes))
    return "\n".join(
        [
            f"axis n = 4, a = {a}, b = {b}, l = 16",
            "tensor X: f32[n, a, b, l] in hbm input",
            f"tensor Y: f32[{axes}] in hbm output",
            "kernel random {",
            "x = load X as [n, a, b | l]",
            *lines.text,
            f"store {last} -> Y",
            "}",
            "schedule { launch random }",
        ]
    )


SHARP = [(2, 4), (4, 4), (32, 16), (16, 32), (64, 8)]
"""tiles that queues hold on any machine, or on none"""
GREY = [(8, 4), (4, 16), (8, 16)]
"""tiles that it depends on the machine and the placement whether queues hold"""


def judge(text: str, verdicts: Counter[str]) -> None:
    """A refused kernel stops, always; whether one that passes finishes is counted."""
    try:
        refused = bool(DEADLOCKS & set(codes(text)))
    except ValueError:
        reject()
    status, _ = run(text)
    if refused:
        assert status is Status.DEADLOCK, text
    verdicts["refused" if refused else "missed" if status is Status.DEADLOCK else "passed"] += 1


def verdicts(sizes: list[tuple[int, int]], examples: int) -> Counter[str]:
    """Judge random kernels: how many were refused, passed and finished, or passed and stopped (missed)."""
    found: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(kernels(sizes))
    def each(text: str) -> None:
        judge(text, found)

    each()
    print(dict(found))
    return found


def test_random_kernels_are_refused_if_and_only_if_they_deadlock() -> None:
    found = verdicts(SHARP, 200)
    assert found["refused"] >= 30 and found["passed"] >= 30
    assert found["missed"] <= 0.05 * (found["refused"] + found["missed"])


def test_where_it_depends_on_the_machine_nothing_is_refused_that_runs() -> None:
    assert verdicts(GREY, 80)["passed"] >= 20


# -- speed -------------------------------------------------------------------------------------------------------------


def test_it_takes_no_time() -> None:
    kernel, _ = balanced(attention("all"))
    spent = []
    for _ in range(5):
        start = time.process_time()
        checking.balance(kernel, Reporter())
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1


ATTENTION_OF_THE_MANUAL = """
param S = 1024, D = 64
axis q = S, k = S, d = D
tensor Q: bf16[q, d], K: bf16[k, d], V: bf16[k, d] in hbm input
tensor O: bf16[q, d] in hbm output
kernel attention {
    qt = pmu load Q                   as [q/L; k/ST, d | q%L]
    kt = pmu load K                   as [; q/L, k/ST, d | k%ST]
    vt = pmu load V                   as [; q/L, d/ST, k | d%ST]
    s  = pcu sum(d) qt * kt / sqrt(D) as f32  [q/L @8, k | q%L]
    m  = pcu max(k) s                 as f32  [q/L | q%L]
    sb = pmu s                        as      [q/L; k | q%L]
    p  = pcu exp(sb - m)              as bf16 [q/L, k | q%L]
    l  = pcu sum(k) p                 as f32  [q/L | q%L]
    pb = pmu p                        as      [q/L; d/ST, k | q%L]
    o  = pcu sum(k) pb * vt           as f32  [q/L @8, d | q%L]
    y  = pcu o / l                    as bf16 [q/L, d | q%L]
    yt = pmu y                        as      [q/L; q%L, d/L | d%L]
    store yt -> O
}
"""


def test_the_attention_of_the_manual_with_copies_of_two_lines_is_refused_with_its_cure() -> None:
    """`@8` on s and o alone: the reason is the deal of qt, the cure names the path."""
    found = checking.check(Source("attention", ATTENTION_OF_THE_MANUAL)).errors
    assert [d.code for d in found] == ["RDF051"]
    assert "turns of 8192 tokens" in found[0].message
    assert found[0].help is not None and "`qt`, `s`, `m`, `sb`, `p`, `l`, `pb`, `o`, `y`" in found[0].help
