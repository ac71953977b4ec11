"""Rows that follow from capacities and copies: figure 13, where a DGX is out of memory, and switching."""

from __future__ import annotations

from rdflow.paper import composition
from rdflow.paper.measures import Lab
from rdflow.paper.models import LLAMA_2_7B
from rdflow.paper.published import setup
from rdflow.paper.rates import step
from rdflow.paper.rows import Ours

TB = 10**12
TIB = 2**40
ELEMENT = 2  # bytes of bf16, in which experts are kept


def figure13(lab: Lab, row: str) -> Ours:
    """Nodes for a number of experts, each whole in one node."""
    expert, many = setup("expert_bytes"), setup("many")
    rival, node = lab.rivals["a100"].memory // expert, ddr(lab) // expert
    match row:
        case "rival":
            return Ours(nodes(many, rival), f"{rival} experts in the HBM of dgx_a100")
        case "node":
            return Ours(nodes(many, node), f"{node} experts in the DDR of sn40l")
        case "ratio":
            return Ours(nodes(many, rival) / nodes(many, node), "the two rows before this one")
        case "most":
            return Ours(last(node), f"{node} experts in the DDR of sn40l; numbers of the figure")
        case "most_decimal":
            decimal = ddr(lab) * TB // TIB // expert
            return Ours(last(decimal), f"{decimal} experts in as many TB as sn40l has TiB")
    return Ours(rival, "HBM of dgx_a100 over the bytes of an expert")


def ddr(lab: Lab) -> int:
    """Bytes of DDR in a node."""
    return lab.machine.node.sockets * lab.machine.ddr.capacity


def nodes(experts: int, each: int) -> int:
    return -(-experts // each)


def last(most: int) -> int:
    """The last number of the figure's grid that is not above."""
    first, step = setup("first"), setup("step")
    return first + (most - first) // step * step


def figure12(lab: Lab, row: str) -> Ours:
    """How many experts the memory of the host holds; else what a batch takes."""
    if not row.startswith("memory"):
        return composition.figure12(lab, row)
    rival = lab.rivals[row.removeprefix("memory_")]
    return Ours(
        rival.host.capacity // setup("expert_bytes"), f"host memory of {rival.name} over the bytes of an expert"
    )


def table5(lab: Lab, row: str) -> Ours:
    """The simulated copy of an expert from DDR to HBM over all sockets, alone or beside a host link; experts on rivals."""
    if row.startswith("expert"):
        return _expert(lab, *row.split("_")[1:])
    if row == "token":
        token = step(lab, composition.STEP_7B, LLAMA_2_7B)
        return Ours(token.looped * 1e3, f"llama_decode as Llama-2-7B: {token.layer * 1e6:.2f} us a layer")
    if row.startswith(("overall", "alone")):
        return composition.speedup(lab, row)
    found = lab.measure("ddr_to_hbm", N=setup("expert_bytes") // ELEMENT, SOCKETS=lab.machine.node.sockets)
    rate = setup("expert_bytes") / found.seconds
    how = f"ddr_to_hbm: an expert in {found.seconds * 1e3:.2f} ms"
    if row == "copy_rate":
        return Ours(rate / TB, how)
    rival = lab.rivals[row.removeprefix("switch_")]
    return Ours(rate / rival.host.bandwidth, f"{how}, over the host link of {rival.name}")


def _expert(lab: Lab, name: str, tokens: str) -> Ours:
    """A Llama-2-7B by the roofline model, from its prompt to so many tokens."""
    sizes = LLAMA_2_7B | {"T": setup("prompt"), "M": int(tokens)}
    seconds, kernels = lab.modelled(name, "llama", **sizes)
    return Ours(seconds * 1e3, f"llama as Llama-2-7B on {lab.rivals[name].name}: {kernels:,} GPU kernels")
