"""What `rdflow run --weights` does: a program with the weights of a checkpoint, and what it says to prompts."""

from __future__ import annotations

from math import prod
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from rdflow import running
from rdflow.console import Told, ending, show_diagnostics
from rdflow.dsl.records import dataclass
from rdflow.meter import Meter
from rdflow.typed import Typed, unchecked

if TYPE_CHECKING:
    from rdflow.api import Program
    from rdflow.generation import Model
    from rdflow.interpreter.execution import Execution


@dataclass(frozen=True)
class Checkpoint:
    """What is asked of a checkpoint: its folder, a table of one's own, prompts, and how many tokens are to follow."""

    folder: Path
    table: Path | None = None
    prompts: tuple[str, ...] = ()
    steps: int | None = None


def run(typed: Typed, told: Told, asked: Checkpoint, wanted: running.Wanted) -> None:
    """Execute a program with the weights of a checkpoint, and print what it says to the prompts. Leaves where it cannot."""
    with ending(told):
        from rdflow import options
        from rdflow.generation import open_model

        meter = TokenMeter(told)
        own = unchecked(typed)
        with meter:
            model = open_model(own, asked.folder, asked.table, meter.say)
        program, prompt = model.prompted(asked.prompts, asked.steps) if asked.prompts else (model.program, {})
        if not (told.quiet or told.as_json):
            show_diagnostics((*model.warnings, *program.warnings), program.checked.program.source)
        running.fits(program)
        ready, given = model.ready(program), options.inputs(typed.inputs, program.checked.program, typed.seed) | prompt
        values = program.inputs(given, typed.seed, ready)
        folder = options.folder(wanted.output) if wanted.output else None
        began = perf_counter()
        with meter.of(model, program) if prompt else meter:
            result = running.execute(program, values, told, wanted.verify, meter)
        random = options.random_inputs(program.checked.program, {**ready, **given}, typed.seed)
        said = model.finished(result, perf_counter() - began) if prompt else None
        running.tell(program, result, told, folder, random, wanted.memory, said)


class TokenMeter(Meter):
    """Draws which token a run is at, in which layer, and how many it made a second: each launch that stores tokens has made
    one."""

    def __init__(self, told: Told):
        super().__init__(told)
        self.tokens = ""
        self.steps = self.layers = 0

    def of(self, model: Model, program: Program) -> TokenMeter:
        """For a run of this program, which gives tokens."""
        self.began, self.tokens = self.clock(), model.takes.ids
        self.steps, self.layers = model.steps(program), model.layers(program)
        return self

    def where(self, execution: Execution) -> str:
        if not self.steps:
            return super().where(execution)
        from rdflow.interpreter.tensors import stored

        program = execution.checked.program
        done = sum(self.tokens in stored(program, launched) for launched in execution.launched[:-1])
        rate = f"  {done / (self.clock() - self.began):.2g} a second" if done else ""
        at = f"token {done + 1} of {self.steps}{_layer(execution, self.layers)}{rate}"
        return f"{at}  {super().where(execution)}"


def _layer(execution: Execution, layers: int) -> str:
    """The layer that a kernel is at which carries its state from one to the next; nothing where none does."""
    from rdflow.interpreter.image import counters

    assert execution.current is not None
    current = execution.current
    for number, actor in enumerate(current.compiled.netlist.actors):
        firings = prod(loop.size for loop in actor.loops)
        if actor.kind == "carry" and layers and firings % layers == 0:
            fired = int(counters(current.image).firings[number])
            return f"  layer {min(layers, fired * layers // firings + 1)} of {layers}"
    return ""
