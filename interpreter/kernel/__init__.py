"""The engine's compiled loops: numba and numpy only (and platformdirs, for the place of their cache)."""

from numba import config

from rdflow.interpreter.kernel import cache

_before = config.CACHE_DIR
config.CACHE_DIR = str(cache.folder())  # numba asks for it when a function is decorated
try:
    from rdflow.interpreter.kernel import engine as engine
finally:
    config.CACHE_DIR = _before
