"""Whether programs fit a machine, without placing anything: `check` has no time for more."""

from __future__ import annotations

from rdflow.dsl.check import Checked
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.elaborate import elaborate
from rdflow.interpreter.allocate import socket_errors
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.memory import plan
from rdflow.interpreter.sockets import node_errors


def too_large(checked: Checked, machine: Machine) -> list[Diagnostic]:
    """What does not fit a socket, kernel by kernel (RDF206), or the memories, over the schedule (RDF207, RDF211, RDF212)."""
    netlists = (elaborate(checked.kernels[spec], chosen(machine)) for spec in checked.launches)
    found = [d for netlist in netlists for d in (*node_errors(netlist, machine), *socket_errors(netlist, machine))]
    try:
        return [*found, *plan(checked, machine).warnings]
    except CompileError as error:
        return [*found, *error.diagnostics]
