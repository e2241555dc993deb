"""The doors of the context: what crosses rows is the same to the bit on any number of ranks."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.communicator import CountingCommunicator, SerialCommunicator, run_ranks
from dtrain.engine import Context, Layout, rank_ranges, shard_bounds
from dtrain.engine.totals import Totals
from dtrain.parameter import Parameter, State
from dtrain.random import SampleStreams
from tests.support import Constant, assert_other_bits, assert_same_bits, in_context, rough

ROWS = [0, 1, 5, 8, 10, 11, 61, 64]
MANY = [2, 3, 5, 8]
FLOATS = ["float32", "float64", "complex64", "complex128"]
TOLERANCE = {"float32": 2e-6, "complex64": 2e-6, "float64": 1e-14, "complex128": 1e-14}


def data(rows, *shape, dtype="float32", seed=0):
    """Numbers of one size, each exact in float32."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, *shape))
    if np.dtype(dtype).kind == "c":
        x = x + 1j * random.standard_normal((rows, *shape))
    return x.astype(dtype)


def alone(rows, shards=8, **options):
    """A context of one rank."""
    context = Context(Totals(shards, [(0, shards)], SerialCommunicator()), SampleStreams(0))
    begin = {"training": True, "step": 0, "epoch": 0, "place": 0, **options}
    context.begin(Layout(rows, shards, 0, shards), **begin)
    context.layer = "layer"
    return context


# ---------------------------------------------------------------------- sum


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3)], ids=str)
@pytest.mark.parametrize("rows", ROWS)
def test_a_sum_is_over_all_rows_and_has_the_same_bits_on_any_ranks(rows, shape, dtype):
    x = data(rows, *shape, dtype=dtype)
    (one,) = in_context(1, rows, lambda context, mine: context.sum(x[mine]))
    assert (one.dtype, one.shape) == (x.dtype, shape)
    wide = x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)
    np.testing.assert_allclose(one, wide.sum(axis=0), rtol=0, atol=rows * TOLERANCE[dtype])
    for ranks in MANY:
        for total in in_context(ranks, rows, lambda context, mine: context.sum(x[mine])):
            assert_same_bits(total, one)


@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_a_bare_sum_on_a_rank_is_another_number_unless_it_holds_all_rows(ranks):
    x = data(61, 7)
    results = in_context(ranks, 61, lambda context, mine: (context.sum(x[mine]), x[mine].sum(axis=0)))
    for total, bare in results:
        np.testing.assert_allclose(total, x.sum(axis=0), rtol=1e-4)
        assert np.allclose(bare, total, rtol=1e-4) == (ranks == 1)


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("rows", [0, 3, 61])
def test_several_arrays_go_in_one_exchange_and_come_back_with_their_shapes_and_dtypes(rows, ranks):
    arrays = data(rows, 4), data(rows, 2, 3, seed=1), np.arange(rows), data(rows, 5, dtype="float64")

    def body(context, mine):
        counting = context._totals._communicator = CountingCommunicator(context._totals._communicator)
        sums = context.sum(*(a[mine] for a in arrays))
        assert counting.calls["allgather"] == (ranks > 1)
        return sums

    for sums in in_context(ranks, rows, body):
        assert isinstance(sums, tuple)
        for total, array in zip(sums, arrays, strict=True):
            assert (total.dtype, total.shape) == (array.dtype, array.shape[1:])
            np.testing.assert_allclose(total, array.sum(axis=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ranks", [1, 3, 5])
@pytest.mark.parametrize("rows", [2, 61])
@pytest.mark.parametrize("dtype", [*FLOATS, "int64"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 5, 2), (1, 2)), ((6, 2), (1,)), ((3, 4), (1, 2)), ((4, 5, 2), (2,)), ((3, 2, 2, 3), (1,))],
)
def test_a_sum_over_further_axes_leaves_the_others(shape, axes, dtype, rows, ranks):
    x = (10 * data(rows, *shape)).astype(dtype) if dtype == "int64" else data(rows, *shape, dtype=dtype)
    (one,) = in_context(1, rows, lambda context, mine: context.sum(x[mine], axes=axes))
    assert one.dtype == x.dtype
    np.testing.assert_allclose(one, x.astype(complex).sum(axis=(0, *axes)), rtol=1e-4, atol=1e-4)
    for total in in_context(ranks, rows, lambda context, mine: context.sum(x[mine], axes=axes)):
        assert_same_bits(total, one)


