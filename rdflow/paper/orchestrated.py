"""Rows of figure 10 in decoding: a step in a kernel an operator that the host launches, and in a kernel a layer, launched by the
host or by the chip itself.

Operators are simulated at their size. So is a fused layer where `llama_decode` has it; else it takes its bytes at the rate that
the machine sustains, and beside them what the layer of Llama-2-7B takes. Batch 1.
"""

from __future__ import annotations

from rdflow.dsl.records import dataclass
from rdflow.paper.composition import STEP_7B
from rdflow.paper.fusion import convolution, layer
from rdflow.paper.measures import Lab
from rdflow.paper.models import MODELS, Model
from rdflow.paper.prompts import extreme, prompts
from rdflow.paper.rates import AROUND, around, one_layer, streamed
from rdflow.paper.rows import Ours
from rdflow.paper.sparse_training import train_sparse
from rdflow.paper.stepping import Stepped, from_hardware, stepped
from rdflow.paper.training import train

STREAMS = 22  # copies of an unfused product: as many streams as HBM can feed
ROOM = 64  # for new tokens in the caches
BARS = ("7b", "70b", "mistral", "falcon", "bloom")
TUNED: dict[str, dict[str, int]] = {
    "7b": STEP_7B,
    "mistral": {},
}  # params of llama_decode, which is Llama 3 8B by default
MS = 1e3


@dataclass(frozen=True, slots=True)
class Bar:
    """A model's step, unfused and fused."""

    unfused: Stepped
    fused: Stepped
    simulated: bool

    @property
    def gain(self) -> float:
        """Of fusing, and launching by hardware."""
        return self.unfused.software / self.fused.hardware

    @property
    def launching(self) -> float:
        """Of launching what is fused by hardware."""
        return self.fused.software / self.fused.hardware

    def how(self) -> str:
        many, few = self.unfused, self.fused
        source = "simulated layer" if self.simulated else "layer by its bytes"
        return (
            f"{many.launches:,} launches in {many.software * MS:.2f} ms ({many.executed * MS:.2f} of execution) over "
            f"{few.launches:,} in {few.hardware * MS:.2f} ({few.software * MS:.2f} by software; {source})"
        )


def figure10(lab: Lab, row: str) -> Ours:
    """`decode_MODEL`: by hardware over unfused. `launch_MODEL`: by hardware over by software. `prefill_MODEL`,
    `orchestrated_MODEL`: of a prompt. `train_7b`, `train_13b`: of training. `.._most`, `.._least`: of all."""
    if row == "fft":
        return convolution(lab)
    what, name = row.split("_")
    if what == "train":
        return train(lab) if name == "7b" else train_sparse(lab)
    if what in ("prefill", "orchestrated"):
        return prompts(lab, what, name)
    if name in BARS:
        found = bar(lab, name)
        return Ours(found.gain if what == "decode" else found.launching, found.how())
    bars = {model: bar(lab, model) for model in BARS}
    gains = {model: one.gain if what == "decode" else one.launching for model, one in bars.items()}
    return extreme(gains, name)


def bar(lab: Lab, name: str) -> Bar:
    """Raises NotRun."""
    model = MODELS[name]
    sizes = model.sizes | {"NL": model.layers, "D": 8, "B": 1, "T": model.prompt, "U": model.prompt + ROOM}
    unfused = stepped(lab, model.program("unfused"), **sizes, XS=STREAMS)
    return Bar(unfused, fused(lab, name, model), name in TUNED)


def fused(lab: Lab, name: str, model: Model) -> Stepped:
    """A kernel a layer and what is around them."""
    seconds, launch = one_layer(lab, TUNED.get(name, STEP_7B))
    if name not in TUNED:
        known = layer(lab, MODELS["7b"], "fused", "decode").bytes
        seconds += (layer(lab, model, "fused", "decode").bytes - known) / streamed(lab)
    launches = model.layers + AROUND
    hardware = model.layers * (seconds + launch) + around(lab, {"C": model.sizes["C"], "V": model.sizes["V"]})
    return from_hardware(lab.machine, launches, model.layers * seconds, hardware)
