"""Things that are one by what joins them two by two: each leads to the first of its group."""

from __future__ import annotations


class Leaders:
    """So many things, at first each alone."""

    def __init__(self, count: int):
        self._leader = list(range(count))

    def find(self, one: int) -> int:
        """The first of the group that it is in."""
        leader = self._leader
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    def join(self, one: int, other: int) -> None:
        """Both groups are one from now on."""
        first, second = sorted((self.find(one), self.find(other)))
        self._leader[second] = first

    def all(self) -> list[int]:
        """By number the first of its group."""
        return [self.find(one) for one in range(len(self._leader))]
