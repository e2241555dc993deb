"""What a solver sees has the same bits on any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from tests.support import MEMORY, assert_same_bits, named
from tests.trainer.solving.support import everything, job_of, looked, ramp


@MEMORY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_has_the_same_bits_on_any_ranks(dtype, share_memory):
    options = {
        "dtype": dtype,
        "parts": 2,
        "of": lambda: named(Dense(50), BatchNorm(), Tanh(), Dropout(0.3), Dense(30)),
    }
    alone = looked(everything, **options)
    for ranks in (2, 3):
        for a, b in zip(alone, looked(everything, ranks, share_memory, **options), strict=True):
            assert_same_bits(a, b)


def test_one_shard_a_rank_gives_other_bits():
    """The negative control: where shards are not fixed by the config, ranks show."""

    def body(communicator):
        job = job_of(
            communicator, lambda problem: problem.hessian_product(ramp(problem)), shards=communicator.size
        )
        job.train(1)
        return job.replica.gather(job.update.optimizer.seen)

    one, three = body(SerialCommunicator()), run_ranks(3, body)[0]
    assert not np.array_equal(one, three)
    assert np.abs(one - three).max() < 1e-12


def test_a_dot_of_slices_that_is_not_the_problems_is_another_number():
    """The negative control of `dot`: a rank's own sum is the sum of its elements alone."""

    def body(communicator):
        job = job_of(communicator, lambda p: (float(p.gradient @ p.gradient), p.dot(p.gradient, p.gradient)))
        job.train(1)
        return job.update.optimizer.seen

    alone, every = body(SerialCommunicator()), run_ranks(3, body)
    assert {dot for _, dot in every} == {alone[1]}
    assert all(own < 0.9 * alone[0] for own, _ in every)
