# The commands of the house: the same by hand and in CI.

check:
    ruff check .
    ruff format --check .
    mypy
    python -m venv .venv-run && .venv-run/bin/pip install -q . import-linter && cd .ci && ../.venv-run/bin/lint-imports --config ../pyproject.toml

test:
    python -m pytest -q -n 2

golden:
    RDFLOW_GOLDEN=1 python -m pytest -q tests/test_spec.py

bench:
    python benchmarks/engine_speed.py
    python benchmarks/program_speed.py --cold
    python benchmarks/arbiter_speed.py
    python benchmarks/mapping_speed.py
