"""A language model of one table, in the form of a checkpoint: the token that follows is the largest of its row. Its other
weights only have shapes, those of attention heads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

V, C, HEADS, GROUPS, LAYERS = 40, 12, 4, 2, 2
PROGRAM = """\
# bigram: the token that most often follows the last one
param NL = 1, C = 4, V = 32, G = 1, R = 1, B = 1, T = 4, M = 4, U = 8, E = f32
axis l = NL, n = B, t = T, m = M, u = U, v = V, y = V, g = G, r = R, z = 2, w = 2, e = z * w, c = C
tensor PROMPT: int32[n, t], NEXT: E[v, y], COS: f32[u, w], SIN: f32[u, w] in hbm input
tensor Q: E[l, g, r, e, c], K: E[l, g, e, c], O: E[l, c, g, r, e] in hbm input
tensor IDS: int32[n, m] in hbm output
use std.embedding
use std.topk
kernel first {
    i = load PROMPT(t = T - 1) as [n]
    x = embedding(i, NEXT)
    j = greedy(x)
    store j -> IDS(m = 0)
}
kernel following(at: int32) {
    i = load IDS(m = at - 1) as [n]
    x = embedding(i, NEXT)
    j = greedy(x)
    store j -> IDS(m = at)
}
schedule {
    launch first
    for i in 1..M { launch following(i) }
}
"""
TABLE = """\
architectures = ["BigramForCausalLM"]
ignored = ["layers.{l}.inv_freq"]
[only]
act = "silu"
[config]
kv_heads = ["kv_heads", "heads"]
theta = ["rope_parameters.rope_theta", "theta", 10000.0]
dtype = ["dtype", "torch_dtype"]
[params]
NL = "layers"
C = "hidden_size"
V = "vocab_size"
G = "kv_heads"
R = "heads / kv_heads"
E = "dtype"
[tensors]
NEXT = ["next.weight", "tied.weight"]
Q = "layers.{l}.q.weight"
K = "layers.{l}.k.weight"
O = "layers.{l}.o.weight"
[tables.rope]
tensors = ["COS", "SIN"]
positions = "U"
width = 4
base = "theta"
scaling = ["rope_scaling"]
[prompt]
tokens = "PROMPT"
ids = "IDS"
sequences = "B"
length = "T"
steps = "M"
positions = "U"
"""
CONFIG: dict[str, Any] = {
    "architectures": ["BigramForCausalLM"], "layers": LAYERS, "hidden_size": C, "vocab_size": V, "heads": HEADS,
    "kv_heads": GROUPS, "act": "silu", "eos_token_id": 39, "max_position_embeddings": 64,
}  # fmt: skip


def weights(dtype: Any = np.float32) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(3)
    shapes = {"next": (V, V)}
    for l in range(LAYERS):
        shapes |= {f"layers.{l}.q": (16, C), f"layers.{l}.k": (8, C), f"layers.{l}.o": (C, 16)}
    return {f"{name}.weight": random.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def save(
    folder: Path, arrays: dict[str, NDArray[Any]] | None = None, shards: int = 1, **config: Any
) -> dict[str, NDArray[Any]]:
    """The program, its table and a folder `model` with a checkpoint of it; the weights. A key of the configuration that is
    None is left out."""
    arrays = weights() if arrays is None else arrays
    model = folder / "model"
    model.mkdir(parents=True)
    (folder / "bigram.rdf").write_text(PROGRAM)
    (folder / "bigram.toml").write_text(TABLE)
    given = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
    (model / "config.json").write_text(json.dumps(given))
    if shards == 1:
        save_file(arrays, model / "model.safetensors")
        return arrays
    listed = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = dict(list(arrays.items())[shard::shards])
        save_file(part, model / name)
        listed |= dict.fromkeys(part, name)
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    return arrays


def following(arrays: dict[str, NDArray[Any]], token: int, steps: int) -> list[int]:
    """What the model says, by NumPy."""
    found = [token]
    for _ in range(steps):
        found.append(int(np.argmax(arrays["next.weight"][found[-1]].astype(np.float32))))
    return found[1:]
