"""Outputs of a run held against the NumPy evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rdflow.dsl.records import dataclass

if TYPE_CHECKING:  # NumPy takes time to import
    from numpy.typing import NDArray

    from rdflow.dsl.check import Checked


@dataclass(frozen=True)
class Verification:
    """Outputs held against the NumPy evaluator: bit-equal (NaN equal to NaN), or the largest difference."""

    passed: bool
    max_abs_error: float
    tolerance: float
    tensor: str | None


def verified(checked: Checked, inputs: Mapping[str, NDArray[Any]], outputs: Mapping[str, NDArray[Any]]) -> Verification:
    """Outputs of a run held against what the evaluator makes of the same inputs."""
    import numpy as np

    from rdflow.dsl.evaluate import evaluate

    wanted = evaluate(checked, inputs)
    worst, where, passed = 0.0, None, True
    for name, found in outputs.items():
        if not equal(found, wanted[name]):
            passed = False
            with np.errstate(invalid="ignore"):
                error = float(np.nanmax(np.abs(found.astype(np.float64) - wanted[name]), initial=0.0))
            if where is None or error > worst:
                worst, where = error, name
    return Verification(passed, worst, 0.0, where)


def equal(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether all elements are the same number, NaN counted as one."""
    import numpy as np

    return a.shape == b.shape and bool(np.all((a == b) | (np.not_equal(a, a) & np.not_equal(b, b))))
