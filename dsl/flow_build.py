"""From a checked kernel to a flow: the actors of every line, with some of their copies, as `elaborate` will join them."""

from __future__ import annotations

from rdflow.dsl.checked import Carry, Compute, Hold, Kernel, Line, Load, Route, Store
from rdflow.dsl.flow import Flow
from rdflow.dsl.flow_accesses import add_carry, add_load, add_store, close_carry
from rdflow.dsl.flow_builder import Builder
from rdflow.dsl.flow_compute import add_compute
from rdflow.dsl.flow_ends import Copies, one_copy
from rdflow.dsl.flow_tiles import add_hold, add_route


def build(kernel: Kernel, copies: Copies = one_copy) -> Flow:
    """The flow of a kernel with these copies of each line."""
    builder = Builder(kernel, copies)
    for number, line in enumerate(kernel.lines):
        builder.line = number
        _add(builder, line)
    for line in kernel.lines:
        if isinstance(line, Carry):
            close_carry(builder, line)
    return builder.flow


def _add(builder: Builder, line: Line) -> None:
    match line:
        case Load():
            add_load(builder, line)
        case Store():
            add_store(builder, line)
        case Hold():
            add_hold(builder, line)
        case Compute():
            add_compute(builder, line)
        case Carry():
            add_carry(builder, line)
        case Route():
            add_route(builder, line)
