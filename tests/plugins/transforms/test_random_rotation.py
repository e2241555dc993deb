"""Random rotations."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from dtrain_plugins.transforms.random_rotation import RandomRotation
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
def test_is_scipys_rotation_with_lines_between_pixels(shape, fill, dtype, tolerance):
    x = RANDOM.standard_normal((5, *shape)).astype(dtype)
    u = np.array([0.1, 0.5, 0.62, 0.9, 0.3])
    out, _ = RandomRotation(45.0, fill).forward(x, None, given(u))
    assert out.dtype == dtype
    for image, turned, angle in zip(x, out, (2 * u - 1) * 45, strict=True):
        expected = ndimage.rotate(
            image.astype(float), angle, order=1, reshape=False, mode="grid-constant", cval=fill
        )
        assert distance(turned, expected) < tolerance


def test_a_quarter_turn_is_counterclockwise():
    x = np.arange(9.0).reshape(1, 3, 3)
    (out,), _ = RandomRotation(180.0).forward(x, None, given([0.75]))
    assert np.abs(out - [[2, 5, 8], [1, 4, 7], [0, 3, 6]]).max() < 1e-14


def test_no_angle_changes_nothing():
    x = RANDOM.standard_normal((20, 5, 6))
    assert (transformed(partial(RandomRotation, 0.0), x)[0] == x).all()


def test_turns_up_to_ten_degrees_evenly_by_default():
    part = RandomRotation()
    assert (part.degrees, part.fill) == (10.0, 0.0)
    # A slope downwards: at the right edge of the middle line it shows the sine of the angle.
    x = np.tile(np.arange(-10.0, 11)[:, None], (4000, 1, 21))
    out, _ = transformed(RandomRotation, x)
    angle = np.rad2deg(np.arcsin(out[:, 10, 20] / 10))
    assert np.abs(angle).max() <= 10
    assert abs(angle.mean()) < 5 * 10 / (3 * 4000) ** 0.5
    assert angle.std() == pytest.approx(10 / 3**0.5, rel=0.03)


@NO_IMAGES
def test_refuses_what_is_no_image(shape):
    refuses_what_is_no_image(RandomRotation, "random_rotation", shape)


@pytest.mark.parametrize("degrees", [-1.0, 181.0])
def test_refuses_other_angles(degrees):
    assert message_of(ValueError, lambda: RandomRotation(degrees)) == (
        f"degrees must be in [0, 180], got {degrees}"
    )
