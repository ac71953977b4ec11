"""Pools: many copies of programs, of which a schedule activates one and launches its kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.axes import Axis
from rdflow.dsl.constants import evaluate, whole
from rdflow.dsl.diagnostics import Diagnostic, Label, Severity
from rdflow.dsl.orders import BYTES
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import Source, Span

if TYPE_CHECKING:
    from rdflow.dsl.program import Program, Resolve, Tensor

POLICIES = ("lru", "lfu", "belady", "pinned", "prefetch")
POOLED = "[]"  # the name of the axis over the experts of a pool


@dataclass(frozen=True)
class Kind:
    """Experts of a pool that are copies of one program: those from number `first` on.

    `label` names them where values are given (`expert`, or `expert.llama` where a pool has several kinds); `home` is
    the same text for the same program with the same params: its kernels are mapped once.
    """

    label: str
    home: str
    program: Program
    first: int
    count: int

    def stacked(self, name: str) -> Tensor:
        """A tensor of all experts of the kind as one, with an axis over them outside."""
        tensor = self.program.tensors[name]
        axes = (Axis(POOLED, POOLED, 1, self.count), *tensor.axes)
        return replace(tensor, name=f"{self.label}.{name}", axes=axes, sharded=(False, *tensor.sharded))


@dataclass(frozen=True)
class Pool:
    """Experts in a tier, cached in another one (None: they run where they are)."""

    name: str
    kinds: tuple[Kind, ...]
    tier: str
    cache: str | None
    policy: str
    span: Span

    @property
    def count(self) -> int:
        return sum(kind.count for kind in self.kinds)

    def kind(self, expert: int) -> Kind:
        """The kind of an expert by its number."""
        return next(kind for kind in self.kinds if kind.first <= expert < kind.first + kind.count)


@dataclass(frozen=True, slots=True)
class Expert:
    """An expert: its pool and its number in it."""

    pool: str
    number: int

    def __str__(self) -> str:
        return f"{self.pool}[{self.number}]"


def pool(program: Program, item: syntax.Pool, report: Reporter, library: Resolve | None) -> Pool:
    """A declared pool with its programs read and declared."""
    _words(item, report)
    kinds: list[Kind] = []
    for member in item.members:
        count = whole(member.count, program.names, program.lengths, report, "the number of experts")
        own = _program(program, item, member, report, library)
        home = f"{own.source.name}({', '.join(f'{n} = {v}' for n, v in own.params.items())})"
        first = sum(kind.count for kind in kinds)
        label = _label(item, member, [kind.label for kind in kinds])
        kinds.append(Kind(label, home, own, first, count))
    cache = None if item.cache is None else item.cache.text
    policy = POLICIES[0] if item.policy is None else item.policy.text
    return Pool(item.name.text, tuple(kinds), item.tier.text, cache, policy, item.name.span)


def _label(item: syntax.Pool, member: syntax.Member, taken: list[str]) -> str:
    if len(item.members) == 1:
        return item.name.text
    label = f"{item.name.text}.{member.program.text}"
    return label if label not in taken else f"{label}{1 + sum(t.startswith(label) for t in taken)}"


def _words(item: syntax.Pool, report: Reporter) -> None:
    """The tiers and the policy are ones that there are."""
    from rdflow.dsl.program import TIERS

    for tier in (item.tier, item.cache):
        if tier is not None and tier.text not in TIERS:
            help = "write `in ddr cached in hbm`"
            raise report.fail("RDF016", f"there is no memory tier `{tier.text}`", [(tier.span, "here")], help=help)
    if item.cache is not None and item.cache.text == item.tier.text:
        labels = [(item.cache.span, "cached here"), (item.tier.span, "and kept here")]
        help = f"leave out `cached in {item.cache.text}`"
        raise report.fail("RDF081", f"pool `{item.name.text}` is cached where it is kept", labels, help=help)
    if item.policy is not None and item.policy.text not in POLICIES:
        labels = [(item.policy.span, "unknown")]
        message = f"there is no policy `{item.policy.text}`"
        raise report.fail("RDF081", message, labels, help=f"`evict` one of {', '.join(POLICIES)}")


def _program(
    program: Program, item: syntax.Pool, member: syntax.Member, report: Reporter, library: Resolve | None
) -> Program:
    """The program of an expert: a file beside the user's, or one that ships. Its mistakes are told with the pool."""
    from rdflow.dsl.declare import declare
    from rdflow.dsl.parse import parse

    name = member.program.text
    source = library(str(Path(program.source.name).parent / f"{name}.rdf")) if library else None
    if source is None:
        labels = [(member.program.span, "unknown")]
        help = f"put `{name}.rdf` beside this file; `rdflow programs` lists those that ship"
        raise report.fail("RDF010", f"there is no program `{name}`", labels, help=help)
    module, found = parse(source)
    inner = Reporter(found)
    settings = dict(_setting(program, param, report) for param in member.settings)
    own = declare(module, settings, inner, library, program.stages)
    mistakes = list(elsewhere(inner.found, source, Label(member.span, f"for pool `{item.name.text}`", program.source)))
    report.found.extend(mistakes)
    if own.pools:
        labels = [(member.span, f"`{name}` has pools of its own")]
        report.add("RDF081", "an expert is a program without pools", labels, help="give its experts to this program")
    if mistakes or own.pools:
        report.silent.add(item.name.text)
    return own


def elsewhere(found: Iterable[Diagnostic], source: Source, end: Label) -> Iterator[Diagnostic]:
    """The errors of another program than the one that is checked, with its file, and with the place that calls for it."""
    for each in found:
        if each.severity is Severity.ERROR:
            labels = (label if label.source is not None else replace(label, source=source) for label in each.labels)
            yield replace(each, labels=(*labels, end))


def _setting(program: Program, param: syntax.Param, report: Reporter) -> tuple[str, Value]:
    """A param of the expert's program: a number, or a dtype by name or by a param that is one."""
    if isinstance(param.value, syntax.Ref) and param.value.name in BYTES:
        return param.name.text, param.value.name
    return param.name.text, evaluate(param.value, program.names, program.lengths, report)


def homes(pools: Mapping[str, Pool]) -> Iterator[tuple[Pool, Kind]]:
    """The kinds of all pools."""
    for each in pools.values():
        for kind in each.kinds:
            yield each, kind