def test_a_sum_over_many_places_keeps_its_digits():
    x = data(4, 128, 128, 3) + np.float32(3)
    np.testing.assert_allclose(
        alone(4).sum(x, axes=(1, 2)), x.sum(axis=(0, 1, 2), dtype=np.float64), rtol=1e-6
    )


@pytest.mark.parametrize("ranks", [1, 3])
def test_whole_numbers_are_summed_exactly_beyond_what_float32_can_count(ranks):
    x = np.array([2**24 + 1, 1, 2**40, -5, 7], np.int64)
    for total in in_context(ranks, 5, lambda context, mine: context.sum(x[mine])):
        assert total.dtype == np.int64
        assert total == x.sum()


@pytest.mark.parametrize("ranks", [1, 3])
def test_totals_stay_when_the_next_one_comes(ranks):
    x, y = data(61, 4), data(61, 4, seed=1)

    def body(context, mine):
        first = context.sum(x[mine])
        kept = first.copy()
        context.sum(y[mine])
        context.max(y[mine])
        assert_same_bits(first, kept)

    in_context(ranks, 61, body)


def test_the_input_of_a_sum_is_left_as_it_was():
    x = data(61, 4)
    before = x.copy()
    in_context(3, 61, lambda c, mine: (c.sum(x[mine]), c.moments(x[mine]), c.max(x[mine])))
    assert_same_bits(x, before)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 6), st.integers(0, 99))
def test_any_rows_shards_and_ranks_give_the_bits_of_one_rank(rows, shards, ranks, seed):
    x = rough(rows, 3, seed=seed)
    ranks = min(ranks, shards)

    def body(context, mine):
        mean, variance = context.moments(x[mine])[1:]
        return np.concatenate([context.sum(x[mine]), context.max(x[mine]), mean, variance])

    (one,) = in_context(1, rows, body, shards=shards)
    for total in in_context(ranks, rows, body, shards=shards):
        assert_same_bits(total, one)


@pytest.mark.parametrize("rows", [0, 3, 61])
def test_shard_sums_are_those_of_each_local_shard(rows):
    columns = data(rows, 3, dtype="float64")
    expected = np.array([columns[a:b].sum(axis=0) for a, b in pairwise(shard_bounds(rows, 8))])

    def body(context, mine):
        out = np.full((len(context.layout.slices), 3), np.nan)
        context.shard_sums(columns[mine], out)
        return out

    for ranks in (1, 3, 5):
        np.testing.assert_allclose(np.concatenate(in_context(ranks, rows, body)), expected, atol=1e-13)


@pytest.mark.parametrize("rows", [0, 3, 61])
@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_the_shards_of_all_ranks_are_those_of_one(ranks, rows):
    def body(context, mine):
        assert all(0 <= shard.start <= shard.stop <= mine.stop - mine.start for shard in context.shards)
        return [(mine.start + shard.start, mine.start + shard.stop) for shard in context.shards]

    found = [shard for shards in in_context(ranks, rows, body) for shard in shards]
    assert found == list(pairwise(shard_bounds(rows, 8)))


# ---------------------------------------------------------------------- max


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 5, 61])
@pytest.mark.parametrize(("shape", "axes"), [((), ()), ((4,), ()), ((3, 2), ()), ((3, 2, 4), (1, 2))])
def test_a_maximum_is_that_of_all_rows(rows, shape, axes, ranks):
    x = data(rows, *shape) - 10
    for total in in_context(ranks, rows, lambda context, mine: context.max(x[mine], axes=axes)):
        assert_same_bits(total, np.asarray(x.max(axis=(0, *axes))))


@pytest.mark.parametrize("ranks", [1, 3])
def test_several_maxima_come_in_one_call_and_nan_wins(ranks):
    x, y = data(61, 4), data(61, 2, dtype="float64")
    x[17, 2] = np.nan
    for first, second in in_context(ranks, 61, lambda context, mine: context.max(x[mine], y[mine])):
        assert_same_bits(first, x.max(axis=0))
        assert np.isnan(first[2])
        assert_same_bits(second, y.max(axis=0))


