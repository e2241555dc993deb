"""What a virtual rank counts is what each of as many ranks that are really there counts."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.config import load
from dtrain.engine.plan import _merge as plan_merge
from dtrain.planning.hollow import HollowCommunicator
from dtrain.planning.virtual import VirtualRank
from dtrain.registry import Registry
from dtrain.trainer.figures import Figures
from dtrain.trainer.job import _build
from dtrain.trainer.seat import make_seat

STACK = 512 * 1024
"""Bytes of a thread's stack: a thousand of the usual 8 MB are too many for some systems."""


def config_of(folder, rows, wide, **train):
    """A net with batch norm on random data, in a batch of all rows."""
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, 5)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=random.integers(0, 3, rows))
    return load(
        {
            "data": {"name": "npz", "path": str(folder / "data.npz")},
            "network": [
                {"name": "dense", "units": 4},
                {"name": "batch_norm"},
                {"name": "dense", "units": wide},
                {"name": "relu"},
                {"name": "dense", "units": 3},
            ],
            "loss": {"name": "softmax_cross_entropy"},
            "optimizer": {"name": "momentum"},
            "train": {"epochs": 1, "batch_size": rows, "metrics": ["accuracy"], **train},
        }
    )


@pytest.fixture
def merged_once(monkeypatch):
    """Works out the tree of slices for all ranks of this process at once: each on its own takes 25 ms for it."""
    known = {}

    def merge(left, right, blocks):
        key = tuple(left), tuple(right), blocks
        return known[key] if key in known else known.setdefault(key, plan_merge(left, right, blocks))

    monkeypatch.setattr("dtrain.engine.plan._merge", merge)


@pytest.fixture
def small_blocks(monkeypatch):
    """Cuts the parameters into blocks of 16 numbers: so small a net then has one for each of a thousand ranks."""
    for module in ("engine.replica", "trainer.update", "trainer.sums", "trainer.problem"):
        monkeypatch.setattr(f"dtrain.{module}.BLOCK", 16)


def counted(counting):
    return counting.calls, counting.messages, counting.bytes


def really(config, ranks, share_memory):
    """What each rank of a job of threads counts in one step. The plugins are looked up once for all."""
    registry = Registry.load({}, ())

    def work(communicator):
        counting = CountingCommunicator(communicator)
        job = _build(config, registry, ranks)
        seat = make_seat(job, counting, Figures(job.loss, job.metrics))
        seat.replica.initialize()
        counting.reset()
        assert seat.step(seat.batches.whole(0, seat.batches.order(0, 0)), 0, 0, 0.0)
        return counted(counting)

    stack, interval = threading.stack_size(STACK), sys.getswitchinterval()
    sys.setswitchinterval(1.0)  # so often does each of a thousand threads in line for the interpreter wake up
    try:
        return run_ranks(ranks, work, share_memory)
    finally:
        threading.stack_size(stack)
        sys.setswitchinterval(interval)


def virtually(config, rank, ranks, share_memory):
    virtual = VirtualRank(config, HollowCommunicator(rank, ranks, share_memory))
    virtual.step()
    counts = virtual.counts()
    return counts.calls, counts.messages, counts.bytes


@pytest.mark.parametrize("share_memory", [True, False], ids=["shared", "private"])
@pytest.mark.parametrize(
    ("ranks", "train"),
    [
        (1, {}),
        (2, {"accumulate": 2}),
        (3, {"shards": "ranks"}),
        (5, {"clip_norm": 1.0}),
        (13, {"shards": 20}),
        (3, {"exchange": {"name": "overlap", "bucket": 1e-5}}),
        (5, {"exchange": {"name": "bf16", "bucket": 1e-5}}),
        (3, {"exchange": {"name": "top_k", "ratio": 0.2, "overlap": True}}),
    ],
)
def test_every_rank_of_a_few(ranks, train, share_memory, tmp_path, small_blocks):
    config = config_of(tmp_path, 40, 12, **train)
    expected = really(config, ranks, share_memory)
    assert [virtually(config, rank, ranks, share_memory) for rank in range(ranks)] == expected


def test_1024_ranks(tmp_path, small_blocks, merged_once):
    config = config_of(tmp_path, 1024, 2048)
    found = {rank: virtually(config, rank, 1024, share_memory=False) for rank in (0, 341, 1023)}
    every = really(config, 1024, share_memory=False)
    for rank, (calls, messages, sent) in found.items():
        assert (calls, messages, sent) == every[rank]
        assert messages["exchange"] == 10  # a partner for each level of the tree
        assert sent["exchange"] > 4 * 2048 * 8 * 0.9  # nearly all of the gradient
    assert every[0] != virtually(config, 0, 512, share_memory=False)


def test_what_a_step_does_more_is_seen(tmp_path):
    config = config_of(tmp_path, 40, 12)
    twice = config_of(tmp_path, 40, 12, accumulate=2)
    assert virtually(twice, 0, 3, share_memory=True) != really(config, 3, share_memory=True)[0]
