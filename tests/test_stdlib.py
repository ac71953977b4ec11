"""Every layer that ships: its example runs as the NumPy evaluator says, bit for bit, and gives the answers of PyTorch.

The programs are the examples of the doc comments, in bf16 and with f32 in its place, at the lengths of the example and at
odd ones. PyTorch computes in the dtype of the program. Errors are measured against the largest magnitude of an output:
2e-5 in f32 (sums run in another order), 2e-2 in bf16 (a value keeps 8 bits); transforms, whose values are rounded at each
of up to eight steps, 4e-2.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

from rdflow import api, tables
from rdflow.dsl.check import Checked, check
from rdflow.dsl.evaluate import evaluate
from rdflow.dsl.format import format_module
from rdflow.dsl.numerics import bf16
from rdflow.dsl.parse import parse
from rdflow.dsl.source import Source
from rdflow.layers import LibraryLayer, layers, page, sources

TOLERANCE = {"f32": 2e-5, "bf16": 2e-2}
Sizes = dict[str, int]
Tensors = Any  # torch tensors by name
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


@dataclass(frozen=True)
class Case:
    """What PyTorch says for the example's tensors; other lengths of its axes; inputs that are not random."""

    reference: Callable[[Tensors], Any]
    sizes: tuple[Sizes, ...] = ({"t": 45},)
    given: Callable[[Sizes], dict[str, Any]] = lambda n: {}
    loose: float = 1


def torch() -> Any:
    return importlib.import_module("torch")


def functional() -> Any:
    return importlib.import_module("torch.nn.functional")


# -- what the layers mean ----------------------------------------------------------------------------------------------


def linear(x: Any, w: Any) -> Any:
    """x w^T over the last axis of both, for weights of any shape."""
    found = functional().linear(x, w.reshape(-1, w.shape[-1]))
    return found.reshape(*x.shape[:-1], *w.shape[:-1])


def gelu(x: Any) -> Any:
    return functional().gelu(x)


def swiglu(x: Any, wg: Any, wu: Any, wd: Any) -> Any:
    return linear(functional().silu(linear(x, wg)) * linear(x, wu), wd)


def rms(x: Any, g: Any) -> Any:
    return functional().rms_norm(x, (x.shape[-1],), g, 1e-5)


def rotated(x: Any, cos: Any, sin: Any) -> Any:
    """[t, .., e]: as transformers' apply_rotary_pos_emb, whose tables repeat both halves."""
    shape = (len(x),) + (1,) * (x.dim() - 2) + (-1,)
    cos, sin = (torch().cat((a, a), -1).reshape(shape).to(x.dtype) for a in (cos, sin))
    a, b = x.chunk(2, -1)
    return x * cos + torch().cat((-b, a), -1) * sin


def attend(q: Any, k: Any, v: Any, window: int | None = None) -> Any:
    """q [t, g, r, e], k and v [t, g, e]; `window`: how many keys up to its own a query sees, None for all of them."""
    length, _, ratio, _ = q.shape
    mask = None if window is None else seen(length, window)
    heads = q.flatten(1, 2).transpose(0, 1)
    k, v = (a.transpose(0, 1).repeat_interleave(ratio, 0) for a in (k, v))
    found = functional().scaled_dot_product_attention(heads, k, v, attn_mask=mask)
    return found.transpose(0, 1).reshape(q.shape)


def seen(length: int, window: int) -> Any:
    t, u = torch().arange(length)[:, None], torch().arange(length)
    return (u <= t) & (u > t - window)


def cached(x: Tensors, pos: int = 40) -> Any:
    keys, values = x["KC"].clone(), x["VC"].clone()
    keys[:, :, pos], values[:, :, pos] = x["KN"], x["VN"]
    q, k, v = x["Q"], keys[:, :, : pos + 1], values[:, :, : pos + 1]
    return {"Y": functional().scaled_dot_product_attention(q, k, v), "KC": keys, "VC": values}


def heads(q: Any, k: Any) -> Any:
    return torch().einsum("tgre,uge->tgru", q.float(), k.float()) / q.shape[-1] ** 0.5


def falcon(x: Tensors) -> Any:
    n = functional().layer_norm(x["X"], x["G"].shape, x["G"], x["B"])
    q, k, v = linear(n, x["Wq"]), linear(n, x["Wk"]), linear(n, x["Wv"])
    q, k = rotated(q, x["COS"], x["SIN"]), rotated(k, x["COS"], x["SIN"])
    a = linear(attend(q, k, v, len(q)).flatten(1), x["Wo"].flatten(1))
    return x["X"] + a + linear(gelu(linear(n, x["Wu"])), x["Wd"])


