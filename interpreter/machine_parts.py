"""The sections of a machine file. Their annotations are objects, not texts that a reader would compile at each start."""

from rdflow.dsl.records import dataclass
from rdflow.interpreter.quantities import Bytes, BytesPerSecond, Count, Cycles, Hertz, Lanes, Seconds, Share


@dataclass(frozen=True, slots=True)
class Node:
    sockets: Count


@dataclass(frozen=True, slots=True)
class Socket:
    """A grid of tiles, `tiles_across` to a row."""

    clock: Hertz
    tiles_across: Count
    tiles_down: Count

    @property
    def tiles(self) -> int:
        return self.tiles_across * self.tiles_down


@dataclass(frozen=True, slots=True)
class Tile:
    """A grid of pairs of a PCU and a PMU with switches at the corners; AGCUs on its left and right edge."""

    columns: Count
    rows: Count
    agcus: Count

    @property
    def pairs(self) -> int:
        return self.columns * self.rows


@dataclass(frozen=True, slots=True)
class Pcu:
    """Lanes of 16 bits, SIMD stages; `tail` and `adder` in cycles; `fifo` and `accumulators` in packets."""

    lanes: Lanes
    stages: Count
    tail: Cycles
    adder: Cycles
    fifo: Count
    vector_inputs: Count
    scalar_inputs: Count
    vector_outputs: Count
    accumulators: Count


@dataclass(frozen=True, slots=True)
class Pmu:
    """A scratchpad of `capacity` bytes; latencies in cycles; each write port takes a packet a cycle."""

    capacity: Bytes
    read_latency: Cycles
    write_latency: Cycles
    write_ports: Count


@dataclass(frozen=True, slots=True)
class Agcu:
    """The way to the memories: `latency` of its pipeline, and from the tile's edge `to_memory`, in cycles."""

    latency: Cycles
    to_memory: Cycles


@dataclass(frozen=True, slots=True)
class Network:
    """The mesh of switches: `hop` cycles from one to the next, a packet of 64 bytes a cycle and link."""

    hop: Cycles


@dataclass(frozen=True, slots=True)
class Tier:
    """A memory of a socket: bytes, bytes a second over all channels at peak, seconds, bursts under way of one AGCU.

    `efficiency`: the part of the peak that is left of a long stream after rows are opened and refreshed.
    """

    capacity: Bytes
    bandwidth: BytesPerSecond
    efficiency: Share
    channels: Count
    latency: Seconds
    outstanding: Count


@dataclass(frozen=True, slots=True)
class Links:
    """Between sockets: `bandwidth` of one port, `latency` from socket to socket."""

    ports: Count
    bandwidth: BytesPerSecond
    latency: Seconds


@dataclass(frozen=True, slots=True)
class Launch:
    """What kernels cost beside their cycles: a boundary, `load` more for one that fills the socket, `arguments` for the
    argument load, `queued` more where software queues it, and `host_step` for a step of the schedule that the host runs.
    `read`: a round trip of the host for a value that the schedule reads."""

    boundary: Seconds
    load: Seconds
    arguments: Seconds
    queued: Seconds
    host_step: Seconds
    read: Seconds
