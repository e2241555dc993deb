"""The normal distribution function against SciPy's."""

from __future__ import annotations

from math import erfc

import numpy as np
import pytest
from scipy import special

from dtrain_plugins.activations.bell import normal_cdf, scaled_erfc

FAR = np.concatenate([np.linspace(0, 30, 10_001), np.logspace(1.5, 30, 60)])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 5e-7), (np.float64, 5e-15)])
def test_scaled_erfc_has_full_precision(dtype, tolerance):
    z = FAR.astype(dtype)
    got = scaled_erfc(z)
    assert got.dtype == dtype
    assert np.abs(got / special.erfcx(z.astype(np.float64)) - 1).max() < tolerance


def test_scaled_erfc_holds_in_the_right_half_plane():
    random = np.random.Generator(np.random.Philox(3))
    real, imag = random.standard_normal((2, 2000)) * 3
    z = np.abs(real) + 1j * imag
    assert np.abs(scaled_erfc(z) / special.wofz(1j * z) - 1).max() < 3e-14


def test_normal_cdf_is_right_in_every_digit_of_a_small_value():
    x = np.linspace(-37, 37, 7_401)
    got, expected = normal_cdf(x), np.array([erfc(-v / np.sqrt(2)) / 2 for v in x])
    assert (np.abs(got / expected - 1) < 1e-15 * (1 + x * x)).all()


def test_normal_cdf_in_float32():
    x = np.linspace(-12, 12, 2_401).astype(np.float32)
    got, expected = normal_cdf(x), special.ndtr(x.astype(np.float64))
    assert got.dtype == np.float32
    assert (np.abs(got / expected - 1) < 1e-6 * (1 + 0.2 * x * x)).all()


def test_normal_cdf_ends_at_0_and_1_without_a_warning():
    most = np.finfo(np.float32).max
    got = normal_cdf(np.array([-most, -1e4, 0, 1e4, most], np.float32))
    assert got == pytest.approx([0, 0, 0.5, 1, 1], rel=2e-7, abs=0)


def test_normal_cdf_can_be_differentiated_by_a_complex_step():
    x = np.linspace(-6, 6, 121)
    slope = normal_cdf(x + 1e-30j).imag / 1e-30
    assert slope == pytest.approx(np.exp(-x * x / 2) / np.sqrt(2 * np.pi), rel=1e-13)