def llama(x: Tensors) -> Any:
    n = rms(x["X"], x["N1"])
    q, k, v = linear(n, x["Wq"]), linear(n, x["Wk"]), linear(n, x["Wv"])
    q, k = rotated(q, x["COS"], x["SIN"]), rotated(k, x["COS"], x["SIN"])
    x2 = x["X"] + linear(attend(q, k, v, len(q)).flatten(1), x["Wo"].flatten(1))
    return x2 + swiglu(rms(x2, x["N2"]), x["Wg"], x["Wu"], x["Wd"])


def at(x: Any, cos: Any, sin: Any, pos: int) -> Any:
    """Rows [n, .., e] rotated as those of one position."""
    return rotated(x, cos[pos].expand(len(x), -1), sin[pos].expand(len(x), -1))


def step(x: Tensors, pos: int = 40) -> Any:
    n = rms(x["X"], x["N1"])
    q, k, v = linear(n, x["Wq"]), linear(n, x["Wk"]), linear(n, x["Wv"])
    q, k = at(q, x["COS"], x["SIN"], pos), at(k, x["COS"], x["SIN"], pos)
    found = cached(x | {"Q": q, "KN": k, "VN": v}, pos)
    x2 = x["X"] + linear(found["Y"].flatten(1), x["Wo"].flatten(1))
    return found | {"Y": x2 + swiglu(rms(x2, x["N2"]), x["Wg"], x["Wu"], x["Wd"])}


def attention_step(x: Tensors, pos: int = 40) -> Any:
    q, k, v = (linear(x["X"], x[w]) for w in ("Wq", "Wk", "Wv"))
    q, k = at(q, x["COS"], x["SIN"], pos), at(k, x["COS"], x["SIN"], pos)
    found = cached(x | {"Q": q, "KN": k, "VN": v}, pos)
    return found | {"Y": linear(found["Y"].flatten(1), x["Wo"].flatten(1))}


def attention_prompt(x: Tensors) -> Any:
    """Caches as they are after it, [n, g, p, e]: zero beyond the prompt."""
    found: dict[str, list[Any]] = {"Y": [], "KC": [], "VC": []}
    for row in x["X"]:
        length, beyond = len(row), x["KC"].shape[2] - len(row)
        q, k, v = (linear(row, x[w]) for w in ("Wq", "Wk", "Wv"))
        q, k = (rotated(a, x["COS"][:length], x["SIN"][:length]) for a in (q, k))
        found["Y"].append(linear(attend(q, k, v, length).flatten(1), x["Wo"].flatten(1)))
        for name, kept in (("KC", k), ("VC", v)):
            found[name].append(functional().pad(kept.transpose(0, 1), (0, 0, 0, beyond)))
    return {name: torch().stack(parts) for name, parts in found.items()}


def seen_by(x: Tensors, pos: int = 40) -> Any:
    return torch().einsum("ngre,ngue->ngru", x["Q"].float(), x["KC"][:, :, : pos + 1].float()) / x["Q"].shape[-1] ** 0.5


def gated(x: Tensors) -> Any:
    """As Mixtral: softmax over all experts, the largest two, made to sum to one."""
    weight, choice = functional().softmax(x["X"].T, -1).topk(2, -1)
    return {"I": choice.T, "Y": (weight / weight.sum(-1, keepdim=True)).T}


def gated_rows(x: Tensors) -> Any:
    found = gated({"X": x["X"].T})
    return {"I": found["I"].T, "Y": found["Y"].T}


def mixture(x: Tensors) -> Any:
    """As Mixtral's block, token by token; scores in float32, so that roundings do not send a token elsewhere."""
    weights, choices = functional().softmax(linear(x["X"].float(), x["Wr"].float()), -1).topk(2, -1)
    weights = weights / weights.sum(-1, keepdim=True)
    rows = []
    for row, weight, choice in zip(x["X"], weights, choices, strict=True):
        parts = [swiglu(row, x["Wg"][e], x["Wu"][e], x["Wd"][e]) for e in choice]
        rows.append(sum(w * p.float() for w, p in zip(weight, parts, strict=True)))
    return torch().stack(rows)


def complex_(x: Any, axis: int) -> Any:
    re, im = x.float().unbind(axis)
    return torch().complex(re, im)


def real(x: Any, axis: int) -> Any:
    return torch().stack((x.real, x.imag), axis)


def transformed(x: Any) -> Any:
    """[b, z, n0, n1] to [b, w, k1, k0]: natural order on both sides."""
    return real(torch().fft.fft(complex_(x, 1).flatten(1)).reshape(complex_(x, 1).shape), 1)


