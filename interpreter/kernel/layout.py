"""The tables of an image: what the compiled loops read and write. All times are absolute cycles."""

from typing import NamedTuple

import numpy as np

FAR = 1 << 62  # a cycle that never comes
BATCH = 64  # firings committed at once, at most
VALUE_BATCH = 32  # the same where values are computed: the temporaries of a batch stay in the nearest cache

RUNNING, FINISHED, DEADLOCK = range(3)  # what `advance` comes to
READY, DONE = -1, -2  # Actor.waiting: for nothing but time; nothing left to do. Else the queue it waits for.
PLAIN, MAP, SOURCE, SINK = range(4)  # Actor.shape: the general case, and three with their own loops
UNSERVED = -1  # Queue.stages: it passes no server
ALONE, FOLLOWS = -1, -2  # Queue.bundle: its tokens are requests of their own; another queue leads the bundle
TOKENS = (1 << 31) - 1  # mask of the number of a token in a request: more than a ring has places
BY_ADDRESS = -2  # Stage.server: the memory channel of the burst's address
DECIDED = -2  # the server of a token whose ready cycle is known
ROW_READY, ROW_MEMORY, ROW_FREE, ROW_FIRED = range(4)
"""Rows of Tables.scratch: when tokens are there, those through memory apart; when slots are free; when it fires."""
OVER = 8  # places behind the last ring, which are read and not used
VECTOR = 32  # words from one temporary of a firing to that of the next


LINE = 64  # bytes of a line of the cache


