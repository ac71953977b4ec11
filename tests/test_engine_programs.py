"""Every program that ships and that the engine executes: its values, the oracle's verdict, and that runs repeat.

Sizes and inputs are those of test_programs: odd axes, ragged tiles, a single element. Programs across sockets run on one.
"""

from __future__ import annotations

import random
import zlib
from functools import cache

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from random_netlists import Case
from test_engine_equals_oracle import check_in_slices, check_to_the_end
from test_programs import CASES, NAMES, drawn

import rdflow
from rdflow.dsl.launches import calls
from rdflow.dsl.netlist import TensorUse
from rdflow.dsl.numerics import bf16
from rdflow.dsl.report import Reporter
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import counters

Sizes = dict[str, int]
Ended = tuple[list[int], list[dict[str, list[int]]], dict[str, bytes]]
NOT_EXECUTED = {"samba_coe", "samba_coe_7b"}  # their experts are held in test_coe and test_coe_7b
# held against PyTorch, in files of their own
FAMILIES = {"bloom", "falcon", "llava", "mistral", "mixtral"}
LAYERED = {f"{name}_layers" for name in FAMILIES}
UNFUSED = {f"{name}_operators" for name in FAMILIES | {"llama"}}
# as llama and its other forms: their layers and kernels, or some beside them that have examples of their own
MODELS = FAMILIES | LAYERED | {"mistral_operators", "llava_operators"}
TRAINED = {"gpt_train", "gpt_train_unfused", "llama_train", "llama_train_layer", "llama_train_unfused"}
ELSEWHERE = MODELS | UNFUSED | TRAINED | {"llama", "llama_expert", "llama_layers"}
MORE: dict[str, list[Sizes]] = {
    "hello": [{"N": 4096, "P": 32}],
    "gemm": [{"M": 1, "N": 64, "K": 64}, {"M": 96, "N": 48, "K": 100}],
    "transpose": [{"M": 96, "N": 48, "P": 4}],
    "rmsnorm": [{"T": 96, "C": 48, "P": 4}],
    "softmax": [{"T": 96, "C": 48, "P": 4}],
    "swiglu_mlp": [{"T": 100, "C": 40, "V": 24, "P": 2}],
    "attention": [{"S": 96, "D": 48}, {"S": 100, "D": 40, "P": 4}],
    "attention_causal": [{"S": 96, "D": 48}, {"S": 100, "D": 40, "P": 4}],
    "llama_prefill_layer": [{"T": 33, "C": 32, "F": 16, "G": 1, "K": 2, "R": 2, "W": 4}],
}


def on_one_socket(sizes: Sizes) -> Sizes:
    return {**sizes, "G": 1} if "G" in sizes else sizes


def named(name: str, sizes: Sizes, dtype: str) -> str:
    return "-".join([name, *(f"{k}{v}" for k, v in sizes.items()), dtype])


SIZED = [
    (name, on_one_socket(s))
    for name, c in CASES.items()
    for s in [*c.sizes, *MORE.get(name, [])]
    if (name, s.get("T")) != ("llama_unfused", 100)
]  # the sizes of a layer are run as llama_prefill_layer
EXECUTED = [
    pytest.param(name, sizes, dtype, id=named(name, sizes, dtype))
    for name, sizes in SIZED
    for dtype in ("bf16", "f32")
    if name not in NOT_EXECUTED
]


def test_no_program_is_left_out() -> None:
    assert {name for name, _ in SIZED} | NOT_EXECUTED | ELSEWHERE == set(NAMES)


def prepared(name: str, sizes: Sizes, dtype: str = "bf16") -> tuple[rdflow.api.Program, dict[str, NDArray[np.float32]]]:
    """A program, and inputs that suit it."""
    program = rdflow.load(name, **sizes, E=dtype)
    params = {k: v for k, v in program.checked.program.params.items() if isinstance(v, int)}
    return program, drawn(program.checked, CASES[name], params)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sizes", "dtype"), EXECUTED)
def test_the_engine_gives_the_bits_of_the_evaluator(name: str, sizes: Sizes, dtype: str) -> None:
    program, inputs = prepared(name, sizes, dtype)
    result = program.run(verify=True, **inputs)
    assert result.verification is not None
    assert result.verification.passed, f"{result.verification.tensor}: {result.verification.max_abs_error}"
    for tensor, value in result.outputs.items():
        assert np.isfinite(value).all(), tensor
    assert any(value.any() for value in result.outputs.values())


