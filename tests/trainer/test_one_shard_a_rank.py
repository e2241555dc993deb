"""`shards = "ranks"`: not the same bits, but the same training within rounding."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.communicator.protocol import Communicator
from dtrain.config import load
from dtrain.trainer import Trainer, build_job
from dtrain.trainer.progress import Progress
from dtrain.trainer.run_folder import RunFolder

STEPS = 50


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory):
    """Returns a function: ranks → (the loss of each step, all weights), of thread ranks."""
    folder = tmp_path_factory.mktemp("one-shard")
    rng = np.random.default_rng(3)
    x = rng.standard_normal((997, 20)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=x[:, :5].argmax(axis=1))
    config = load(
        {
            "data": {"name": "npz", "path": str(folder / "data.npz")},
            "network": [
                {"name": "dense", "units": 32, "bias": False},
                {"name": "batch_norm"},
                {"name": "relu"},
                {"name": "dropout", "rate": 0.2},
                {"name": "dense", "units": 32, "bias": False},
                {"name": "batch_norm"},
                {"name": "relu"},
                {"name": "dense", "units": 5},
            ],
            "loss": "softmax_cross_entropy",
            "optimizer": "adam",
            "train": {"steps": STEPS, "batch_size": 64, "shards": "ranks"},
        }
    )

    def rank(communicator: Communicator) -> tuple[np.ndarray, np.ndarray]:
        job = build_job(config, communicator)
        trainer = Trainer(job, communicator, RunFolder(folder, False), Progress(False))
        trainer.replica.initialize()
        losses = []
        for step in range(STEPS):
            epoch, index = divmod(step, trainer.batches.count)
            trainer.train_step(trainer.batches.cut(index, trainer.batches.order(0, epoch)), epoch, step)
            losses.append(trainer.train_step.sums[0] / trainer.train_step.sums[1])
        values = [p.value.ravel().copy() for p in job.network.parameters]
        return np.array(losses), np.concatenate(values)

    return cache(lambda ranks: run_ranks(ranks, rank)[0])


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_loss_of_every_step_and_the_weights_agree_with_one_rank(train, ranks: int) -> None:
    losses, weights = train(1)
    others, other_weights = train(ranks)
    assert np.abs(others - losses).max() <= 1e-5
    assert np.linalg.norm(other_weights - weights) <= 1e-4 * np.linalg.norm(weights)


def test_the_bits_differ_so_that_agreement_is_not_for_free(train) -> None:
    assert not np.array_equal(train(1)[1], train(2)[1])