def convolved(x: Any, taps: Any) -> Any:
    signal = complex_(x, 1).flatten(1)
    spectrum = torch().fft.fft(signal) * torch().fft.fft(torch().from_numpy(taps))
    return real(torch().fft.ifft(spectrum).reshape(complex_(x, 1).shape), 1)


# -- tables ------------------------------------------------------------------------------------------------------------


def taps(points: int) -> Any:
    random = np.random.default_rng(3)
    return (random.standard_normal(points) + 1j * random.standard_normal(points)) / np.sqrt(points)


def angles(n: Sizes) -> dict[str, Any]:
    return dict(zip(("COS", "SIN"), tables.rope(n["t"], 2 * n["w"]), strict=True))


def filled(n: Sizes) -> dict[str, Any]:
    """Caches that earlier steps have filled."""
    random = np.random.default_rng(1)
    return {name: random.standard_normal((n["n"], n["g"], n["u"], n["e"])) for name in ("KC", "VC")}


def fourier(order: int, filtered: bool = False) -> Callable[[Sizes], dict[str, Any]]:
    def given(n: Sizes) -> dict[str, Any]:
        found = tables.fourier(n["p"], order) if order > 1 else {"F": tables.fourier(n["p"], 1)["F"]}
        return found | (tables.spectrum(taps(n["p"] ** order), n["p"], order) if filtered else {})

    return given


def attended(n: Sizes) -> dict[str, Any]:
    """Queries, keys, values, and what attention made of them."""
    random, shape = np.random.default_rng(4), (n["t"], n["g"], n["e"])
    q, k, v = (random.standard_normal(s).astype(np.float32) for s in ((*shape[:2], n["r"], n["e"]), shape, shape))
    score = np.einsum("tgre,uge->tgru", q, k) / np.sqrt(n["e"])
    score = np.where(np.tril(np.ones((n["t"], n["t"]), bool))[:, None, None], score, -np.inf)
    weight = np.exp(score - score.max(-1, keepdims=True))
    return {"Q": q, "K": k, "V": v, "O": np.einsum("tgru,uge->tgre", weight / weight.sum(-1, keepdims=True), v)}


def pattern(n: Sizes, *names: str) -> dict[str, Any]:
    found = tables.balanced(n["nb"], n["kb"], n["j"])
    return {name: found[name] for name in names}


def axes(names: str, length: int) -> Sizes:
    return dict.fromkeys(names.split(), length)


HEADS = ({"t": 45, "u": 45}, {"t": 40, "u": 40, "g": 1, "r": 3}, {"t": 33, "u": 33, "g": 3, "r": 1})
TRANSFORM = "n0 n1 k0 k1 p q"

