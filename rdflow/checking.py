"""`rdflow check`: every mistake of every file, without anything that takes long to import."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rdflow.api import MACHINE, find, library
from rdflow.console import WRONG, Told, counted, diagnostics_json, ending, print_json, show_diagnostics
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.axes import size, without
from rdflow.dsl.check import Checked
from rdflow.dsl.check import check as check_source
from rdflow.dsl.checked import Hold, space_of
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.source import Source

if TYPE_CHECKING:
    from rdflow.interpreter.machine import Machine

MOST_COPIES = 10_000  # some seconds to elaborate
MOST_WAITS = 1_000_000  # a second


def check_files(files: Sequence[str], told: Told) -> None:
    """Check programs with their params as they are, and leave with the exit code that this deserves."""
    with ending(told):
        from rdflow.interpreter.machine import load_machine

        machine = load_machine(MACHINE)
        tell([outcome(file, {}, machine) for file in files], told)


def tell(results: Sequence[Outcome], told: Told, shown: bool = True) -> None:
    """Print what was found (as JSON where that is asked for); leave with 1 where there are errors."""
    if told.as_json and shown:
        print_json([d for result in results for d in result.json()])
    elif shown:
        for result in results:
            result.show(told.quiet)
    if not all(result.passed for result in results):
        raise SystemExit(WRONG)


class Outcome:
    """What checking a file gave."""

    def __init__(self, file: str, source: Source | None, checked: Checked | None, diagnostics: list[Diagnostic]):
        self.file, self.source, self.checked, self.diagnostics = file, source, checked, diagnostics
        self.held = False  # against the machine's sites and tiers

    def hold(self, machine: Machine) -> None:
        """Add what does not fit the machine, unless it takes longer to count than a check may. What cannot be executed is no
        mistake of the program: who runs it is told."""
        if self.checked is None or not self.passed:
            return
        if copies(self.checked) > MOST_COPIES or waits(self.checked) > MOST_WAITS:
            return
        from rdflow.fitting import too_large

        with suppress(CompileError):
            self.diagnostics += too_large(self.checked, machine)
            self.held = True

    @property
    def passed(self) -> bool:
        return all(d.severity is not Severity.ERROR for d in self.diagnostics)

    def show(self, quiet: bool) -> None:
        shown = [d for d in self.diagnostics if not quiet or d.severity is Severity.ERROR]
        show_diagnostics(shown, self.source)
        if not quiet:
            sys.stderr.flush()
            name = self.source.name if self.source else self.file
            print(f"{name}: {counted(self.diagnostics) or self._size()}")

    def _size(self) -> str:
        assert self.checked is not None
        count = len(self.checked.launches)
        apart = "" if self.held else " (not held against the machine: `rdflow check --units` does that)"
        return f"no mistakes in {count} kernel{'s' if count != 1 else ''}{apart}"

    def json(self) -> list[dict[str, Any]]:
        return diagnostics_json(self.diagnostics, self.source)


def copies(checked: Checked) -> int:
    """Copies of all lines of the kernels that are launched."""
    return sum(size(space_of(line)) for spec in checked.launches for line in checked.kernels[spec].lines)


def waits(checked: Checked) -> int:
    """Iterations of loops inside of tiles that may each wait for blocks, over all readers and the writers of each: a netlist
    counts for each."""
    lines = (line for spec in checked.launches for line in checked.kernels[spec].lines)
    return sum(_waits(line) for line in lines if isinstance(line, Hold))


def _waits(hold: Hold) -> int:
    order = hold.stream.order
    first, writers = order.time[hold.tile :][:1], without(hold.source.order.space, order.space)
    return size(first) * size(order.space) * size(writers) if first else 0


def outcome(file: str, settings: Mapping[str, Value], machine: Machine) -> Outcome:
    try:
        source = find(file)
    except CompileError as error:
        return Outcome(file, None, None, list(error.diagnostics))
    checked = check_source(source, settings, library, machine.pcu.stages)
    result = Outcome(file, source, checked, list(checked.diagnostics))
    result.hold(machine)
    return result
