"""Serving as one page of HTML that opens anywhere: figures of each policy, latencies, hits, queues and memory over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from rdflow import __version__
from rdflow.charts_serving import Curve, chart
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.served import PERCENTS, Served, percentile
from rdflow.page import Cell, card, page, prose, table, tag
from rdflow.serving import Serving
from rdflow.show import scaled, time_text
from rdflow.show_serving import LOADS, headline, room

SHARE = 0.05  # of the requests: hits are averaged over so many


def report(found: Serving, served: Sequence[Served]) -> str:
    """The page."""
    title = f"{found.program.name} serves on {found.program.machine.name}"
    parts = [tag("h1", escape(title)), tag("p", escape(headline(found, served[0])), class_="soft")]
    parts.append(tag("p", escape(room(found)), class_="soft"))
    parts += [card(_figures(served)), card(_caches(served))]
    for name, curves, unit, about in _pictures(found, served):
        parts += [tag("h2", escape(name)), card(chart(name, curves, unit)), tag("p", escape(about), class_="note")]
    notes = [f"{text[0].upper()}{text[1:]}." for text in found.service.interpolated]
    parts += [tag("p", escape(" ".join([*notes, LOADS])), class_="note"), _foot()]
    return page(title, "\n".join(parts))


def _figures(served: Sequence[Served]) -> str:
    heads = ("<policy", *(f"first p{p}" for p in PERCENTS), *(f"each p{p}" for p in PERCENTS), "tokens/s", "requests/s")
    rows: list[list[Cell]] = []
    for one in served:
        times = [_time(percentile(values, p)) for values in (one.of_first(), one.of_each()) for p in PERCENTS]
        rates: list[Cell] = [(scaled(v, "").rstrip(), v) for v in (one.tokens_per_second, one.requests_per_second)]
        rows.append([one.way.policy, *times, *rates])
    return table("time to the first token, time for each token after it, throughput", heads, rows)


def _caches(served: Sequence[Served]) -> str:
    heads = (
        "<policy",
        "hits",
        "misses",
        "hit rate",
        "left",
        "copied a miss",
        "waited a miss",
        "queue",
        "longest",
        "busy",
    )
    rows: list[list[Cell]] = []
    for one in served:
        counts: list[Cell] = [(f"{n:,}", n) for n in (one.hits, one.misses)]
        rate: Cell = (f"{one.hits / len(one.done):.1%}", one.hits / len(one.done))
        gone: Cell = (f"{one.evicted:,}", one.evicted)
        rows.append([one.way.policy, *counts, rate, gone, *map(_time, one.cost_of_a_miss), *_queued(one)])
    return table("the cache of experts; requests that wait for their batch; time that kernels execute", heads, rows)


def _queued(one: Served) -> list[Cell]:
    mean: Cell = (f"{one.mean_queue:.3g}", one.mean_queue)
    return [mean, (f"{one.longest_queue:,}", one.longest_queue), (f"{one.busy:.1%}", one.busy)]


def _time(seconds: float | None) -> Cell:
    return "" if seconds is None else (time_text(seconds) if seconds else "0", seconds)


# -- pictures ----------------------------------------------------------------------------------------------------------

Picture = tuple[str, list[Curve], str, str]


def _pictures(found: Serving, served: Sequence[Served]) -> Iterator[Picture]:
    """A name, the curves, the unit of what they show, and what that means."""
    firsts = [Curve(one.way.policy, _shares(one.of_first()), steps=True) for one in served]
    yield "Time to the first token", firsts, "share", "The share of requests that had their first token by then."
    alls = [Curve(one.way.policy, _shares(one.of_all()), steps=True) for one in served]
    yield "Time to the last token", alls, "share", "The share of requests that were done by then."
    window = max(1, round(SHARE * len(found.requests)))
    hits = [Curve(one.way.policy, _hits(one, window)) for one in served]
    yield "Hits over time", hits, "share", f"Of the last {window:,} requests, those whose expert was in the cache."
    queues = [Curve(one.way.policy, _timed(one, one.queue()), steps=True) for one in served]
    yield "Requests that wait", queues, "count", "Those that have come and whose batch has not begun."
    yield from _memories(found, served)


def _memories(found: Serving, served: Sequence[Served]) -> Iterator[Picture]:
    plan, pool = found.service.largest.execution.plan, found.service.pool
    for tier in dict.fromkeys(filter(None, (pool.cache, pool.tier))):
        curves = [Curve(one.way.policy, _timed(one, one.occupancy(tier)), steps=True) for one in served]
        about = f"Of {size_text(plan.capacities[tier])} on a socket: the program's tensors, and experts."
        yield f"{tier.upper()} over time", curves, "bytes", about


def _shares(values: Sequence[float]) -> list[tuple[float, float]]:
    """The share of values up to each of them."""
    count = len(values)
    return [(0.0, 0.0), *((value, number / count) for number, value in enumerate(values, 1))]


def _hits(one: Served, window: int) -> list[tuple[float, float]]:
    """When requests were done, the share of hits among the last ones."""
    found, hits = [], [each.hit for each in one.done]
    for number, each in enumerate(one.done, 1):
        last = hits[max(0, number - window) : number]
        found.append((one.seconds(each.end), sum(last) / len(last)))
    return found


def _timed(one: Served, series: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """A series over seconds, up to the end."""
    end = max(each.end for each in one.done)
    return [*((one.seconds(at), float(value)) for at, value in series), (one.seconds(end), float(series[-1][1]))]


def _foot() -> str:
    return tag("footer", prose(
        f"rdflow {__version__}. Cycles of launches and copies are counted from runs of the modelled machine; the machine is "
        "a model, and `rdflow machines` says where each of its numbers comes from."
    ))  # fmt: skip
