"""Batch normalization by the statistics of groups of shards, down to each shard alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.layers.batch_norm import BatchNorm
from tests.plugins.support import check_gradients, distance, message_of, run_layer, same_bits

GAMMA = np.array([1.5, -0.7, 2.0])
BETA = np.array([0.3, 1.1, -2.0])
OLD_MEAN = np.array([0.5, -1.0, 4.0])
OLD_VARIANCE = np.array([2.0, 0.5, 3.0])

SIZES = {
    "even": (6,) * 8,
    "uneven": (5, 5, 5, 5, 4, 4, 4, 4),
    "empty": (5, 0, 3, 0, 0, 1, 0, 2),
    "short": (1, 1, 1, 0, 0, 0, 0, 0),
    "odd": (3, 4, 2, 2, 5),
}
sizes_of = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)


def batch(rows, *places, mean=0.0, dtype=np.float64):
    """Rows in order of size, so that no group looks like another."""
    random = np.random.Generator(np.random.Philox(rows + 1))
    x = np.sort(random.standard_normal((rows, *places, 3)), axis=0) + mean
    return (x * [1.0, 0.01, 30.0]).astype(dtype), random.standard_normal(x.shape).astype(dtype)


def members(sizes, group):
    """The rows of each group that has any."""
    bounds = np.cumsum([0, *sizes])
    cuts = [slice(bounds[i], bounds[min(i + group, len(sizes))]) for i in range(0, len(sizes), group)]
    return [cut for cut in cuts if cut.stop > cut.start]


def run(x, dy, group, **options):
    options = {
        "values": {"gamma": GAMMA, "beta": BETA},
        "states": {"mean": OLD_MEAN, "variance": OLD_VARIANCE},
    } | options
    return run_layer(partial(BatchNorm, group=group), x, dy, **options)


@sizes_of
@pytest.mark.parametrize("group", [1, 2, 3])
@pytest.mark.parametrize(
    ("dtype", "mean", "tolerance"), [("f4", 1000.0, 1e-3), ("f8", 0.0, 1e-11), ("f8", 1000.0, 1e-8)]
)
def test_each_group_is_a_batch_of_its_own(sizes, group, dtype, mean, tolerance):
    """Against a batch norm without groups, run on each group alone, and γ's and β's gradients added."""
    x, dy = batch(sum(sizes), mean=mean, dtype=dtype)
    passed = run(x, dy, group, sizes=sizes, ranks=3)
    alone = [run(x[rows], dy[rows], None) for rows in members(sizes, group)]
    assert distance(passed.y, np.concatenate([a.y for a in alone])) < tolerance
    assert distance(passed.dx, np.concatenate([a.dx for a in alone])) < tolerance
    for name in ("gamma", "beta"):
        assert distance(passed.gradients[name], sum(a.gradients[name] for a in alone)) < tolerance


@sizes_of
@pytest.mark.parametrize("group", [1, 2, 3])
def test_running_statistics_are_the_groups_weighed_by_their_counts(sizes, group):
    x, dy = batch(sum(sizes), mean=10.0)
    parts = [x[rows] for rows in members(sizes, group)]
    counts = np.array([len(part) for part in parts])
    mean = np.average([part.mean(axis=0) for part in parts], axis=0, weights=counts)
    states = run(x, dy, group, sizes=sizes, ranks=2).states
    several = [part for part in parts if len(part) > 1]
    if not several:
        same_bits(states, {"mean": OLD_MEAN, "variance": OLD_VARIANCE})
        return
    variance = np.average(
        [part.var(axis=0, ddof=1) for part in several], axis=0, weights=[len(part) for part in several]
    )
    assert distance(states["mean"], 0.9 * OLD_MEAN + 0.1 * mean) < 1e-13
    assert distance(states["variance"], 0.9 * OLD_VARIANCE + 0.1 * variance) < 1e-10
    assert distance(mean, x.mean(axis=0)) < 1e-13
    if len(parts) > 1:  # the negative control: the spread between groups is not in it
        assert distance(variance, x.var(axis=0, ddof=1)) > 0.1


@pytest.mark.parametrize("share_memory", [True, False])
@pytest.mark.parametrize("group", [1, 2, 3])
@sizes_of
def test_gives_the_same_bits_on_any_number_of_ranks_that_a_group_may_lie_on(sizes, group, share_memory):
    x, dy = batch(sum(sizes), 2, mean=10.0, dtype=np.float32)
    whole = run(x, dy, group, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run(x, dy, group, sizes=sizes, ranks=ranks, share_memory=share_memory)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)
        same_bits(split.states, whole.states)


def test_groups_are_not_the_batch_and_follow_the_shards():
    """The negative control: other groups, and other shards, are other statistics."""
    x, dy = batch(48)
    whole = run(x, dy, None, sizes=(6,) * 8)
    for group in (1, 2, 4):
        passed = run(x, dy, group, sizes=(6,) * 8)
        assert distance(passed.y, whole.y) > 0.1
        assert distance(passed.dx, whole.dx) > 0.1
    assert distance(run(x, dy, 2, sizes=(6,) * 8).y, run(x, dy, 2, sizes=(12,) * 4).y) > 0.1
    assert distance(run(x, dy, 2, sizes=(6,) * 8).y, run(x, dy, 1, sizes=(12,) * 4).y) < 1e-12


def test_one_group_of_all_shards_is_the_batch():
    x, dy = batch(48, mean=3.0)
    whole, grouped = (run(x, dy, group, sizes=(6,) * 8, ranks=2) for group in (None, 8))
    for a, b in zip(
        (*grouped[:2], *grouped.states.values()), (*whole[:2], *whole.states.values()), strict=True
    ):
        assert distance(a, b) < 1e-13


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"offset": False}], ids=str)
@pytest.mark.parametrize("shape", [(3,), (2, 2, 3)], ids=str)
def test_differentiates_through_the_statistics_of_each_group(shape, options):
    random = np.random.Generator(np.random.Philox(4))
    x, dy = random.standard_normal((2, 7, *shape))
    values = {"gamma": GAMMA} if options.get("scale", True) else {}
    values |= {"beta": BETA} if options.get("offset", True) else {}
    check_gradients(partial(BatchNorm, group=2, **options), x, dy, sizes=(2, 0, 3, 2), values=values)


def test_meets_once_forward_and_once_backward():
    x, dy = batch(20)
    assert run(x, dy, 2, sizes=(4,) * 5, ranks=3).calls == [{"allgather": 1}, {"allgather": 1}]


def test_a_group_of_one_row_gives_the_offset_and_no_gradient():
    x, dy = batch(3)
    passed = run(x, dy, 1, sizes=(1, 1, 1), ranks=2)
    same_bits(passed.y, np.tile(BETA, (3, 1)))
    assert not passed.dx.any()


@pytest.mark.parametrize("value", [0.0, 7.0, 1e6, -0.1])
def test_a_constant_feature_gives_the_offset_in_float32(value):
    x, dy = batch(50, dtype=np.float32)
    x[:, 1] = value
    passed = run(x, dy, 1, sizes=(20, 0, 20, 10), ranks=2)
    assert np.abs(passed.y[:, 1] - BETA[1]).max() < 1e-3
    assert np.isfinite(passed.dx).all()
    assert distance(passed.states["variance"][1], 0.9 * OLD_VARIANCE[1]) < 1e-6


def test_no_rows_at_all_change_nothing():
    nothing = np.zeros((0, 3))
    passed = run(nothing, nothing, 2, sizes=(0, 0, 0), ranks=2)
    same_bits(passed.states, {"mean": OLD_MEAN, "variance": OLD_VARIANCE})
    assert not any(g.any() for g in passed.gradients.values())


def test_inference_knows_no_groups():
    x, dy = batch(20)
    whole, grouped = (run(x, dy, group, sizes=(5,) * 4, training=False) for group in (None, 2))
    same_bits(grouped.y, whole.y)
    same_bits(grouped.dx, whole.dx)


def test_refuses_a_group_without_a_shard():
    assert message_of(ValueError, lambda: BatchNorm(group=0)) == "group must be at least 1 shard, got 0"
