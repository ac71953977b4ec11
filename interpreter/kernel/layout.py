"""The tables of an image: what the compiled loops read and write. All numbers are int64, all times absolute cycles."""

from typing import NamedTuple

import numpy as np

FAR = 1 << 62  # a cycle that never comes
BATCH = 64  # firings committed at once, at most
VALUE_BATCH = 32  # the same where values are computed: the temporaries of a batch stay in the nearest cache

RUNNING, FINISHED, DEADLOCK = range(3)  # what `advance` comes to
READY, DONE = -1, -2  # Actor.waiting: for nothing but time; nothing left to do. Else the queue it waits for.
PLAIN, MAP, SOURCE, SINK = range(4)  # Actor.shape: the general case, and three with their own loops
UNSERVED = -1  # Queue.stages: it passes no server
BY_ADDRESS = -2  # Stage.server: the memory channel of the burst's address
DECIDED = -2  # link of a token whose ready cycle is known
ROW_READY, ROW_MEMORY, ROW_FREE, ROW_FIRED = range(4)
"""Rows of Tables.scratch: when tokens are there, those through memory apart; when slots are free; when it fires."""
OVER = 8  # places behind the last ring, which are read and not used
VECTOR = 32  # words from one temporary of a firing to that of the next


def record(fields: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in fields.split()])


CLOCK = record(
    "time "  # every firing before it is done
    "window "  # cycles that actors may run ahead
    "reach "  # shortest way from a push to a server
    "served "  # requests that arrive before this cycle have been decided
    "requests "  # tokens under way to a server
    "running "  # actors that are not done
    "pause "  # a cycle to return at, or at the first window end after it
)
ACTOR = record(
    "next "  # the interval of the last firing is over
    "interval depth loop inner shape first_in last_in first_out last_out "  # ports: inputs, then outputs
    "at_first at_last "  # bit l: loop l is at counter 0, at its last iteration
    "split_first split_last "  # the ports or rows of the innermost loop's first (last) iteration differ
    "ragged "  # a port says how often a loop runs
    "even "  # no port takes several tokens at once
    "single "  # no batches: a row needs what the firing before stored
    "linked "  # some token comes over a link that flows share
    "waiting tile_level tiles "
    "burst channel channels base "  # affine of the byte address; first server and number of channels
    "first_gather last_gather "
    "first_row last_row "
    "firings busy starved blocked memory link first last "
    "turned turn"  # the outermost loop that a carry has stepped since this was FAR, and the cycle of the firing before
)
LOOP = record("counter iterations size bound")
BOUND = record("stride granule limit base port token")  # port: its token ends the loop too (-1: none, and FAR)
PORT = record(
    "first last not_first not_last "  # the gate
    "packets queue choices fan select varies "  # varies: queue or count differ from firing to firing
    "counts counted "  # tokens by the counter of this loop (-1: always one)
    "plain "  # without a gate
    "taken current begin stop "  # of the batch under way: tokens a firing, queue; from which firing to before which
    "word step "  # where the token of the batch's first firing is, or goes; words to that of the next
    "held width holds"
)
QUEUE = record(
    "pushed available popped "  # tokens since the start; available: with a known cycle, without a gap
    "capacity mask ring latency credit source sink packets word width "
    "push_pace pop_pace "  # cycles from one ready time to the next, from one free time to the next, at least; 0: unknown
    "stages first "  # the first of its stages, UNSERVED; cycles from the push to it
    "flow memory linked"  # its turn at a server; whether it passes a memory channel, a link that flows share
)
STAGE = record(
    "server after final "  # after: cycles from the end of service to the next arrival, at last to ready
    "flow packets"  # of its queue, whose row is far away
)
GATHER = record("port stride length")  # an index that adds to the address: index * stride, index < length
SERVER = record(
    "numerator denominator free last packets "  # free: in cycles / denominator; last: flow
    "shared "  # a link: a flow's tokens of one cycle are one packet
    "head"  # first of the tokens that arrive in the cycle under way
)
ROW = record(
    "op first last not_first not_last init_first init_last init_not_first init_not_last "
    "width out a b c table count "  # out, a, b, c: operands
    "combine identity"  # of trees and folds: an elementwise operation, the bits of what they start from
)
OPERAND = record(
    "kind word step port affine "
    "stride lanes low high "  # lane l is at l * stride, or at lanes[l]; the least and the greatest of these
    "bank banks start size dynamic dynamics"
)
FIXED, TOKEN, MEMORY = range(3)  # Operand.kind


