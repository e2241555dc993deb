"""Random flips."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.transforms.random_flip import RandomFlip
from tests.plugins.support import message_of
from tests.plugins.transforms.support import NO_IMAGES, refuses_what_is_no_image, transformed

IMAGE = np.arange(6.0).reshape(2, 3)
WAYS = {
    (False, False): [[0, 1, 2], [3, 4, 5]],
    (True, False): [[2, 1, 0], [5, 4, 3]],
    (False, True): [[3, 4, 5], [0, 1, 2]],
    (True, True): [[5, 4, 3], [2, 1, 0]],
}


@pytest.mark.parametrize(
    ("horizontal", "vertical"), [(0.5, 0.0), (0.25, 0.5), (1.0, 0.0), (0.0, 1.0), (0, 0), (1, 1)]
)
@pytest.mark.parametrize("channels", [False, True])
def test_mirrors_each_way_with_its_own_probability(horizontal, vertical, channels):
    x = np.tile(IMAGE, (4000, 1, 1))
    x = np.stack([x, x + 10], axis=-1) if channels else x
    out, _ = transformed(partial(RandomFlip, horizontal, vertical), x)
    total = 0
    for (right, down), image in WAYS.items():
        image = np.stack([image, np.add(image, 10)], axis=-1) if channels else np.array(image)
        share = (horizontal if right else 1 - horizontal) * (vertical if down else 1 - vertical)
        count = (out == image).reshape(4000, -1).all(axis=1).sum()
        assert abs(count / 4000 - share) <= 5 * (share * (1 - share) / 4000) ** 0.5
        total += count
    assert total == 4000


def test_mirrors_half_of_them_left_to_right_by_default():
    assert (RandomFlip().horizontal, RandomFlip().vertical) == (0.5, 0.0)


@NO_IMAGES
def test_refuses_what_is_no_image(shape):
    refuses_what_is_no_image(RandomFlip, "random_flip", shape)


@pytest.mark.parametrize(("horizontal", "vertical"), [(1.5, 0.0), (0.5, -0.1)])
def test_refuses_what_is_no_probability(horizontal, vertical):
    assert message_of(ValueError, lambda: RandomFlip(horizontal, vertical)) == (
        f"horizontal and vertical are probabilities, in [0, 1], got {horizontal} and {vertical}"
    )
