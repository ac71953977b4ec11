"""Rows of figure 10 for prompts: a prompt in a kernel an operator that the host launches, and in a kernel a layer, launched by the
host or by the chip itself.

Operators are simulated at their size on one sequence, and so is a fused layer where `llama_prefill_layer` has it; else it takes its
FLOPs at the rate of Llama-2-7B's. A launch of a batch takes as much longer as it has sequences, in both forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from rdflow.dsl.records import dataclass
from rdflow.paper.composition import PROMPT_7B
from rdflow.paper.fusion import BATCH, layer
from rdflow.paper.measures import Lab, Measured
from rdflow.paper.models import MODELS, Model
from rdflow.paper.prompting import Prompt, prompted
from rdflow.paper.rates import AROUND, around
from rdflow.paper.rows import Ours
from rdflow.paper.stepping import Stepped, from_hardware

LAYER = "llama_prefill_layer"
ROOM = 64  # for new tokens in the caches
SEQUENCES = BATCH["prefill"]
STREAMS = {"XT": 32, "XP": 16, "PS": 16}  # of what HBM feeds, and copies of attention's products
LLAMA_COPIES = {"PM": 5, "PN": 172, "PO": 4 * 16}
COPIES: dict[str, dict[str, int]] = {
    "7b": LLAMA_COPIES,
    "mistral": {"PM": 4, "PN": 224, "PO": 4 * 16},
    "70b": {"PM": 4, "PN": 224, "PO": 8 * 16},
    "falcon": {"PM": 5, "PN": 176, "PO": 16 * 8},
    "bloom": {"PM": 2, "PN": 448, "PO": 14 * 16, "PH": 4, "PD": 2, "PE": 448},
    "llava": LLAMA_COPIES,
}  # of the products; PO are the heads of a socket times the tiles of outputs that each has. BLOOM's MLP has room for two
BARS = tuple(COPIES)
FULL = Fraction(4, 5)  # of a socket: where products to and from heads leave room
TUNED: dict[str, dict[str, int]] = {
    "7b": PROMPT_7B,
    "llava": PROMPT_7B,
    "mistral": {},
}  # params of the fused layer, by default Llama 3 8B


@dataclass(frozen=True, slots=True)
class Bar:
    """A model's prompt, unfused and fused."""

    unfused: Stepped
    fused: Stepped
    simulated: bool
    cycles: int
    """of the unfused one, a layer and sequence"""

    @property
    def gain(self) -> float:
        """Of fusing, where the host launches both."""
        return self.unfused.software / self.fused.software

    @property
    def launching(self) -> float:
        """Of launching what is fused by hardware."""
        return self.fused.software / self.fused.hardware

    def how(self) -> str:
        many, few = self.unfused, self.fused
        source = "simulated layer" if self.simulated else "layer by its FLOPs"
        return (
            f"{many.launches:,} launches in {many.software:.3f} s ({many.executed:.3f} of execution, {self.cycles:,} cycles a layer and sequence) over {few.launches:,} in "
            f"{few.software:.3f} ({few.hardware:.3f} by hardware; {source}), {SEQUENCES} sequences"
        )


def prompts(lab: Lab, what: str, name: str) -> Ours:
    """`prefill`: by software over unfused. `orchestrated`: by hardware over by software. `most`, `least`: of all models."""
    if name in BARS:
        found = bar(lab, name)
        return Ours(found.gain if what == "prefill" else found.launching, found.how())
    bars = {model: bar(lab, model) for model in BARS}
    gains = {model: one.gain if what == "prefill" else one.launching for model, one in bars.items()}
    return extreme(gains, name)


def extreme(gains: Mapping[str, float], name: str) -> Ours:
    """The `most` or the `least` of all models."""
    end = (max if name == "most" else min)(gains, key=gains.__getitem__)
    return Ours(gains[end], f"{end}, of " + ", ".join(f"{model} {gain:.2f}" for model, gain in gains.items()))


def bar(lab: Lab, name: str) -> Bar:
    """Raises NotRun."""
    model = MODELS[name]
    few, many = fused(lab, name, model), unfused(lab, name, model)
    return Bar(many.stepped(lab.machine, SEQUENCES), few, name in TUNED, many.cycles // model.layers)


def unfused(lab: Lab, name: str, model: Model) -> Prompt:
    """One sequence."""
    return prompted(lab, model.program("unfused"), **sizes(model), **copies(lab, name))


def copies(lab: Lab, name: str) -> dict[str, int]:
    """Params of its operators."""
    found = STREAMS | COPIES[name]
    return {"PH": int(FULL * lab.machine.pcus) // found["PO"]} | found


def sizes(model: Model) -> dict[str, int]:
    """Params of an unfused program: one sequence on eight sockets."""
    return model.sizes | {"NL": model.layers, "D": 8, "B": 1, "T": model.prompt, "U": model.prompt + ROOM}


def fused(lab: Lab, name: str, model: Model) -> Stepped:
    """A kernel a layer and what is around them."""
    one = measured(lab, TUNED.get(name, PROMPT_7B))
    seconds = SEQUENCES * one.seconds
    if name not in TUNED:
        seconds *= layer(lab, model, "fused", "prefill").flops / layer(lab, MODELS["7b"], "fused", "prefill").flops
    launches = model.layers + AROUND
    hardware = model.layers * (seconds + one.total - one.seconds) + around(
        lab, {"C": model.sizes["C"], "V": model.sizes["V"]}
    )
    return from_hardware(lab.machine, launches, model.layers * seconds, hardware)


def measured(lab: Lab, tuned: dict[str, int]) -> Measured:
    """The layer, simulated on one sequence of 4,096 ids."""
    return lab.measure(LAYER, True, None, **tuned, T=MODELS["7b"].prompt)
