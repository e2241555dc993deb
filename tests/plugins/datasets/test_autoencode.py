from __future__ import annotations

import numpy as np
import pytest

from dtrain import ArrayRows, DataError, Dataset, Schema
from dtrain_plugins.datasets.autoencode import Autoencode
from tests.plugins.support import registry


class Given(Dataset):
    def __init__(self, train, validation=None):
        self.train, self.validation = train, validation


X = np.random.Generator(np.random.Philox(3)).standard_normal((5, 2, 3))


@pytest.mark.parametrize("y", [None, np.arange(5)])
def test_each_sample_is_its_own_target_whatever_target_it_had(y):
    rows = Autoencode(Given(ArrayRows(X, y))).train
    x, target = rows.rows(np.array([3, 0, 3]))
    assert np.array_equal(x, X[[3, 0, 3]])
    assert np.array_equal(target, x)
    assert not np.shares_memory(x, target)
    assert (len(rows), rows.shape, rows.whole) == (5, (2, 3), True)


def test_an_image_is_a_target_between_0_and_1_as_the_engine_scales_x():
    image = np.array([[0, 51, 255]], np.uint8)
    x, target = Autoencode(Given(ArrayRows(image))).train.rows(np.array([0]))
    assert x.dtype == np.uint8
    assert target.dtype == np.float32
    assert target == pytest.approx(np.array([[0, 0.2, 1]]), rel=1e-6)


def test_the_split_and_what_must_yet_be_checked_are_those_of_the_other_dataset():
    both = Autoencode(Given(ArrayRows(X, whole=False), ArrayRows(X[:2], whole=False)))
    assert not both.train.whole
    assert len(both.validation) == 2
    assert Autoencode(Given(ArrayRows(X))).validation is None


def test_the_other_dataset_is_named_in_the_config_and_its_errors_are_its_own():
    bound = registry().bind("datasets", "autoencode", {"of": {"name": "curve", "samples": 9}}, "[data]")
    assert len(bound.build().train) == 9
    with pytest.raises(
        DataError, match=r"no\.npz: expected an archive written by numpy\.savez, got no such file"
    ):
        registry().bind("datasets", "autoencode", {"of": {"name": "npz", "path": "no.npz"}}, "[data]").build()


def test_columns_are_mapped_by_name_in_samples_and_targets():
    of = Given(ArrayRows(np.arange(6.0).reshape(2, 3)), ArrayRows(np.arange(3.0)[None]))
    of.schema = Schema(("c", "a", "b"), ("kind",), ("cat", "dog"))
    both = Autoencode(of)
    assert both.schema == Schema(("c", "a", "b"), target_kind="number")
    recorded = Schema(("a", "b", "c"), target_kind="number")
    both.conform(recorded)
    assert both.schema == recorded
    for rows, expected in ((both.train, [[1, 2, 0], [4, 5, 3]]), (both.validation, [[1, 2, 0]])):
        x, target = rows.rows(np.arange(len(rows)))
        assert x.tolist() == target.tolist() == expected


def test_columns_that_training_had_not_are_refused():
    of = Given(ArrayRows(np.zeros((2, 1))))
    of.schema = Schema(("x",))
    with pytest.raises(
        DataError, match=r"^expected the columns of training, got 'x' without 'a'; rename or add"
    ):
        Autoencode(of).conform(Schema(("a",), target_kind="number"))
