"""An image at its first cycle again: launches of a kernel follow one another in the same tables.

What a run changes is put back from copies, which takes milliseconds where building takes seconds; then come the numbers
and the tensors of the launch. A tensor that is in its place already, from the launch before, need not come again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from rdflow.dsl.arguments import Scalars
from rdflow.dsl.records import dataclass
from rdflow.interpreter.apart import own_arrays
from rdflow.interpreter.image import Image, Status, start, take_sockets_apart, words_of

Table = NDArray[Any]
STATIC = ("fan", "stages", "gathers", "requests")
"""tables that no run and no launch changes; of requests, the clock knows which of them there are"""
PAST = ("control", "watches", "references", "before")
"""what of fast-forward's marks says whether a past state is kept"""


@dataclass(frozen=True)
class Restart:
    """An image, and what its tables hold at the first cycle: a copy, or the one number that is everywhere."""

    image: Image
    tables: tuple[tuple[Table, Table | int], ...]
    words: tuple[tuple[Table, int, int], ...]
    """stretches of words that a run may leave something in: memories that are no tensors"""

    @staticmethod
    def of(image: Image) -> Restart:
        """An image that stands at its first cycle."""
        tables = tuple((array, _content(array)) for array in _changing(image))
        return Restart(image, tables, tuple(_scratch(image)))

    def begin(self, scalars: Scalars) -> Image:
        """The image at the first cycle of another launch. Its tensors are as they were left."""
        self._put_back()
        start(self.image, scalars)
        return self.image

    def apart(self, threads: int) -> Restart:
        """The same image with its sockets apart, in so many threads, from its next launch on."""
        self._put_back()
        image = self.image
        take_sockets_apart(image, threads)
        return Restart.of(image)

    def _put_back(self) -> None:
        for array, content in self.tables:
            array[...] = content
        for words, first, end in self.words:
            words[first:end] = 0
        self.image.status = Status.RUNNING


def _changing(image: Image) -> Iterator[Table]:
    """All arrays that a run or a launch changes, but for the words of values."""
    tables = image.tables
    yield from (table for name, table in zip(tables._fields, tables, strict=True) if name not in STATIC)
    if image.marks is not None:
        yield from (getattr(image.marks, name) for name in PAST)
    if image.apart is not None:
        left = [id(values.words) for values in image.apart.values] + [id(part.requests) for part in image.apart.parts]
        yield from (array for array in own_arrays(image.apart) if id(array) not in left)


def _content(array: Table) -> Table | int:
    if array.dtype.names is None and array.size and (array == array.flat[0]).all():
        return int(array.flat[0])
    return array.copy()


def _scratch(image: Image) -> Iterator[tuple[Table, int, int]]:
    if image.store is None:
        return
    for first, memory in zip(image.store.memories, image.mapped.netlist.memories, strict=True):
        if memory.tensor is None:
            yield words_of(image, memory.socket), first, first + memory.words
