"""Writes Perfetto traces: the few fields of their protobuf messages that slices and counters on named tracks need.

Field numbers are those of protos/perfetto/trace (trace_packet.proto, track_event.proto, track_descriptor.proto,
process_descriptor.proto, counter_descriptor.proto, debug_annotation.proto), which are stable.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from itertools import count

BEGIN, END, COUNTER = 1, 2, 4  # TrackEvent.Type
EXPLICIT = 3  # TrackDescriptor.ChildTracksOrdering: by sibling_order_rank
SEQUENCE = 1  # of packets whose order is that of the file

Value = int | float | str | bytes


def varint(number: int) -> bytes:
    """A whole number from 0 on, 7 bits a byte, the lowest first."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))


def field(number: int, value: Value) -> bytes:
    """A field of a message: a varint, a double, a text or an embedded message."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def message(fields: Iterable[tuple[int, Value | None]]) -> bytes:
    """Fields in order; those that are None are left out."""
    return b"".join(field(number, value) for number, value in fields if value is not None)


class Trace:
    """A trace under way. Times are whole numbers of nanoseconds. A track's events must come in order."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.numbers = count(1)

    def process(self, name: str) -> int:
        """The track that all others belong to."""
        number = next(self.numbers)
        self._track(number, [(3, message([(1, 1), (6, name)])), (11, EXPLICIT)])
        return number

    def track(self, name: str, parent: int, unit: str | None = None) -> int:
        """A track under another one; with a unit it is one of a counter. Tracks are shown in the order of their making."""
        number = next(self.numbers)
        counter = None if unit is None else message([(6, unit)])
        self._track(number, [(2, name), (5, parent), (8, counter), (11, EXPLICIT), (12, number)])
        return number

    def slice(
        self, track: int, start: int, end: int, name: str, notes: Mapping[str, str | float] | None = None
    ) -> None:
        told = [(4, message([(10, key), _noted(value)])) for key, value in (notes or {}).items()]
        self._event(start, [*told, (9, BEGIN), (11, track), (23, name)])
        self._event(end, [(9, END), (11, track)])

    def counter(self, track: int, at: int, value: float) -> None:
        self._event(at, [(9, COUNTER), (11, track), (44, float(value))])

    def bytes(self) -> bytes:
        return b"".join(field(1, packet) for packet in self.packets)

    def _track(self, number: int, fields: list[tuple[int, Value | None]]) -> None:
        self.packets.append(message([(60, message([(1, number), *fields])), (10, SEQUENCE)]))

    def _event(self, at: int, fields: list[tuple[int, Value | None]]) -> None:
        self.packets.append(message([(8, at), (10, SEQUENCE), (11, message(fields))]))


def _noted(value: str | float) -> tuple[int, Value]:
    """The value of a debug annotation."""
    return (6, value) if isinstance(value, str) else (5, float(value))
