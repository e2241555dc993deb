"""Random scales."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from dtrain_plugins.transforms.random_scale import RandomScale
from tests.plugins.support import distance, message_of
from tests.plugins.transforms.support import (
    NO_IMAGES,
    RANDOM,
    given,
    refuses_what_is_no_image,
    transformed,
)


@pytest.mark.parametrize("fill", [0.0, 0.5])
@pytest.mark.parametrize("shape", [(6, 9), (7, 7, 3), (1, 4)], ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_is_scipys_scaling_with_lines_between_pixels(shape, fill, dtype, tolerance):
    x = RANDOM.standard_normal((5, *shape)).astype(dtype)
    u = np.array([0.01, 0.2, 0.5, 0.75, 0.99])
    out, _ = RandomScale(0.5, 2.5, fill).forward(x, None, given(u))
    assert out.dtype == dtype
    middle = (np.array(shape[:2]) - 1) / 2
    for image, scaled, factor in zip(x, out, 0.5 + 2 * u, strict=True):
        planes = image.reshape(*shape[:2], -1).astype(float)
        expected = [
            ndimage.affine_transform(
                planes[..., c],
                np.eye(2) / factor,
                middle - middle / factor,
                order=1,
                mode="grid-constant",
                cval=fill,
            )
            for c in range(planes.shape[-1])
        ]
        assert distance(scaled.reshape(planes.shape), np.stack(expected, axis=-1)) < tolerance


def test_factor_1_changes_nothing():
    x = RANDOM.standard_normal((20, 5, 6))
    assert (transformed(partial(RandomScale, 1.0, 1.0), x)[0] == x).all()


def test_scales_by_a_tenth_both_ways_evenly_by_default():
    part = RandomScale()
    assert (part.low, part.high, part.fill) == (0.9, 1.1, 0.0)
    x = np.tile(np.arange(-10.0, 11)[:, None], (4000, 1, 3))
    out, _ = transformed(RandomScale, x)
    factor = 5 / out[:, 15, 1]  # a slope of 1 becomes one of 1/factor
    assert 0.9 - 1e-12 <= factor.min() < factor.max() <= 1.1 + 1e-12
    assert factor.mean() == pytest.approx(1, abs=5 * 0.1 / (3 * 4000) ** 0.5)
    assert factor.std() == pytest.approx(0.1 / 3**0.5, rel=0.03)


@NO_IMAGES
def test_refuses_what_is_no_image(shape):
    refuses_what_is_no_image(RandomScale, "random_scale", shape)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1.2, 1.1)])
def test_refuses_factors_out_of_order(low, high):
    assert message_of(ValueError, lambda: RandomScale(low, high)) == (
        f"low and high must be 0 < low ≤ high, got {low} and {high}"
    )
