"""The row of figure 10 for training the sparse 13B: a step of its blocks, a kernel an operator, over one in three kernels a block.

Nothing of it is simulated at its size. Each socket has all weights that are kept and a sequence of its own, and what sockets tell each
other of gradients is left out of both forms. Operators reach what those of Llama-2-7B's training reach of what memory and units
allow, by groups; the fused block does the FLOPs of the unfused one at the rate of Llama-2-7B's fused block, and its optimizer takes
as long as the unfused one, with nothing beside it.
"""

from __future__ import annotations

from rdflow import api
from rdflow.paper import training
from rdflow.paper.likened import modelled
from rdflow.paper.measures import Lab
from rdflow.paper.models import LLAMA
from rdflow.paper.prompting import Kind, Prompt
from rdflow.paper.rows import Ours

UNFUSED, FUSED = "gpt_train_unfused", "gpt_train"
HIDDEN, HEAD = 5120, 2 * LLAMA["W"]  # of GPT 13B: heads as wide as those of Llama, an MLP four times HIDDEN
HEADS = HIDDEN // HEAD
BLOCKS = HEADS  # it has as many
SIZES = {"T": 2048, "H0": HEADS, "N": HEAD, "F": 4 * HEADS, "SPARSE": 8}
ONCE = {"cast"}  # before the first step


def train_sparse(lab: Lab) -> Ours:
    """By software over unfused. Raises NotRun."""
    block = operators(lab)
    many = _blocks(block).stepped(lab.machine, 1)
    few = _blocks(fused(lab, block)).stepped(lab.machine, 1)
    return Ours(
        many.software / few.software,
        f"{many.launches:,} launches in {many.software:.3f} s ({many.executed:.3f} of execution) over {few.launches:,} in "
        f"{few.software:.3f} ({few.hardware:.3f} by hardware), a sequence a socket; modelled by kernels of Llama-2-7B's training",
    )


def operators(lab: Lab) -> Prompt:
    """Of a block, likened. Raises NotRun."""
    return modelled(lab, training.unfused(lab), UNFUSED, **SIZES)


def fused(lab: Lab, unfused: Prompt) -> Prompt:
    """A block in as many kernels as `gpt_train` launches for a step, alike; each takes all units that one of Llama's does."""
    schedule = api.load(FUSED).checked
    launches = sum(call.spec.kernel not in ONCE for call in schedule.calls(schedule.steps.steps))
    optimizer = sum(k.launches * k.cycles for k in unfused.kinds if k.kernel.startswith(training.ONCE))
    known = training.fused(lab)
    cycles = lab.counted(UNFUSED, **SIZES).flops / rate(lab, known) + optimizer
    configured = max(kind.configured for kind in known.kinds)
    return Prompt((Kind(FUSED, launches, round(cycles / launches), configured, 0),))


def rate(lab: Lab, known: Prompt) -> float:
    """FLOP a cycle of a socket in the fused block of Llama-2-7B."""
    done = lab.counted(training.FUSED, **training.whole()).flops
    return done / (training.SOCKETS * known.cycles)


def _blocks(block: Prompt) -> Prompt:
    return Prompt(tuple(Kind(k.kernel, BLOCKS * k.launches, k.cycles, k.configured, k.least) for k in block.kinds))
