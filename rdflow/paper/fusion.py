"""Rows of fusion: table I, and how many kernels are launched."""

from __future__ import annotations

from rdflow.paper.measures import Counted, Lab, Measured
from rdflow.paper.models import FORMS, MODELS, Model
from rdflow.paper.rows import Ours

MONARCH = {"unfused": "monarch_fft_unfused", "partial": "monarch_fft_partial", "fused": "monarch_fft"}
SEQUENCES = 8  # of a convolution: sixteen take three times as long to simulate, and as long each
ROOM = 64  # for new tokens in the caches
BATCH = {"prefill": 8, "decode": 1}
SHAPES = {"C": 64, "F": 64, "V": 64, "G": 8, "D": 8, "T": 40, "U": 48}  # launches depend on the layers alone


def table1(lab: Lab, row: str) -> Ours:
    """FLOP per byte of HBM, by the paper's count or of all that moves."""
    level, _, everything = row.partition("_")
    program = MONARCH[level]
    found = lab.measure(program)
    moved = found.bytes if everything else found.counted
    return Ours(found.flops / moved, f"{program}: {found.flops:,} FLOP over {moved:,} bytes that moved")


def convolution(lab: Lab) -> Ours:
    """FlashFFTConv fused over unfused, launches and all."""
    many, one = (lab.measure(program, True, NB=SEQUENCES) for program in ("fftconv_unfused", "fftconv"))
    times = f"{many.launches} launches of fftconv_unfused in {_us(many)}, fftconv in {_us(one)}"
    return Ours(many.total / one.total, f"{SEQUENCES} sequences: {times}")


def _us(found: Measured) -> str:
    return f"{found.total * 1e6:,.0f} us ({found.seconds * 1e6:,.0f} of execution)"


def figure11(lab: Lab, row: str) -> Ours:
    """A kernel an operator beside one or two a layer: launches of the schedules, bytes and intensity of a layer by formula."""
    what, phase, *rest = row.split("_") if row.startswith(("bytes", "intensity")) else ("launches", *row.split("_"))
    model = MODELS[rest[0] if rest else "7b"]
    unfused, fused = (model.program(form) for form in FORMS)
    if what == "launches":
        many, few = (_launches(lab, model, form, phase) for form in FORMS)
        return Ours(many / few, f"{many:,} launches of {unfused} over {few:,} of {fused}")
    if what == "bytes":
        most, least = (layer(lab, model, form, phase).bytes / 1e6 for form in FORMS)
        return Ours(most / least, f"{most:,.0f} MB of {unfused} over {least:,.0f} of {fused}")
    found = layer(lab, model, rest[1], phase)
    how = f"{found.flops / 1e9:,.2f} GFLOP over {found.bytes / 1e6:,.0f} MB"
    return Ours(found.intensity, f"{model.program(rest[1])}: {how}")


def _launches(lab: Lab, model: Model, form: str, phase: str) -> int:
    """Of a prompt, or of one step after it."""
    return _phase(lab, model.program(form), phase, SHAPES | model.heads | {"NL": model.layers}).launches


def layer(lab: Lab, model: Model, form: str, phase: str) -> Counted:
    """Of a decoder layer at full width: what two layers have beyond one."""
    sizes = model.sizes | {"D": 8, "B": BATCH[phase], "T": model.prompt, "U": model.prompt + ROOM}
    one, two = (_phase(lab, model.program(form), phase, sizes | {"NL": layers}) for layers in (1, 2))
    return two - one


def _phase(lab: Lab, program: str, phase: str, settings: dict[str, int]) -> Counted:
    """Of a prompt, or of one step after it."""
    first = lab.counted(program, **settings, M=1)
    return first if phase == "prefill" else lab.counted(program, **settings, M=2) - first
