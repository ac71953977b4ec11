"""The engine's compiled loops: numba (with its llvmlite) and numpy only, and platformdirs for the place of their cache."""
