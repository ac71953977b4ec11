"""A program at one length of prompts, as a server has it: its launches for a batch and for a prompt, and what each costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import partial

from rdflow.dsl.check import Checked
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.records import dataclass
from rdflow.dsl.steps import LaunchCall, LaunchSpec
from rdflow.interpreter.alike import Alike
from rdflow.interpreter.costs import Cost
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import advance, blank
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.restart import Restart

CODE = "RDF331"
Say = Callable[[str], None]
"""what is told what is being done"""


@dataclass
class Sized:
    """A program at one length of prompts. `own`: the launches for a batch; `experts`: by kind, those for a prompt."""

    execution: Execution
    own: list[LaunchCall]
    experts: dict[str, list[LaunchCall]]
    reads: bool
    say: Say
    _known: dict[object, Cost] = field(default_factory=dict, repr=False)
    _tables: dict[LaunchSpec, tuple[Restart, Alike]] = field(default_factory=dict, repr=False)

    def cost(self, call: LaunchCall) -> Cost:
        """A launch, simulated once with all that are alike."""
        call = self.execution.checked.settled(call)
        restart, alike = self._ready(call.spec)
        key = (call.spec, alike.key(call.numbers))
        if key not in self._known:
            self._known[key] = self._simulated(call, restart)
        return self._known[key]

    def _ready(self, spec: LaunchSpec) -> tuple[Restart, Alike]:
        """The tables of a kernel. Raises CompileError where values decide its cycles."""
        if spec not in self._tables:
            compiled, checked = self.execution.compile(spec), self.execution.checked
            if compiled.kernel.bounding:
                why = f"the cycles of `{spec.kernel}` depend on values"
                raise CompileError([refused(checked, why)], checked.program.source)
            restart = Restart.of(blank(compiled.mapped, False))
            self._tables[spec] = restart, Alike.of(restart.image)
        return self._tables[spec]

    def _simulated(self, call: LaunchCall, restart: Restart) -> Cost:
        compiled = self.execution.compile(call.spec)
        self.say(f"simulating {call.spec.kernel}{_numbers(call)}")
        home = f"{call.expert.pool}." if call.expert else ""
        what = f"launch {home}{call.spec.kernel}"
        return Cost(
            what,
            call.by,
            compiled.configured,
            self._cycles(call, restart),
            _reaches(compiled, "ddr"),
            partial(self.execution.slowed, call),
        )

    def _cycles(self, call: LaunchCall, restart: Restart) -> int:
        """Of a launch, simulated or estimated."""
        if self.execution.estimates is not None:
            return self.execution.estimates.launched(call, 0, None).counted.cycles
        image = restart.begin(call.numbers)
        advance(image)
        return image.cycles


def _numbers(call: LaunchCall) -> str:
    """The numbers of a launch, by name."""
    found = ", ".join(f"{name} = {value}" for name, value in call.scalars)
    return f" ({found})" if found else ""


def _reaches(compiled: Compiled, tier: str) -> bool:
    """Whether a kernel loads from a tier, or stores to it."""
    netlist = compiled.netlist
    used = {netlist.tensors[a.burst.tensor].name for a in netlist.actors if a.burst is not None}
    return any(tensor.tier == tier and tensor.name in used for tensor in compiled.kernel.tensors.values())


def refused(checked: Checked, why: str) -> Diagnostic:
    name = checked.program.source.name
    help = "`samba_coe` is a program that serves; `rdflow explain RDF331` says what one has"
    return Diagnostic(CODE, f"`{name}` does not serve requests: {why}", (), (), help)
