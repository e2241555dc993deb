"""Cutout."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.transforms.cutout import Cutout
from tests.plugins.support import message_of
from tests.plugins.transforms.support import NO_IMAGES, refuses_what_is_no_image, transformed


def covered(height, width, row, column, size):
    """One pixel at a time."""
    first, left = row - size // 2, column - size // 2
    return [
        [first <= i < first + size and left <= j < left + size for j in range(width)] for i in range(height)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_covers_a_square_at_any_pixel_as_often(size, channels):
    x = np.ones((2000, 4, 5, *channels))
    out, _ = transformed(partial(Cutout, size, -2.0), x)
    assert set(np.unique(out)) <= {1, -2}
    hidden = (out == -2).reshape(2000, 4, 5, -1)
    assert (hidden == hidden[..., :1]).all()
    images, counts = np.unique(hidden[..., 0].reshape(2000, -1), axis=0, return_counts=True)
    shares = {}
    for row in range(4):
        for column in range(5):
            key = np.array(covered(4, 5, row, column, size)).tobytes()
            shares[key] = shares.get(key, 0) + 1 / 20
    assert {image.tobytes() for image in images} == set(shares)
    for image, count in zip(images, counts, strict=True):
        share = shares[image.tobytes()]
        assert abs(count / 2000 - share) <= 5 * max(share * (1 - share) / 2000, 0) ** 0.5 + 1e-12


def test_covers_eight_by_eight_with_zeros_by_default():
    assert (Cutout().size, Cutout().fill) == (8, 0.0)
    out, _ = transformed(Cutout, np.ones((200, 30, 30)))
    assert (out == 0).sum(axis=(1, 2)).max() == 64


@NO_IMAGES
def test_refuses_what_is_no_image(shape):
    refuses_what_is_no_image(Cutout, "cutout", shape)


def test_refuses_a_size_below_1():
    assert message_of(ValueError, lambda: Cutout(0)) == "size must be at least 1, got 0"