CASES = {
    "linear": Case(lambda x: linear(x["X"], x["W"]), ({"t": 45, "k": 33, "n": 7}, {"t": 1, "k": 8, "n": 1})),
    "gemv": Case(lambda x: linear(x["X"], x["W"]), ({"t": 1, "k": 33, "n": 7}, {"t": 11, "k": 40, "n": 33})),
    "linear_sum": Case(lambda x: linear(x["X"].flatten(1), x["W"].flatten(1)), ({"t": 45, "k": 33, "n": 7}, {"d": 1})),
    "gemv_sum": Case(
        lambda x: linear(x["X"].flatten(1), x["W"].flatten(1)), ({"t": 1, "k": 33, "n": 7}, {"t": 9, "d": 1})
    ),
    "bias": Case(lambda x: x["X"] + x["B"], ({"t": 45, "n": 7},)),
    "bias_rows": Case(lambda x: x["X"] + x["B"], ({"t": 1, "n": 7},)),
    "head_bias": Case(lambda x: x["X"] + x["B"], ({"t": 45, "g": 1},)),
    "head_bias_rows": Case(lambda x: x["X"] + x["B"], ({"n": 1, "r": 1},)),
    "rmsnorm": Case(lambda x: rms(x["X"], x["G"]), ({"t": 45, "c": 33}, {"t": 3, "c": 7})),
    "rmsnorm_rows": Case(lambda x: rms(x["X"], x["G"]), ({"t": 1, "c": 33}, {"t": 7, "c": 20})),
    "layernorm": Case(lambda x: functional().layer_norm(x["X"], x["G"].shape, x["G"], x["B"]), ({"t": 45, "c": 33},)),
    "layernorm_rows": Case(
        lambda x: functional().layer_norm(x["X"], x["G"].shape, x["G"], x["B"]), ({"t": 1, "c": 33},)
    ),
    "residual": Case(lambda x: x["X"] + rms(x["X"], x["G"])),
    "parallel_rows": Case(lambda x: x["X"] + rms(x["X"], x["A"]) + rms(x["X"], x["B"]), ({"t": 1},)),
    "parallel": Case(lambda x: x["X"] + rms(x["X"], x["A"]) + rms(x["X"], x["B"])),
    "softmax": Case(lambda x: x["X"].softmax(-1), ({"t": 45, "c": 33},)),
    "softmax_rows": Case(lambda x: x["X"].softmax(-1), ({"t": 3, "c": 33},)),
    "tiles": Case(lambda x: x["X"].T, ({"t": 45, "c": 33},)),
    "rows": Case(lambda x: x["X"], ({"t": 45, "c": 33},)),
    "last_row": Case(lambda x: x["X"][:, -1], ({"t": 33, "c": 33}, {"n": 1, "t": 64}, {"t": 1})),
    "head_rows": Case(lambda x: x["X"], ({"t": 33, "e": 7}, {"g": 1, "t": 64})),
    "embedding": Case(
        lambda x: functional().embedding(x["I"], x["W"]),
        ({"t": 7, "c": 33},),
        lambda n: {"I": np.arange(n["t"]) * 7 % n["v"]},
    ),
    "rope": Case(lambda x: rotated(x["X"], x["COS"], x["SIN"]), ({"t": 45}, {"t": 20, "h": 1}), angles),
    "causal": Case(lambda x: x["S"].masked_fill(~seen(len(x["S"]), len(x["S"])), -torch().inf), ({"t": 45, "u": 45},)),
    "sliding": Case(lambda x: x["S"].masked_fill(~seen(len(x["S"]), 24), -torch().inf), ({"t": 45, "u": 45},)),
    "alibi": Case(
        lambda x: (
            x["S"]
            + x["M"][..., None] * (torch().arange(x["S"].shape[-1]) - torch().arange(len(x["S"]))[:, None, None, None])
        ),
        ({"t": 45, "u": 45},),
        lambda n: {"M": tables.alibi(n["g"] * n["r"]).reshape(n["g"], n["r"])},
    ),
    "queries": Case(lambda x: linear(x["X"], x["Wq"]), ({"t": 45, "c": 33}, {"t": 33, "g": 1}, {"t": 33, "r": 1})),
    "keys": Case(lambda x: linear(x["X"], x["Wk"]), ({"t": 45, "c": 33}, {"t": 33, "g": 1})),
    "heads": Case(lambda x: linear(x["X"].flatten(1), x["Wo"].flatten(1)), ({"t": 45, "n": 7, "g": 1},)),
    "scores": Case(lambda x: heads(x["Q"], x["K"]), HEADS),
    "causal_scores": Case(
        lambda x: (
            heads(x["Q"], x["K"]).masked_fill(~seen(len(x["Q"]), len(x["Q"]))[:, None, None], -torch().inf).amax(-1)
        ),
        HEADS,
    ),
    "weights": Case(
        lambda x: {
            "Y": (x["S"] - x["S"].amax(-1, keepdim=True)).exp(),
            "Z": (x["S"] - x["S"].amax(-1, keepdim=True)).exp().sum(-1),
        },
        ({"t": 45, "u": 40},),
    ),
    "context": Case(lambda x: torch().einsum("tgru,uge->tgre", x["S"].softmax(-1), x["V"].float()), HEADS),
    "causal_context": Case(lambda x: attend(x["Q"], x["K"], x["K"], len(x["Q"])), HEADS),
    "attention": Case(lambda x: attend(x["Q"], x["K"], x["V"]), HEADS),
    "causal_attention": Case(lambda x: attend(x["Q"], x["K"], x["V"], len(x["Q"])), HEADS),
    "queries_rows": Case(lambda x: linear(x["X"], x["Wq"]), ({"n": 1, "c": 33}, {"n": 9, "g": 1, "r": 1})),
    "keys_rows": Case(lambda x: linear(x["X"], x["Wk"]), ({"n": 1, "c": 33}, {"n": 9, "g": 1})),
    "heads_rows": Case(lambda x: linear(x["X"].flatten(1), x["Wo"].flatten(1)), ({"n": 1, "c": 33}, {"n": 9, "r": 1})),
    "rope_rows": Case(
        lambda x: at(x["X"], x["COS"], x["SIN"], 40),
        ({"n": 1, "w": 4}, {"r": 1, "w": 32}),
        lambda n: angles({"t": n["u"], "w": n["w"]}),
    ),
    "llama_step": Case(
        step,
        ({"n": 1, "g": 1}, {"r": 1, "w": 4}),
        lambda n: angles({"t": n["u"], "w": n["w"]}) | filled(n),
    ),
    "swiglu_rows": Case(lambda x: swiglu(x["X"], x["Wg"], x["Wu"], x["Wd"]), ({"t": 1, "c": 33, "v": 50},)),
    "residual_rows": Case(lambda x: x["X"] + rms(x["X"], x["G"]), ({"t": 1},)),
    "cached_attention": Case(cached, ({"n": 1, "u": 50}, {"g": 1, "r": 12}, {"g": 4, "r": 1, "e": 40}), filled),
    "cached_scores": Case(lambda x: seen_by(x).amax(-1), ({"n": 1, "u": 90}, {"g": 1, "r": 12})),
    "alibi_rows": Case(
        lambda x: (seen_by(x) + x["M"][..., None] * (torch().arange(41) - 40)).amax(-1), ({"n": 1, "u": 90}, {"r": 1})
    ),
    "cached_context": Case(
        lambda x: torch().einsum("ngru,ngue->ngre", x["S"][..., :41].softmax(-1), x["VC"][:, :, :41].float()),
        ({"n": 1, "u": 90}, {"g": 1, "r": 12}),
    ),
    "step_attention": Case(
        attention_step,
        ({"n": 1, "g": 1, "u": 130}, {"r": 1, "w": 4}),
        lambda n: angles({"t": n["u"], "w": n["w"]}) | filled(n),
    ),
    "prompt_attention": Case(
        attention_prompt,
        ({"n": 1, "t": 33, "u": 33, "g": 1}, {"t": 2, "u": 2, "r": 1}),
        lambda n: (
            angles({"t": n["p"], "w": n["w"]})
            | {name: np.zeros((n["n"], n["g"], n["p"], n["e"])) for name in ("KC", "VC")}
        ),
    ),
    "online_attention": Case(
        lambda x: attend(x["Q"][:, :, None], x["K"], x["V"], len(x["Q"]))[:, :, 0],
        ({"t": 45, "u": 45}, {"t": 40, "u": 40, "h": 1}),
    ),
    "swiglu": Case(lambda x: swiglu(x["X"], x["Wg"], x["Wu"], x["Wd"]), ({"t": 45, "c": 33, "v": 50},)),
    "gelu": Case(lambda x: gelu(x["X"]), ({"n": 45},)),
    "gelu_tanh": Case(lambda x: functional().gelu(x["X"], approximate="tanh"), ({"n": 45},)),
    "gelu_mlp_rows": Case(lambda x: linear(gelu(linear(x["X"], x["Wu"])), x["Wd"]), ({"t": 1, "c": 33, "v": 50},)),
    "gelu_mlp": Case(lambda x: linear(gelu(linear(x["X"], x["Wu"])), x["Wd"]), ({"t": 45, "c": 33, "v": 50},)),
    "route": Case(
        lambda x: (x["T"][x["X"].long()].mean(1) @ x["W"].T).argmax(-1),
        ({"t": 1, "c": 33}, {"n": 1, "e": 40}),
        lambda n: {"X": np.arange(n["n"] * n["t"]).reshape(n["n"], n["t"]) * 7 % n["v"]},
    ),
    "greedy_sockets": Case(lambda x: x["X"].flatten(1).argmax(-1), ({"t": 1, "v": 70}, {"d": 1})),
    "greedy": Case(lambda x: x["X"].argmax(-1), ({"t": 1, "v": 33},)),
    "topk": Case(
        lambda x: dict(zip("YI", x["X"].topk(3, -1), strict=True)),
        ({"t": 1, "v": 33},),
        lambda n: {"X": distinct(n["t"], n["v"])},
    ),
    "topk_gate": Case(gated, ({"t": 45, "e": 5},)),
    "topk_gate_rows": Case(gated_rows, ({"t": 45, "e": 5},)),
    "moe": Case(mixture, ({"t": 45, "e": 5}, {"t": 33, "n": 33, "v": 9})),
    "moe_rows": Case(mixture, ({"t": 11, "e": 5}, {"t": 1, "v": 9})),
    "falcon": Case(falcon, ({"t": 45, "u": 45},), angles),
    "llama": Case(llama, ({"t": 45, "u": 45}, {"t": 33, "u": 33, "r": 1}), angles),
    "all_reduce": Case(lambda x: x["X"].sum(0), ({"n": 45},)),
    "reduce_scatter": Case(lambda x: x["X"].sum(0).reshape(4, -1), ()),
    "all_gather": Case(lambda x: x["X"], ({"n": 45},)),
    "multicast": Case(lambda x: x["X"][3], ({"n": 45},)),
    "send": Case(lambda x: functional().pad(x["X"], (0, 0, 1, 0))[:-1], ({"n": 45},)),
    "receive": Case(lambda x: functional().pad(x["X"], (0, 0, 0, 1))[1:], ({"n": 45},)),
    "dft": Case(lambda x: real(torch().fft.fft(complex_(x["X"], 1), dim=1), 1), (axes("n k p q", 5),), fourier(1)),
    "idft": Case(
        lambda x: real(torch().fft.ifft(complex_(x["X"], 1), dim=1) * x["X"].shape[2], 1),
        (axes("n k p q", 5),),
        fourier(1),
    ),
    "twiddle": Case(
        lambda x: real(complex_(x["X"], 1) * torch().complex(x["A"].float(), x["B"].float()), 2), ({"t": 3},)
    ),
    "monarch_fft": Case(lambda x: transformed(x["X"]), (axes(TRANSFORM, 7),), fourier(2), 2),
    "fftconv2": Case(lambda x: convolved(x["X"], taps(x["A"].numel())), (axes(TRANSFORM, 9),), fourier(2, True), 2),
    "fftconv4": Case(
        lambda x: convolved(x["X"], taps(x["HR"].numel())),
        (axes("n0 n1 n2 n3 k0 k1 k2 k3 p q", 3),),
        fourier(4, True),
        2,
    ),
}
GRADIENT_SIZES: dict[str, tuple[Sizes, ...]] = {
    "swiglu_back": ({"n": 45},),
    "adamw": ({"n": 45},),
    "gelu_tanh_back": ({"n": 45},),
    "trained": ({"n": 7, "k": 33},),
    "sparse_linear": ({"t": 45, "m": 32}, {"t": 7, "m": 8, "nb": 6, "kb": 4}),
    "sparse_back": ({"t": 45, "m": 32}, {"t": 7, "m": 8, "kb": 4, "i": 2}),
    "sparse_grad": ({"t": 45, "m": 32},),
    "causal_attention_back": HEADS,
    "queries_back": ({"t": 45, "c": 33, "r": 1},),
    "heads_grad": ({"t": 45, "n": 7, "g": 1},),
    "linear_grad": ({"t": 45, "k": 33, "n": 7}, {"t": 7}),
}
GRADIENT_INPUTS: dict[str, Callable[[Sizes], dict[str, Any]]] = {
    "rope_back": angles,
    "adamw": lambda n: {"V": np.random.default_rng(2).random(n["n"])},
    "trained": lambda n: {m: np.random.default_rng(2).random((n["n"], n["k"])) for m in "MV"},
    "sparse_linear": lambda n: pattern(n, "INDEX"),
    "sparse_back": lambda n: pattern(n, "ROWS", "PLACES"),
    "sparse_grad": lambda n: pattern(n, "INDEX"),
    "causal_attention_back": attended,
}

