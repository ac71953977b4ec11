"""Launches that were simulated without values: one that is alike is known and not simulated again."""

from __future__ import annotations

from dataclasses import field

from rdflow.dsl.records import dataclass
from rdflow.dsl.steps import LaunchCall, LaunchSpec
from rdflow.interpreter.alike import Alike
from rdflow.interpreter.launched import Launched, Tables


@dataclass
class Known:
    """Without values nothing depends on data, launches follow one another, and each finds the memory channels idle. A
    kernel's tensors have the addresses of its mapping in all its launches, so the channels are the same too, where the
    numbers of the launch do not change them (`alike`)."""

    _seen: dict[tuple[LaunchSpec, bytes], Launched] = field(default_factory=dict)
    _alike: dict[LaunchSpec, Alike] = field(default_factory=dict)
    _kinds: dict[tuple[LaunchSpec, object], bytes] = field(default_factory=dict)

    def find(self, call: LaunchCall, tables: Tables) -> Launched | None:
        """A launch that was alike. `tables`: of the kernel."""
        return self._seen.get((call.spec, self.kind(call, tables)))

    def keep(self, launched: Launched, tables: Tables) -> None:
        self._seen.setdefault((launched.call.spec, self.kind(launched.call, tables)), launched)

    def kind(self, call: LaunchCall, tables: Tables) -> bytes:
        """The same for launches of a kernel that are alike."""
        known = (call.spec, call.scalars)
        if known not in self._kinds:
            if call.spec not in self._alike:
                self._alike[call.spec] = Alike.of(tables.restart.image)
            self._kinds[known] = self._alike[call.spec].key(call.numbers)
        return self._kinds[known]
