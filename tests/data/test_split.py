"""Samples held out for validation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dtrain.contracts import ArrayRows, Dataset, Subset
from dtrain.data import hold_out
from dtrain.errors import ConfigError
from tests.support import refused


def dataset(samples, validation=None):
    made = Dataset()
    made.train = ArrayRows(np.arange(samples, dtype=np.float32)[:, None], np.arange(samples))
    made.validation = validation
    return made


def indices(rows):
    return rows.rows(np.arange(len(rows)))[1].tolist()


@given(st.integers(1, 200), st.floats(0.01, 0.99), st.integers(0, 5))
def test_every_sample_is_trained_on_or_held_out_never_both(samples, fraction, seed):
    count = round(fraction * samples)
    assume(0 < count < samples)
    train, validation = hold_out(dataset(samples), fraction, seed)
    assert len(validation) == count
    assert sorted(indices(train) + indices(validation)) == list(range(samples))
    assert indices(train) == sorted(indices(train))
    assert indices(validation) == sorted(indices(validation))


def test_the_choice_follows_the_seed():
    choices = [tuple(indices(hold_out(dataset(100), 0.2, seed)[1])) for seed in (0, 0, 1)]
    assert choices[0] == choices[1] != choices[2]
    assert choices[0] != tuple(range(20))


def test_the_shape_and_the_check_of_the_rows_are_kept():
    made = dataset(10)
    made.train.whole = False
    for rows in hold_out(made, 0.3, 0):
        assert isinstance(rows, Subset)
        assert (rows.shape, rows.whole) == ((1,), False)


def test_no_fraction_holds_out_nothing():
    made = dataset(10)
    assert hold_out(made, 0, 0) == (made.train, None)


@pytest.mark.parametrize("fraction", [0, 0.2])
def test_a_split_that_the_data_bring_is_kept(fraction):
    own = ArrayRows(np.zeros((3, 1)))
    made = dataset(10, own)
    assert hold_out(made, fraction, 0) == (made.train, own)


def test_a_fraction_of_none_is_refused():
    message = "[data] validation: 0.2 of 2 samples is none; hold out more, or set it to 0"
    with refused(ConfigError, message):
        hold_out(dataset(2), 0.2, 0)


@pytest.mark.parametrize(("samples", "fraction"), [(1, 0.9), (10, 0.96), (10, 1.0)])
def test_a_fraction_that_leaves_nothing_to_train_on_is_refused(samples, fraction):
    message = f"[data] validation: {fraction} of {samples} samples leaves none to train on; hold out fewer"
    with refused(ConfigError, message):
        hold_out(dataset(samples), fraction, 0)