@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_launches_of_one_kernel_with_several_sizes(dtype: str) -> None:
    """As above, without the profile."""
    program, inputs = prepared("llama_unfused", on_one_socket(CASES["llama_unfused"].sizes[0]), dtype)
    values = program.inputs(inputs)
    execution = program.execution(values)
    execution.advance()
    assert execution.values is not None
    assert program.verified(values, {"Y": execution.values["Y"]}).passed
    assert np.isfinite(execution.values["Y"]).all() and execution.values["Y"].any()


GROUPED = {"NL": 1, "B": 1, "C": 24, "F": 40, "V": 34, "G": 2, "R": 2, "W": 4, "D": 2, "T": 33, "U": 40, "M": 2}
WITHOUT = {"bloom": ("R", "W")}
OWN = {"bloom": {"E1": 8}, "llava": {"I": 4, "J": 2}, "mistral": {"S": 9}, "mixtral": {"X": 3}}
TWICE = [
    (name, dtype)
    for name in sorted(FAMILIES | {"llama"})
    for dtype in ("bf16", "f32")
    if dtype == "bf16" or name == "mixtral"
]


@pytest.mark.parametrize(("name", "dtype"), TWICE)
def test_a_kernel_or_two_a_layer_give_the_bits_of_the_evaluator(name: str, dtype: str) -> None:
    """Of a prompt beyond a tile of tokens and a step, over two sockets: `rdflow run NAME_layers --verify`."""
    sizes = {param: n for param, n in GROUPED.items() if param not in WITHOUT.get(name, ())} | OWN.get(name, {})
    found = rdflow.load(f"{name}_layers", **sizes, E=dtype).run(verify=True)
    assert found.verification is not None and found.verification.passed
    assert np.isfinite(found.outputs["LOGITS"]).all() and found.outputs["LOGITS"].any()


# -- the oracle --------------------------------------------------------------------------------------------------------

TINY = {
    "B": 1,
    "T": 3,
    "M": 2,
    "U": 5,
    "NL": 2,
    "C": 8,
    "F": 5,
    "V": 7,
    "G": 1,
    "R": 2,
    "W": 2,
    "D": 1,
}  # a whole model
SMALL: dict[str, list[Sizes]] = {
    "ddr_to_hbm": [{"N": 600, "P": 2, "SOCKETS": 2}],
    "hello": [{"N": 1000, "P": 4}],
    "gemm": [{"M": 20, "N": 17, "K": 9, "P": 2}, {"M": 33, "N": 16, "K": 40}],
    "transpose": [{"M": 40, "N": 20, "P": 3}],
    "rmsnorm": [{"T": 5, "C": 70, "P": 2}],
    "softmax": [{"T": 5, "C": 70, "P": 2}],
    "swiglu_mlp": [{"T": 9, "C": 10, "V": 12, "P": 2}],
    "attention": [{"S": 40, "D": 10, "P": 2}, {"S": 8, "D": 8}],
    "attention_causal": [{"S": 40, "D": 10, "P": 2}],
    "ragged_attention": [{"B": 3, "S": 20, "D": 10}],
    "mixture_of_experts": [{"T": 9, "C": 10, "F": 5, "G": 1, "N": 2}, {"T": 40, "C": 8, "F": 4, "G": 2, "N": 3}],
    "topk_router": [{"T": 9, "C": 10, "N": 10}],
    "online_softmax": [{"T": 20, "D": 5, "K": 8}],
    "fftconv": [{"P": 2, "NB": 1}],
    "fftconv_unfused": [{"P": 2, "NB": 1, "C": 2}],
    "llama_prefill_layer": [{"T": 9, "C": 8, "F": 5, "G": 1, "R": 2, "W": 2}],
    "llama_unfused": [{"T": 3, "C": 8, "F": 5, "G": 1, "R": 1, "W": 2, "NL": 1}],
    "llama_decode": [{"B": 1, "C": 8, "F": 5, "U": 5, "NL": 2, "G": 1, "R": 2, "W": 2, "POS": 3}],
    "llama_expert": [{name: n for name, n in TINY.items() if name not in "GR"} | {"K": 1}],
    "llama": [{"B": 1, "T": 3, "M": 2, "U": 5, "NL": 2, "C": 8, "F": 5, "V": 7, "G": 1, "R": 2, "W": 2, "D": 1}],
    "mlp_backward_adam": [{"T": 8, "C": 5, "V": 9}],
    "llama_layers": [TINY],
    "mistral": [TINY | {"S": 2}],
    "mixtral": [TINY | {"X": 3}],
    "falcon": [TINY],
    "bloom": [{name: n for name, n in TINY.items() if name not in "RW"} | {"E1": 4}],
    "llava": [TINY | {"T": 4, "I": 2, "J": 1}],
    "llama_operators": [TINY | {"NL": 1, "R": 1}],  # whose heads are repeated where there are groups, as Falcon's
    "mixtral_operators": [TINY | {"NL": 1, "X": 3}],
    "falcon_operators": [TINY | {"NL": 1}],
    "bloom_operators": [{name: n for name, n in TINY.items() if name not in "RW"} | {"NL": 1, "E1": 4}],
    "gpt_train": [{"T": 4, "H0": 2, "N": 4, "F": 2, "SPARSE": 2}],
    "gpt_train_unfused": [{"T": 3, "H0": 2, "N": 4, "F": 2, "SPARSE": 2}],
    "llama_train": [{"T": 4, "C": 8, "V": 5, "G": 1, "R": 1, "W": 2}],
    "llama_train_layer": [{"T": 4, "C": 8, "F": 5, "G": 1, "K": 1, "R": 1, "W": 2}],
    "llama_train_unfused": [{"T": 3, "C": 4, "V": 5, "G": 1, "R": 1, "W": 2}],
    "monarch_fft": [{"M": 10, "N": 20, "A": 5, "O": 9, "P": 2}],
    "monarch_fft_partial": [{"M": 10, "N": 20, "A": 5, "O": 9, "P": 2}],
    "monarch_fft_unfused": [{"M": 10, "N": 20, "A": 5, "O": 9, "P": 2, "B": 2}],
}
ROOTS = TRAINED | {"mlp_backward_adam"}  # square roots of what is random here: NaNs