CASES |= {
    name: Case(reference, GRADIENT_SIZES.get(name, ({"t": 45},)), GRADIENT_INPUTS.get(name, lambda n: {}))
    for name, reference in gradients.REFERENCES.items()
}
SAMPLED = {"sample"}  # chance: held against a distribution below


def distinct(rows: int, length: int) -> Any:
    """Rows without equal numbers, each of which bf16 can hold: which of equals PyTorch's topk gives is not defined."""
    random = np.random.default_rng(5)
    return np.stack([random.permutation(length) for _ in range(rows)]) / 8.0


# -- running them ------------------------------------------------------------------------------------------------------


def program(layer: LibraryLayer, dtype: str, sizes: Sizes) -> str:
    """The example with a dtype in the place of bf16 and other lengths of its axes."""
    text = layer.example.replace("bf16", dtype)
    for axis, length in sizes.items():
        text, found = re.subn(rf"(?m)^(axis .*?\b{axis} = )\d+", rf"\g<1>{length}", text)
        assert found == 1, axis
    return text


@cache
def checked(name: str, dtype: str = "bf16", sizes: tuple[tuple[str, int], ...] = ()) -> Checked:
    text = program(layers()[name], dtype, dict(sizes))
    return check(Source(f"{name}.rdf", text), {}, api.library)


