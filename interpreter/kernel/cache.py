"""Where compiled code is kept: a folder of the user's cache, named after the sources of this package.

A stamp of one file is all that numba looks at, so a change in a helper would go unseen without the name.
"""

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_dir


def folder() -> Path:
    """The folder for these very sources; `RDFLOW_CACHE_DIR` says where instead of the user's cache."""
    root = os.environ.get("RDFLOW_CACHE_DIR") or user_cache_dir("rdflow")
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return Path(root) / "kernels" / digest.hexdigest()[:16]


def holds(function: str) -> bool:
    """Whether compiled code of an entry point is there."""
    return any(folder().glob(f"**/engine.{function}-*.nbc"))