def kernels(name: str, sizes: Sizes, dtype: str) -> list[Case]:
    """Each mapped kernel of a program once, its tensors random: a kernel is held to its netlist, whatever comes in."""
    execution = rdflow.load(name, **sizes, E=dtype).execution()
    found = {call.spec: call for call in calls(execution.checked.program, Reporter())}
    mapped = [execution.compile(spec).launched(call) for spec, call in found.items()]
    return [Case(m, {i: filled(use) for i, use in enumerate(m.netlist.tensors)}, wild=name in ROOTS) for m in mapped]


def filled(use: TensorUse) -> NDArray[np.float32] | NDArray[np.int32]:
    generator = np.random.default_rng(zlib.crc32(use.name.encode()))
    if use.dtype not in ("bf16", "f32"):
        return generator.integers(0, 8, use.shape, dtype=np.int32)
    values = generator.standard_normal(use.shape, dtype=np.float32)
    return bf16(values) if use.dtype == "bf16" else values


def test_the_oracle_sees_every_program() -> None:
    assert set(SMALL) | NOT_EXECUTED | MODELS == set(NAMES)


@pytest.mark.parametrize(
    ("name", "sizes", "dtype"),
    [
        pytest.param(name, sizes, dtype, id=named(name, sizes, dtype))
        for name, cases in SMALL.items()
        for sizes in cases
        for dtype in ("bf16", "f32")
    ],
)
def test_the_engine_equals_the_oracle(name: str, sizes: Sizes, dtype: str) -> None:
    """Cycles, every counter of every actor, memories bit for bit, and what is left in the queues."""
    for case in kernels(name, sizes, dtype):
        check_to_the_end(case)


@pytest.mark.parametrize("name", ["hello", "gemm", "topk_router", "online_softmax", "attention", "ragged_attention"])
def test_the_engine_stops_where_the_oracle_stops(name: str) -> None:
    chosen = random.Random(name)
    for case in kernels(name, SMALL[name][-1], "bf16"):
        check_in_slices(case, sorted(chosen.sample(range(1, 300), 4)))


# -- runs repeat -------------------------------------------------------------------------------------------------------

