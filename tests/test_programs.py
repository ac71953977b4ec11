"""Every program that ships: it checks, formats, and gives the answers of independent NumPy references.

References are written in float64 from what a program is meant to compute, not from its lines. Inputs are rounded to the
program's dtype before both see them. Errors are measured against the largest magnitude of an output: 1e-5 in f32 (its
sums run in another order than NumPy's), 2e-2 in bf16 (a value keeps 8 bits, and chains round several times).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from rdflow import api
from rdflow.dsl.check import Checked, check
from rdflow.dsl.checked import Load, Store
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.evaluate import evaluate
from rdflow.dsl.format import format_module
from rdflow.dsl.numerics import bf16
from rdflow.dsl.orders import BYTES
from rdflow.dsl.parse import parse
from rdflow.dsl.source import Source
from rdflow.dsl.views import digits_of
from rdflow.interpreter.allocate import unit_table

TOLERANCE = {"f32": 1e-5, "bf16": 2e-2}
Arrays = dict[str, NDArray[np.float64]]
Sizes = dict[str, int]
Reference = Callable[[Arrays, Sizes], Mapping[str, NDArray[np.float64] | NDArray[np.int64]]]


@dataclass(frozen=True)
class Case:
    """A program with its answer, the sizes at which it is evaluated, and those inputs that are not random."""

    reference: Reference
    sizes: list[Sizes]
    given: Callable[[Sizes, np.random.Generator], Arrays] = lambda p, random: {}
    loose: float = 1  # of the tolerance, where values are rounded at each of many steps


# -- what the programs mean --------------------------------------------------------------------------------------------


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def silu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / (1 + np.exp(-x))


def norm(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def attend(q, k, v, causal=False):
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if causal:
        s = np.where(np.tri(s.shape[-2], s.shape[-1], dtype=bool), s, -np.inf)
    return softmax(s) @ v


def ragged(x: Arrays, p: Sizes):
    found = np.zeros(x["Q"].shape)
    for b, n in enumerate(x["LEN"].astype(int)):
        found[b, :n] = attend(x["Q"][b, :n], x["K"][b, :n], x["V"][b, :n]) if n else 0
    return {"O": found}


def lengths(p: Sizes, random: np.random.Generator) -> Arrays:
    """Sequences of all lengths: none at all, one element, as long as there is room."""
    return {"LEN": np.array([p["S"], 1, 0, *random.integers(0, p["S"] + 1, p["B"])])[: p["B"]]}


def router(x: Arrays, p: Sizes):
    scores = x["X"] @ x["R"].T
    order = np.argsort(-scores, axis=-1, kind="stable")
    choice = np.zeros((2, p["T"]), int)
    weight = np.zeros((2, p["T"]))
    for j in range(min(2, p["N"])):
        choice[j] = order[:, j]
        weight[j] = np.take_along_axis(softmax(scores), order[:, j : j + 1], -1)[:, 0]
    return {"CHOICE": choice, "WEIGHT": weight}


def monarch(x: Arrays, p: Sizes):
    return {"OUT": x["W1"] @ ((x["W0"] @ x["I0"]) * x["SCALE"]).T}


def online(x: Arrays, p: Sizes):
    return {"O": attend(x["Q"], x["KK"], x["V"], causal=True)}


# -- the Fourier transform ---------------------------------------------------------------------------------------------


def tables(p: Sizes, random: np.random.Generator) -> Arrays:
    """DFT matrix and twiddles: n = n0 P^3 + n1 P^2 + n2 P + n3, k = k0 + k1 P + k2 P^2 + k3 P^3."""
    n = p["P"]
    i = np.arange(n)
    k, a, b, c = np.ix_(i, i, i, i)
    angles = [k * (a * n * n + b * n + c) / n**4, (k * (a * n + b) / n**3)[..., 0], (k * a / n**2)[..., 0, 0]]
    found = {f"A{j}": np.cos(2 * np.pi * angle) for j, angle in enumerate(angles)}
    found |= {f"B{j}": -np.sin(2 * np.pi * angle) for j, angle in enumerate(angles)}
    turn = 2 * np.pi * np.outer(i, i) / n
    found["FM"] = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return found


def convolved(x: Arrays, p: Sizes):
    """The inverse is without its division by the number of points."""
    n = p["P"]
    digits, turned = (-1, n, n, n, n), (0, 4, 3, 2, 1)
    signal = (x["X"][:, 0] + 1j * x["X"][:, 1]).reshape(-1, n**4)
    spectrum = np.fft.fft(signal).reshape(digits).transpose(turned) * (x["HR"] + 1j * x["HI"])
    found = np.fft.ifft(spectrum.transpose(turned).reshape(-1, n**4)).reshape(digits) * n**4
    return {"Y": np.stack([found.real, found.imag], 1)}


# -- Llama -------------------------------------------------------------------------------------------------------------


def rotated(x, cos, sin):
    """Rotary embedding of [.., 2 w]: the first half against the second."""
    a, b = np.split(x, 2, -1)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def feed_forward(x, x2, wg, wu, wd):
    h = silu(np.einsum("tc,svc->tsv", x, wg)) * np.einsum("tc,svc->tsv", x, wu)
    return x2 + np.einsum("tsv,csv->tc", h, wd)


def layer(x, w: Arrays):
    """A Llama layer on a prompt: its output, and its keys and values as [g, t, e]."""
    g, e, _ = w["Wk"].shape
    xn = norm(x) * w["N1"]
    q = np.einsum("tc,gnc->gtn", xn, w["Wq"]).reshape(g, len(x), -1, e).transpose(0, 2, 1, 3)
    k = rotated(np.einsum("tc,gnc->gtn", xn, w["Wk"]), w["COS"], w["SIN"])
    v = np.einsum("tc,gnc->gtn", xn, w["Wv"])
    o = attend(rotated(q, w["COS"], w["SIN"]), k[:, None], v[:, None], causal=True)
    o = o.transpose(2, 0, 1, 3).reshape(len(x), g, -1)
    x2 = x + np.einsum("tgn,cgn->tc", o, w["Wo"])
    return feed_forward(norm(x2) * w["N2"], x2, w["Wg"], w["Wu"], w["Wd"]), k, v


def prefill(x: Arrays, p: Sizes):
    heads = {n: a.reshape(-1, *a.shape[2:]) if n in ("Wq", "Wk", "Wv") else a for n, a in x.items()}
    y, *caches = layer(x["X"], heads | {"Wo": x["Wo"].reshape(p["C"], -1, x["Wo"].shape[-1])})
    k, v = (cache.reshape(p["G"], -1, *cache.shape[1:]) for cache in caches)
    return {"Y": y, "KC": k, "VC": v}


def unfused(x: Arrays, p: Sizes):
    y = x["X"]
    for i in range(p["NL"]):
        y = layer(y, {n: a if n in ("COS", "SIN") else a[i] for n, a in x.items() if n != "X"})[0]
    return {"Y": y}


def decoded(x: Arrays, p: Sizes):
    h, keys, values, pos = x["X0"], x["KC"].copy(), x["VC"].copy(), p["POS"]
    cos, sin = x["COS"][pos], x["SIN"][pos]
    for i in range(p["NL"]):
        w = {n: a[i] for n, a in x.items() if n in ("N1", "N2") or n[0] == "W"}
        xn = norm(h) * w["N1"]
        q = np.einsum("nc,ghmc->nghm", xn, w["Wq"]).reshape(len(h), p["G"], p.get("K", 1), p["R"], -1)
        keys[i, :, :, :, pos] = rotated(np.einsum("nc,ghmc->nghm", xn, w["Wk"]), cos, sin)
        values[i, :, :, :, pos] = np.einsum("nc,ghmc->nghm", xn, w["Wv"])
        o = attend(rotated(q, cos, sin), keys[i, :, :, :, : pos + 1], values[i, :, :, :, : pos + 1])
        x2 = h + np.einsum("nghm,cghm->nc", o.reshape(len(h), p["G"], p.get("K", 1), -1), w["Wo"])
        h = feed_forward(norm(x2) * w["N2"], x2, w["Wg"], w["Wu"], w["Wd"])
    return {"XL": h, "KC": keys, "VC": values}


def filled_cache(p: Sizes, random: np.random.Generator) -> Arrays:
    shape = (p["NL"], p["B"], p["G"], p.get("K", 1), p["U"], 2 * p["W"])
    return {name: random.standard_normal(shape) for name in ("KC", "VC")}


# -- experts and training ----------------------------------------------------------------------------------------------


def experts(x: Arrays, p: Sizes):
    scores = x["X"] @ x["R"].T
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :2]
    weight = softmax(np.take_along_axis(scores, best, -1))
    y = np.zeros_like(x["X"])
    for t, chosen in enumerate(best):
        for e, w in zip(chosen, weight[t], strict=True):
            row = x["X"][t : t + 1]
            y[t] += w * feed_forward(row, 0, x["Wg"][e], x["Wu"][e], x["Wd"][e])[0]
    return {"Y": y}


def backward(x: Arrays, p: Sizes):
    sigmoid = 1 / (1 + np.exp(-x["GG"]))
    h = x["GG"] * sigmoid * x["UU"]
    dh = x["DY"] @ x["Wd"]
    dn = (dh * x["UU"] * sigmoid * (1 + x["GG"] * (1 - sigmoid))) @ x["Wg"] + (dh * x["GG"] * sigmoid) @ x["Wu"]
    r = x["RR"][:, None]
    xh, d2 = x["X"] * r, dn * x["N1"]
    gw = x["DY"].T @ h
    m, v = 0.9 * x["M"] + 0.1 * gw, 0.999 * x["VV"] + 0.001 * gw * gw
    w = x["W32"] - 0.001 * m / (np.sqrt(v) + 1e-8)
    dx = r * (d2 - xh * (d2 * xh).mean(-1, keepdims=True))
    return {"DX": dx, "DN": (dn * xh).sum(0), "Mn": m, "VVn": v, "W32n": w, "Wdn": w}


def positive(p: Sizes, random: np.random.Generator) -> Arrays:
    return {"VV": random.random((p["C"], p["V"])), "RR": 0.5 + random.random(p["T"])}


MATRICES = [
    {"M": 64, "N": 96, "K": 64},
    {"M": 100, "N": 40, "K": 70, "P": 4},
    {"M": 1, "N": 48, "K": 33, "P": 2},
    {"M": 5, "N": 1, "K": 1},
]
ROWS = [{"T": 64, "C": 64}, {"T": 45, "C": 100, "P": 4}, {"T": 1, "C": 7, "P": 3}, {"T": 3, "C": 1}]
HEADS = [
    {"S": 64, "D": 32},
    {"S": 100, "D": 40},
    {"S": 96, "D": 48, "P": 2},
    {"S": 130, "D": 8, "P": 4},
    {"S": 1, "D": 1},
    {"S": 20, "D": 3, "P": 2},
]
FOURIERS = [{"P": 4, "NB": 2, "C": 2}, {"P": 5, "NB": 1, "C": 2}, {"P": 2, "NB": 1}]
FFTS = [
    {"M": 64, "N": 64, "A": 16, "O": 16},
    {"M": 40, "N": 100, "A": 5, "O": 33, "P": 2},
    {"M": 1, "N": 9, "A": 1, "O": 2},
]
LLAMAS = [
    {"T": 64, "C": 32, "F": 64, "G": 2, "R": 2, "W": 8},
    {"T": 100, "C": 48, "F": 40, "G": 2, "R": 3, "W": 4},
    {"T": 1, "C": 7, "F": 3, "G": 1, "R": 1, "W": 1},
]
DECODERS = [
    {"B": 3, "C": 32, "F": 64, "U": 40, "NL": 2, "G": 2, "R": 2, "W": 8, "POS": 20},
    {"B": 1, "C": 48, "F": 40, "U": 300, "NL": 1, "G": 2, "R": 3, "W": 4, "POS": 299},
    {"B": 9, "C": 40, "F": 24, "U": 33, "NL": 3, "G": 1, "R": 1, "W": 2, "POS": 0},
    {"B": 3, "C": 40, "F": 24, "U": 33, "NL": 2, "G": 1, "K": 3, "R": 2, "W": 4, "POS": 30, "P": 2, "Q": 2, "D": 4},
]

CASES = {
    "ddr_to_hbm": Case(
        lambda x, p: {"Y": x["X"]}, [{"N": 4096}, {"N": 1000, "P": 2, "SOCKETS": 4}, {"N": 2, "SOCKETS": 2}]
    ),
    "hello": Case(lambda x, p: {"Y": 2 * x["X"]}, [{"N": 1024}, {"N": 1000, "P": 4}, {"N": 1}, {"N": 33, "P": 2}]),
    "gemm": Case(lambda x, p: {"C": x["A"] @ x["B"]}, MATRICES),
    "transpose": Case(
        lambda x, p: {"Y": x["X"].T},
        [{"M": 64, "N": 64}, {"M": 100, "N": 40, "P": 3}, {"M": 1, "N": 5}, {"M": 9, "N": 1, "P": 2}],
    ),
    "rmsnorm": Case(lambda x, p: {"Y": norm(x["X"]) * x["G"]}, ROWS),
    "softmax": Case(lambda x, p: {"Y": softmax(x["X"])}, ROWS),
    "swiglu_mlp": Case(
        lambda x, p: {"Y": (silu(x["X"] @ x["Wg"].T) * (x["X"] @ x["Wu"].T)) @ x["Wd"].T},
        [{"T": 64, "C": 32, "V": 64}, {"T": 37, "C": 40, "V": 100}, {"T": 1, "C": 9, "V": 5, "P": 1}],
    ),
    "attention": Case(lambda x, p: {"O": attend(x["Q"], x["K"], x["V"])}, HEADS),
    "attention_causal": Case(lambda x, p: {"O": attend(x["Q"], x["K"], x["V"], causal=True)}, HEADS),
    "ragged_attention": Case(
        ragged,
        [
            {"B": 4, "S": 64, "D": 32},
            {"B": 5, "S": 70, "D": 40},
            {"B": 3, "S": 33, "D": 9},
            {"B": 1, "S": 1, "D": 3},
        ],
        lengths,
    ),
    "topk_router": Case(
        router,
        [
            {"T": 64, "C": 64, "N": 8},
            {"T": 45, "C": 33, "N": 20},
            {"T": 33, "C": 40, "N": 5},
            {"T": 1, "C": 3, "N": 2},
            {"T": 9, "C": 8, "N": 1},
        ],
    ),
    "online_softmax": Case(
        online,
        [
            {"T": 64, "D": 16},
            {"T": 100, "D": 40},
            {"T": 96, "D": 48, "K": 32},
            {"T": 40, "D": 8, "K": 8},
            {"T": 5, "D": 3},
            {"T": 1, "D": 1},
        ],
    ),
    "fftconv": Case(convolved, FOURIERS, tables, 2),
    "fftconv_unfused": Case(convolved, FOURIERS, tables, 2),
    "llama_prefill_layer": Case(
        prefill,
        [
            *LLAMAS,
            {"T": 70, "C": 40, "F": 40, "G": 2, "K": 3, "R": 1, "W": 4},
            {"T": 33, "C": 24, "F": 16, "G": 1, "K": 2, "R": 6, "W": 4},
        ],
    ),
    "llama_unfused": Case(unfused, [{**sizes, "NL": 2} for sizes in LLAMAS]),
    "llama_decode": Case(decoded, DECODERS, filled_cache),
    "mixture_of_experts": Case(
        experts,
        [
            {"T": 40, "C": 24, "F": 32, "G": 2, "N": 4},
            {"T": 70, "C": 33, "F": 30, "G": 3, "N": 10},
            {"T": 1, "C": 2, "F": 1, "G": 1, "N": 2},
        ],
    ),
    "mlp_backward_adam": Case(
        backward, [{"T": 64, "C": 32, "V": 64}, {"T": 45, "C": 40, "V": 24}, {"T": 1, "C": 3, "V": 1}], positive
    ),
    "monarch_fft": Case(monarch, FFTS),
    "monarch_fft_partial": Case(monarch, FFTS),
    "monarch_fft_unfused": Case(monarch, FFTS),
}

# -- running them ------------------------------------------------------------------------------------------------------


NAMES = sorted(f.name.removesuffix(".rdf") for f in files("rdflow.programs").iterdir() if f.name.endswith(".rdf"))
SIZED = [
    pytest.param(name, sizes, id=f"{name}-{'-'.join(f'{k}{v}' for k, v in sizes.items())}")
    for name, case in CASES.items()
    for sizes in case.sizes
]
TYPED = [
    pytest.param(name, sizes, dtype, id=f"{p.id}-{dtype}")
    for p in SIZED
    for name, sizes in [p.values]
    for dtype in ("bf16", "f32")
]


def source(name: str) -> Source:
    return Source(f"{name}.rdf", (files("rdflow.programs") / f"{name}.rdf").read_text(encoding="utf-8"))


@cache
def checked(name: str, settings: tuple[tuple[str, int | str], ...] = ()) -> Checked:
    return check(source(name), dict(settings), api.library)


def errors(found: Checked) -> list[str]:
    return [f"{d.code} {d.message} {[label.text for label in d.labels]}" for d in found.errors]


def drawn(found: Checked, case: Case, params: Sizes) -> dict[str, NDArray[np.float32]]:
    """Inputs, random with products of about 1 unless given, rounded to the dtypes of their tensors."""
    random = np.random.default_rng(7)
    given = case.given(params, random)
    values: dict[str, NDArray[np.float32]] = {}
    for name, tensor in found.program.tensors.items():
        if tensor.direction == "input" and name not in given:
            weight = name[0] == "W" and len(tensor.shape) > 1
            given[name] = random.standard_normal(tensor.shape) / (np.sqrt(tensor.shape[-1]) if weight else 1)
    for name, value in given.items():
        dtype = found.program.tensors[name].dtype
        full = value.astype(np.float32 if dtype in ("bf16", "f32") else np.int32)
        values[name] = bf16(full) if dtype == "bf16" else full
    return values


@pytest.mark.parametrize("name", NAMES)
def test_it_checks_as_it_ships(name: str) -> None:
    assert errors(checked(name)) == []


@pytest.mark.parametrize(("name", "sizes"), SIZED)
def test_it_checks_at_odd_sizes(name: str, sizes: dict[str, int]) -> None:
    assert errors(checked(name, tuple(sizes.items()))) == []


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_with_what_it_is(name: str) -> None:
    lines = source(name).text.splitlines()
    assert lines[0].startswith(f"# {name}: ")
    header = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    assert 3 <= header <= 8


@pytest.mark.parametrize("name", NAMES)
def test_it_ships_formatted(name: str) -> None:
    """Its text is what the formatter writes: formatting it again changes nothing."""
    module, diagnostics = parse(source(name))
    assert not diagnostics
    assert format_module(module) == source(name).text


@pytest.mark.parametrize(
    ("name", "transfers"), [("monarch_fft", 12), ("monarch_fft_partial", 28), ("monarch_fft_unfused", 60)]
)
def test_the_bytes_of_the_monarch_fft_are_the_papers(name: str, transfers: int) -> None:
    """Every tensor once a kernel, in units of 256 KiB: 171, 73.3 and 34.2 operations a byte."""
    moved = 0
    for kernel in checked(name).kernels.values():
        for line in kernel.lines:
            if isinstance(line, Load | Store):
                order = (line.stream if isinstance(line, Load) else line.source).order
                assert sorted(map(str, order.digits)) == sorted(map(str, digits_of(line.view)))
                moved += math.prod(line.view.tensor.shape) * BYTES[line.view.tensor.dtype]
    assert moved == transfers * 2**18
    flops = 2 * (2 * 1024 * 1024 * 128) + 1024 * 1024
    assert flops / moved == pytest.approx({12: 171.0, 28: 73.3, 60: 34.2}[transfers], rel=1e-3)


def test_a_prompt_of_mixtral_fits_a_socket_at_real_size() -> None:
    """4,096 ids of Mixtral 8x7B through all layers in one kernel: what goes around the experts waits in memory."""
    program = api.load("mixtral", T=4096, U=4224, M=1)
    (kernel,) = program.checked.kernels.values()
    rows = unit_table(coalesce(elaborate(kernel)), program.machine)
    assert program.checked.diagnostics == []
    assert sum(row.pmus * row.copies for row in rows) < program.machine.pmus


def test_heads_of_a_step_may_be_on_two_sockets_each() -> None:
    """A head of keys and values whose queries two sockets share out is two equal ones, of half as many queries."""
    sizes = {"B": 2, "C": 32, "F": 64, "U": 40, "NL": 2, "G": 2, "R": 4, "W": 4, "POS": 20}
    one, two = (
        checked("llama_decode", tuple((sizes | more | {"E": "f32"}).items())) for more in ({}, {"G": 4, "R": 2})
    )
    inputs = drawn(one, CASES["llama_decode"], sizes)
    twice = {"Wk": 1, "Wv": 1, "KC": 2, "VC": 2}
    shapes = {name: tensor.shape for name, tensor in two.program.tensors.items()}
    given = {n: np.repeat(v, 2, twice[n]) if n in twice else v.reshape(shapes[n]) for n, v in inputs.items()}
    found, wanted = evaluate(two, given), evaluate(one, inputs)
    np.testing.assert_allclose(found["XL"], wanted["XL"], rtol=0, atol=1e-5 * np.abs(wanted["XL"]).max())


@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_a_convolution_in_one_kernel_has_the_bits_of_one_in_21(dtype: str) -> None:
    """Both round where a complex operator of the other does."""
    forms = [checked(name, (("P", 4), ("NB", 2), ("C", 4), ("E", dtype))) for name in ("fftconv", "fftconv_unfused")]
    case = CASES["fftconv"]
    params = {k: v for k, v in forms[0].program.params.items() if isinstance(v, int)}
    one, many = (evaluate(form, drawn(form, case, params))["Y"] for form in forms)
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(("name", "sizes", "dtype"), TYPED)
def test_it_gives_the_answers_of_numpy(name: str, sizes: dict[str, int], dtype: str) -> None:
    case = CASES[name]
    found = checked(name, (*sizes.items(), *((("E", dtype),) if "E" in checked(name).program.params else ())))
    assert errors(found) == []
    params = {k: v for k, v in found.program.params.items() if isinstance(v, int)}
    inputs = drawn(found, case, params)
    outputs = evaluate(found, inputs)
    expected = case.reference({k: v.astype(np.float64) for k, v in inputs.items()}, params)
    for tensor, answer in expected.items():
        assert outputs[tensor].shape == answer.shape
        if answer.dtype.kind == "i":
            np.testing.assert_array_equal(outputs[tensor], answer)
        else:
            worst = np.abs(outputs[tensor] - answer).max()
            assert worst <= case.loose * TOLERANCE[dtype] * np.abs(answer).max(), f"{tensor}: {worst}"
