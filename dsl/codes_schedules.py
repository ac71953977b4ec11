"""Codes of schedules and pools of experts. In the form that `codes` describes."""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF081: a pool of experts that cannot be

    A pool is kept in one tier and cached in another; what leaves the cache is chosen by a policy: `lru` (the least
    recently used), `lfu` (the least frequently used), `belady` (the one that is used last in the future: a bound that
    no machine reaches) or `pinned` (the first that came stay). An expert is a program, without pools of its own.

    wrong:
        pool expert: hello[4] in ddr cached in hbm evict random
        schedule { launch expert[2].hello }

    right:
        pool expert: hello[4] in ddr cached in hbm evict lru
        schedule { launch expert[2].hello }
    """,
    """
    RDF082: an expert that a pool does not have

    The experts of a pool are numbered from 0. The number may be one that the chip computed, as the choice of a router:
    then it is held against the pool when it is read, and nothing is loaded for one that is not there. A launch names a
    kernel of the expert's program, an activation only the expert.

    wrong:
        pool expert: hello[4] in ddr cached in hbm evict lru
        schedule { launch expert[4].hello }

    right:
        pool expert: hello[4] in ddr cached in hbm evict lru
        schedule { launch expert[3].hello }
    """,
)
