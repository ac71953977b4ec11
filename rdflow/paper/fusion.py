"""Rows of fusion: table I, and how many kernels are launched."""

from __future__ import annotations

from rdflow.paper.measures import Lab
from rdflow.paper.rows import OPEN, Ours

MONARCH = {"unfused": "monarch_fft_unfused", "partial": "monarch_fft_partial", "fused": "monarch_fft"}
LLAMA_2_7B = {"NL": 32, "C": 4096, "F": 11008, "V": 32000, "G": 32, "R": 1, "W": 64, "D": 8, "T": 4096, "U": 8192}
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
    """Launches of the schedule with a kernel an operator over those with one or two a layer."""
    unfused, fused = (_launches(lab, program, row) for program in ("llama_operators", "llama_layers"))
    return Ours(unfused / fused, f"{unfused:,} launches of llama_operators over {fused:,} of llama_layers")


def _launches(lab: Lab, program: str, phase: str) -> int:
    """Of a prompt, or of one step after it."""
    first, second = (lab.launches(program, **(LLAMA_2_7B | SHAPES), M=tokens) for tokens in (1, 2))
    return first if phase == "prefill" else second - first
