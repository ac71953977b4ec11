"""A session as a file."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.parse import parse
from rdflow.dsl.source import Source
from rdflow.session_check import Examined
from rdflow.session_state import KERNEL, State


def canonical(state: State, found: Examined) -> str:
    """The session as a file: declarations, kernels, the schedule, in the form of `rdflow fmt`."""
    from rdflow.dsl.format import format_module

    before: list[str] = []
    kernels: list[list[str]] = []
    after: list[str] = []
    comments: list[str] = []
    headed = False
    for (offset, entry), (items, lines, _) in zip(state.placed(), found.parts, strict=True):
        text = "\n".join([*comments, entry])
        if not items and not lines:
            comments = [*comments, entry] if entry.strip() else comments
            continue
        comments = []
        declared = [item for item in items if isinstance(item, syntax.Kernel)]
        if declared:
            end = declared[-1].span.end - offset - 1 + len(text) - len(entry)
            kernels.append([text[:end], text[end:]])
            headed = True
        elif lines:
            if not headed:
                kernels.append([f"kernel {found.kernel if len(kernels) == 0 else KERNEL} {{\n", "}"])
                headed = True
            kernels[-1].insert(-1, text + "\n")
        elif isinstance(items[0], syntax.Schedule):
            after.append(text)
        else:
            before.append(text)
    bodies = ["".join([k[0].rstrip() + "\n", *k[1:]]) for k in kernels]
    text = "\n\n".join(["\n".join(before), *bodies, *after, "\n".join(comments)]).strip() + "\n"
    module, mistakes = parse(Source(state.name, text))
    assert not mistakes, f"the session cannot be written as a file: {mistakes[0].message}"
    return format_module(module)
