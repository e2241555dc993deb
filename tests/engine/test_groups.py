"""Totals of groups of shards, and of what is no row's: the same to the bit on any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator
from dtrain.engine import shard_bounds
from tests.support import assert_other_bits, assert_same_bits, in_context, refused, rough

MANY = [1, 2, 3, 5]
GROUPS = [1, 2, 3, 8, 20]
ROWS = [0, 1, 5, 10, 61]


def members(rows, group, shards=8):
    """The rows of each group, from the bounds of the shards alone."""
    bounds = shard_bounds(rows, shards)
    return [slice(bounds[i], bounds[min(i + group, shards)]) for i in range(0, shards, group)]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("rows", ROWS)
def test_rows_know_their_group_wherever_they_are(rows, group):
    expected = np.full(rows, -1)
    for number, mine in enumerate(members(rows, group)):
        expected[mine] = number
    for ranks in MANY:
        got = np.concatenate(in_context(ranks, rows, lambda context, mine: context.groups(group)))
        assert_same_bits(got, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("rows", ROWS)
def test_sums_of_groups_are_over_their_rows_and_have_the_same_bits_on_any_ranks(rows, group, dtype):
    x = rough(rows, 2, 3, dtype=dtype)
    z = rough(rows, 4, seed=1, dtype=np.complex64 if x.dtype.kind == "c" else np.float32)

    def body(context, mine):
        return context.sum(x[mine], z[mine], group=group)

    ((one, other),) = in_context(1, rows, body)
    for number, mine in enumerate(members(rows, group)):
        np.testing.assert_allclose(one[number], x[mine].sum(axis=0), rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(other[number], z[mine].sum(axis=0), rtol=1e-4, atol=1e-2)
    assert (one.shape, other.shape) == ((number + 1, 2, 3), (number + 1, 4))
    assert (one.dtype, other.dtype) == (x.dtype, z.dtype)
    for ranks in MANY[1:]:
        for sums in in_context(ranks, rows, body):
            assert_same_bits(sums[0], one)
            assert_same_bits(sums[1], other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("rows", ROWS)
def test_moments_of_groups_are_those_of_their_rows(rows, group, dtype):
    random = np.random.default_rng(rows)
    x = (1000 + random.standard_normal((rows, 2, 3))).astype(dtype)

    def body(context, mine):
        return context.moments(x[mine], (1,), group)

    (one,) = in_context(1, rows, body)
    count, mean, variance = one
    assert count.dtype == np.int64
    for number, mine in enumerate(members(rows, group)):
        own = x[mine].reshape(-1, 3).astype(np.longdouble)
        assert count[number] == len(own)
        if len(own):
            np.testing.assert_allclose(mean[number], own.mean(axis=0), rtol=1e-8)
            np.testing.assert_allclose(
                variance[number], own.var(axis=0), rtol=1e-4 if dtype == "float32" else 1e-9
            )
        else:
            assert not mean[number].any()
            assert not variance[number].any()
    for ranks in MANY[1:]:
        for got in in_context(ranks, rows, body):
            for a, b in zip(got, one, strict=True):
                assert_same_bits(a, b)


def test_a_group_of_all_shards_is_the_batch():
    x = rough(61, 3)
    (sums,) = in_context(1, 61, lambda c, mine: (c.sum(x[mine]), c.sum(x[mine], group=8)[0]))
    assert_same_bits(sums[1], sums[0])
    (moments,) = in_context(1, 61, lambda c, mine: (c.moments(x[mine]), c.moments(x[mine], group=8)))
    for whole, grouped in zip(*moments, strict=True):
        assert_same_bits(np.asarray(grouped[0]), np.asarray(whole))


def test_groups_of_a_rank_instead_would_be_other_groups_on_other_ranks():
    """The negative control: what a rank would call a group that counts its own shards from 0."""
    x = rough(61, 3)
    two, three = (
        np.concatenate(
            in_context(n, 61, lambda c, mine: x[mine][c.groups(1) == c.groups(1)[0]].sum(axis=0)[None])
        )
        for n in (2, 3)
    )
    assert_other_bits(two, three[:2])
    (grouped,) = in_context(1, 61, lambda c, mine: c.sum(x[mine], group=2))
    (whole,) = in_context(1, 61, lambda c, mine: c.sum(x[mine]))
    assert_other_bits(grouped[0], whole)


def test_a_group_without_a_shard_is_refused():
    with refused(ValueError, "a group is at least 1 shard, got 0", "on rank 0 of 1"):
        in_context(1, 5, lambda c, mine: c.sum(np.zeros((5, 2)), group=0))


@pytest.mark.parametrize("rows", [0, 3, 61])
def test_what_is_written_for_each_shard_is_added_in_the_tree(rows):
    x = rough(rows, 4, dtype=np.float64)

    def body(context, mine):
        counting = context._totals._communicator = CountingCommunicator(context._totals._communicator)
        own = x[mine]
        total = context.sum_of(lambda rows, out: np.matmul(own[rows].T, own[rows], out), (4, 4), np.float64)
        assert counting.calls["allgather"] == (counting.size > 1)
        return total.copy()

    (one,) = in_context(1, rows, body)
    np.testing.assert_allclose(one, np.einsum("ni,nj->ij", x, x), rtol=1e-9, atol=1e-6)
    for ranks in MANY[1:]:
        for total in in_context(ranks, rows, body):
            assert_same_bits(total, one)
    if rows == 61:  # the negative control
        for total in in_context(3, rows, lambda c, mine: x[mine].T @ x[mine]):
            assert_other_bits(total, one)


# ---------------------------------------------------------------------- numbers of a batch


def drawn(ranks=1, rows=61, name="mask", layer="layer", again=0, **options):
    def body(context, mine):
        context.layer = layer
        for _ in range(again):
            context.stream(name)
        return context.stream(name).uniform((5, 7))

    return in_context(ranks, rows, body, **options)


def test_a_batch_has_one_stream_on_all_ranks_shards_and_rows():
    (one,) = drawn()
    for ranks in MANY[1:]:
        for got in drawn(ranks):
            assert_same_bits(got, one)
    assert_same_bits(drawn(3, 20, shards=5)[1], one)


def test_other_batches_epochs_seeds_layers_names_draws_and_inference_have_other_streams():
    others = [
        {},
        {"place": 61},
        {"epoch": 1},
        {"seed": 1},
        {"layer": "another"},
        {"name": "other"},
        {"again": 1},
        {"training": False},
    ]
    seen = [drawn(**options)[0] for options in others]
    assert len({array.tobytes() for array in seen}) == len(others)
    for array in seen[1:]:
        assert not (array == seen[0]).any()


def test_a_batch_that_begins_again_has_the_same_stream():
    def body(context, mine):
        first = context.stream("mask").uniform((9,))
        context.begin(context.layout, training=True, step=7, epoch=0, place=0)
        assert_same_bits(context.stream("mask").uniform((9,)), first)

    in_context(2, 61, body)