def inputs(found: Checked, case: Case) -> dict[str, Any]:
    """Random with products of about 1 unless given, rounded to the dtypes of their tensors."""
    random = np.random.default_rng(11)
    lengths = found.program.lengths
    given = case.given(lengths)
    values: dict[str, Any] = {}
    for name, tensor in found.program.tensors.items():
        if tensor.direction == "output":
            continue
        weight = name[0] == "W" and len(tensor.shape) > 1
        drawn = random.standard_normal(tensor.shape) / (np.sqrt(tensor.shape[-1]) if weight else 1)
        value = given.get(name, drawn)
        if tensor.dtype == "int32":
            values[name] = np.asarray(value, np.int32)
        else:
            full = np.asarray(value, np.float32)
            values[name] = bf16(full) if tensor.dtype == "bf16" else full
    return values


def tensors(found: Checked, values: dict[str, Any]) -> Tensors:
    kinds = {"bf16": torch().bfloat16, "f32": torch().float32, "int32": torch().int64}
    return {n: torch().from_numpy(v).to(kinds[found.program.tensors[n].dtype]) for n, v in values.items()}


def compare(found: Checked, case: Case, dtype: str) -> None:
    values = inputs(found, case)
    outputs = evaluate(found, values)
    answer = case.reference(tensors(found, values))
    for name, right in (answer if isinstance(answer, dict) else {"Y": answer}).items():
        wanted, given = right.float().numpy(), outputs[name]
        assert given.shape == wanted.shape
        finite = np.isfinite(wanted)
        np.testing.assert_array_equal(np.isfinite(given), finite)
        worst = np.abs(np.where(finite, given, 0) - np.where(finite, wanted, 0)).max()
        largest = np.abs(np.where(finite, wanted, 0)).max()
        assert worst <= TOLERANCE[dtype] * case.loose * largest, f"{name}: {worst} of {largest}"


