"""Kernels that are not simulated, likened to those of a simulated prompt: of what memory and units allow they reach as much."""

from __future__ import annotations

from rdflow import api
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.launched import launched_kernel
from rdflow.dsl.steps import LaunchCall
from rdflow.paper.measures import Lab
from rdflow.paper.prompting import Kind, Prompt, least

GROUPS = {
    "reduce": ("reduce",),
    "attention": ("score", "mix", "seen"),
    "products": ("project", "biased", "gemm", "back_", "grad_"),
    "around": ("embed", "norm_last", "layer_norm_last", "classify", "choose"),
}  # by how their names begin; all others go through row by row


def group(kernel: str) -> str:
    return next((name for name, starts in GROUPS.items() if kernel.startswith(starts)), "rows")


def likened(prompt: Prompt, kernel: str, cycles: float) -> tuple[int, int]:
    """Units that a kernel configures, and cycles that it takes, where `cycles` are the least for its bytes and FLOPs."""
    kinds = [kind for kind in prompt.kinds if group(kind.kernel) == group(kernel)]
    reached = sum(kind.launches * kind.least for kind in kinds) / sum(kind.launches * kind.cycles for kind in kinds)
    return max(kind.configured for kind in kinds), round(cycles / reached)


def modelled(lab: Lab, prompt: Prompt, program: str, sockets: int | None = None, **settings: Value) -> Prompt:
    """The launches of a program, each likened to those of a simulated prompt. `sockets`: that share out what is on one."""
    checked = api.load(program, **settings).on(lab.machine).checked
    alike: dict[object, list[LaunchCall]] = {}
    for call in checked.calls(checked.steps.steps):
        alike.setdefault((call.spec, call.scalars), []).append(call)
    found = []
    for calls in alike.values():
        name = calls[0].spec.kernel
        at_best = least(launched_kernel(checked.kernel(calls[0].spec), calls[0].numbers), lab.machine, sockets)
        configured, cycles = likened(prompt, name, at_best)
        found.append(Kind(name, len(calls), cycles, configured, at_best))
    return Prompt(tuple(found))
