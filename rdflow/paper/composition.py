"""Rows of Samba-CoE, table V and figures 1 and 12: for each prompt of a batch a switch of experts and an expert's run, behind a
router that runs once for the batch.

total = n x switch + router + n x (prefill + steps). Of the node the copy, the layer of a prompt and the layers of a step are
simulated; of the rivals all is by their roofline models. The router is a Llama-2-7B too, and runs as an expert of few tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from rdflow.dsl.records import dataclass
from rdflow.paper.measures import Lab, Measured
from rdflow.paper.models import LLAMA_2_7B
from rdflow.paper.published import setup
from rdflow.paper.rates import around, step, whole
from rdflow.paper.rows import Ours

WHOLE, LAYER, COPY = "llama", "llama_prefill_layer", "ddr_to_hbm"
HEADS = LLAMA_2_7B["G"] // LLAMA_2_7B["D"]  # of keys and values on a socket
COPIES = 22  # of the MLP of `llama_decode`, two to a stream of weights
STEP_7B = {
    "F": LLAMA_2_7B["F"],
    "K": HEADS,
    "R": 1,
    "Z": COPIES,
    "P": 1,
    "J": COPIES // 2,
    "Y": 8,
    "M": 4,
}  # of llama_decode: its header says why
PROMPT_7B = {
    "F": LLAMA_2_7B["F"],
    "G": LLAMA_2_7B["D"],
    "K": HEADS,
    "R": 1,
    "Z": 172,
    "D": 192,
}  # of llama_prefill_layer: its header says why
ELEMENT = 2  # bytes of bf16
MS = 1e3
NODE = "node"


@dataclass(frozen=True)
class Side:
    """A machine that runs a composition: seconds of a switch, of a prompt up to its first token, of the steps to so many
    tokens."""

    switch: float
    prompt: float
    steps: Callable[[int], float]

    def expert(self, tokens: int) -> float:
        return self.prompt + self.steps(tokens)

    @property
    def router(self) -> float:
        return self.expert(setup("router"))

    def total(self, batch: int, tokens: int) -> float:
        return self.router + batch * (self.switch + self.expert(tokens))

    def how(self) -> str:
        parts = {"switch": self.switch, "router": self.router, "prompt": self.prompt, "a step": self.steps(2)}
        return ", ".join(f"{name} {seconds * MS:.2f} ms" for name, seconds in parts.items())


def node(lab: Lab) -> Side:
    """The SN40L, with a simulated layer of a Llama-2-7B on the prompt of the paper's graph. Raises NotRun."""
    layer = lab.measure(LAYER, True, None, **PROMPT_7B, T=setup("graph"))
    one = step(lab, STEP_7B, LLAMA_2_7B).looped
    prompt = LLAMA_2_7B["NL"] * layer.total + around(lab, LLAMA_2_7B)
    return Side(switch(lab).seconds, prompt, lambda tokens: (tokens - 1) * one)


def rival(lab: Lab, name: str) -> Side:
    def expert(tokens: int) -> float:
        return lab.modelled(name, WHOLE, **LLAMA_2_7B | {"T": setup("prompt"), "M": tokens})[0]

    copied = weights() / lab.rivals[name].host.bandwidth
    return Side(copied, expert(1), lambda tokens: expert(tokens) - expert(1))


def switch(lab: Lab) -> Measured:
    """The copy of an expert's weights from DDR to HBM, on all sockets."""
    return lab.measure(COPY, N=weights() // ELEMENT, SOCKETS=lab.machine.node.sockets)


def weights() -> int:
    """Bytes of the weights of a Llama-2-7B."""
    tensors = whole(tuple(LLAMA_2_7B.items())).tensors.values()
    return sum(ELEMENT * prod(tensor.shape) for tensor in tensors if tensor.given and tensor.dtype == "bf16")


def side(lab: Lab, name: str) -> Side:
    return node(lab) if name == NODE else rival(lab, name)


# -- rows --------------------------------------------------------------------------------------------------------------


def speedup(lab: Lab, row: str) -> Ours:
    """`overall_a100_8_20`, `alone_a100_20`: a rival over the node; batch, tokens."""
    what, name, *numbers = row.split("_")
    ours, theirs = node(lab), rival(lab, name)
    *batch, tokens = map(int, numbers)
    spent = [one.total(batch[0], tokens) if what == "overall" else one.expert(tokens) for one in (theirs, ours)]
    return Ours(
        spent[0] / spent[1],
        f"{spent[0] * MS:,.1f} over {spent[1] * MS:,.1f} ms; node: {ours.how()}; {name}: {theirs.how()}",
    )


def figure12(lab: Lab, row: str) -> Ours:
    """`node_8`: ms of a batch whose experts all have to be copied, few tokens each."""
    name, batch = row.split("_")
    found = side(lab, name)
    return Ours(found.total(int(batch), setup("few")) * MS, found.how())


def figure1(lab: Lab, row: str) -> Ours:
    """`share_node_8`: of a batch's time, what copies of experts take; `router_a100`, `decode_node_200`: ms of a part."""
    what, name, *numbers = row.split("_")
    number = int(numbers[0]) if numbers else 0
    if name == NODE and what in ("switch", "decode"):
        return _of_the_node(lab, what, number)
    found = side(lab, name)
    if what == "share":
        return Ours(number * found.switch / found.total(number, setup("few")), found.how())
    parts = {
        "switch": found.switch,
        "router": found.router,
        "prefill": found.prompt,
        "decode": found.steps(number or 1),
    }
    return Ours(parts[what] * MS, found.how())


def _of_the_node(lab: Lab, what: str, tokens: int) -> Ours:
    """What needs no simulation of a prompt."""
    if what == "decode":
        one = step(lab, STEP_7B, LLAMA_2_7B)
        return Ours((tokens - 1) * one.looped * MS, f"llama_decode as Llama-2-7B: {one.looped * MS:.2f} ms a token")
    told = f"{COPY}: {weights() / 1e9:,.2f} GB over {lab.machine.node.sockets} sockets"
    return Ours(switch(lab).seconds * MS, told)
