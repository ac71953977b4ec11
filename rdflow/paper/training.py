"""The row of figure 10 for training: a step of Llama-2-7B's blocks, a kernel an operator, over one whose blocks are two kernels each.

Nothing of it is simulated: kernels of `llama_train_unfused` have no copies, and `llama_train` keeps gradients on the chip, for which
a socket is too small at this size. Operators reach what those of the simulated prompt reach; the fused step takes three times the
FLOPs of a layer of a prompt, at the rate of the simulated one.
"""

from __future__ import annotations

from rdflow.paper.likened import modelled
from rdflow.paper.measures import Lab
from rdflow.paper.models import LLAMA, MODELS
from rdflow.paper.prompting import Prompt, prompted
from rdflow.paper.prompts import TUNED, copies, measured, sizes
from rdflow.paper.rows import Ours
from rdflow.paper.stepping import Stepped, from_hardware, on_timetables

UNFUSED = "llama_train_unfused"
SEQUENCES = 4  # as many as HBM has room for, with the scores of each layer kept
ONCE = "adamw"  # kernels of the optimizer: once for the batch
REDUCES = 4  # all-reduces of a block: after two products, and before two others on the way back
BACK = 2  # times the FLOPs of the way there: a product for the input of each, and one for its weights
KERNELS = 2  # of a fused block
MODEL = "7b"


def train(lab: Lab) -> Ours:
    """By software over unfused. Raises NotRun."""
    model = MODELS[MODEL]
    prompt = prompted(lab, model.program("unfused"), **sizes(model), **copies(lab, MODEL))
    many, few = unfused(lab, prompt, block(lab, prompt)), fused(lab)
    gain = few.software / few.hardware
    return Ours(
        many.software / few.software,
        f"{many.launches:,} launches in {many.software:.3f} s ({many.executed:.3f} of execution) over {few.launches:,} in "
        f"{few.software:.3f} ({few.hardware:.3f} by hardware, {gain:.2f} times as fast), {SEQUENCES} sequences",
    )


def block(lab: Lab, prompt: Prompt) -> Prompt:
    """The launches of a block, one sequence. The program has all heads on one socket: what every socket would have whole counts
    as shared out too, in favour of operators."""
    lengths = {name: n for name, n in LLAMA.items() if name in ("C", "G", "R", "W")} | {"V": LLAMA["F"]}
    return modelled(lab, prompt, UNFUSED, lab.machine.node.sockets, **lengths, T=MODELS[MODEL].prompt)


def unfused(lab: Lab, prompt: Prompt, one: Prompt) -> Stepped:
    """All blocks, with their all-reduces, as a prompt has them."""
    layers = MODELS[MODEL].layers
    reduces = next(kind for kind in prompt.kinds if kind.kernel == "reduce")
    kinds = [(kind, kind.launches) for kind in one.kinds] + [(reduces, REDUCES)]
    return on_timetables(
        lab.machine,
        (
            (kind.kernel, kind.configured, kind.cycles * (1 if kind.kernel.startswith(ONCE) else SEQUENCES))
            for kind, launches in kinds
            for _ in range(layers * launches)
        ),
    )


def fused(lab: Lab) -> Stepped:
    """Two kernels a block; the optimizer's bytes pass beside its products."""
    layers, one = MODELS[MODEL].layers, measured(lab, TUNED[MODEL])
    seconds = (1 + BACK) * SEQUENCES * one.seconds
    launches = KERNELS * layers
    hardware = layers * seconds + launches * (one.total - one.seconds)
    return from_hardware(lab.machine, launches, layers * seconds, hardware)