REPEATED: list[tuple[str, Sizes]] = [
    ("hello", {"N": 1000, "P": 4}),
    ("gemm", {"M": 100, "N": 40, "K": 70, "P": 4}),
    ("attention", {"S": 100, "D": 40, "P": 4}),
    ("attention_causal", {"S": 130, "D": 8, "P": 4}),
    ("online_softmax", {"T": 40, "D": 8, "K": 8}),
    ("ragged_attention", {"B": 5, "S": 70, "D": 10}),
    ("topk_router", {"T": 45, "C": 33, "N": 20}),
    ("mlp_backward_adam", {"T": 45, "C": 40, "V": 24}),
    ("monarch_fft_unfused", {"M": 40, "N": 100, "A": 5, "O": 33, "P": 2}),
    ("llama_unfused", {"T": 5, "C": 8, "F": 12, "G": 1, "R": 1, "W": 2, "NL": 2}),
    ("llama_decode", {"B": 2, "C": 16, "F": 24, "U": 20, "NL": 2, "G": 1, "R": 2, "W": 4, "POS": 10}),
]
repeated = pytest.mark.parametrize(("name", "sizes"), [pytest.param(n, s, id=n) for n, s in REPEATED])


def started(name: str, sizes: Sizes) -> Execution:
    program, inputs = prepared(name, sizes)
    return program.execution(program.inputs(inputs))


def ended(execution: Execution) -> Ended:
    """Cycles of each launch, all counters, and the bits of all tensors."""
    assert execution.finished
    assert execution.values is not None
    counted = [counters(launched.image) for launched in execution.launched]
    names = ("firings", "busy", "starved", "blocked", "memory", "first", "last", "pushes", "pops", "packets")
    return (
        [execution.time, *(launched.image.cycles for launched in execution.launched)],
        [{n: getattr(c, n).tolist() for n in names} for c in counted],
        {n: value.tobytes() for n, value in execution.values.items()},
    )


@cache
def whole(name: str) -> Ended:
    """A run in one go."""
    execution = started(name, dict(REPEATED)[name])
    execution.advance()
    return ended(execution)


@repeated
def test_two_runs_are_the_same(name: str, sizes: Sizes) -> None:
    again = started(name, sizes)
    again.advance()
    assert ended(again) == whole(name)


@repeated
@pytest.mark.parametrize("longest", [20, 1000])
def test_a_run_in_slices_is_the_run_in_one_go(name: str, sizes: Sizes, longest: int) -> None:
    sliced = started(name, sizes)
    lengths = random.Random(f"{name} {longest}")
    until = 0
    while not sliced.finished:
        until += lengths.randint(1, longest)
        sliced.advance(until)
        assert sliced.time <= until or sliced.finished
    assert ended(sliced) == whole(name)


@pytest.mark.parametrize(("name", "sizes"), [pytest.param(n, s, id=n) for n, s in REPEATED if n != "ragged_attention"])
def test_without_values_it_takes_the_same_cycles(name: str, sizes: Sizes) -> None:
    timing = rdflow.load(name, **sizes).execution()
    timing.advance()
    assert [timing.time, *(launched.image.cycles for launched in timing.launched)] == whole(name)[0]


# -- rounding to bf16 --------------------------------------------------------------------------------------------------

SPECIAL = (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
"""lower halves: exact, just above, just below the middle, the middle, just above it, just below the next"""
ROUND = """
axis n = {n}
tensor X: f32[n] in hbm input
tensor Y: bf16[n] in hbm output
kernel round {{
    x = load X    as [n/H @8 | n%H]
    y = pcu 1 * x as bf16 [n/H @8 | n%H]
    store y -> Y
}}
schedule {{ launch round }}
"""


def patterns() -> NDArray[np.float32]:
    """All upper halves (every sign, exponent and bf16 fraction) with special and random lower halves."""
    upper = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    lower = np.random.default_rng(5).integers(0, 1 << 16, (4, 1 << 16), dtype=np.uint32)
    rows = [upper | np.uint32(low) for low in SPECIAL] + [upper | low for low in lower]
    return np.concatenate(rows).view(np.float32)


def same(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> bool:
    """The same bits, any NaN for a NaN."""
    nan = np.isnan(wanted)
    return bool(np.array_equal(np.isnan(found), nan) and (found.view(np.int32) == wanted.view(np.int32))[~nan].all())


def test_bf16_rounds_as_ml_dtypes() -> None:
    values = patterns()
    with np.errstate(all="ignore"):
        assert same(bf16(values), values.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_bf16_rounds_as_torch() -> None:
    torch = pytest.importorskip("torch")
    values = patterns()
    assert same(bf16(values), torch.from_numpy(values).to(torch.bfloat16).to(torch.float32).numpy())


def test_the_engine_rounds_as_ml_dtypes() -> None:
    values = patterns()
    outputs = rdflow.loads(ROUND.format(n=len(values))).run(X=values).outputs
    with np.errstate(all="ignore"):
        assert same(outputs["Y"], values.astype(ml_dtypes.bfloat16).astype(np.float32))
