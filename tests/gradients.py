"""What PyTorch's autograd and its AdamW say for the layers of std.grad, by the names of their examples' tensors."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

Tensors = Any  # torch tensors by name


def torch() -> Any:
    return importlib.import_module("torch")


def functional() -> Any:
    return importlib.import_module("torch.nn.functional")


def back(forward: Callable[..., Any], dy: Any, *inputs: Any) -> tuple[Any, ...]:
    """Gradients of all inputs, in float32 whatever the dtype of the program."""
    leaves = [x.detach().float().clone().requires_grad_() for x in inputs]
    forward(*leaves).backward(dy.float())
    return tuple(x.grad for x in leaves)


def compare(outputs: dict[str, Any], wanted: dict[str, Any], tolerance: float) -> None:
    """Errors of a step's outputs against the largest magnitude of each."""
    for name, right in wanted.items():
        worst = abs(outputs[name].reshape(right.shape) - right).max()
        assert worst <= tolerance * abs(right).max(), f"{name}: {worst} of {abs(right).max()}"


def rms(x: Any, g: Any) -> Any:
    return functional().rms_norm(x, (x.shape[-1],), g, 1e-5)


def gated(g: Any, u: Any) -> Any:
    return functional().silu(g) * u


def rotated(cos: Any, sin: Any) -> Callable[[Any], Any]:
    """[t, .., e]: as transformers' apply_rotary_pos_emb, whose tables repeat both halves."""

    def forward(x: Any) -> Any:
        shape = (len(x),) + (1,) * (x.dim() - 2) + (-1,)
        c, s = (torch().cat((a, a), -1).reshape(shape).float() for a in (cos, sin))
        first, second = x.chunk(2, -1)
        return x * c + torch().cat((-second, first), -1) * s

    return forward


def attend(q: Any, k: Any, v: Any) -> Any:
    """q [t, g, r, e], k and v [t, g, e], causal."""
    k, v = (a[:, :, None].expand(q.shape).flatten(1, 2).transpose(0, 1) for a in (k, v))
    found = functional().scaled_dot_product_attention(q.flatten(1, 2).transpose(0, 1), k, v, is_causal=True)
    return found.transpose(0, 1).reshape(q.shape)


def linear(x: Any, w: Any, last: int = 1) -> Any:
    """x w^T over the last axes of both."""
    return torch().tensordot(x, w, (list(range(-last, 0)), list(range(-last, 0))))


def through(x: Tensors, weight: str, last: int = 1) -> Any:
    """What comes back to the input of `linear`, whose values do not matter."""
    w = x[weight]
    shape = (len(x["X"]), *w.shape[-last:])
    return back(lambda a: linear(a, w.float(), last), x["X"], torch().zeros(shape))[0]


def into(x: Tensors, last: int = 1) -> Any:
    """The gradient of the weights of `linear`, whose values do not matter."""
    shape = (*x["D"].shape[1:], *x["X"].shape[1:])
    return back(lambda w: linear(x["X"].float(), w, last), x["D"], torch().zeros(shape))[0]


def norm(x: Tensors) -> Tensors:
    return dict(zip("YZ", back(rms, x["D"], x["X"], x["G"]), strict=True))


def layernorm(x: Tensors) -> Tensors:
    """Whatever the shift is."""

    def forward(a: Any, gain: Any, shift: Any) -> Any:
        return functional().layer_norm(a, gain.shape, gain, shift)

    return dict(zip("YZB", back(forward, x["D"], x["X"], x["G"], torch().zeros(x["G"].shape)), strict=True))


def gelu_tanh(x: Any) -> Any:
    return functional().gelu(x, approximate="tanh")


def swiglu(x: Tensors) -> Tensors:
    dg, du = back(gated, x["D"], x["G"], x["U"])
    return {"Y": dg, "Z": du, "H2": gated(x["G"], x["U"])}


def attention(x: Tensors) -> Tensors:
    """The output of the forward pass is one of the inputs: it must be what attention gives."""
    return dict(zip("YZA", back(attend, x["D"], x["Q"], x["K"], x["V"]), strict=True))


def adamw(x: Tensors, rate: float = 0.01) -> Tensors:
    """The third step, from moments that two steps left."""
    weight = torch().nn.Parameter(x["W"].clone())
    optimizer = torch().optim.AdamW([weight], lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    optimizer.state[weight] = {
        "step": torch().tensor(2.0),
        "exp_avg": x["M"].clone(),
        "exp_avg_sq": x["V"].clone(),
    }
    weight.grad = x["G"].clone()
    optimizer.step()
    state = optimizer.state[weight]
    return {"Y": weight.detach(), "M2": state["exp_avg"], "V2": state["exp_avg_sq"]}


def dense(w: Any, index: Any, inputs: int) -> Any:
    """A weight of kept blocks [nb, m, j, b] as the matrix that it stands for."""
    outputs, m, _, b = w.shape
    full = torch().zeros(outputs, inputs, m, b, dtype=w.dtype)
    full = full.index_put((torch().arange(outputs)[:, None], index), w.transpose(1, 2))
    return full.transpose(1, 2).reshape(outputs * m, inputs * b)


def sparse_linear(x: Tensors) -> Any:
    return functional().linear(x["X"], dense(x["W"], x["INDEX"], x["X"].shape[1] // x["W"].shape[-1]))


def sparse_back(x: Tensors) -> Any:
    """The index that has the given transpose."""
    w = x["W"]
    index = torch().zeros(w.shape[0], w.shape[2], dtype=torch().long)
    index[x["ROWS"], x["PLACES"]] = torch().arange(len(x["ROWS"]))[:, None].expand(x["ROWS"].shape)
    return x["D"].float() @ dense(w.float(), index, len(x["ROWS"]))


def sparse_grad(x: Tensors) -> Any:
    """Through the dense matrix, whose gradient is kept at the blocks of the pattern."""
    (outputs, kept), inputs = x["INDEX"].shape, x["X"].shape[1] // 8
    shape = (outputs, x["D"].shape[1] // outputs, kept, 8)

    def forward(w: Any) -> Any:
        return functional().linear(x["X"].float(), dense(w, x["INDEX"], inputs))

    return back(forward, x["D"], torch().zeros(shape))[0]


def trained(x: Tensors) -> Tensors:
    """Weights and moments change in place."""
    found = adamw(x | {"W": x["P"]}, rate=0.001)
    return {"Y": found["Y"], "P": found["Y"], "M": found["M2"], "V": found["V2"]}


REFERENCES: dict[str, Callable[[Tensors], Any]] = {
    "linear_back": lambda x: through(x, "W"),
    "linear_grad": into,
    "rmsnorm_back": norm,
    "layernorm_back": layernorm,
    "gelu_tanh_back": lambda x: back(gelu_tanh, x["D"], x["X"])[0],
    "swiglu_back": swiglu,
    "rope_back": lambda x: back(rotated(x["COS"], x["SIN"]), x["X"], x["X"])[0],
    "queries_back": lambda x: through(x, "Wq"),
    "keys_back": lambda x: through(x, "Wk"),
    "heads_back": lambda x: through(x, "Wo", 3),
    "queries_grad": into,
    "keys_grad": into,
    "heads_grad": lambda x: into(x, 3),
    "causal_attention_back": attention,
    "adamw": adamw,
    "trained": trained,
    "sparse_linear": sparse_linear,
    "sparse_back": sparse_back,
    "sparse_grad": sparse_grad,
}
