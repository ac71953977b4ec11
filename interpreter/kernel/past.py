"""The tables of fast-forward: past states of a run, and when to compare them with the present one."""

from typing import NamedTuple

import numpy as np

from rdflow.interpreter.kernel.layout import record

CONTROL = record(
    "grid "  # cycles from one look to the next; 0: plain stepping
    "skips cycles firings"  # what was skipped
)
WATCH = record(
    "anchor "  # the actor whose loops say when to look; -1: none
    "level cycle "  # the next look: for the reference of this loop, at this cycle (FAR: none)
    "seen quiet "  # firings of the anchor at the last look; looks since it fired
    "first"  # the reference of its outermost loop
)
REFERENCE = record(
    "cycle served "
    "steps distance "  # looks since it was kept, looks until it is kept anew (0: there is none)
    "actor queue "  # what differed last
    "work fired"  # words compared and kept since the last skip; firings until then
)
ADVANCE = record(
    "unit "  # a loop repeats what it did this many iterations ago, or a multiple; 0: never
    "low high"  # between these iterations
)
PAST_ACTOR = record("next firings busy starved blocked memory link")
PAST_QUEUE = record("pushed available popped")
PAST_SERVER = record("free last packets")


class Marks(NamedTuple):
    """What fast-forward keeps: past states, by reference, and when to look for the next one like them."""

    control: np.ndarray
    watches: np.ndarray  # the busiest actor; one that stands in while it is quiet
    references: np.ndarray
    advances: np.ndarray  # by loop
    first: np.ndarray  # by queue: its first slot
    most: np.ndarray  # by queue: tokens that a firing pops, at most
    before: np.ndarray  # by actor: firings when a stand-in was last looked for
    actors: np.ndarray
    counters: np.ndarray  # by loop
    queues: np.ndarray
    servers: np.ndarray
    slots: np.ndarray  # by slot of a queue: ready cycles, the newest first, then free cycles, the last first
    targets: np.ndarray  # by slot: the server that a token is under way to, DECIDED
    stages: np.ndarray  # by slot: the stage that a token is under way to
    delays: np.ndarray  # by slot: cycles that a token queued at links
    spare: np.ndarray  # a ring, while it is turned


_NUMBERS = np.zeros(1, np.int64)
_TABLE = np.zeros((1, 1), np.int64)
MARKS = Marks(
    control=np.zeros(1, CONTROL),
    watches=np.zeros(1, WATCH),
    references=np.zeros(1, REFERENCE),
    advances=np.zeros(1, ADVANCE),
    actors=np.zeros((1, 1), PAST_ACTOR),
    queues=np.zeros((1, 1), PAST_QUEUE),
    servers=np.zeros((1, 1), PAST_SERVER),
    **dict.fromkeys(["counters", "slots", "targets", "stages", "delays"], _TABLE),
    **dict.fromkeys(["first", "most", "before", "spare"], _NUMBERS),
)
"""An example, for the types."""
