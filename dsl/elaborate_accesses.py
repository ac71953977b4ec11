"""Loads and stores as actors: bursts to and from a tier, words of a memory, and what waits for what (A9)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from rdflow.dsl.axes import Digit, size
from rdflow.dsl.checked import Load, Store, TensorView
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source
from rdflow.dsl.elaborate_tensors import Bursts, Tensors, leaving, strays
from rdflow.dsl.joins import connect
from rdflow.dsl.masks import conditions
from rdflow.dsl.netlist import ALWAYS, Row, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import Space
from rdflow.dsl.waits import READ, WRITTEN, Access, loops_of, order_of, wait_level


class Accesses:
    """The loads and stores of a netlist under construction."""

    def __init__(self, nets: Nets):
        self.nets = nets
        self.tensors = Tensors(nets)
        self.touched: list[tuple[Access, Draft]] = []  # the actors that end loads and stores, so far

    # -- loads ---------------------------------------------------------------------------------------------------------

    def load(self, load: Load) -> None:
        """A requester, a burst a firing, and a responder that pushes tokens in order."""
        order = load.stream.order
        unit = self._unit(load, load.stream.name, "load")
        bursts = self.tensors.bursts(load.view, order.lanes)
        pairs = [self._pair(load, unit, bursts, space) for space in self._spaces(load)]
        self._gathers(load.view, [d for pair in pairs for d in pair], order.time)
        endpoints = [self._loaded(load, bursts, request, respond) for request, respond in pairs]
        self.nets.define(load.stream, endpoints)
        self.touched += [(load, respond) for _, respond in pairs]

    def _pair(self, load: Load, unit: int, bursts: Bursts, space: Space) -> tuple[Draft, Draft]:
        order, time, name = load.stream.order, loops_of(load), load.stream.name
        request = self.nets.draft(f"{name}.request", unit, "request", time, order, space, bursts.sizes)
        respond = self.nets.draft(f"{name}.respond", unit, "respond", time, order, space, bursts.sizes)
        request.burst = self.tensors.burst(request, load.view, bursts, len(request.scalars))
        return request, respond

    def _loaded(self, load: Load, bursts: Bursts, request: Draft, respond: Draft) -> Endpoint:
        """The queue from one to the other, and the row that reads a token's words, 0 outside of the tensor."""
        view, lanes = load.view, load.stream.order.lanes
        self._wait(load, request)
        self.nets.token(request, respond, ALWAYS, ALWAYS, load.stream.name, server="memory")
        rows = Rows(respond, lanes, respond.ends(len(loops_of(load))))
        memory = self.tensors.memory(view.tensor, view.version, respond.socket)
        words = self.tensors.words(rows, view, memory, lanes, len(respond.scalars))
        predicate = rows.predicate(leaving(view), strays(view, len(respond.scalars)))
        value = rows.add("read", (words, predicate) if predicate is not None else (words,))
        return Endpoint(respond, rows.gate, value.index, bursts.count)

    # -- stores --------------------------------------------------------------------------------------------------------

    def store(self, store: Store) -> None:
        """Writes a token, a burst a firing; the acknowledgements bound what is outstanding."""
        nets, order, time = self.nets, store.source.order, loops_of(store)
        name, source = f"store.{store.source.name}", nets.sources[store.source.name]
        unit = self._unit(store, name, "store")
        bursts = self.tensors.bursts(store.view, order.lanes)
        drafts = [nets.draft(name, unit, "store", time, order, s, bursts.sizes) for s in self._spaces(store)]
        for draft in drafts:
            draft.burst = self.tensors.burst(draft, store.view, bursts, len(draft.scalars) + 1)
        connect(nets, source, [Sink(d, d.starts(len(time)), firings=bursts.count) for d in drafts])
        self._gathers(store.view, drafts, order.time)
        for draft in drafts:
            self._written(draft, store, source)
            self._wait(store, draft)
            acknowledge = nets.draft(f"{name}.acknowledge", unit, "acknowledge", time, order, draft.space, bursts.sizes)
            nets.token(draft, acknowledge, ALWAYS, ALWAYS, name, server="memory")
            self.touched.append((store, acknowledge))

    def _written(self, draft: Draft, store: Store, source: Source) -> None:
        """The rows that write a token's words, those outside of the tensor or its bounds left out."""
        view, order, time = store.view, store.source.order, loops_of(store)
        rows = Rows(draft, order.lanes, draft.starts(len(time)))
        data = len(draft.scalars)
        value = rows.operand(data, source.lanes)
        roots = [d.root for d in order.digits]
        checks = conditions(self.nets.nests, time, (*order.space, *store.streams), order.lanes, order, roots)
        predicate = rows.predicate([*checks, *leaving(view)], strays(view, data + 1))
        args = (value, predicate) if predicate is not None else (value,)
        for version in range(view.version + 1, self._versions(store) + 1):
            memory = self.tensors.memory(view.tensor, version, draft.socket)
            out = self.tensors.words(rows, view, memory, order.lanes, data + 1)
            draft.rows.append(Row("write", out, args, rows.width, rows.gate))

    def _versions(self, store: Store) -> int:
        """How often the kernel stores a tensor."""
        name = store.view.tensor.name
        return sum(1 for line in self.nets.kernel.lines if isinstance(line, Store) and line.view.tensor.name == name)

    # -- both ----------------------------------------------------------------------------------------------------------

    def _spaces(self, access: Access) -> list[Space]:
        order = order_of(access)
        return self.nets.copies((*order.space, *access.streams), order.sockets)

    def _unit(self, access: Access, name: str, verb: str) -> int:
        order = order_of(access)
        copies = max(1, size((*order.copies, *access.streams)))
        written = self.nets.kernel.writer.order(order)
        return self.nets.unit(UnitInfo(name, "agcu", verb, access.span, written, copies, agcus=1))

    def _gathers(self, view: TensorView, drafts: Sequence[Draft], time: Sequence[Digit]) -> None:
        """Give the index streams of a view to the actors that address by them."""
        for gather in view.gathers:
            if gather is not None:
                level = sum(1 for d in time if d in gather.order.time)
                connect(self.nets, self.nets.sources[gather.name], [Sink(d, d.starts(level)) for d in drafts])

    def _wait(self, access: Access, draft: Draft) -> None:
        """A load waits for the stores above it, a store for the loads above it."""
        tensor = access.view.tensor.name
        for above, done in self.touched:
            if above.view.tensor.name != tensor or type(above) is type(access) or done.socket != draft.socket:
                continue
            level = wait_level(self.nets.nests, above, done.space, access, draft.space)
            if level is not None:
                turns = prod(loop.size for loop in done.loops[:level])  # room for all tokens: the one above never waits
                what = f"{tensor} {WRITTEN if isinstance(above, Store) else READ}"
                self.nets.token(done, draft, done.ends(level), draft.starts(level), what, slots=turns)