def record(*groups: str) -> np.dtype:
    """Fields of eight bytes, then such of four, for what is no time and counts nothing that runs; then again, if need be.

    A visit reads rows of tens of actors, ports and queues, which are not near. Where there are several groups, every two of
    them fill a line of the cache, and what a visit without values needs comes first.
    """
    fields = []
    for number, group in enumerate(groups):
        fields += [(name, np.int32 if number % 2 else np.int64) for name in group.split()]
    size = np.dtype(fields).itemsize
    if len(groups) > 2:
        fields += [(f"pad{i}", np.int32) for i in range(-size % LINE // 4)]
    return np.dtype(fields)


CLOCK = record(
    "time "  # every firing before it is done
    "window "  # cycles that actors may run ahead
    "reach "  # shortest way from a push to a server
    "served "  # requests that arrive before this cycle have been decided
    "requests "  # tokens under way to a server
    "unused fresh "  # the first of the requests that are done with (-1: none); from here on none was ever used
    "running "  # actors that are not done
    "pause "  # a cycle to return at, or at the first window end after it
    "strays "  # actors may stray from the ends of windows
    "late "  # a firing that is due from here on can wait for the next window
)
ACTOR = record(
    "next "  # the interval of the last firing is over
    "firings busy",
    "waiting shape inner depth first_in last_in last_out "  # ports: inputs, then outputs
    "at_first at_last "  # bit l: loop l is at counter 0, at its last iteration
    "split_first",  # the ports or rows of the innermost loop's first iteration differ
    "last starved blocked memory tiles",
    "split_last "  # the same of its last one
    "interval "
    "even "  # no port takes several tokens at once
    "lag ahead "  # cycles that its firings may be behind the end of a window, and beyond it
    "first_out",
    "link first "
    "turned turn "  # the outermost loop that a carry has stepped since this was FAR, and the cycle of the firing before
    "base",
    "linked "  # some token comes over a link that flows share
    "tile_level loop first_gather last_gather "
    "burst",  # affine of the byte address from `base` on
    "",
    "channel channels "  # its first server and number of servers
    "first_row last_row "
    "ragged "  # a port says how often a loop runs
    "single",  # no batches: a row needs what the firing before stored
)
LOOP = record("counter iterations size bound")
BOUND = record("stride granule limit base port token")  # port: its token ends the loop too (-1: none, and FAR)
PORT = record(
    "",
    "plain first last not_first not_last "  # the gate; plain: there is none
    "packets counts choices queue select varies "  # varies: queue or count differ from firing to firing
    "taken current begin stop "  # of the batch under way: tokens a firing, queue; from which firing to before which
    "counted",  # tokens by the counter of this loop (counts -1: always one)
    "word step",  # where the token of the batch's first firing is, or goes; words to that of the next
    "fan held width holds",
)
QUEUE = record(
    "pushed available popped",  # tokens since the start; available: with a known cycle, without a gap
    "ring mask capacity source sink latency credit "
    "push_pace pop_pace "  # cycles from one ready time to the next, from one free time to the next, at least; 0: unknown
    "memory",  # whether it passes a memory channel
    "word",
    "stages "  # the first of them, UNSERVED
    "first "  # cycles from the push to the first of its stages
    "linked flow "  # whether it passes a link that flows share; its turn at a server
    "packets width "
    "bundle",  # a multicast: the bundle that this queue leads, FOLLOWS, ALONE
)
STAGE = record(
    "after",  # cycles from the end of service to the next arrival, at last to ready
    "server final flow packets",  # of its queue, whose row is far away
)
REQUEST = record(
    "arrival ",  # at its server
    "link "  # the next one in the calendar, in the line at a server, or of those that are done with
    "place queue "  # of the token; of a bundle the number of the token, and -1 - the bundle
    "stage server "  # it is under way to; the server of that stage
    "delay",  # cycles that the token queued at links
)
BUNDLE = record("", "first last")  # queues whose tokens are the same packets so far: where its parts are
PART = record(
    "",
    "queue "
    "stage "  # of that queue, the one under way
    "bundle",  # the queues that go on together, ALONE
)
GATHER = record("port stride length")  # an index that adds to the address: index * stride, index < length
SERVER = record(
    "free packets",  # free: in cycles / denominator
    "head "  # first of the requests that arrive in the cycle under way
    "last numerator denominator "  # last: flow
    "shared",  # a link: a flow's tokens of one cycle are one packet
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


def zeros(count: int, dtype: type | np.dtype) -> np.ndarray:
    """An array that begins with a line of the cache."""
    size = count * np.dtype(dtype).itemsize
    space = np.zeros(size + LINE, np.uint8)
    start = -space.ctypes.data % LINE
    return space[start : start + size].view(dtype)


def placed(array: np.ndarray) -> np.ndarray:
    """A copy that begins with a line of the cache."""
    found = zeros(array.size, array.dtype)
    found[...] = array
    return found


def room(queues: np.ndarray) -> np.ndarray:
    """Room for the requests of these queues: all tokens that can be in them."""
    served = queues["stages"] != UNSERVED
    return zeros(max(1, int(queues["capacity"][served].sum())), REQUEST)


def table(dtype: np.dtype, rows: list) -> np.ndarray:
    """Rows (fields by name) as one array; one row of zeros where there are none: no index is out of bounds."""
    result = zeros(max(1, len(rows)), dtype)
    alike = {}  # by the fields that they have: rows
    for i, row in enumerate(rows):
        alike.setdefault(tuple(row), []).append(i)
    for names, places in alike.items():
        numbers = np.array([list(rows[i].values()) for i in places])
        for column, name in enumerate(names):
            result[name][places] = numbers[:, column]
            if (result[name][places] != numbers[:, column]).any():
                raise OverflowError(f"`{name}` has a number that takes more than four bytes")
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
    bundles: np.ndarray
    parts: np.ndarray  # of bundles, where they part
    gathers: np.ndarray
    servers: np.ndarray
    requests: np.ndarray  # tokens under way to a server, where there is room
    ready: (
        np.ndarray
    )  # by token place: cycle at which it can be popped; -1 - number of its request, where that is not known
    free: (
        np.ndarray
    )  # by token place: cycle at which the pop of that place frees its slot; where sockets run apart, the same array
    due: np.ndarray  # by actor: cycle of its next firing as far as known, with its lag, else FAR
    pending: np.ndarray  # bit map of the actors to visit
    calendar: np.ndarray  # by arrival cycle, round and round: first of the requests that arrive then
    delay: np.ndarray  # by token place: cycles that it queued at links
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
    bundles=np.zeros(1, BUNDLE),
    parts=np.zeros(1, PART),
    gathers=np.zeros(1, GATHER),
    servers=np.zeros(1, SERVER),
    requests=np.zeros(1, REQUEST),
    pending=np.zeros(1, np.uint64),
    scratch=np.zeros((ROW_FIRED + 1, BATCH), np.int64),
    **dict.fromkeys(["fan", "counts", "affine", "ready", "free", "due"], np.zeros(1, np.int64)),
    **dict.fromkeys(["calendar", "delay", "busy", "offset"], np.zeros(1, np.int64)),
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
