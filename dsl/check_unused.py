"""Warns of kernels that nothing launches and of what nothing uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rdflow.dsl import syntax
from rdflow.dsl.checked import Carry, Kernel, Store, bounds_of, sources_of, streams_of
from rdflow.dsl.libraries import mentioned
from rdflow.dsl.program import Program
from rdflow.dsl.report import Reporter
from rdflow.dsl.steps import CopyCall, LaunchCall, LaunchSpec, Step


def _takes_tensors(kernel: syntax.Kernel) -> bool:
    """A kernel with tensor parameters reaches these alone; one without reaches the program's."""
    return any(isinstance(parameter.type, syntax.TensorType) for parameter in kernel.parameters)


def unlaunched(program: Program, walked: Iterable[Step], report: Reporter) -> None:
    """Warn about kernels that were not checked, because nothing says with which arguments they run."""
    launched = {step.spec.kernel for step in walked if isinstance(step, LaunchCall) and not step.spec.home}
    somewhere = set(mentioned(program.schedule.statements)) if program.schedule is not None else set()
    for name, kernel in program.kernels.items():
        if name not in launched | somewhere | set(program.brought):
            call = (
                f"launch {name}({', '.join(p.name.text for p in kernel.parameters)})"
                if kernel.parameters
                else f"launch {name}"
            )
            report.warn(
                "RDF062",
                f"nothing launches `{name}`",
                [(kernel.name.span, "not checked")],
                notes=[
                    "a kernel is mapped for the lengths and scalars of a launch; without one there is nothing to check"
                ],
                help=f"`schedule {{ {call} }}`",
            )


def _given(walked: Iterable[Step]) -> Iterator[str]:
    """Tensors that experts are given, or that are copied to: who writes them is not to be seen here."""
    for step in walked:
        if isinstance(step, LaunchCall):
            yield from (argument.tensor for _, argument in step.bound)
            if step.spec.home:
                yield from (argument.tensor for argument in step.arguments if argument is not None)
        elif isinstance(step, CopyCall):
            yield step.target.tensor


def unused(program: Program, kernels: Mapping[LaunchSpec, Kernel], walked: Iterable[Step], report: Reporter) -> None:
    """Warn about streams that nobody reads and outputs that nobody writes."""
    written = set(_given(walked))
    own = {spec: kernel for spec, kernel in kernels.items() if not spec.home}
    for spec, kernel in own.items():
        read = {s.name for line in kernel.lines for s in sources_of(line)}
        read |= {line.feedback for line in kernel.lines if isinstance(line, Carry)}
        read |= {name for line in kernel.lines for name in bounds_of(line)}
        for line in kernel.lines:
            if isinstance(line, Store):
                written.add(line.view.tensor.name)
            for stream in streams_of(line):
                if stream.name not in read and "." not in stream.name:
                    report.warn(
                        "RDF042",
                        f"nothing reads `{stream.name}`",
                        [(stream.span, "its tokens go nowhere")],
                        notes=[
                            "the unit would be configured and run for nothing; it is kept, and its tokens are dropped"
                        ],
                        help="store it, use it, or delete the line",
                    )
        if _takes_tensors(program.kernels[spec.kernel]):
            written.update(t for t in program.tensors)
    for tensor in program.tensors.values():
        if tensor.direction in ("output", "input output") and kernels and tensor.name not in written:
            report.warn(
                "RDF055",
                f"no kernel writes the output `{tensor.name}`",
                [(tensor.span, "it stays as it is given" if tensor.given else "it stays zero")],
                help=f"`store .. -> {tensor.name}`",
            )