def table(dtype: np.dtype, rows: list) -> np.ndarray:
    """Rows (fields by name) as one array; one row of zeros where there are none: no index is out of bounds."""
    result = np.zeros(max(1, len(rows)), dtype)
    alike = {}  # by the fields that they have: rows
    for i, row in enumerate(rows):
        alike.setdefault(tuple(row), []).append(i)
    for names, places in alike.items():
        numbers = np.array([list(rows[i].values()) for i in places])
        for column, name in enumerate(names):
            result[name][places] = numbers[:, column]
    return result


class Tables(NamedTuple):
    """Structure and state of the timing."""

    clock: np.ndarray
    actors: np.ndarray  # in topological rank
    loops: np.ndarray
    bounds: np.ndarray
    ports: np.ndarray
    fan: np.ndarray  # queues of the ports that have a choice
    counts: np.ndarray
    affine: np.ndarray  # constant and coefficients of every affine
    queues: np.ndarray
    stages: np.ndarray
    gathers: np.ndarray
    servers: np.ndarray
    ready: np.ndarray  # by token place: cycle at which it can be popped (on its way to a server: arrival there)
    free: np.ndarray  # by token place: cycle at which the pop of that place frees its slot
    due: np.ndarray  # by actor: cycle of its next firing as far as known, else FAR
    pending: np.ndarray  # bit map of the actors to visit
    calendar: np.ndarray  # by arrival cycle, round and round: first of the tokens that arrive then
    link: np.ndarray  # by token place: the next one in the calendar, DECIDED
    stage: np.ndarray  # by token place: the stage it is under way to
    target: np.ndarray  # by token place: the server of that stage
    delay: np.ndarray  # by token place: cycles that it queued at links
    turn: np.ndarray  # by token place: its place among those that arrive in the same cycle
    owner: np.ndarray  # by token place: its queue
    busy: np.ndarray  # servers at which tokens arrive in the cycle under way
    offset: np.ndarray  # by firing of a batch: what indices add to the address
    scratch: np.ndarray  # by firing of a batch: ROW_READY to ROW_FIRED


class Places(NamedTuple):
    """The tables of the timing that say where values are."""

    ports: np.ndarray
    queues: np.ndarray
    loops: np.ndarray
    affine: np.ndarray


class Values(NamedTuple):
    """Words and what is done with them; `ints` is the same store as `words`."""

    words: np.ndarray
    ints: np.ndarray
    rows: np.ndarray
    operands: np.ndarray
    lanes: np.ndarray
    dynamics: np.ndarray  # pairs: operand, stride


class Parts(NamedTuple):
    """The functions behind borders that the engine calls."""

    compute: object
    elementwise: object


TABLES = Tables(
    clock=np.zeros(1, CLOCK),
    actors=np.zeros(1, ACTOR),
    loops=np.zeros(1, LOOP),
    bounds=np.zeros(1, BOUND),
    ports=np.zeros(1, PORT),
    queues=np.zeros(1, QUEUE),
    stages=np.zeros(1, STAGE),
    gathers=np.zeros(1, GATHER),
    servers=np.zeros(1, SERVER),
    pending=np.zeros(1, np.uint64),
    scratch=np.zeros((ROW_FIRED + 1, BATCH), np.int64),
    **dict.fromkeys(["fan", "counts", "affine", "ready", "free", "due"], np.zeros(1, np.int64)),
    **dict.fromkeys(
        ["calendar", "link", "stage", "target", "delay", "turn", "owner", "busy", "offset"], np.zeros(1, np.int64)
    ),
)
PLACES = Places(TABLES.ports, TABLES.queues, TABLES.loops, TABLES.affine)
VALUES = Values(
    words=np.zeros(1, np.float32),
    ints=np.zeros(1, np.int32),
    rows=np.zeros(1, ROW),
    operands=np.zeros(1, OPERAND),
    lanes=np.zeros(1, np.int64),
    dynamics=np.zeros((1, 2), np.int64),
)
"""Examples, for the types."""
