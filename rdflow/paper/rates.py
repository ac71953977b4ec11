"""Rows of token rates: the layers of a decoding step are simulated, all of them in one kernel, or one that is launched for each.

What is around them is modelled: the classifier streams its weights at the rate that the machine sustains; the embedding and
the choice are launches.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import prod
from types import MappingProxyType

from rdflow import api
from rdflow.dsl.program import Program as Declared
from rdflow.dsl.records import dataclass
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.paper.measures import Lab, Measured
from rdflow.paper.published import setup
from rdflow.paper.rows import Ours
from rdflow.unchecked import Unchecked

PROGRAM, WHOLE = "llama_decode", "llama"  # the layers as they are tuned; the model with what is around them
FEW = 2  # layers of a loop without what recurs
AROUND = 3  # launches beside the layers: embedding, classifier, choice
MORE = 6  # layers of a loop that the others follow, where all of them take too long
SHARED = {
    "G": 16,
    "R": 2,
    "J": 7,
    "X": 2,
    "Y": 8,
    "M": 4,
}  # of llama_decode, whose streams carry half of what they do on eight sockets
LARGE = {"C": 8192, "F": 28672, "NL": 80}
SEVENTY = {"K": 2, "R": 4, "P": 1, "Q": 1, "Z": 28}
"""of llama_decode for a model of 70B, with two heads of keys and values a socket, each with half of the queries of one: a loop
over eight queries a head is none of its forms"""
BF16 = 2
GIGA = 10**9


@dataclass(frozen=True, slots=True)
class Step:
    """A decoding step of all layers, in seconds: looped in one kernel, with a kernel a layer; what a layer adds to a loop; bytes
    of a layer, and of all of it, over all sockets."""

    looped: float
    apart: float
    layer: float
    layer_bytes: float
    bytes: float


def step(
    lab: Lab, tuned: Mapping[str, int] = MappingProxyType({}), sizes: Mapping[str, int] = MappingProxyType({})
) -> Step:
    """The step of a model at batch 1: `tuned` and `sizes` are params of the layers and of the whole
    model, by default Llama 3 8B. Raises NotRun."""
    layers = int(whole(tuple(sizes.items())).params["NL"])
    one, few, all_ = (lab.measure(PROGRAM, True, None, **{"B": 1, **tuned, "NL": n}) for n in (1, FEW, layers))
    beside = around(lab, sizes)
    layer, layer_bytes = ((b - a) / (layers - FEW) for a, b in ((few.seconds, all_.seconds), (few.bytes, all_.bytes)))
    apart = layers * (one.seconds + _launch(one)) + beside
    return Step(all_.total + beside, apart, layer, layer_bytes, layers * layer_bytes + _head(sizes))


def one_layer(lab: Lab, tuned: Mapping[str, int]) -> tuple[float, float]:
    """Seconds of a layer that is a kernel of its own, at batch 1: executed, and launched. Raises NotRun."""
    found = lab.measure(PROGRAM, True, None, **{"B": 1, **tuned, "NL": 1})
    return found.seconds, _launch(found)


def around(lab: Lab, sizes: Mapping[str, int]) -> float:
    """Seconds of a token beside its layers: embedding, classifier, choice."""
    return AROUND * _smallest(lab) + _head(sizes) / streamed(lab)


def _head(sizes: Mapping[str, int]) -> int:
    """Bytes of the classifier."""
    return prod(whole(tuple(sizes.items())).tensors["HEAD"].shape) * BF16


@cache
def whole(sizes: tuple[tuple[str, int], ...]) -> Declared:
    """The whole model of these sizes."""
    return Unchecked(api.find(WHOLE), dict(sizes), load_machine(api.MACHINE)).declared()


def _launch(found: Measured) -> float:
    """Seconds of a launch beside its execution."""
    return found.total - found.seconds


def _smallest(lab: Lab) -> float:
    """Seconds of a launch that configures next to nothing."""
    return float(lab.machine.launch.boundary + lab.machine.launch.arguments)


def streamed(lab: Lab) -> float:
    """Bytes a second of HBM that all sockets sustain."""
    return lab.machine.node.sockets * lab.machine.sustained(lab.machine.hbm)


def sixteen(lab: Lab) -> Machine:
    """Twice the sockets, each wired to each other one: the links of a socket carry as much in all."""
    links, peers = lab.machine.links, 2 * lab.machine.node.sockets - 1
    share = links.ports * links.bandwidth / peers
    return lab.machine.replace(node_sockets=peers + 1, links_ports=peers, links_bandwidth=f"{share / GIGA:.3f}GB/s")


def tokens16(lab: Lab) -> Ours:
    """Each head of keys and values on two sockets, of whose queries each socket has half: a model of twice the heads."""
    machine = sixteen(lab)
    token, layer = _token(lab, machine, SHARED, {})
    return Ours(1 / token, f"{PROGRAM} on {machine.node.sockets} sockets, {MORE} layers: {layer * 1e6:.2f} us a layer")


def tokens_70b(lab: Lab) -> Ours:
    """A large model on the node, its layers tuned for nothing but to fit."""
    token, layer = _token(lab, lab.machine, LARGE | SEVENTY, LARGE)
    return Ours(1 / token, f"{PROGRAM}, {MORE} layers: {layer * 1e6:.2f} us a layer")


def _token(lab: Lab, machine: Machine, tuned: Mapping[str, int], sizes: Mapping[str, int]) -> tuple[float, float]:
    """Seconds of a token whose layers follow a few of them, and of a layer."""
    other = None if machine is lab.machine else machine
    few, more = (lab.measure(PROGRAM, True, other, **{"B": 1, **tuned, "NL": n}) for n in (FEW, MORE))
    layer = (more.seconds - few.seconds) / (MORE - FEW)
    head = _head(sizes) / (machine.node.sockets * machine.sustained(machine.hbm))
    left = int(whole(tuple(sizes.items())).params["NL"]) - MORE
    return more.total + left * layer + AROUND * _smallest(lab) + head, layer


def looping16(lab: Lab) -> Ours:
    """What looping gives where layers are shortest: on sixteen sockets, over a kernel a layer."""
    machine, layers = sixteen(lab), int(whole(()).params["NL"])
    one = lab.measure(PROGRAM, True, machine, **{"B": 1, **SHARED, "NL": 1})
    token, _ = _token(lab, machine, SHARED, {})
    head = _head({}) / (machine.node.sockets * machine.sustained(machine.hbm))
    apart = layers * (one.seconds + _launch(one)) + AROUND * _smallest(lab) + head
    return Ours(
        apart / token, f"{PROGRAM} on {machine.node.sockets} sockets: {1e6 * one.total:.1f} us a kernel of a layer"
    )


ALONE = {"tokens16": tokens16, "tokens8_70b": tokens_70b, "looping_most": looping16}


def rates(lab: Lab, row: str) -> Ours:
    """Tokens a second, what looping gives, what of the peak is reached, and what a layer takes beside its bytes."""
    if row in ALONE:
        return ALONE[row](lab)
    found = step(lab)
    how = f"{PROGRAM}, all layers: {found.layer * 1e6:.2f} us a layer"
    match row:
        case "tokens8_looped":
            return Ours(1 / found.looped, how)
        case "sockets16":
            token, _ = _token(lab, sixteen(lab), SHARED, {})
            return Ours(found.apart / token, "rates.tokens16 over rates.tokens8_apart")
        case "tokens8_apart":
            return Ours(1 / found.apart, f"{PROGRAM} with one layer, launched for each")
        case "looping":
            return Ours(found.apart / found.looped, f"the two rows before this one; {how}")
        case "peak":
            peak = lab.machine.node.sockets * setup("peak")
            return Ours(found.bytes / found.looped / peak, f"{found.bytes / 1e9:.2f} GB a token; {how}")
        case "streamed":
            share = found.layer_bytes / found.layer / (lab.machine.node.sockets * lab.machine.hbm.bandwidth)
            return Ours(share, f"{found.layer_bytes / 1e6:.1f} MB a layer; {how}")
    return Ours((found.layer - found.layer_bytes / streamed(lab)) * 1e6, how)