def test_every_layer_is_held_against_pytorch() -> None:
    assert set(layers()) == set(CASES) | SAMPLED


@pytest.mark.parametrize("name", sorted(layers()))
def test_its_example_checks_without_a_word(name: str) -> None:
    layer = layers()[name]
    assert layer.doc
    assert layer.doc.endswith(".")
    assert [d.message for d in checked(name).diagnostics] == []
    assert name in layer.example.split("kernel", 1)[1]


@pytest.mark.parametrize("name", sorted(sources()))
def test_the_library_ships_formatted(name: str) -> None:
    source = sources()[name]
    module, diagnostics = parse(source)
    assert not diagnostics
    assert format_module(module) == source.text


@pytest.mark.parametrize("name", sorted(layers()))
def test_the_engine_runs_its_example_as_the_evaluator_says(name: str) -> None:
    given = {n: v for n, v in CASES[name].given(checked(name).program.lengths).items()} if name in CASES else {}
    result = api.loads(layers()[name].example, name).run(verify=True, **given)
    assert result.verification is not None
    assert result.verification.passed


@needs_torch
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_it_gives_the_answers_of_pytorch(name: str, dtype: str) -> None:
    compare(checked(name, dtype), CASES[name], dtype)


SIZED = [
    pytest.param(name, sizes, id=f"{name}-{'-'.join(f'{k}{v}' for k, v in sizes.items())}")
    for name, case in CASES.items()
    for sizes in case.sizes
]


@needs_torch
@pytest.mark.parametrize(("name", "sizes"), SIZED)
def test_it_does_so_at_odd_sizes(name: str, sizes: Sizes) -> None:
    found = checked(name, "f32", tuple(sizes.items()))
    assert [d.message for d in found.errors] == []
    compare(found, CASES[name], "f32")


# -- chance ------------------------------------------------------------------------------------------------------------

DRAWS = 4096
LOGITS = np.array([0.5, 2.0, -1.0, 1.0, 1.5, 0.0, -3.0], np.float32)


def drawn(change: str = "", **axes: int) -> Any:
    """What `sample` draws from the same row again and again."""
    text = program(layers()["sample"], "f32", {"t": DRAWS, "v": len(LOGITS)} | axes)
    found = check(Source("sample.rdf", text.replace("seed = 7", change or "seed = 7")), {}, api.library)
    assert [d.message for d in found.errors] == []
    return evaluate(found, {"X": np.tile(LOGITS, (DRAWS, 1))})["Y"]


def misfit(counts: Any, probabilities: Any) -> float:
    """Pearson's chi-squared."""
    wanted = DRAWS * probabilities
    return float(((counts - wanted) ** 2 / wanted).sum())


@needs_torch
@pytest.mark.parametrize(("change", "heat"), [("seed = 7", 1.0), ("seed = 8", 1.0), ("seed = 7, temperature = 2", 2.0)])
def test_draws_are_distributed_as_a_softmax_over_the_largest(change: str, heat: float) -> None:
    """Chi-squared with 2 degrees of freedom: above 13.8 once in a thousand seeds."""
    probabilities, places = (torch().from_numpy(LOGITS) / heat).topk(3)
    counts = np.bincount(drawn(change), minlength=len(LOGITS))
    assert counts[places.numpy()].sum() == DRAWS
    assert misfit(counts[places.numpy()], probabilities.softmax(-1).numpy()) < 13.8


