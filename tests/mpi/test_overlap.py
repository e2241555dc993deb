"""The exchange during the backward pass under MPI: the bits of one process."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, SerialCommunicator
from dtrain_plugins.activations.relu import Relu
from dtrain_plugins.exchanges.overlap import Overlap
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.adam import Adam
from tests.engine.delays import Delays, Untold
from tests.support import Job, classes, named, network

pytestmark = pytest.mark.mpi
BUCKET = 1 / 16  # MiB: more than goes in one message


def communicator_of(**options):
    from dtrain.communicator import MpiCommunicator

    return MpiCommunicator(share_memory=False, **options)


def trained(communicator, exchange=None, parts=1):
    layers = named(Dense(300, bias=False), BatchNorm(), Relu(), Dense(300), Relu(), Dense(3))
    job = Job(
        communicator, network(layers, (6,)), SoftmaxCrossEntropy(), Adam(lr=0.01), classes(97), batch_size=32,
        exchange=exchange, parts=parts,
    )  # fmt: skip
    assert all(job.train(1))
    return job.replica.digest()


@pytest.mark.parametrize(
    ("wrap", "check", "parts"),
    [(lambda communicator: communicator, False, 1), (Delays, False, 3), (Delays, True, 1)],
    ids=["plain", "delayed, accumulated", "delayed, checked"],
)
def test_the_bits_are_those_of_one_process(wrap, check, parts):
    expected = trained(SerialCommunicator(), parts=parts)
    communicator = communicator_of(check=check)
    assert trained(wrap(communicator), Overlap(BUCKET), parts) == expected
    communicator.close()


def test_as_much_travels_as_in_the_exact_exchange():
    communicator = communicator_of()

    def sent(exchange):
        counting = CountingCommunicator(communicator)
        net = network(named(Dense(300), Dense(300)), (6,))
        job = Job(
            counting, net, SoftmaxCrossEntropy(), Adam(), classes(8), batch_size=8, exchange=exchange
        )  # fmt: skip
        counting.reset()
        job.train(1)
        by_name = {name: sum(communicator.share(counting.bytes[name])) for name in ("begin", "exchange")}
        return by_name, job.replica.layout.size * np.dtype(np.float32).itemsize

    exact, size = sent(None)
    overlapped, _ = sent(Overlap(BUCKET))
    assert overlapped["exchange"] == exact["begin"] == 0
    passed_on = (communicator.size - 1) * size  # the exact exchange gathers the updated values instead
    assert overlapped["begin"] == pytest.approx(exact["exchange"] + passed_on, rel=0.1)
    communicator.close()


@pytest.mark.mpi(min_size=2)
def test_without_tags_what_arrives_is_taken_for_something_else():
    """Where lengths agree, nobody notices but the weights."""
    communicator = communicator_of()
    random = np.random.default_rng(communicator.rank)
    found = {}
    for wrap in (Delays, Untold):
        wrapped, wrong = wrap(communicator), 0
        for _ in range(20):
            order = random.permutation(8).tolist()
            arrays = {number: np.zeros(4) for number in order}
            after = (communicator.rank + 1) % communicator.size
            before = (communicator.rank - 1) % communicator.size
            pendings = [
                wrapped.begin([(after, np.full(4, float(n)))], [(before, arrays[n])], n) for n in order
            ]
            while left := [pending for pending in pendings if not pending.done()]:
                wrapped.wait(left)
            wrong += any((array != n).any() for n, array in arrays.items())
            communicator.barrier()
        found[wrap] = wrong
    communicator.close()
    assert found[Delays] == 0
    assert found[Untold] > 0
