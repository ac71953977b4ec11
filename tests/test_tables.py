"""Tables of the library against the formulas of the models that have them, written out as these do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rdflow.tables import Llama3, alibi, balanced, fourier, rope, spectrum


def test_rotary_angles_of_llama() -> None:
    cos, sin = rope(50, 8, base=500000.0)
    angles = [[p / 500000.0 ** (2 * i / 8) for i in range(4)] for p in range(50)]
    np.testing.assert_allclose(cos, np.cos(angles), atol=1e-6)
    np.testing.assert_allclose(sin, np.sin(angles), atol=1e-6)
    assert cos.dtype == np.float32


def llama3(frequency: float, factor: float = 8.0, low: float = 1.0, high: float = 4.0, original: int = 8192) -> float:
    """As `rope_scaling` of type llama3 is described: by wavelength against the original context."""
    wavelength = 2 * math.pi / frequency
    if wavelength < original / high:
        return frequency
    if wavelength > original / low:
        return frequency / factor
    smooth = (original / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency


@pytest.mark.parametrize("scaling", [Llama3(), Llama3(factor=32.0), Llama3(4.0, 1.0, 8.0, 1024)])
def test_rotary_angles_with_the_scaling_of_llama_3(scaling: Llama3) -> None:
    """Low, middle and high frequencies of a head of 128: at position 1 the table is the frequency itself."""
    cos, sin = rope(2, 128, base=500000.0, scaling=scaling)
    plain = [500000.0 ** (-2 * i / 128) for i in range(64)]
    scaled = [llama3(f, scaling.factor, scaling.low, scaling.high, scaling.original) for f in plain]
    kept, slowed = (
        sum(a == b for a, b in zip(plain, scaled, strict=True)),
        sum(a == b / scaling.factor for a, b in zip(scaled, plain, strict=True)),
    )
    assert kept and slowed and kept + slowed < 64
    np.testing.assert_allclose(np.arctan2(sin[1], cos[1]), scaled, rtol=1e-5)


def test_slopes_of_alibi() -> None:
    """8 heads as in the paper; 12 take every other slope of 16 for the last four, as BLOOM does."""
    np.testing.assert_allclose(alibi(8), [2.0**-i for i in range(1, 9)])
    np.testing.assert_allclose(alibi(12)[8:], [2.0**-0.5, 2.0**-1.5, 2.0**-2.5, 2.0**-3.5])
    np.testing.assert_allclose(alibi(1), [2.0**-8])


def test_the_matrix_of_a_transform_is_real_and_imaginary_parts() -> None:
    (re, im), (minus, again) = fourier(8, 1)["F"]
    np.testing.assert_allclose(re + 1j * minus, np.fft.fft(np.eye(8)), atol=1e-6)
    np.testing.assert_allclose(again + 1j * im, np.fft.fft(np.eye(8)).conj(), atol=1e-6)


@pytest.mark.parametrize(("points", "order"), [(4, 2), (3, 3), (2, 4)])
def test_twiddles_and_spectra_make_a_transform(points: int, order: int) -> None:
    """Steps with the tables, in float64 and without any layer, against numpy's transform."""
    tables = fourier(points, order)
    random = np.random.default_rng(0)
    taps = random.standard_normal(points**order) + 1j * random.standard_normal(points**order)
    matrix = np.exp(-2j * np.pi * np.outer(np.arange(points), np.arange(points)) / points)
    x = taps.reshape((points,) * order)
    for step in range(order):
        x = np.moveaxis(np.tensordot(matrix, x, (1, step)), 0, step)
        if step < order - 1:
            name = "" if order == 2 else str(step)
            x = x * (tables[f"A{name}"] + 1j * tables[f"B{name}"])
    found = spectrum(taps, points, order)
    np.testing.assert_allclose(found["HR"] + 1j * found["HI"], x / points**order, atol=1e-5)


@pytest.mark.parametrize(("outputs", "inputs", "kept"), [(4, 8, 2), (6, 4, 2), (5, 5, 1), (3, 3, 3)])
def test_a_pattern_is_balanced_and_its_transpose_is_its_transpose(outputs: int, inputs: int, kept: int) -> None:
    found = balanced(outputs, inputs, kept, seed=3)
    index, rows, places = (found[n] for n in ("INDEX", "ROWS", "PLACES"))
    assert all(len(set(row)) == kept for row in index.tolist())
    assert np.bincount(index.ravel(), minlength=inputs).tolist() == [outputs * kept // inputs] * inputs
    for block, (readers, at) in enumerate(zip(rows, places, strict=True)):
        assert (index[readers, at] == block).all()
        assert len(set(zip(readers.tolist(), at.tolist(), strict=True))) == len(readers)


def test_a_pattern_that_cannot_be_balanced_is_refused() -> None:
    with pytest.raises(ValueError, match="do not share out 8"):
        balanced(3, 8, 3)
