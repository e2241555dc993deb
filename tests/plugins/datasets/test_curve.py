from __future__ import annotations

import numpy as np
import pytest
from scipy import signal, stats

from dtrain_plugins.datasets.curve import Curve
from tests.plugins.support import message_of


def of(rows):
    x, y = rows.rows(np.arange(len(rows)))
    return x[:, 0], y


def bumps(x):
    """Three densities of normal distributions, scaled to the heights that the docstring names."""
    each = [(-0.6, 0.15, 0.8), (0.0, 0.08, -0.6), (0.5, 0.2, 1.0)]
    return sum(h * stats.norm.pdf(x, c, w) * w * np.sqrt(2 * np.pi) for c, w, h in each)


REFERENCES = {
    "gaussian_bumps": bumps,
    "sawtooth": lambda x: signal.sawtooth(2 * np.pi * (x + 0.5)),
    "sine": lambda x: np.imag(np.exp(2j * np.pi * x)),
    "triangle": lambda x: signal.sawtooth(2 * np.pi * (x + 0.25), 0.5),
}


@pytest.mark.parametrize("function", REFERENCES)
def test_points_lie_on_the_function_and_validation_half_way_between(function):
    data = Curve(function, samples=100)
    x, y = of(data.train)
    between, there = of(data.validation)
    assert x == pytest.approx(np.linspace(-1, 1, 100))
    assert between == pytest.approx((x[1:] + x[:-1]) / 2)
    assert y == pytest.approx(REFERENCES[function](x), abs=1e-12)
    assert there == pytest.approx(REFERENCES[function](between), abs=1e-12)
    assert data.train.shape == data.validation.shape == (1,)


def test_noise_is_on_the_training_samples_alone_and_follows_its_seed():
    clean, noisy, again, other = (
        Curve(samples=2000, noise=noise, seed=seed) for noise, seed in ((0, 0), (0.1, 0), (0.1, 0), (0.1, 1))
    )
    noise = of(noisy.train)[1] - of(clean.train)[1]
    assert noise.std() == pytest.approx(0.1, rel=0.1)
    assert np.array_equal(of(noisy.train)[1], of(again.train)[1])
    assert not np.array_equal(of(noisy.train)[1], of(other.train)[1])
    assert np.array_equal(of(noisy.validation)[1], of(clean.validation)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 1}, "samples must be at least 2, got 1"),
        ({"noise": -0.1}, "noise must be at least 0, got -0.1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    assert message_of(ValueError, lambda: Curve(**options)) == message
