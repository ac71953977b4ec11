"""Rows of a netlist as tables of the kernel: every operand a word and a step, every memory a stretch of one store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import Actor, Mem, Netlist
from rdflow.interpreter.actor_rows import FRESH, SCRATCH, TEMPORARY, ActorRows, named
from rdflow.interpreter.kernel import layout
from rdflow.interpreter.kernel.layout import Tables
from rdflow.interpreter.lowering import Affines, Lowering, Store


def lower(
    netlist: Netlist,
    rank: NDArray[np.int64],
    tables: Tables,
    affines: Affines,
) -> Store:
    """Lower all rows, lay out the store, and enter both into the tables of the timing."""
    temporaries = max((named(actor) for actor in netlist.actors), default=0)
    lowering = Lowering(netlist, affines, SCRATCH + (temporaries + FRESH) * TEMPORARY)
    lowering.memories = [lowering.reserve(memory.words) for memory in netlist.memories]
    _place_queues(lowering, tables)
    for actor, place in zip(netlist.actors, rank, strict=True):
        row = tables.actors[place]
        row["first_row"] = len(lowering.rows)
        first_operand = len(lowering.operands)
        ActorRows(lowering, actor, int(row["first_in"])).lower()
        row["last_row"] = len(lowering.rows)
        row["single"] = sequential(actor)
        row["shape"] = layout.PLAIN
        _split_rows(row, lowering.rows[row["first_row"] :])
        _enter_ports(lowering, tables, row, actor, lowering.operands[first_operand:])
    return Store(lowering.tables(), lowering.memories)


def sequential(actor: Actor) -> bool:
    """Whether firings cannot be computed together.

    Rows run one after the other over a batch of firings. That is wrong where one row stores what another one touches
    in a later firing, unless one of them is open in the first or last iteration of the innermost loop only: these are
    batches of their own. It is also wrong where each firing has a bank of its own.
    """
    depth = max(1, len(actor.loops))
    inner = 1 << (depth - 1)
    touched: list[tuple[int, int, bool]] = []  # row, memory, stores
    for number, row in enumerate(actor.rows):
        if (row.gate.first | row.gate.last) & inner:
            continue
        touched.extend((number, m.memory, False) for m in row.args if isinstance(m, Mem))
        if isinstance(row.out, Mem):
            touched.append((number, row.out.memory, True))
    clash = any(a != b and m == k and (s or t) for a, m, s in touched for b, k, t in touched)
    memories = [m for row in actor.rows for m in (row.out, *row.args) if isinstance(m, Mem)]
    return clash or (actor.tile_level >= depth and any(m.banks > 1 for m in memories))


def _place_queues(lowering: Lowering, tables: Tables) -> None:
    """A place for the lanes of every token."""
    for queue in tables.queues:
        queue["word"] = lowering.reserve(int((queue["mask"] + 1) * queue["width"]))


def _enter_ports(
    lowering: Lowering, tables: Tables, row: Any, actor: Actor, operands: Iterable[dict[str, int]]
) -> None:
    """Room for the tokens that inputs hold: those that rows read, and the indices of gathers."""
    gathers = actor.burst.gathers if actor.burst is not None else ()
    used = {operand["port"] for operand in operands if operand["kind"] == layout.TOKEN}
    used |= {int(row["first_in"]) + port for port, _, _ in gathers}
    for place, port in enumerate(actor.inputs, int(row["first_in"])):
        tables.ports[place]["held"] = lowering.reserve(lowering.netlist.queues[port.queues[0]].width)
        tables.ports[place]["holds"] &= place in used


def _split_rows(actor: Any, rows: list[dict[str, int]]) -> None:
    """Batches end where the rows that take part change, too."""
    bit = 1 << (int(actor["depth"]) - 1)
    for row in rows:
        first = row["first"] | row["not_first"] | row["init_first"] | row["init_not_first"]
        last = row["last"] | row["not_last"] | row["init_last"] | row["init_not_last"]
        actor["split_first"] |= int(first & bit != 0)
        actor["split_last"] |= int(last & bit != 0)
