"""The engine's compiled loops: numba and numpy only (and platformdirs, for the place of their cache)."""

from rdflow.interpreter.kernel import cache

with cache.in_use():
    from rdflow.interpreter.kernel import engine as engine
