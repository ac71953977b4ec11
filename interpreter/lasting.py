"""Making much that will last, without a search for garbage in between.

The netlist of a large kernel is a million small objects. Python's collector looks at all of them again and again while
they are made, and finds nothing: that took as long as making them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """No search for garbage inside, but where the caller had none anyway."""
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searches:
            gc.enable()
