"""Rows of fusion: table I, and how many kernels are launched."""

from __future__ import annotations

from rdflow.paper.measures import Counted, Lab
from rdflow.paper.rows import OPEN, Ours

MONARCH = {"unfused": "monarch_fft_unfused", "partial": "monarch_fft_partial", "fused": "monarch_fft"}
LLAMA_2_7B = {"NL": 32, "C": 4096, "F": 11008, "V": 32000, "G": 32, "R": 1, "W": 64, "D": 8, "T": 4096, "U": 8192}
LLAMA_2_70B = LLAMA_2_7B | {"NL": 80, "C": 8192, "F": 28672, "G": 8, "R": 8}
SIZES = {"7b": LLAMA_2_7B, "70b": LLAMA_2_70B}
FORMS = {"unfused": "llama_operators", "fused": "llama_layers"}
ROOM = 64  # for new tokens in the caches
BATCH = {"prefill": 8, "decode": 1}
SHAPES = {"C": 64, "F": 64, "V": 64, "G": 8, "W": 4, "T": 40, "U": 48}  # launches depend on the layers alone


def table1(lab: Lab, row: str) -> Ours:
    """FLOP per byte of HBM, by the paper's count or of all that moves."""
    level, _, everything = row.partition("_")
    program = MONARCH[level]
    found = lab.measure(program)
    moved = found.bytes if everything else found.counted
    return Ours(found.flops / moved, f"{program}: {found.flops:,} FLOP over {moved:,} bytes that moved")


def figure10(lab: Lab, row: str) -> Ours:
    """Fused over unfused: open until both forms run at full width."""
    return Ours(None, "no programs of that size in both forms yet", OPEN)


def figure11(lab: Lab, row: str) -> Ours:
    """A kernel an operator beside one or two a layer: launches of the schedules, bytes and intensity of a layer by formula."""
    what, phase, *rest = row.split("_") if row.startswith(("bytes", "intensity")) else ("launches", *row.split("_"))
    if what == "launches":
        unfused, fused = (_launches(lab, program, phase, *rest) for program in FORMS.values())
        return Ours(unfused / fused, f"{unfused:,} launches of llama_operators over {fused:,} of llama_layers")
    if what == "bytes":
        many, few = (_layer(lab, program, phase, rest[0]).bytes for program in FORMS.values())
        return Ours(many / few, f"{many / 1e6:,.0f} MB of llama_operators over {few / 1e6:,.0f} of llama_layers")
    found = _layer(lab, FORMS[rest[1]], phase, rest[0])
    return Ours(found.intensity, f"{FORMS[rest[1]]}: {found.flops / 1e9:,.2f} GFLOP over {found.bytes / 1e6:,.0f} MB")


def _launches(lab: Lab, program: str, phase: str, size: str = "7b") -> int:
    """Of a prompt, or of one step after it."""
    return _phase(lab, program, phase, SIZES[size] | SHAPES | {"R": 1}).launches


def _layer(lab: Lab, program: str, phase: str, size: str) -> Counted:
    """Of a decoder layer at full width: what two layers have beyond one."""
    sizes = SIZES[size] | {"B": BATCH[phase], "U": LLAMA_2_7B["T"] + ROOM}
    one, two = (_phase(lab, program, phase, sizes | {"NL": layers}) for layers in (1, 2))
    return two - one


def _phase(lab: Lab, program: str, phase: str, settings: dict[str, int]) -> Counted:
    """Of a prompt, or of one step after it."""
    first = lab.counted(program, **settings, M=1)
    return first if phase == "prefill" else lab.counted(program, **settings, M=2) - first
