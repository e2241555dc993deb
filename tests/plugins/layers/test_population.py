"""Exact statistics of batch norm: one pass over the training set, merged over batches."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.engine import Layout, Network, Replica
from dtrain_plugins.layers.batch_norm import BatchNorm
from tests.plugins.support import distance, frozen, initializer, run_layer, same_bits

EXACT = partial(BatchNorm, statistics="exact")


class Batches:
    """Iterates over this rank's rows of global batches of these sizes, as often as one likes."""

    def __init__(self, replica, x, sizes):
        self.replica, self.x, self.sizes = replica, x, sizes

    def __iter__(self):
        place = 0
        for rows in self.sizes:
            layout = Layout(rows, self.replica.shards, self.replica.first, self.replica.last)
            self.replica.context.begin(layout, training=False, step=0, epoch=0, place=place)
            yield frozen(self.x[place + layout.start : place + layout.stop])
            place += rows


def fitted(x, sizes, make=EXACT, ranks=None, shards=8, share_memory=True):
    """The states after `fit`, on rank 0; they are the same on the others."""

    def job(communicator):
        layer = make()
        network = Network([("bn", layer)], x.shape[1:], x.dtype, initializer)
        replica = Replica(network, communicator, shards, 0)
        replica.initialize()
        layer.fit(Batches(replica, x, sizes), replica.context)
        return {state.name: state.value for state in network.states}

    results = [job(SerialCommunicator())] if ranks is None else run_ranks(ranks, job, share_memory)
    for result in results[1:]:
        same_bits(result, results[0])
    return results[0]


def population(rows, *shape, mean=0.0, dtype=np.float64):
    """Sorted, so that no batch looks like the set."""
    random = np.random.Generator(np.random.Philox(rows))
    return (np.sort(random.standard_normal((rows, *shape)), axis=0) + mean).astype(dtype)


@pytest.mark.parametrize(
    ("mean", "dtype", "tolerance"),
    [(0.0, "f8", 1e-13), (1000.0, "f8", 1e-12), (0.0, "f4", 1e-6), (1000.0, "f4", 1e-5)],
)
@pytest.mark.parametrize(
    "sizes", [(61,), (16, 16, 16, 13), (20, 20, 20, 1), (1,) * 61], ids=lambda s: str(len(s))
)
def test_is_the_mean_and_the_unbiased_variance_of_the_whole_set(sizes, mean, dtype, tolerance):
    x = population(61, 3, mean=mean, dtype=dtype)
    states = fitted(x, sizes)
    wide = x.astype(np.longdouble)
    np.testing.assert_allclose(
        states["bn.mean"], wide.mean(axis=0).astype(float), rtol=1e-6 if dtype == "f4" else 1e-13, atol=1e-7
    )
    np.testing.assert_allclose(states["bn.variance"], wide.var(axis=0, ddof=1).astype(float), rtol=tolerance)
    assert {value.dtype for value in states.values()} == {np.dtype(np.float64)}


def test_takes_the_places_of_an_image_as_rows():
    x = population(20, 2, 3, 4)
    states = fitted(x, (8, 8, 4), ranks=2)
    flat = x.reshape(-1, 4)
    np.testing.assert_allclose(states["bn.mean"], flat.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(states["bn.variance"], flat.var(axis=0, ddof=1), rtol=1e-13)


@pytest.mark.parametrize("share_memory", [True, False])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gives_the_same_bits_on_any_number_of_ranks(dtype, share_memory):
    x, sizes = population(61, 3, mean=10.0, dtype=dtype), (20, 20, 18, 3)
    whole = fitted(x, sizes)
    for ranks in (1, 2, 3, 5):
        same_bits(fitted(x, sizes, ranks=ranks, share_memory=share_memory), whole)


def test_running_statistics_and_averages_of_batches_are_others():
    """The negative control: what training leaves, and a mean of the batches' variances."""
    x, sizes = population(60, 3), (20, 20, 20)
    exact = fitted(x, sizes)["bn.variance"]
    states = None
    for part in np.split(x, 3):
        states = run_layer(EXACT, part, states=states).states
    assert distance(states["variance"], exact) > 0.1
    assert distance(np.mean([part.var(axis=0, ddof=1) for part in np.split(x, 3)], axis=0), exact) > 0.1


def test_trains_with_exponential_statistics_until_it_is_fitted():
    x = population(9, 3)
    same_bits(run_layer(EXACT, x).states, run_layer(BatchNorm, x).states)
    assert (EXACT().fits, BatchNorm().fits, BatchNorm(statistics="cumulative").fits) == ("end", "", "")


def test_is_of_the_whole_set_whatever_the_groups():
    x, sizes = population(61, 3), (20, 20, 20, 1)
    same_bits(fitted(x, sizes, partial(EXACT, group=1)), fitted(x, sizes))


def test_a_set_of_one_row_or_none_changes_nothing():
    for rows in (0, 1):
        left = fitted(population(rows, 3, mean=5.0), (rows,), ranks=2)
        same_bits(left, {"bn.mean": np.zeros(3), "bn.variance": np.ones(3)})
    constant = fitted(np.full((9, 3), 0.1), (4, 5))
    np.testing.assert_allclose(constant["bn.mean"], 0.1, rtol=1e-15)
    assert (np.abs(constant["bn.variance"]) < 1e-30).all()
