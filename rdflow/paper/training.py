"""The row of figure 10 for training: a step of Llama-2-7B's blocks, a kernel an operator, over one whose blocks are six kernels each.

Kernels of both forms are simulated at their size on one sequence: operators as an eighth of a block on one socket, with the all-reduces
of a prompt beside them; fused kernels that exchange something on all sockets. A batch takes as much longer as it has sequences, but
for the optimizer of the unfused form, whose kernels are launched once; the fused form counts its own for each sequence.
"""

from __future__ import annotations

from collections.abc import Iterable

from rdflow.dsl.arithmetic import Value
from rdflow.paper.measures import Lab
from rdflow.paper.models import LLAMA, MODELS
from rdflow.paper.prompting import Kind, Prompt, launched, prompted
from rdflow.paper.prompts import FULL, STREAMS, copies, sizes
from rdflow.paper.rows import Ours
from rdflow.paper.stepping import Stepped, on_timetables

UNFUSED, FUSED = "llama_train_unfused", "llama_train_layer"
SEQUENCES = 4  # as many as HBM has room for, with the scores of each layer kept
ONCE = "adamw"  # kernels of the optimizer: once for the batch
REDUCES = 4  # all-reduces of a block: after two products, and before two others on the way back
MODEL = "7b"
SOCKETS = 8
COPIES = STREAMS | {"PM": 5, "PN": 172, "PB": 64, "PA": 4, "UG": 4, "UE": 2, "GN": 8, "GK": 64}


def train(lab: Lab) -> Ours:
    """By software over unfused. Raises NotRun."""
    few = stepped(lab, ((kind, kind.launches) for kind in fused(lab).kinds))
    many = stepped(lab, [*((kind, kind.launches) for kind in unfused(lab).kinds), (reduce(lab), REDUCES)])
    gain = few.software / few.hardware
    return Ours(
        many.software / few.software,
        f"{many.launches:,} launches in {many.software:.3f} s ({many.executed:.3f} of execution) over {few.launches:,} in "
        f"{few.software:.3f} ({few.hardware:.3f} by hardware, {gain:.2f} times as fast), {SEQUENCES} sequences",
    )


def stepped(lab: Lab, block: Iterable[tuple[Kind, int]]) -> Stepped:
    """All blocks, of kinds that a block launches so many times."""
    layers = MODELS[MODEL].layers
    return on_timetables(
        lab.machine,
        (
            (kind.kernel, kind.configured, kind.cycles * (1 if kind.kernel.startswith(ONCE) else SEQUENCES))
            for kind, launches in block
            for _ in range(layers * launches)
        ),
    )


def unfused(lab: Lab) -> Prompt:
    """The operators of a block, one sequence, of what one socket has. Raises NotRun."""
    lengths: dict[str, Value] = {name: LLAMA[name] for name in ("C", "R", "W")}
    own = lengths | {"T": MODELS[MODEL].prompt, "G": LLAMA["G"] // SOCKETS, "V": LLAMA["F"] // SOCKETS} | COPIES
    own["PH"] = int(FULL * lab.machine.pcus) // COPIES["PB"]
    return launched(lab, UNFUSED, own, own)


def reduce(lab: Lab) -> Kind:
    """The all-reduce of a prompt. Raises NotRun."""
    model = MODELS[MODEL]
    prompt = prompted(lab, model.program("unfused"), **sizes(model), **copies(lab, MODEL))
    return next(kind for kind in prompt.kinds if kind.kernel == "reduce")


def fused(lab: Lab) -> Prompt:
    """The kernels of a block, one sequence. Raises NotRun."""
    return launched(lab, FUSED, whole(), whole() | {"G": 1, "F": LLAMA["F"] // SOCKETS})


def whole() -> dict[str, Value]:
    """Of the fused kernels, what all sockets have."""
    lengths: dict[str, Value] = {name: LLAMA[name] for name in ("C", "F", "R", "W")}
    return lengths | {"T": MODELS[MODEL].prompt, "G": SOCKETS, "K": LLAMA["G"] // SOCKETS}
