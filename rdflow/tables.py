"""Tables that layers of the standard library read: rotary angles, ALiBi slopes, what a Fourier transform needs, patterns.

float32 or int32 arrays, to be given as inputs: `program.run(**dict(zip(("COS", "SIN"), rope(64, 16))))`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rdflow.dsl.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Llama3:
    """The scaling of rotary frequencies in Llama 3.1 (config `rope_scaling`, type "llama3"); defaults are those of 8B."""

    factor: float = 8.0
    low: float = 1.0
    high: float = 4.0
    original: int = 8192


def rope(
    positions: int, width: int, base: float = 10000.0, scaling: Llama3 | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cosines and sines, [positions, width / 2], for heads of `width` values. Su et al., RoFormer; Llama 3 has base 500000."""
    import numpy as np

    frequency = base ** (-np.arange(0, width, 2) / width)
    if scaling is not None:
        frequency = _scaled(frequency, scaling)
    angle = np.outer(np.arange(positions), frequency)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def _scaled(frequency: NDArray[Any], scaling: Llama3) -> NDArray[Any]:
    """Slow frequencies divided by the factor, fast ones kept, those between blended by turns within the original context."""
    import numpy as np

    turns = scaling.original * frequency / (2 * math.pi)
    kept = np.clip((turns - scaling.low) / (scaling.high - scaling.low), 0, 1)
    return frequency * (kept + (1 - kept) / scaling.factor)


def alibi(heads: int) -> NDArray[Any]:
    """Slopes, [heads]: 2^(-8 i / n) for n heads; where n is no power of two, every other one of 2 n fills up (Press et al.)."""
    import numpy as np

    whole = 2 ** int(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / whole) for i in range(whole)]
    between = [2 ** (-4 * (2 * i + 1) / whole) for i in range(heads - whole)]
    return np.array(slopes + between, np.float32)


def fourier(points: int, order: int) -> dict[str, NDArray[Any]]:
    """The tables of a transform of points^order values: `F` [2, 2, P, P]; `A`, `B` for order 2, else `A0`, `B0`, `A1`, ..

    Twiddle j multiplies output digit kj of a step by e^(-2 pi i kj r / P^(order - j)), r the digits still to come:
    axes [P] * (order - j).
    """
    import numpy as np

    turn = 2 * np.pi * np.outer(np.arange(points), np.arange(points)) / points
    tables = {"F": np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])}
    for step in range(order - 1):
        rest = points ** (order - 1 - step)
        angle = -2 * np.pi * np.outer(np.arange(points), np.arange(rest)) / (points * rest)
        shape = (points,) * (order - step)
        name = "" if order == 2 else str(step)
        tables |= {f"A{name}": np.cos(angle).reshape(shape), f"B{name}": np.sin(angle).reshape(shape)}
    return {name: table.astype(np.float32) for name, table in tables.items()}


def spectrum(taps: NDArray[Any], points: int, order: int) -> dict[str, NDArray[Any]]:
    """A filter of points^order complex taps as `HR` and `HI`: its transform over points^order, in the order of the digits
    k0, k1, .. that the library's transforms have (k0 is the fastest digit of the frequency)."""
    import numpy as np

    found = np.fft.fft(taps) / taps.size
    digits = found.reshape((points,) * order).transpose(*reversed(range(order)))
    return {"HR": digits.real.astype(np.float32), "HI": digits.imag.astype(np.float32)}


def balanced(outputs: int, inputs: int, kept: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """A random balanced pattern of blocks: `INDEX` [outputs, kept], the input blocks that each output block reads, all
    different; `ROWS` and `PLACES` [inputs, outputs * kept / inputs], its transpose: who reads an input block, and as
    which of its inputs. int32. Raises ValueError where the blocks cannot be shared out evenly."""
    import numpy as np

    if kept > inputs or outputs * kept % inputs:
        raise ValueError(
            f"{outputs} blocks of outputs with {kept} inputs each do not share out {inputs} blocks of inputs"
        )
    random = np.random.default_rng(seed)
    reads = np.arange(outputs * kept).reshape(outputs, kept) % inputs
    index = random.permutation(inputs)[reads][random.permutation(outputs)]
    readers = np.argsort(index.ravel(), kind="stable").reshape(inputs, -1)
    found = {"INDEX": index, "ROWS": readers // kept, "PLACES": readers % kept}
    return {name: table.astype(np.int32) for name, table in found.items()}
