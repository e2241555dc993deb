"""Global batches: every sample once an epoch, whatever the ranks, and each rank reads its own rows only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.contracts import ArrayRows, Subset
from dtrain.contracts.dataset import MappedRows
from dtrain.data import Batches
from dtrain.engine import rank_ranges
from tests.support import assert_same_bits


class Counted(ArrayRows):
    """Notes which samples were read."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.read = []

    def rows(self, indices):
        self.read += indices.tolist()
        return super().rows(indices)


def numbered(samples, whole=True):
    x = np.arange(samples * 2, dtype=np.float32).reshape(samples, 2)
    return Counted(x, np.arange(samples), whole=whole)


def ranks_of(rows, batch_size, ranks, shards=8, dtype="float32", parts=1):
    return [
        Batches(rows, batch_size, shards, first, last, dtype, parts)
        for first, last in rank_ranges(shards, ranks)
    ]


@given(st.integers(1, 70), st.integers(1, 80), st.integers(1, 8), st.integers(1, 4), st.booleans())
def test_the_ranks_rows_are_the_epoch_in_order(samples, batch_size, ranks, parts, shuffled):
    rows = numbered(samples)
    every = ranks_of(rows, batch_size, ranks, parts=parts)
    order = every[0].order(0, 3) if shuffled else np.arange(samples)
    seen, place = [], 0
    for index in range(every[0].count):
        for batches in zip(*(b.cut(index, order if shuffled else None) for b in every), strict=True):
            assert {batch.place for batch in batches} == {place}
            for batch in batches:
                assert len(batch.x) == len(batch.y) == batch.layout.local
                assert_same_bits(batch.x, rows.x[batch.y])
                seen += batch.y.tolist()
            place += batches[0].layout.rows
    assert seen == order.tolist()
    assert sorted(rows.read) == list(range(samples))  # no rank read a row of another


@pytest.mark.parametrize(
    ("samples", "batch_size", "sizes"),
    [(97, 32, [32, 32, 32, 1]), (96, 32, [32, 32, 32]), (3, 32, [3]), (5, 1, [1] * 5)],
)
def test_the_last_batch_is_shorter_and_trained(samples, batch_size, sizes):
    (batches,) = ranks_of(numbered(samples), batch_size, 1)
    assert batches.samples == samples
    assert batches.count == len(sizes)
    cut = [batch.layout.rows for index in range(batches.count) for batch in batches.cut(index)]
    assert cut == sizes


@pytest.mark.parametrize(("rows", "sizes"), [(64, [21, 21, 22]), (2, [0, 1, 1]), (1, [0, 0, 1])])
def test_micro_batches_cut_a_batch_into_nearly_equal_parts(rows, sizes):
    (batches,) = ranks_of(numbered(rows), 64, 1, parts=3)
    assert [batch.layout.rows for batch in batches.cut(0)] == sizes


@pytest.mark.parametrize("parts", [1, 3])
def test_a_global_batch_can_be_gone_through_again(parts):
    """One micro-batch is read once; several are read anew, so that one of them is in memory at a time."""
    (batches,) = ranks_of(numbered(97), 64, 1, parts=parts)
    whole = batches.whole(1, batches.order(0, 0))
    passes = [list(whole) for _ in range(2)]
    for first, again, cut in zip(*passes, batches.cut(1, batches.order(0, 0)), strict=True):
        assert_same_bits(first.x, cut.x)
        assert_same_bits(again.x, cut.x)
        assert (again.x is first.x) == (parts == 1)