def test_a_seed_draws_the_same_again_and_another_seed_does_not() -> None:
    assert np.array_equal(drawn(), drawn())
    assert 0.3 < np.mean(drawn() != drawn("seed = 8")) < 0.9
    assert set(drawn("seed = 7, temperature = 0.001")) == {1}


# -- the pages ---------------------------------------------------------------------------------------------------------

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_layers_is_what_their_comments_say() -> None:
    """`python -m rdflow.layers > docs/layers.md` writes it anew."""
    assert (DOCS / "layers.md").read_text(encoding="utf-8") == page()


def sandwich(x: Tensors) -> Any:
    n = rms(x["X"], x["N1"])
    q, k, v = (linear(n, x[w]) for w in ("Wq", "Wk", "Wv"))
    q, k = rotated(q, x["COS"], x["SIN"]), rotated(k, x["COS"], x["SIN"])
    o = attend(q, k, v, len(q)) * linear(n, x["Wg"]).sigmoid()
    return x["X"] + rms(linear(o.flatten(1), x["Wo"].flatten(1)), x["N2"])


def tutorial() -> str:
    return re.findall(r"(?s)```rdf\n(.*?)```", (DOCS / "compose.md").read_text(encoding="utf-8"))[0]


@needs_torch
@pytest.mark.parametrize("settings", [{}, {"E": "f32"}, {"T": 45, "R": 1}, {"G": 1}], ids=str)
def test_the_block_of_the_tutorial_runs(settings: dict[str, Any]) -> None:
    """Fewer than 40 lines, without a warning, bit for bit as the evaluator and close to PyTorch."""
    assert tutorial().count("\n") < 40
    found = check(Source("sandwich.rdf", tutorial()), settings, api.library)
    assert [d.message for d in found.diagnostics] == []
    case = Case(sandwich, given=angles)
    compare(found, case, settings.get("E", "bf16"))
    result = api.loads(tutorial(), "sandwich", **settings).run(verify=True, **inputs(found, case))
    assert result.verification is not None and result.verification.passed


def test_two_tiles_side_by_side_are_as_fast_as_the_tutorial_says() -> None:
    twice = tutorial().replace("X as [t/L;", "X as [t/L @2;")
    one, two = (api.loads(text, "sandwich", T=512).profile().cycles for text in (tutorial(), twice))
    assert 1.65 < one / two < 1.85


# -- copies ------------------------------------------------------------------------------------------------------------

COPIES = {
    "linear": [("load X as [t/L;", "load X as [t/L @2;"), ("linear(x, W)", "linear(x, W, P = 4)")],
    "gemv": [("gemv(x, W)", "gemv(x, W, P = 2, A = 2)")],
    "rmsnorm": [("load X as [t/L;", "load X as [t/L @2;")],
    "rmsnorm_rows": [("c/L |", "c/L @2 |")],
    "residual": [("load X as [t/L;", "load X as [t/L @2;")],
    "rope": [("load X as [t/L;", "load X as [t/L @2;")],
    "swiglu": [("load X as [t/L;", "load X as [t/L @2;"), ("P = 2", "P = 4")],
    "queries": [("queries(x, Wq)", "queries(x, Wq, P = 2)")],
    "heads": [("heads(x, Wo)", "heads(x, Wo, P = 2)")],
    "attention": [("Q as [t/L;", "Q as [t/L @2;"), ("attention(q, k, v, u)", "attention(q, k, v, u, P = 2)")],
    "causal_attention": [("Q as [t/L;", "Q as [t/L @2;"), ("attention(q, k, v, u)", "attention(q, k, v, u, P = 2)")],
    "cached_attention": [("KC, VC, pos)", "KC, VC, pos, P = 2)")],
}


@needs_torch
@pytest.mark.parametrize("name", sorted(COPIES))
def test_copies_change_the_time_and_not_the_answer(name: str) -> None:
    text = layers()[name].example
    for old, new in COPIES[name]:
        assert old in text
        text = text.replace(old, new)
    found = check(Source(f"{name}.rdf", text), {}, api.library)
    assert [d.message for d in found.errors] == []
    compare(found, CASES[name], "bf16")
    given = inputs(found, CASES[name])
    result = api.loads(text, name).run(verify=True, **given)
    assert result.verification is not None
    assert result.verification.passed
