"""Known values come from Philox written out here; the distributions are judged by the textbook's tests."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dtrain.random import SampleStreams, Stream, Words, key_of, normal_from, per_block, uniform_from

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
DTYPES = pytest.mark.parametrize("dtype", [F32, F64], ids=str)
ONES = 2**64 - 1
MANY = 100_000


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> list[int]:
    """Philox 4×64-10 as in the paper, on Python's integers."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        ac, cc = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = (cc >> 64) ^ b ^ k, cc & ONES, (ac >> 64) ^ d ^ m, ac & ONES
        k, m = (k + 0x9E3779B97F4A7C15) & ONES, (m + 0xBB67AE8584CAA73B) & ONES
    return [a, b, c, d]


def blocks(key: np.ndarray, first: int, count: int, *place: int) -> list[int]:
    """The words that `Words.read` promises; NumPy counts up before it computes a block."""
    rest = (*place, 0, 0, 0)[:3]
    return [word for i in range(count) for word in philox((first + i + 1, *rest), tuple(map(int, key)))]


def test_philox_of_this_file_gives_the_values_that_its_authors_publish():
    # kat_vectors of Random123, philox4x64-10
    assert philox((0, 0, 0, 0), (0, 0)) == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]
    assert philox((ONES,) * 4, (ONES,) * 2) == [
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    ]


@pytest.mark.parametrize("place", [(), (3,), (3, 5), (3, 5, 7)], ids=str)
@pytest.mark.parametrize("first", [0, 1, 12345, 2**40])
def test_words_are_philox_blocks_from_any_place(first, place):
    words = Words(7, "here")
    expected = blocks(key_of(7, "here"), first, 3, *place)
    assert [int(word) for word in words.read(3, first, *place)] == expected
    assert [int(word) for word in words.read(3, first, *place)] == expected, "reading leaves no trace"


def test_no_words_are_no_words():
    assert Words(0, "a").read(0, 5).shape == (0,)


def test_the_key_is_a_known_digest_of_seed_and_path():
    digest = hashlib.blake2b(b'[0, "shuffle", 2]', digest_size=16).digest()
    assert key_of(0, "shuffle", 2).tobytes() == digest
    assert key_of(0, "shuffle", 2).tolist() == [8050468839555596772, 3548762667782953314]


def test_the_first_numbers_of_a_stream_never_change():
    assert Stream(0, "known").uniform((2,)).tolist() == [0.26595393518755095, 0.8877070209721992]
    assert Stream(0, "known").permutation(8).tolist() == [6, 0, 5, 7, 3, 4, 1, 2]
    np.testing.assert_allclose(
        Stream(0, "known").normal((2,)), [1.2389598000493631, -1.0553875763098617], rtol=1e-14
    )


def test_a_numpy_integer_names_the_same_stream_as_a_python_integer():
    assert np.array_equal(key_of(np.int64(3), "a", np.uint8(2)), key_of(3, "a", 2))


@given(st.lists(st.lists(st.text() | st.integers(), max_size=4), min_size=2, max_size=2, unique_by=tuple))
def test_different_paths_are_different_streams(paths):
    one, other = paths
    assert not np.array_equal(key_of(0, *one), key_of(0, *other))


def test_a_number_and_its_text_are_different_streams():
    assert not np.array_equal(key_of(0, "a", 1), key_of(0, "a", "1"))
    assert not np.array_equal(key_of(0, 1), key_of(1, 0))


@DTYPES
def test_uniform_numbers_of_extreme_words_are_inside_the_open_interval(dtype):
    cell = 2.0**-24 if dtype == F32 else 2.0**-53
    low, high = uniform_from(np.array([0, ONES], np.uint64), dtype)[[0, -1]]
    assert low.dtype == dtype
    assert float(low) == cell
    assert float(high) == 1 - cell


@DTYPES
@given(words=st.lists(st.integers(0, ONES), min_size=1, max_size=4))
def test_uniform_numbers_are_the_leading_bits_on_the_centres_of_cells(dtype, words):
    numbers = uniform_from(np.array(words, "<u8"), dtype)
    if dtype == F32:
        halves = [half for word in words for half in (word & (2**32 - 1), word >> 32)]
        expected = [(2 * (half >> 9) + 1) / 2**24 for half in halves]
    else:
        expected = [(2 * (word >> 12) + 1) / 2**53 for word in words]
    assert numbers.tolist() == expected