def test_the_order_follows_the_seed_and_the_epoch_alone():
    one, two = ranks_of(numbered(97), 32, 1)[0], ranks_of(numbered(97), 10, 5, shards=16)[3]
    order = one.order(0, 0)
    assert sorted(order) == list(range(97))
    assert_same_bits(two.order(0, 0), order)
    orders = {one.order(seed, epoch).tobytes() for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_equal_batches_share_one_layout():
    (batches,) = ranks_of(numbered(97), 32, 1)
    first, second = next(batches.cut(0)), next(batches.cut(1))
    assert first.layout is second.layout


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_images_are_scaled_to_the_unit_interval(dtype):
    x = np.array([[0, 51, 255]], np.uint8)
    (batch,) = Batches(ArrayRows(x), 4, 1, 0, 1, dtype).cut(0)
    assert batch.x.dtype == np.dtype(dtype)
    np.testing.assert_allclose(batch.x, [[0, 0.2, 1]], rtol=1e-6)
    assert batch.y is None


@pytest.mark.parametrize("stored", ["float64", "float16", "int16", "bool"])
def test_other_numbers_are_cast_as_they_are(stored):
    x = np.array([[0, 1], [1, 0]], stored)
    (batch,) = Batches(ArrayRows(x), 4, 1, 0, 1, "float32").cut(0)
    assert_same_bits(batch.x, x.astype(np.float32))


@pytest.mark.parametrize("stored", ["int64", "uint8", "bool"])
def test_classes_stay_whole_numbers(stored):
    y = np.array([1, 0], stored)
    (batch,) = Batches(ArrayRows(np.zeros((2, 1), "f4"), y), 4, 1, 0, 1, "float32").cut(0)
    assert_same_bits(batch.y, y)


def test_real_targets_get_the_runs_dtype():
    y = np.array([1.5, 0.25])
    (batch,) = Batches(ArrayRows(np.zeros((2, 1), "f4"), y), 4, 1, 0, 1, "float32").cut(0)
    assert_same_bits(batch.y, y.astype(np.float32))


def test_a_sample_is_called_by_its_number_in_the_dataset_whatever_part_of_it_is_cut():
    rows = ArrayRows(np.ones((20, 2), "f4"), np.ones((20, 1)), whole=False)
    rows.x[13] = np.nan
    part = MappedRows(Subset(rows, np.array([2, 3, 5, 13, 17])), np.array([1, 0]), None)
    within = Subset(part, np.array([1, 3, 4]))
    (batch,) = Batches(within, 4, 1, 0, 1, "float32").cut(0)
    assert batch.problem == "[data]: x of sample 13 is not finite; clean the data"

    def check(y):
        raise ValueError("no such target")

    rows.x[13] = 0
    (batch,) = Batches(within, 4, 1, 0, 1, "float32", check=check).cut(0)
    assert batch.problem == "[data], samples 3 to 17: no such target"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["x", "y"])
def test_a_value_that_is_not_finite_is_named_by_its_sample_and_replaced(name, value):
    rows = ArrayRows(np.ones((20, 2), "f4"), np.ones((20, 1)), whole=False)
    getattr(rows, name)[13, -1] = value
    for order in (None, np.arange(20)[::-1]):
        found = [next(batches.cut(0, order)) for batches in ranks_of(rows, 20, 3)]
        problems = [batch.problem for batch in found if batch.problem]
        assert problems == [f"[data]: {name} of sample 13 is not finite; clean the data"]
        for batch in found:  # the rank goes on with zeros, so that nobody waits for it
            expected = 0 if batch.problem else 1
            assert (batch.x == expected).all()
            assert (batch.y == expected).all()
            assert batch.x.shape == (batch.layout.local, 2)


def test_targets_that_do_not_fit_are_named_by_the_samples_of_their_batch():
    def check(y):
        if y.max() > 14:
            raise ValueError("a target is 15")

    rows = numbered(20, whole=False)
    batches = Batches(rows, 8, 8, 0, 8, "float32", check=check)
    problems = [next(batches.cut(index)).problem for index in range(3)]
    assert problems == [
        None,
        *(f"[data], samples {span}: a target is 15" for span in ("8 to 15", "16 to 19")),
    ]
    assert [batches.size_of(index) for index in range(3)] == [8, 8, 4]


def test_data_that_were_checked_when_they_were_read_are_not_checked_again():
    rows = numbered(20)
    rows.x[13, 1] = np.nan
    (batches,) = ranks_of(rows, 20, 1)
    batch = next(batches.cut(0))
    assert np.isnan(batch.x[13, 1])
    assert batch.problem is None


def test_whole_numbers_need_no_check():
    (batch,) = Batches(ArrayRows(np.ones((2, 3), np.int8), whole=False), 4, 1, 0, 1, "float32").cut(0)
    assert batch.x.tolist() == [[1, 1, 1]] * 2


SAMPLES = 50


def test_with_replacement_an_epoch_draws_as_many_samples_each_with_the_same_chance():
    def batches(replacement, rank=0):
        rows = ArrayRows(np.zeros((SAMPLES, 1), np.float32))
        first, last = rank_ranges(8, 2)[rank]
        return Batches(rows, 32, 8, first, last, np.float32, replacement=replacement)

    drawn = np.array([batches(True).order(3, epoch) for epoch in range(400)])
    assert drawn.shape == (400, SAMPLES)
    assert_same_bits(batches(True, rank=1).order(3, 7), drawn[7])
    counts = np.bincount(drawn.reshape(-1), minlength=SAMPLES)
    assert abs(counts - 400).max() < 5 * np.sqrt(400 * (1 - 1 / SAMPLES))
    left_out = SAMPLES - np.array([len(np.unique(epoch)) for epoch in drawn])
    assert abs(left_out.mean() / SAMPLES - (1 - 1 / SAMPLES) ** SAMPLES) < 0.01
    assert {len(np.unique(batches(False).order(3, epoch))) for epoch in range(5)} == {SAMPLES}
