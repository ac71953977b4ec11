"""The loops of this package as machine code, kept in a folder of the user's cache that is named after their sources."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from platformdirs import user_cache_dir

from rdflow.interpreter.mapper import anneal, grow, settle

Function = Callable[..., Any]
OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def folder() -> Path:
    """The folder for these very sources; `RDFLOW_CACHE_DIR` says where instead of the user's cache."""
    root = os.environ.get("RDFLOW_CACHE_DIR") or user_cache_dir("rdflow")
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return Path(root) / "mapper" / digest.hexdigest()[:16]


def _compiled(entry: str, *modules: Any) -> Function:
    """A function of the last module, and those that it calls, of modules before it, too: the modules stay as they are."""
    done: dict[Any, Any] = {}
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder())
    try:
        for module in modules:
            names = {
                name: done.get(value, value) if isinstance(value, FunctionType) else value
                for name, value in vars(module).items()
            }
            for name, function in vars(module).items():
                if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                    inner = {"no_cpython_wrapper": name != entry, "no_cfunc_wrapper": True}
                    copy = FunctionType(function.__code__, names, name, function.__defaults__)
                    names[name] = done[function] = numba.njit(copy, **(OPTIONS | inner))
    finally:
        config.CACHE_DIR = before
    found: Function = names[entry]
    return found


fast_anneal = _compiled("anneal", anneal)
fast_settle = _compiled("settle", grow, settle)
