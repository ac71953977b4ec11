"""Requests to a composition of experts: when each comes, how long its prompt and its answer are, which expert it is for.

Drawn from a seed, or read from a file (`request_files`). Each property has random numbers of its own, so that another
skew changes no time of arrival.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from rdflow.dsl.records import dataclass

TICK = 10**9  # of a second: what drawn times are whole numbers of
ARRIVALS, TOPICS, PROMPTS, ANSWERS = range(4)  # streams of random numbers


@dataclass(frozen=True, slots=True)
class Request:
    """`arrival`: seconds since the start, exact; tokens of the prompt and of the answer; `topic`: the number of the expert
    that the router chooses for it."""

    arrival: Fraction
    prompt: int
    answer: int
    topic: int


Requests = tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """What requests are drawn: how many, how many a second on average, how bursty they are (the coefficient of variation of
    the times between them: 1 is a Poisson process, more comes in bursts), tokens from and to (each length as likely), and
    `skew`: topic k is asked for (k + 1) ** -skew times as often as topic 0."""

    count: int
    rate: float
    prompt: tuple[int, int]
    answer: tuple[int, int]
    burst: float = 1.0
    skew: float = 1.0
    seed: int = 0


def drawn(draw: Draw, topics: int) -> Requests:
    """Requests for so many experts."""
    shape = 1 / draw.burst**2
    between = _random(draw.seed, ARRIVALS).gamma(shape, 1 / (shape * draw.rate), draw.count)
    times = np.cumsum(np.rint(between * TICK).astype(np.int64))
    lengths = zip(
        _lengths(draw.seed, PROMPTS, draw.prompt, draw.count),
        _lengths(draw.seed, ANSWERS, draw.answer, draw.count),
        drawn_topics(draw.count, topics, draw.skew, draw.seed),
        strict=True,
    )
    return tuple(Request(Fraction(int(at), TICK), *each) for at, each in zip(times, lengths, strict=True))


def drawn_topics(count: int, topics: int, skew: float, seed: int) -> list[int]:
    """As many topics as there are requests: Zipf's law with this exponent."""
    weights = np.arange(1, topics + 1, dtype=np.float64) ** -skew
    found: list[int] = _random(seed, TOPICS).choice(topics, count, p=weights / weights.sum()).tolist()
    return found


def _lengths(seed: int, stream: int, ends: tuple[int, int], count: int) -> list[int]:
    found: list[int] = _random(seed, stream).integers(*ends, count, endpoint=True).tolist()
    return found


def _random(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])
