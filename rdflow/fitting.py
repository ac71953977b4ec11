"""Whether programs fit a machine, without placing anything: `check` has no time for more."""

from __future__ import annotations

from rdflow.dsl.check import Checked
from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.elaborate import elaborate
from rdflow.interpreter.allocate import socket_errors, tier_errors
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.sockets import node_errors


def too_large(checked: Checked, machine: Machine) -> list[Diagnostic]:
    """What does not fit a socket or a memory tier (RDF206, RDF207), kernel by kernel."""
    netlists = (elaborate(checked.kernels[spec], chosen(machine)) for spec in checked.launches)
    return [
        d
        for netlist in netlists
        for d in (*node_errors(netlist, machine), *socket_errors(netlist, machine), *tier_errors(netlist, machine))
    ]