@pytest.mark.parametrize("ranks", [1, 3])
def test_the_maximum_of_no_rows_is_minus_infinity(ranks):
    for total in in_context(ranks, 0, lambda context, mine: context.max(np.zeros((0, 2), np.float32))):
        assert total.tolist() == [-np.inf, -np.inf]


# ---------------------------------------------------------------------- moments


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"), [((), ()), ((4,), ()), ((3, 2), ()), ((3, 2, 4), (1, 2)), ((5, 4), (1,))]
)
@pytest.mark.parametrize("rows", [1, 5, 8, 61, 64])
def test_moments_are_those_of_all_rows_with_the_same_bits_on_any_ranks(rows, shape, axes, dtype):
    x = data(rows, *shape, dtype=dtype)
    (one,) = in_context(1, rows, lambda context, mine: context.moments(x[mine], axes=axes))
    count, mean, variance = one
    wide = x.astype(np.longdouble)
    over = (0, *axes)
    assert type(count) is int
    assert count == rows * np.prod([shape[a - 1] for a in axes], dtype=int)
    assert mean.dtype == variance.dtype == np.float64
    np.testing.assert_allclose(mean, wide.mean(axis=over).astype(float), rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(variance, wide.var(axis=over).astype(float), rtol=0, atol=4 * TOLERANCE[dtype])
    for ranks in MANY:
        for result in in_context(ranks, rows, lambda context, mine: context.moments(x[mine], axes=axes)):
            assert result[0] == count
            assert_same_bits(result[1], mean)
            assert_same_bits(result[2], variance)


@pytest.mark.parametrize("ranks", [1, 3])
def test_moments_of_no_rows_are_zeros_and_a_count_of_zero(ranks):
    for count, mean, variance in in_context(
        ranks, 0, lambda context, mine: context.moments(np.zeros((0, 3), np.float32))
    ):
        assert count == 0
        assert_same_bits(mean, np.zeros(3))
        assert_same_bits(variance, np.zeros(3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ratio", [10, 100, 1000, 1e4])
@pytest.mark.parametrize("rows", [61, 512])
def test_moments_keep_their_precision_where_the_mean_is_far_from_zero(rows, ratio, dtype):
    x = (data(rows, 6, dtype="float64") + ratio).astype(dtype)
    x[:, 0] *= -1
    wide = x.astype(np.longdouble)
    mean, variance = wide.mean(axis=0), wide.var(axis=0)
    for count, m, v in in_context(3, rows, lambda context, mine: context.moments(x[mine])):
        assert count == rows
        np.testing.assert_allclose(m, mean.astype(float), rtol=1e-12 if dtype == "float64" else 1e-9)
        np.testing.assert_allclose(v, variance.astype(float), rtol=1e-9 if dtype == "float64" else 1e-6)


def test_squares_about_zero_in_the_arrays_dtype_would_lose_the_variance():
    """The negative control of the test above: E[x²] − E[x]² in float32."""
    x = (data(512, 6) + 1000).astype(np.float32)
    naive = (x * x).mean(axis=0) - x.mean(axis=0) ** 2
    assert (np.abs(naive - x.astype(float).var(axis=0)) > 0.01).all()


def test_the_variance_of_equal_rows_is_zero_and_never_negative():
    x = np.full((61, 4), np.float32(1000.1))
    for _, mean, variance in in_context(3, 61, lambda context, mine: context.moments(x[mine])):
        np.testing.assert_allclose(mean, x[0].astype(float), rtol=1e-12)
        assert (variance >= 0).all()
        assert (variance < 1e-6).all()


def test_means_of_means_are_another_number_where_shards_are_unequal():
    x = data(100, 1) + np.where(np.arange(100) < 96, 0, 4)[:, None].astype(np.float32)
    parts = [x[a:b].astype(float) for a, b in ((0, 32), (32, 64), (64, 96), (96, 100))]
    true = np.concatenate(parts).mean()
    for _, mean, _ in in_context(3, 100, lambda context, mine: context.moments(x[mine])):
        np.testing.assert_allclose(mean[0], true, rtol=1e-6)
    unweighted = np.mean([part.mean() for part in parts])
    assert abs(unweighted - true) > 0.5


@pytest.mark.parametrize("rows", [5, 100])
def test_means_of_shard_means_are_another_number_in_our_own_shards(rows):
    x = data(rows, 3) + np.arange(rows, dtype=np.float32)[:, None]
    bounds = shard_bounds(rows, 8)
    with np.errstate(invalid="ignore"):
        means = [np.divide(x[a:b].sum(axis=0), b - a) for a, b in pairwise(bounds)]
    ((_, mean, _),) = in_context(1, rows, lambda context, mine: context.moments(x[mine]))
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-5)
    assert not np.allclose(np.mean(means, axis=0), mean, rtol=1e-3)  # NaN where a shard is empty


def test_axes_that_are_not_next_to_the_rows_are_refused():
    with pytest.raises(
        ValueError, match=r"^moments: axes must be \(1, …, k\), next to the rows; got \(2,\)$"
    ):
        alone(4).moments(np.zeros((4, 2, 3), np.float32), axes=(2,))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_moments_carry_a_complex_step(dtype):
    """The derivative of mean and variance along v, from x + i·h·v."""
    x, v = data(61, 3, dtype="float64"), data(61, 3, dtype="float64", seed=1)
    h = 1e-4 if dtype == "complex64" else 1e-20
    z = (x + 1j * h * v).astype(dtype)
    for _, mean, variance in in_context(3, 61, lambda context, mine: context.moments(z[mine])):
        assert mean.dtype == variance.dtype == np.complex128
        rtol = 1e-4 if dtype == "complex64" else 1e-12
        np.testing.assert_allclose(mean.imag / h, v.mean(axis=0), rtol=rtol)
        slope = (2 * (x - x.mean(axis=0)) * v).mean(axis=0)
        np.testing.assert_allclose(variance.imag / h, slope, rtol=rtol * 100, atol=rtol)


# ---------------------------------------------------------------------- matmul, gradient


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(("inner", "outer"), [(20, 33), (64, 10), (1, 1), (257, 5)])
def test_a_row_of_a_product_has_the_same_bits_however_shards_lie_on_ranks(rows, inner, outer, dtype):
    x, w = data(rows, inner, dtype=dtype), data(inner, outer, dtype=dtype, seed=1)
    (one,) = in_context(1, rows, lambda context, mine: context.matmul(x[mine], w).copy())
    assert (one.dtype, one.shape) == (x.dtype, (rows, outer))
    np.testing.assert_allclose(one, x @ w, rtol=0, atol=1e3 * TOLERANCE[dtype])
    for ranks in MANY:
        parts = in_context(ranks, rows, lambda context, mine: context.matmul(x[mine], w).copy())
        assert_same_bits(np.concatenate(parts), one)


@pytest.mark.parametrize("rows", [0, 5, 61])
@pytest.mark.parametrize("shape", [(3, 6), (2, 2, 6)], ids=str)
def test_a_product_takes_any_axes_between_rows_and_columns(rows, shape):
    x, w = data(rows, *shape), data(6, 4, seed=1)
    (one,) = in_context(1, rows, lambda context, mine: context.matmul(x[mine], w).copy())
    assert one.shape == (rows, *shape[:-1], 4)
    np.testing.assert_allclose(one, x @ w, rtol=1e-4, atol=1e-5)
    parts = in_context(5, rows, lambda context, mine: context.matmul(x[mine], w).copy())
    assert_same_bits(np.concatenate(parts), one)


@pytest.mark.parametrize("rows", [0, 5, 61])
def test_a_product_with_a_transposed_matrix_is_the_same_on_any_ranks(rows):
    x, w = data(rows, 6), data(4, 6, seed=1)
    (one,) = in_context(1, rows, lambda context, mine: context.matmul(x[mine], w.T).copy())
    np.testing.assert_allclose(one, x @ w.T, rtol=1e-4, atol=1e-5)
    parts = in_context(3, rows, lambda context, mine: context.matmul(x[mine], w.T).copy())
    assert_same_bits(np.concatenate(parts), one)


@pytest.mark.parametrize("shape", [(6,), (3, 6)], ids=str)
@pytest.mark.parametrize("shards", [1, 8])
def test_a_product_is_written_where_it_is_asked_for(shape, shards):
    x, w = data(11, *shape), data(6, 4, seed=1)
    context, out = alone(11, shards), np.full((11, *shape[:-1], 4), np.nan, np.float32)
    assert context.matmul(x, w, out) is out
    assert_same_bits(out, alone(11, shards).matmul(x, w))


def test_a_gradient_outside_of_training_is_refused():
    context = alone(4)
    context.layer = "dense_1"
    with pytest.raises(RuntimeError, match=r"^layer 'dense_1' asked for a gradient outside of training$"):
        context.gradient(Parameter("w", (2,), "weight", Constant(0), (1, 1)), lambda rows, out: None)
    with pytest.raises(RuntimeError, match=r"^layer 'dense_1' asked for a gradient outside of training$"):
        context.gradient_total(Parameter("w", (2,), "weight", Constant(0), (1, 1)), np.zeros(2))


# ---------------------------------------------------------------------- state


def test_an_update_holds_at_once_and_a_commit_keeps_it():
    context, state = alone(4), State("mean", np.zeros(2))
    context.update(state, np.ones(2))
    assert state.value.tolist() == [1, 1]
    context.commit()
    context.rollback()
    assert state.value.tolist() == [1, 1]


def test_a_rollback_takes_back_all_updates_since_the_last_commit():
    context, mean, count = alone(4), State("mean", np.zeros(2)), State("count", np.zeros(()))
    context.update(mean, np.full(2, 1.0))
    context.commit()
    context.update(mean, np.full(2, 2.0))
    context.update(count, np.array(5.0))
    context.update(mean, np.full(2, 3.0))
    context.rollback()
    assert mean.value.tolist() == [1, 1]
    assert count.value == 0
    context.rollback()
    assert mean.value.tolist() == [1, 1]


def test_updates_that_are_set_aside_can_be_made_later():
    context, mean = alone(4), State("mean", np.zeros(2))
    context.update(mean, np.full(2, 1.0))
    context.update(mean, np.full(2, 2.0))
    aside = context.set_aside()
    assert mean.value.tolist() == [0, 0]
    for state, value in aside:
        context.update(state, value)
    assert mean.value.tolist() == [2, 2]
    context.rollback()
    assert mean.value.tolist() == [0, 0]


def test_an_update_outside_of_training_is_refused():
    context = alone(4, training=False)
    context.layer = "batch_norm_1"
    state = State("batch_norm_1.mean", np.zeros(2))
    message = "layer 'batch_norm_1' changes state 'batch_norm_1.mean' outside of training"
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        context.update(state, np.ones(2))
    assert state.value.tolist() == [0, 0]


def test_begin_tells_layers_where_training_is():
    context = alone(61, training=False, step=7, epoch=3, place=128)
    assert (context.training, context.step, context.epoch) == (False, 7, 3)
    assert (context.place, context.rows) == (128, 61)


def test_layers_draw_in_training_not_in_inference_and_again_where_predictions_are_drawn():
    assert alone(4, training=True).sampling
    assert not alone(4, training=False).sampling
    drawn = alone(4, training=False, sampling=True)
    assert (drawn.training, drawn.sampling) == (False, True)
    drawn.begin(drawn.layout, training=False, step=0, epoch=0, place=0)
    assert not drawn.sampling


def test_the_context_knows_whether_a_layer_has_drawn():
    context = alone(4)
    assert not context.drew
    context.bernoulli((4, 2), 0.5)
    assert context.drew
    context.begin(context.layout, training=True, step=1, epoch=0, place=0)
    assert not context.drew


@pytest.mark.parametrize("ranks", [1, 3])
def test_rows_are_those_of_the_global_batch(ranks):
    assert in_context(ranks, 61, lambda context, mine: context.rows) == [61] * ranks


def test_begin_frees_scratch_and_nothing_else_does():
    context = alone(4)
    first = context.empty((4, 2), np.float32)
    second = context.empty((4, 2), np.float32)
    assert not np.shares_memory(first, second)
    context.begin(context.layout, training=True, step=1, epoch=0, place=0)
    assert np.shares_memory(context.empty((4, 2), np.float32), first)


# ---------------------------------------------------------------------- randomness

DRAWS = {
    "uniform": lambda context, shape: context.uniform(shape),
    "uniform64": lambda context, shape: context.uniform(shape, np.float64),
    "normal": lambda context, shape: context.normal(shape),
    "normal64": lambda context, shape: context.normal(shape, "float64"),
    "bernoulli": lambda context, shape: context.bernoulli(shape, 0.5),
}
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def drawn(draw, ranks, rows, shape, **options):
    """The numbers of all rows of a global batch, from all ranks."""

    def body(context, mine):
        return draw(context, (mine.stop - mine.start, *shape))

    return np.concatenate(in_context(ranks, rows, body, **options))


@every_draw
@pytest.mark.parametrize("shape", [(), (3,), (8,), (2, 5)], ids=str)
@pytest.mark.parametrize("rows", [0, 5, 61])
def test_numbers_belong_to_samples_on_any_ranks(draw, rows, shape):
    one = drawn(draw, 1, rows, shape)
    assert one.shape == (rows, *shape)
    for ranks in MANY:
        assert_same_bits(drawn(draw, ranks, rows, shape), one)


@every_draw
def test_numbers_belong_to_places_in_the_epoch_whatever_the_batch(draw):
    whole = drawn(draw, 1, 61, (3,))
    assert_same_bits(drawn(draw, 3, 20, (3,), place=0), whole[:20])
    assert_same_bits(drawn(draw, 2, 41, (3,), place=20, shards=5), whole[20:])


@every_draw
def test_numbers_differ_between_layers_draws_epochs_seeds_places_and_inference(draw):
    def body(context, mine):
        first = draw(context, (64, 8))
        second = draw(context, (64, 8))
        context.layer = "another"
        return [first, second, draw(context, (64, 8))]

    seen = []
    for options in ({}, {"epoch": 1}, {"seed": 1}, {"place": 64}, {"training": False}):
        seen += in_context(1, 64, body, **options)[0]
    assert len({array.tobytes() for array in seen}) == len(seen) == 15
    for array in seen[1:]:
        assert 0.3 < (array == seen[0]).mean() < 0.7 if array.dtype == bool else not (array == seen[0]).any()


@every_draw
def test_numbers_differ_between_samples(draw):
    rows = drawn(draw, 1, 61, (40,))
    assert len({row.tobytes() for row in rows}) == 61


@every_draw
def test_a_pass_that_begins_again_draws_the_same_numbers(draw):
    context = alone(8)
    first = [draw(context, (8, 3)).copy() for _ in range(2)]
    context.begin(context.layout, training=True, step=1, epoch=0, place=0)
    again = [draw(context, (8, 3)).copy() for _ in range(2)]
    assert_same_bits(np.array(again), np.array(first))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_have_their_distribution(dtype):
    context = alone(4000)
    u, z = context.uniform((4000, 10), dtype), context.normal((4000, 10), dtype)
    assert u.dtype == z.dtype == np.dtype(dtype)
    assert 0 < u.min() < 0.001
    assert 0.999 < u.max() < 1
    np.testing.assert_allclose([u.mean(), u.var()], [1 / 2, 1 / 12], atol=0.005)
    np.testing.assert_allclose([z.mean(), z.var(), (z**3).mean(), (z**4).mean()], [0, 1, 0, 3], atol=0.1)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_bernoulli_is_true_with_its_probability(probability):
    kept = alone(4000).bernoulli((4000, 10), probability)
    assert kept.dtype == bool
    if probability in (0, 1):
        assert (kept == probability).all()
    else:
        assert abs(kept.mean() - probability) < 0.01


def test_a_mask_of_a_higher_probability_holds_that_of_a_lower():
    low, high = alone(61).bernoulli((61, 10), 0.3), alone(61).bernoulli((61, 10), 0.6)
    assert (low <= high).all()


@every_draw
@pytest.mark.parametrize("rows", [9, 61])
def test_a_shape_that_does_not_start_with_the_local_rows_is_refused(draw, rows):
    message = f"random numbers belong to rows: expected a shape that starts with 10, got ({rows}, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(alone(10), (rows, 3))


def test_seed_plus_rank_would_give_other_numbers_on_other_ranks():
    """The negative control of this part."""

    def local(ranks):
        def job(communicator):
            first, last = rank_ranges(8, ranks)[communicator.rank]
            layout = Layout(61, 8, first, last)
            return np.random.default_rng(communicator.rank).random((layout.local, 3))

        return np.concatenate(run_ranks(ranks, job))

    assert_other_bits(local(3), local(1))
