"""Where compiled code is kept: a folder of the user's cache, named after the sources of this package.

A stamp of one file is all that numba looks at, so a change in a helper would go unseen without the name.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from numba import config
from platformdirs import user_cache_dir


def folder() -> Path:
    """The folder for these very sources; `RDFLOW_CACHE_DIR` says where instead of the user's cache."""
    root = os.environ.get("RDFLOW_CACHE_DIR") or user_cache_dir("rdflow")
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return Path(root) / "kernels" / digest.hexdigest()[:16]


@contextmanager
def in_use() -> Iterator[None]:
    """Numba asks for its folder when a function is decorated."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder())
    try:
        yield
    finally:
        config.CACHE_DIR = before


def holds(function: str) -> bool:
    """Whether compiled code of an entry point is there."""
    return any(folder().glob(f"**/engine.{function}-*.nbc"))