@DTYPES
def test_the_maps_leave_the_words_alone(dtype):
    words = Words(0, "a").read(4, 0)
    words.flags.writeable = False
    uniform_from(words, dtype)
    normal_from(words, dtype)


@DTYPES
@pytest.mark.parametrize("pair", [(0, 0), (0, ONES), (ONES, 0), (ONES, ONES)], ids=str)
def test_normal_numbers_of_extreme_words_are_finite(dtype, pair):
    numbers = normal_from(np.array(pair, np.uint64), dtype)
    assert numbers.dtype == dtype
    assert np.isfinite(numbers).all()
    assert np.abs(numbers).max() < 9


@DTYPES
def test_a_block_gives_as_many_numbers_as_promised(dtype):
    assert len(uniform_from(Words(0, "a").read(3, 0), dtype)) == 3 * per_block(dtype)
    assert len(normal_from(Words(0, "a").read(3, 0), dtype)) == 3 * per_block(dtype)


@DTYPES
def test_uniform_numbers_are_uniform(dtype):
    numbers = uniform_from(Words(1, "u").read(MANY // 4, 0), dtype).astype(np.float64)
    assert abs(numbers.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / len(numbers))
    assert abs(numbers.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / len(numbers))
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3


@DTYPES
def test_normal_numbers_are_normal(dtype):
    numbers = normal_from(Words(1, "n").read(MANY // 4, 0), dtype).astype(np.float64)
    assert abs(numbers.mean()) < 4 / np.sqrt(len(numbers))
    assert abs(numbers.var() - 1) < 4 * np.sqrt(2 / len(numbers))
    assert abs((numbers**3).mean()) < 4 * np.sqrt(15 / len(numbers))
    assert abs((numbers**4).mean() - 3) < 4 * np.sqrt(96 / len(numbers))
    assert stats.kstest(numbers, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(numbers[0::2], numbers[1::2])[0, 1]) < 4 / np.sqrt(len(numbers) / 2)


def test_streams_of_neighbouring_seeds_names_and_draws_are_uncorrelated():
    paths = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1)]
    numbers = [Stream(*path).uniform((MANY,)) for path in paths]
    correlation = np.corrcoef(numbers) - np.eye(len(paths))
    assert np.abs(correlation).max() < 5 / np.sqrt(MANY)


def test_neighbouring_rows_and_epochs_are_uncorrelated():
    streams = SampleStreams(0)
    first, second = (
        uniform_from(streams.words("dropout", 0, 2, MANY // 8, 0, epoch), F32).astype(np.float64)
        for epoch in (0, 1)
    )
    correlation = np.corrcoef([*first, *second]) - np.eye(4)
    assert np.abs(correlation).max() < 5 / np.sqrt(first.shape[1])


def test_a_stream_goes_on_where_it_stopped_and_never_gives_a_number_twice():
    stream = Stream(0, "a")
    numbers = np.concatenate([stream.uniform((5,)), stream.uniform((3, 2)).ravel(), stream.uniform((1,))])
    assert len(np.unique(numbers)) == 12
    again = Stream(0, "a")
    assert np.array_equal(again.uniform((5,)), numbers[:5])


def test_a_stream_gives_the_shape_range_and_moments_asked_for():
    stream = Stream(0, "a")
    numbers = stream.uniform((100, 100), -3, 5)
    assert numbers.shape == (100, 100)
    assert numbers.dtype == F64
    assert -3 < numbers.min() < -2.9
    assert 4.9 < numbers.max() < 5
    numbers = stream.normal((100, 101), 10, 2)
    assert numbers.shape == (100, 101)
    assert abs(numbers.mean() - 10) < 4 * 2 / 100
    assert abs(numbers.std() - 2) < 4 * 2 / 100 / np.sqrt(2)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (7,)], ids=str)
def test_a_stream_gives_any_shape(shape):
    assert Stream(0, "a").uniform(shape).shape == shape
    assert Stream(0, "a").normal(shape).shape == shape


@given(st.integers(0, 300), st.integers(0, 2**32))
def test_a_permutation_holds_every_number_once(count, seed):
    order = Stream(seed, "order").permutation(count)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(count))


def test_every_number_is_equally_often_first_and_last_in_a_permutation():
    stream = Stream(0, "order")
    orders = np.array([stream.permutation(10) for _ in range(5000)])
    for place in (0, 9):
        assert stats.chisquare(np.bincount(orders[:, place], minlength=10)).pvalue > 1e-3


def test_all_orders_of_four_are_equally_frequent():
    stream = Stream(1, "order")
    orders = [tuple(stream.permutation(4)) for _ in range(24 * 200)]
    assert stats.chisquare(np.unique(orders, axis=0, return_counts=True)[1]).pvalue > 1e-3
    assert len(set(orders)) == 24


@DTYPES
@given(data=st.data(), rows=st.integers(1, 40), blocks=st.integers(1, 7))
def test_rows_read_together_equal_rows_read_apart(dtype, data, rows, blocks):
    first, epoch = data.draw(st.integers(0, 2**40)), data.draw(st.integers(0, 2**32))
    cuts = sorted(data.draw(st.sets(st.integers(1, rows - 1)) if rows > 1 else st.just(set())))
    together = SampleStreams(3).words("dropout", 1, rows, blocks, first, epoch)
    apart = SampleStreams(3)
    parts = [
        apart.words("dropout", 1, end - start, blocks, first + start, epoch)
        for start, end in zip([0, *cuts], [*cuts, rows], strict=True)
    ]
    assert together.shape == (rows, 4 * blocks)
    assert np.array_equal(np.concatenate(parts), together)
    for of in (uniform_from, normal_from):
        numbers = of(together, dtype)
        assert numbers.shape == (rows, blocks * per_block(dtype))
        assert np.array_equal(np.concatenate([of(part, dtype) for part in parts]), numbers)


def test_no_rows_are_no_words():
    assert SampleStreams(0).words("dropout", 0, 0, 3, 5, 1).shape == (0, 12)


def test_words_of_a_sample_are_its_own_blocks_of_its_layers_stream():
    row = SampleStreams(9).words("dropout", 2, 4, 3, 100, 6)[1]
    assert row.tolist() == blocks(key_of(9, "sample", "dropout", 2), 101 * 3, 3, 6)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"name": "noise"},
        {"draw": 1},
        {"first": 1},
        {"epoch": 1},
    ],
    ids=str,
)
def test_another_seed_layer_draw_sample_or_epoch_gives_other_words(other):
    def words(seed=0, name="dropout", draw=0, first=0, epoch=0):
        return SampleStreams(seed).words(name, draw, 1, 2, first, epoch)

    assert np.array_equal(words(), words())
    assert not np.intersect1d(words(), words(**other)).size


