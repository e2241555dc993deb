"""Running statistics of batch norm: averages over batches, in closed form."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.layers.batch_norm import BatchNorm
from tests.plugins.support import distance, message_of, run_layer, same_bits

CUMULATIVE = partial(BatchNorm, statistics="cumulative")


def batches(sizes, mean=0.0, dtype=np.float64):
    """Batches that drift, so that the order and the weights of an average show."""
    random = np.random.Generator(np.random.Philox(len(sizes)))
    return [(random.standard_normal((n, 3)) * (1 + i) + mean + i).astype(dtype) for i, n in enumerate(sizes)]


def after(make, batches, **options):
    """The states after these batches, each a pass that goes on from the states of the one before."""
    states = None
    for x in batches:
        states = run_layer(make, x, states=states, **options).states
    return states


def average(batches):
    """The means, and the unbiased variances, weighed by the counts."""
    counts = [len(x) for x in batches]
    return (
        np.average([x.mean(axis=0, dtype=float) for x in batches], axis=0, weights=counts),
        np.average([x.var(axis=0, ddof=1, dtype=float) for x in batches], axis=0, weights=counts),
    )


def several(batches):
    """Those of more than one row; the others have no variance and are left out."""
    return [x for x in batches if len(x) > 1]


@pytest.mark.parametrize(
    ("mean", "dtype", "tolerance"), [(0.0, "f8", 1e-13), (1000.0, "f8", 1e-9), (1000.0, "f4", 1e-4)]
)
@pytest.mark.parametrize("sizes", [(7,), (7, 7, 7), (7, 7, 2), (5, 1, 4, 3, 1)], ids=str)
def test_cumulative_is_the_average_of_all_batches_so_far(sizes, mean, dtype, tolerance):
    seen = batches(sizes, mean, dtype)
    states = after(CUMULATIVE, seen)
    expected = average(several(seen))
    assert distance(states["mean"], expected[0]) < tolerance
    assert distance(states["variance"], expected[1]) < tolerance
    assert states["count"] == sum(size for size in sizes if size > 1)
    # The negative control: a last short batch does not weigh what a full one does.
    if len(set(sizes)) > 1:
        assert distance(np.mean([x.mean(axis=0) for x in seen], axis=0), expected[0]) > (
            1e-3 if not mean else 1e-6
        )


@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_a_window_holds_the_last_batches(window):
    sizes = (7, 3, 1, 5, 4, 6)
    seen = batches(sizes)
    for n in range(1, len(sizes) + 1):
        states = after(partial(CUMULATIVE, window=window), seen[:n])
        counted = several(seen[:n])
        expected = average(counted[-window:])
        assert distance(states["mean"], expected[0]) < 1e-13
        assert distance(states["variance"], expected[1]) < 1e-13
        assert states["seen"] == len(counted)
    everything = after(CUMULATIVE, seen)
    assert (distance(states["mean"], everything["mean"]) < 1e-12) == (window >= len(sizes))


def test_the_first_variance_keeps_its_digits_however_small_it_is():
    x = 1e-12 * np.arange(5.0)[:, None] * np.ones(3)
    for window in (None, 4):
        states = after(partial(CUMULATIVE, window=window), [x])
        np.testing.assert_allclose(states["variance"], np.full(3, 2.5e-24), rtol=1e-12)


@pytest.mark.parametrize("window", [None, 3])
def test_inference_uses_the_average_and_changes_nothing(window):
    make = partial(CUMULATIVE, window=window)
    states = after(make, batches((7, 5)))
    x = batches((4,))[0]
    passed = run_layer(make, x, states=states, training=False)
    assert distance(passed.y, (x - states["mean"]) / np.sqrt(states["variance"] + 1e-5)) < 1e-14
    same_bits(passed.states, states)


@pytest.mark.parametrize("window", [None, 2])
def test_before_the_first_batch_it_is_the_standard_normal(window):
    x = batches((4,))[0]
    assert (
        distance(run_layer(partial(CUMULATIVE, window=window), x, training=False).y, x / np.sqrt(1 + 1e-5))
        < 1e-15
    )
    empty = run_layer(partial(CUMULATIVE, window=window), np.zeros((0, 3)))
    assert not empty.states["mean"].any()
    assert (empty.states["variance"] == 1).all()


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("group", [None, 2])
def test_gives_the_same_bits_on_any_number_of_ranks(window, group):
    seen = [x.astype(np.float32) for x in batches((13, 13, 5))]
    make = partial(CUMULATIVE, window=window, group=group)

    def run(ranks):
        states = None
        for x in seen:
            sizes = [len(x) // 8 + (i < len(x) % 8) for i in range(8)]
            states = run_layer(
                make, x, sizes=sizes, states=states, ranks=ranks, share_memory=ranks != 3
            ).states
        return states

    whole = run(None)
    for ranks in (1, 2, 3, 5):
        same_bits(run(ranks), whole)


def test_groups_are_averaged_into_the_batch_and_batches_into_the_whole():
    seen = batches((6, 8))
    states = after(partial(CUMULATIVE, group=1), seen[:1], sizes=(2, 4))
    states = run_layer(partial(CUMULATIVE, group=1), seen[1], sizes=(5, 3), states=states).states
    parts = [seen[0][:2], seen[0][2:], seen[1][:5], seen[1][5:]]
    expected = average(parts)
    assert distance(states["mean"], expected[0]) < 1e-13
    assert distance(states["variance"], expected[1]) < 1e-13


def test_training_itself_is_the_same_whatever_is_kept():
    x = batches((9,))[0]
    exponential = run_layer(BatchNorm, x, x)
    for make in (CUMULATIVE, partial(CUMULATIVE, window=2), partial(BatchNorm, statistics="exact")):
        passed = run_layer(make, x, x)
        same_bits(passed.y, exponential.y)
        same_bits(passed.dx, exponential.dx)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 2}, 'window is for statistics = "cumulative", got window 2 with "exponential"'),
        (
            {"window": 2, "statistics": "exact"},
            'window is for statistics = "cumulative", got window 2 with "exact"',
        ),
        ({"window": 0, "statistics": "cumulative"}, "window must be at least 1 batch, got 0"),
    ],
)
def test_refuses_windows_that_mean_nothing(options, message):
    assert message_of(ValueError, lambda: BatchNorm(**options)) == message
