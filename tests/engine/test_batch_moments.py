"""Numbers whose squares float32 cannot hold have a mean and a variance all the same."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import assert_same_bits, in_context

ROWS = 61
MIXED = np.array([1e-3, 1.0, 1e19, 1e25, 1e37])


@pytest.fixture(autouse=True)
def quiet():
    """As in a run."""
    with np.errstate(all="ignore"):
        yield


def numbers(dtype="float32"):
    """Ordinary columns beside huge ones, about means of their own."""
    return ((np.random.default_rng(3).standard_normal((ROWS, 5)) + 2) * MIXED).astype(dtype)


@pytest.mark.parametrize("ranks", [1, 3])
def test_float32_of_any_size_has_moments(ranks):
    x = numbers()
    wide = x.astype(np.float64)
    (one,) = in_context(1, ROWS, lambda context, mine: context.moments(x[mine]))
    for count, mean, variance in in_context(ranks, ROWS, lambda context, mine: context.moments(x[mine])):
        assert count == ROWS
        np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(variance, wide.var(axis=0), rtol=1e-6)
        assert_same_bits(mean, one[1])
        assert_same_bits(variance, one[2])


def test_the_squares_alone_overflow():
    """The negative control of the test above."""
    x = numbers()
    assert np.isinf((x * x).sum(axis=0)[2:]).all()


def test_ordinary_columns_keep_their_bits_beside_huge_ones():
    x = numbers()
    (both,) = in_context(1, ROWS, lambda context, mine: context.moments(x[mine]))
    (alone,) = in_context(1, ROWS, lambda context, mine: context.moments(np.where(MIXED < 10, x, 0)[mine]))
    for found, expected in zip(both[1:], alone[1:], strict=True):
        assert_same_bits(found[:2], expected[:2])


@pytest.mark.parametrize("ranks", [1, 3])
def test_groups_of_shards_have_them_too(ranks):
    x = numbers()
    for counts, mean, variance in in_context(ranks, ROWS, lambda c, mine: c.moments(x[mine], group=4)):
        parts = np.split(x.astype(np.float64), [counts[0]])
        np.testing.assert_allclose(mean, [part.mean(axis=0) for part in parts], rtol=1e-6)
        np.testing.assert_allclose(variance, [part.var(axis=0) for part in parts], rtol=1e-6)


def test_a_complex_step_goes_through_huge_numbers():
    x, v = numbers(), numbers().astype(np.float64)[::-1]
    z = (x + 1e-4j * v).astype(np.complex64)
    ((_, _, variance),) = in_context(1, ROWS, lambda context, mine: context.moments(z[mine]))
    slope = (2 * (x - x.mean(axis=0, dtype=np.float64)) * v).mean(axis=0)
    np.testing.assert_allclose(variance.imag / 1e-4, slope, rtol=1e-3)


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_no_number_stays_none(bad, ranks):
    x = numbers()
    x[17, 1] = bad
    for _, mean, variance in in_context(ranks, ROWS, lambda context, mine: context.moments(x[mine])):
        assert np.isfinite(mean).tolist() == np.isfinite(variance).tolist() == [True, False, True, True, True]


def test_float64_overflows_where_its_variance_does():
    x = numbers("float64") * 1e140
    ((_, mean, variance),) = in_context(1, ROWS, lambda context, mine: context.moments(x[mine]))
    assert np.isfinite(mean).all()
    assert np.isfinite(variance).tolist() == [True, True, False, False, False]
