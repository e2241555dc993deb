"""Random shifts."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest

from dtrain_plugins.transforms.random_shift import RandomShift
from tests.plugins.support import message_of
from tests.plugins.transforms.support import NO_IMAGES, given, refuses_what_is_no_image, transformed

IMAGE = np.arange(1.0, 31).reshape(5, 6)


def moved(image, down, right, fill):
    """One pixel at a time."""
    out = np.full_like(image, fill)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            if 0 <= i - down < image.shape[0] and 0 <= j - right < image.shape[1]:
                out[i, j] = image[i - down, j - right]
    return out


@pytest.mark.parametrize(("vertical", "horizontal"), [(2, 2), (0, 1), (3, 0), (0, 0), (7, 8)])
@pytest.mark.parametrize("channels", [None, 1, 2])
def test_every_move_is_as_likely_and_there_are_no_others(vertical, horizontal, channels):
    x = np.tile(IMAGE, (2000, 1, 1))
    if channels is not None:
        x = np.stack([x * (c + 1) for c in range(channels)], axis=-1)
    out, _ = transformed(partial(RandomShift, vertical, horizontal, -1.0), x)
    moves = [(i, j) for i in range(-vertical, vertical + 1) for j in range(-horizontal, horizontal + 1)]
    counts = Counter(image.tobytes() for image in out)
    expected = Counter(moved(x[0], i, j, -1.0).tobytes() for i, j in moves)
    assert set(counts) == set(expected)
    for image, ways in expected.items():
        share = ways / len(moves)
        assert abs(counts[image] / 2000 - share) <= 5 * (share * (1 - share) / 2000) ** 0.5


def test_moves_up_to_two_pixels_over_zeros_by_default():
    part = RandomShift()
    assert (part.vertical, part.horizontal, part.fill) == (2, 2, 0.0)
    # The least numbers are a window at the top left: the image moves down and right.
    low, high = 2.0**-53, 1 - 2.0**-53
    out, _ = part.forward(np.stack([IMAGE, IMAGE]), None, given([[low, low], [high, low]]))
    assert (out[0] == moved(IMAGE, 2, 2, 0.0)).all()
    assert (out[1] == moved(IMAGE, -2, 2, 0.0)).all()


@NO_IMAGES
def test_refuses_what_is_no_image(shape):
    refuses_what_is_no_image(RandomShift, "random_shift", shape)


@pytest.mark.parametrize(("vertical", "horizontal"), [(-1, 0), (0, -2)])
def test_refuses_moves_below_0(vertical, horizontal):
    assert message_of(ValueError, lambda: RandomShift(vertical, horizontal)) == (
        f"vertical and horizontal must be at least 0, got {vertical} and {horizontal}"
    )
