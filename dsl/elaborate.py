"""From a checked kernel to a netlist: a unit for every line, its copies unrolled, their queues joined."""

from __future__ import annotations

from rdflow.dsl.checked import Carry, Compute, Hold, Kernel, Line, Load, Route, Store
from rdflow.dsl.collectives import Choose, direct
from rdflow.dsl.drafts import Draft
from rdflow.dsl.elaborate_accesses import Accesses
from rdflow.dsl.elaborate_carry import close_carry, elaborate_carry
from rdflow.dsl.elaborate_compute import elaborate_compute
from rdflow.dsl.elaborate_hold import elaborate_hold
from rdflow.dsl.elaborate_merge import elaborate_merge
from rdflow.dsl.elaborate_split import elaborate_split
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.nets import Nets
from rdflow.dsl.scalars import connect_scalars


def elaborate(kernel: Kernel, form: Choose = direct) -> Netlist:
    """The netlist of a kernel. `form` chooses how sums over sockets are made, by what they move."""
    return _Elaboration(kernel, form).run()


class _Elaboration:
    """A kernel while its netlist is made."""

    def __init__(self, kernel: Kernel, form: Choose):
        self.kernel = kernel
        self.form = form
        self.nets = Nets(kernel)
        self.accesses = Accesses(self.nets)
        self.carries: list[tuple[Carry, list[Draft]]] = []

    def run(self) -> Netlist:
        for line in self.kernel.lines:
            self._line(line)
        for carry, drafts in self.carries:
            if carry.over:
                close_carry(self.nets, carry, drafts)
        connect_scalars(self.nets)
        return self.nets.finish()

    def _line(self, line: Line) -> None:
        match line:
            case Load():
                self.accesses.load(line)
            case Store():
                self.accesses.store(line)
            case Hold():
                elaborate_hold(self.nets, line)
            case Compute():
                elaborate_compute(self.nets, line, self.form)
            case Carry():
                self.carries.append((line, elaborate_carry(self.nets, line)))
            case Route(merge=True):
                elaborate_merge(self.nets, line)
            case Route():
                elaborate_split(self.nets, line)
