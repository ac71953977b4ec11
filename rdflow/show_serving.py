"""Serving as a table, a line a policy, and as a document of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.served import PERCENTS, Done, Served, percentile
from rdflow.serving import Serving
from rdflow.show import percent, scaled, table, time_text

LOADS = "Program load, argument load and what the host takes are fitted or assumed (`rdflow machines`)."


def headline(found: Serving, served: Served) -> str:
    """What is served, on what, and how."""
    requests, service, way = found.requests, found.service, served.way
    over = time_text(float(requests[-1].arrival)) if requests[-1].arrival else "no time"
    tokens = sum(r.answer for r in requests)
    how = [f"batches of {service.batch}", *(["grouped by expert"] if way.group else [])]
    how += ["the next expert is loaded while one runs"] if way.overlap else []
    many = f"{len(requests):,} request{'s' if len(requests) > 1 else ''} over {over}"
    return f"{many} for {len({r.topic for r in requests}):,} of {service.pool.count:,} experts, {tokens:,} tokens; {', '.join(how)}"


def room(found: Serving) -> str:
    """What the cache has room for."""
    pool, plan = found.service.pool, found.service.largest.execution.plan
    if pool.cache is None:
        return f"experts run in {pool.tier}: nothing is cached"
    size = max(footprint.size for footprint in plan.footprints.values())
    region = plan.regions[pool.cache]
    fit = min(pool.count, region.size // size)
    return f"{pool.cache} has {size_text(region.size)} for experts of {size_text(size)}: room for {fit:,} of {pool.count:,}"


def shown(found: Serving, served: list[Served]) -> list[Any]:
    """The latencies and the cache of each policy."""
    lines = [headline(found, served[0]), room(found)]
    notes = [f"{text}." for text in found.service.interpolated]
    return [
        *map(Text, lines),
        _latencies(served),
        _caches(served),
        *(Text(note[0].upper() + note[1:]) for note in notes),
        Text(LOADS + "\n", "bright_black"),
    ]


def _latencies(served: list[Served]) -> Any:
    heads = [f">{p}" for p in (*(f"p{n}" for n in PERCENTS),) * 2]
    title = "time to the first token, and for each token after it"
    made = table("policy", *heads, ">tokens/s", ">requests/s", ">queue", ">longest", ">busy", title=title)
    for one in served:
        times = [_time(percentile(v, p)) for v in (one.of_first(), one.of_each()) for p in PERCENTS]
        rates = [scaled(v, "").rstrip() for v in (one.tokens_per_second, one.requests_per_second)]
        queue = [f"{one.mean_queue:.3g}", f"{one.longest_queue:,}"]
        made.add_row(one.way.policy, *times, *rates, *queue, percent(one.busy, 1))
    return made


def _caches(served: list[Served]) -> Any:
    columns = (">hits", ">misses", ">hit rate", ">left", ">copied a miss", ">waited a miss")
    made = table("policy", *columns, title="the cache of experts")
    for one in served:
        copying, stalled = one.cost_of_a_miss
        counts = (f"{one.hits:,}", f"{one.misses:,}", f"{one.hits / len(one.done):.1%}", f"{one.evicted:,}")
        made.add_row(one.way.policy, *counts, *(_time(v) if one.misses else "" for v in (copying, stalled)))
    return made


def _time(seconds: float | None) -> str:
    return "" if seconds is None else time_text(seconds) if seconds else "0"


# -- JSON --------------------------------------------------------------------------------------------------------------


def document(found: Serving, served: list[Served]) -> dict[str, Any]:
    """All figures of each policy, and each request; times in seconds."""
    from rdflow import __version__

    program, service = found.program, found.service
    return {
        "rdflow": __version__,
        "program": program.name,
        "machine": program.machine.name,
        "params": dict(program.checked.program.params),
        "batch": service.batch,
        "experts": service.pool.count,
        "simulated": {"prompts": list(service.points), "steps": list(service.steps)},
        "interpolated": list(service.interpolated),
        "policies": [_policy(one) for one in served],
    }


def _policy(one: Served) -> dict[str, Any]:
    copying, stalled = one.cost_of_a_miss
    series = {"to_first_token": one.of_first(), "per_output_token": one.of_each(), "latency": one.of_all()}
    return {
        "policy": one.way.policy,
        "group": one.way.group,
        "overlap": one.way.ahead,
        "cycles": one.span,
        **{name: {f"p{p}": percentile(values, p) for p in PERCENTS} for name, values in series.items()},
        "tokens_per_second": one.tokens_per_second,
        "requests_per_second": one.requests_per_second,
        "queue": {"mean": one.mean_queue, "longest": one.longest_queue},
        "hits": one.hits,
        "misses": one.misses,
        "evicted": one.evicted,
        "miss": {"copying": copying, "waiting": stalled},
        "spent": one.timetable.spent(),
        "occupancy": {tier: list(_occupied(one, tier)) for tier in one.machine.tiers},
        "requests": [_request(one, done) for done in sorted(one.done, key=lambda d: d.number)],
    }


def _occupied(one: Served, tier: str) -> Iterator[list[float]]:
    for at, size in one.occupancy(tier):
        yield [one.seconds(at), size]


def _request(one: Served, done: Done) -> dict[str, Any]:
    return {
        "arrival": one.seconds(done.arrival),
        "prompt": done.request.prompt,
        "answer": done.request.answer,
        "topic": done.request.topic,
        "begun": one.seconds(done.begun),
        "first": one.seconds(done.first),
        "end": one.seconds(done.end),
        "hit": done.hit,
    }
