"""The tensors of a program that runs with values: what of them enters a launch, and what a launch stores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import Netlist
from rdflow.dsl.program import Program
from rdflow.dsl.slices import argument_of, place_of, sliced, view_of
from rdflow.dsl.steps import CopyCall, LaunchCall
from rdflow.interpreter.image import load, memory_words
from rdflow.interpreter.launched import Launched, Tables
from rdflow.interpreter.sockets import shard

Array = NDArray[Any]


class Tensors:
    """The tensors of a program under way. `values`: float32 or int32; written arrays are not those that were given."""

    def __init__(self, program: Program, values: dict[str, Array]):
        self.program, self.values = program, values
        self.written: dict[str, int] = {}
        """the tensors that were written to, and how often"""

    def enter(self, call: LaunchCall, netlist: Netlist, tables: Tables) -> None:
        """Give a launch its tensors. What is in its place from the launch before stays there; versions that stores make are
        always brought anew."""
        for at, memory in enumerate(netlist.memories):
            if memory.tensor is None:
                continue
            name = netlist.tensors[memory.tensor].name
            home, part = place_of(self.program, call, name)
            holds = None if "#" in memory.name else (home, part, self.written.get(home, 0))
            if holds is None or tables.holds.get(at) != holds:
                load(tables.restart.image, at, self._slice(call, name))
                tables.holds[at] = holds

    def collect(self, launched: Launched) -> None:
        """Bring what the kernel stored back to the program's tensors: the last version of each, from the socket that has
        it; from the first one where all have."""
        netlist = launched.compiled.netlist
        for number, memory in enumerate(netlist.memories):
            if memory.tensor is None or "#" not in memory.name:
                continue
            use = netlist.tensors[memory.tensor]
            if use.sharded is None and memory.socket:
                continue
            self._write(place_of(self.program, launched.call, use.name)[0])
            words = memory_words(launched.image, number)
            array = words if use.dtype in ("bf16", "f32") else words.view(np.int32)
            target = shard(use, self._slice(launched.call, use.name), memory.socket)
            target[...] = array[: max(1, target.size)].reshape(target.shape)

    def copy(self, call: CopyCall) -> None:
        """What a copy of the schedule does."""
        self._write(call.target.tensor)
        sliced(self.program, call.target, self.values)[...] = sliced(self.program, call.source, self.values)

    def _write(self, name: str) -> None:
        """A tensor is about to change: from now on its array belongs to this execution."""
        if name not in self.written:
            self.values[name] = self.values[name].copy()
        self.written[name] = self.written.get(name, 0) + 1

    def _slice(self, call: LaunchCall, name: str) -> Array:
        """What a kernel's tensor is in the program: itself, an expert's, or the part of what is given for it that its
        view leaves free."""
        return view_of(self.program, call, name, self.values)


def stored(program: Program, launched: Launched) -> set[str]:
    """The tensors of the program that a launch stores to."""
    netlist, call = launched.compiled.netlist, launched.call
    numbers = {m.tensor for m in netlist.memories if m.tensor is not None and "#" in m.name}
    names = [netlist.tensors[number].name for number in numbers]
    given = [argument_of(program, call, name) for name in names]
    return {name if argument is None else argument.tensor for name, argument in zip(names, given, strict=True)}
