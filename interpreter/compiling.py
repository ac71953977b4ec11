"""From a checked kernel to one that is mapped to a machine."""

from __future__ import annotations

from rdflow.dsl.checked import Kernel
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.collectives import Form
from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.elaborate import elaborate
from rdflow.interpreter.allocate import unit_table
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.mapping import map_netlist


def compiled(kernel: Kernel, machine: Machine, collective: Form | None) -> Compiled:
    """A kernel elaborated, placed and routed. `collective`: the form of sums over sockets. Raises CompileError where it has
    no room."""
    netlist = coalesce(elaborate(kernel, chosen(machine, collective)))
    try:
        mapped, floorplan = map_netlist(netlist, machine)
    except CompileError as error:
        raise CompileError(error.diagnostics, kernel.program.source) from None
    rows = unit_table(mapped.netlist, machine)
    configured = sum((row.pcus + row.pmus) * row.copies for row in rows)
    return Compiled(kernel, mapped, floorplan, configured)
