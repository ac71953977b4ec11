"""The cache of experts in a tier: who is in it, at which address, and who leaves when another one comes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field

from rdflow.dsl.pools import Expert
from rdflow.dsl.records import dataclass


@dataclass
class Resident:
    """An expert in the cache. `loaded`, `used`: the numbers of the requests at which it came and was last asked for;
    `uses`: how often it was asked for since it came."""

    expert: Expert
    address: int
    size: int
    loaded: int
    used: int
    uses: int = 1

    @property
    def end(self) -> int:
        return self.address + self.size


Rank = Callable[[Resident], tuple[int, ...]]
FAR = 1 << 62


def rank(policy: str, following: Mapping[Expert, int]) -> Rank:
    """Who leaves first: the smallest. `following`: by expert, the number of the request that asks for it next."""
    match policy:
        case "lru" | "prefetch":
            return lambda r: (r.used,)
        case "lfu":
            return lambda r: (r.uses, r.used)
        case "belady":
            return lambda r: (-following.get(r.expert, FAR), r.used)
        case "pinned":
            return lambda r: (-r.loaded,)
    raise AssertionError(policy)


@dataclass
class Cache:
    """Experts in a region of a tier, each in one piece."""

    address: int
    size: int
    residents: dict[Expert, Resident] = field(default_factory=dict)
    requests: int = 0
    hits: int = 0

    def hit(self, expert: Expert) -> bool:
        """Ask for an expert: whether it is here."""
        self.requests += 1
        resident = self.residents.get(expert)
        if resident is None:
            return False
        self.hits += 1
        resident.used = self.requests
        resident.uses += 1
        return True

    def leaving(self, size: int, order: Rank, kept: Collection[Expert]) -> list[Expert] | None:
        """Who leaves so that so many bytes are free in one piece, in this order; None: not even all but `kept` would do."""
        gone: list[Expert] = []
        candidates = sorted((r for e, r in self.residents.items() if e not in kept), key=order)
        while self._gap(size, gone) is None:
            if not candidates:
                return None
            gone.append(candidates.pop(0).expert)
        return gone

    def load(self, expert: Expert, size: int, gone: Iterable[Expert]) -> Resident:
        """Take an expert in, in the place of those that leave."""
        for one in gone:
            del self.residents[one]
        address = self._gap(size, ())
        assert address is not None, "there is room behind those that left"
        self.residents[expert] = Resident(expert, address, size, self.requests, self.requests)
        return self.residents[expert]

    def _gap(self, size: int, gone: Collection[Expert]) -> int | None:
        """The lowest address with so many free bytes, were some experts gone."""
        at = self.address
        for resident in sorted((r for r in self.residents.values() if r.expert not in gone), key=lambda r: r.address):
            if resident.address - at >= size:
                return at
            at = resident.end
        return at if self.address + self.size - at >= size else None
