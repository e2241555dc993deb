"""Random crops of padded images."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest

from dtrain_plugins.transforms.random_crop import RandomCrop
from tests.plugins.support import message_of
from tests.plugins.transforms.support import NO_IMAGES, refuses_what_is_no_image, transformed

IMAGE = np.arange(1.0, 21).reshape(4, 5)


def index(i, count, mode):
    """Where pixel i of the padded axis comes from; None: nowhere."""
    if mode == "edge":
        return min(max(i, 0), count - 1)
    if mode == "reflect":
        i = abs(i)
        return i if i < count else 2 * (count - 1) - i
    return i if 0 <= i < count else None


def window(top, left, mode, fill):
    out = np.full(IMAGE.shape, fill)
    for i in range(4):
        for j in range(5):
            a, b = index(i + top, 4, mode), index(j + left, 5, mode)
            if a is not None and b is not None:
                out[i, j] = IMAGE[a, b]
    return out


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
@pytest.mark.parametrize("channels", [False, True])
def test_cuts_every_window_as_often(padding, mode, channels):
    x = np.tile(IMAGE, (3000, 1, 1))
    x = np.stack([x, -x], axis=-1) if channels else x
    out, _ = transformed(partial(RandomCrop, padding, mode, 0.5), x)
    if channels:
        assert (out[..., 1] == np.where(out[..., 0] == 0.5, 0.5, -out[..., 0])).all()
        out = out[..., 0]
    moves = range(-padding, padding + 1)
    expected = Counter(window(i, j, mode, 0.5).tobytes() for i in moves for j in moves)
    counts = Counter(np.ascontiguousarray(image).tobytes() for image in out)
    assert set(counts) == set(expected)
    for image, ways in expected.items():  # far reflections repeat themselves
        share = ways / len(moves) ** 2
        assert abs(counts[image] / 3000 - share) <= 5 * (share * (1 - share) / 3000) ** 0.5


def test_pads_four_zeros_by_default():
    part = RandomCrop()
    assert (part.padding, part.mode, part.fill) == (4, "constant", 0.0)
    out, _ = transformed(RandomCrop, np.ones((400, 3, 3)))
    assert (out.reshape(400, -1).sum(axis=1) == 0).any()
    assert (out == 1).all(axis=(1, 2)).any()


@NO_IMAGES
def test_refuses_what_is_no_image(shape):
    refuses_what_is_no_image(RandomCrop, "random_crop", shape)


def test_refuses_a_padding_below_0():
    assert message_of(ValueError, lambda: RandomCrop(-1)) == "padding must be at least 0, got -1"
