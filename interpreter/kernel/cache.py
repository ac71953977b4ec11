"""Where compiled code is kept: a folder of the user's cache, named after the sources of this package.

A stamp of one file is all that numba looks at, so a change in a helper would go unseen without the name.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from platformdirs import user_cache_dir


@cache
def folder() -> Path:
    """The folder for these very sources, the compiler and the processor; `RDFLOW_CACHE_DIR` says where instead of the
    user's cache."""
    root = os.environ.get("RDFLOW_CACHE_DIR") or user_cache_dir("rdflow")
    features = get_host_cpu_features()
    parts = [sys.version, version("numba"), version("llvmlite"), get_host_cpu_name(), features.flatten()]
    parts += [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    digest = hashlib.sha256("\n".join(parts).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return Path(root) / "kernels" / digest.hexdigest()[:16]


@contextmanager
def in_use() -> Iterator[None]:
    """Numba asks for its folder when a function is decorated."""
    from numba import config

    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder())
    try:
        yield
    finally:
        config.CACHE_DIR = before


def holds(function: str) -> bool:
    """Whether compiled code of a function is there."""
    return any(folder().glob(f"{function}.object")) or any(folder().glob(f"*/*.{function}-*.nbc"))


def apart(statement: str) -> subprocess.Popen[bytes] | None:
    """A process that executes a statement and is silent whatever happens; None where there can be none. It does not look
    for modules where the user is: a checkout has a folder `rdflow` that is a part of the package."""
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", statement],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