def test_the_global_random_state_of_numpy_is_untouched():
    before = np.random.get_state()[1].copy()
    stream = Stream(0, "a")
    stream.uniform((10,))
    stream.normal((10,))
    stream.permutation(10)
    SampleStreams(0).words("dropout", 0, 4, 2, 0, 0)
    assert np.array_equal(np.random.get_state()[1], before)


def test_the_global_random_state_of_numpy_has_no_influence():
    np.random.seed(1)
    one = Stream(0, "a").normal((10,))
    np.random.seed(2)
    assert np.array_equal(one, Stream(0, "a").normal((10,)))


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_bernoulli_numbers_are_true_with_their_probability(probability):
    drawn = Stream(3, "b").bernoulli((MANY // 10, 11), probability)
    assert (drawn.dtype, drawn.shape) == (bool, (MANY // 10, 11))
    off = abs(drawn.mean() - probability)
    assert off <= 5 * np.sqrt(probability * (1 - probability) / drawn.size)


def test_bernoulli_numbers_are_halves_of_words_below_the_probability():
    words = blocks(key_of(3, "b"), 0, 2)
    halves = [half for word in words for half in (word & (2**32 - 1), word >> 32)]
    stream = Stream(3, "b")
    assert stream.bernoulli((2, 5), 0.3).ravel().tolist() == [
        half < round(0.3 * 2**32) for half in halves[:10]
    ]
    following = blocks(key_of(3, "b"), 2, 1)[0] & (2**32 - 1)
    assert stream.bernoulli((1,), 0.3).tolist() == [following < round(0.3 * 2**32)], "goes on at a new block"


def test_a_batch_has_a_stream_of_its_own():
    streams = SampleStreams(5)
    first = streams.of_batch("layer/0/mask", 0, 2, 64).uniform((3,))
    assert np.array_equal(first, Stream(5, "batch", "layer/0/mask", 0, 2, 64).uniform((3,)))
