"""One shard of a rank's rows has the same bits whether it is computed alone or with its neighbours.

A rank with one shard takes short ways (x.dot(w, out), ones.dot(x, out)), a rank with several takes stacked
products. That both give the same bits for a shard is what equal results on any number of ranks rest on.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Context, Layout
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams

DTYPES = st.sampled_from(["float32", "float64", "complex64", "complex128"])
ROWS = st.integers(1, 40)  # of the whole batch: shards of no, one and several rows, all in one draw
WIDTH = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 64, 100, 128, 257]))
SHARDS = st.integers(2, 5)


def rough(rows, width, dtype, seed):
    """Numbers of many sizes, so that another order of additions shows."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, width)) * np.exp(random.uniform(-3, 3, (rows, width)))
    if np.dtype(dtype).kind == "c":
        x = x + 1j * random.standard_normal((rows, width))
    return x.astype(dtype)


def context_of(layout):
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0))
    context.begin(layout, training=True, step=0, epoch=0, place=0)
    return context


def assert_each_shard_alone_is_the_same(rows, shards, together, alone):
    """together: context → one result a shard, of all rows; alone: (context, the shard's rows) → its result."""
    every = together(context_of(Layout(rows, shards, 0, shards)))
    whole = Layout(rows, shards, 0, shards)
    for shard, mine in enumerate(whole.slices):
        found = alone(context_of(Layout(rows, shards, shard, shard + 1)), mine)
        assert found.tobytes() == every[shard].tobytes()


@settings(max_examples=300, deadline=None)
@given(ROWS, SHARDS, WIDTH, WIDTH, st.booleans(), DTYPES, st.integers(0, 99))
def test_a_product(rows, shards, inner, outer, transposed, dtype, seed):
    x = rough(rows, inner, dtype, seed)
    w = rough(outer, inner, dtype, seed + 1).T if transposed else rough(inner, outer, dtype, seed + 1)
    slices = Layout(rows, shards, 0, shards).slices
    assert_each_shard_alone_is_the_same(
        rows,
        shards,
        lambda context: [context.matmul(x, w)[mine] for mine in slices],
        lambda context, mine: context.matmul(x[mine].copy(), w),
    )


@settings(max_examples=300, deadline=None)
@given(ROWS, SHARDS, WIDTH, DTYPES, st.integers(0, 99))
def test_a_sum_of_rows(rows, shards, width, dtype, seed):
    x = rough(rows, width, dtype, seed)

    def sums(context, mine):
        out = np.empty((context.layout.shards, width), dtype)
        context.shard_sums(x[mine].copy(), out)
        return out

    assert_each_shard_alone_is_the_same(rows, shards, lambda context: sums(context, slice(None)), sums)


@settings(max_examples=300, deadline=None)
@given(ROWS, SHARDS, WIDTH, st.sampled_from([1, 3]), DTYPES, st.integers(0, 99))
def test_sums_of_squares(rows, shards, width, places, dtype, seed):
    x = rough(rows, places * width, dtype, seed).reshape(rows, places, width)

    def moments(context, mine):
        seen = []
        context._totals.add = lambda partials: (seen.append(partials.copy()), partials[0])[1]
        context.moments(x[mine].copy(), axes=(1,))
        return np.ascontiguousarray(seen[0]).astype(complex)  # what pads extended numbers is not theirs

    assert_each_shard_alone_is_the_same(rows, shards, lambda context: moments(context, slice(None)), moments)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_another_order_of_additions_has_other_bits(dtype):
    """The negative control: these numbers tell."""
    x = rough(33, 64, dtype, 0)
    ones = np.ones(33, dtype)
    assert ones.dot(x).tobytes() != ones.dot(x[::-1].copy()).tobytes()
