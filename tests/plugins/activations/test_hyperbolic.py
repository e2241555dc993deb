"""The hyperbolic tangent on complex numbers that a complex step makes."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.activations.hyperbolic import tanh


@pytest.mark.parametrize(("dtype", "h", "tolerance"), [("F", 2.0**-40, 1e-6), ("D", 2.0**-160, 1e-14)])
def test_is_numpys_own_along_a_complex_step(dtype, h, tolerance):
    a = np.linspace(-30, 30, 201)
    x = (a + 1j * h * np.cos(a)).astype(dtype)
    expected = np.tanh(x.astype("D"))
    y = tanh(x, np.empty_like(x))
    assert y.dtype == x.dtype
    assert np.abs(y.real - expected.real).max() <= tolerance
    assert np.abs(y.imag - expected.imag).max() <= tolerance * h
    assert tanh(x, x) is x
    assert (x == y).all()
