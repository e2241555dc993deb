"""What holds for every transform."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.transforms import dtrain_transforms
from tests.plugins.support import built, examples_of, same_bits
from tests.plugins.transforms.support import RANDOM, transformed

EVERY = pytest.mark.parametrize(
    "make",
    [
        pytest.param(partial(built, "transforms", name, options), id=f"{name}{options or ''}")
        for name, _, options, _ in examples_of(dtrain_transforms())
    ],
)
SHAPES = pytest.mark.parametrize("shape", [(6, 9), (7, 5, 3)], ids=str)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def targets(make, *shape):
    """Numbers, or classes where a transform asks for them."""
    classes = getattr(make(), "classes", None)
    return RANDOM.standard_normal(shape) if classes is None else RANDOM.integers(classes, size=shape)


@EVERY
@SHAPES
@DTYPES
@pytest.mark.parametrize("rows", [21, 8, 3, 0])
def test_gives_the_same_bits_on_any_number_of_ranks(make, shape, dtype, rows):
    x, y = RANDOM.standard_normal((rows, *shape)).astype(dtype), targets(make, rows, 2)
    whole, target = transformed(make, x, y)
    for ranks in (2, 3, 5):
        part, part_target = transformed(make, x, y, ranks)
        same_bits(part, whole)
        same_bits(part_target, target)


@EVERY
@SHAPES
def test_changes_samples_anew_each_epoch_and_leaves_labels_alone(make, shape):
    x, y = RANDOM.standard_normal((20, *shape)), targets(make, 20)
    first, labels = transformed(make, x, y)
    again, _ = transformed(make, x, y)
    later, _ = transformed(make, x, y, epoch=1)
    same_bits(first, again)
    assert np.isfinite(first).all()
    assert (first != x).any()
    if getattr(make(), "vertical", 0) != 1.0:  # a flip of all leaves nothing open
        assert (first != later).any()
    if type(make()).__name__ != "Mixup":
        same_bits(labels, y)
        assert transformed(make, x, None)[1] is None


@EVERY
def test_a_sample_does_not_depend_on_the_batch_it_is_in(make):
    if type(make()).__name__ == "Mixup":
        return  # whose business that is
    x = RANDOM.standard_normal((12, 6, 6, 2))
    whole, _ = transformed(make, x)
    parts = [transformed(make, x[a : a + 4], place=a, shards=2)[0] for a in (0, 4, 8)]
    same_bits(np.concatenate(parts), whole)
