"""bfloat16 rounds to the nearest, ties to even; what it takes off is sent later; half of the bytes travel."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.exchanges.bf16 import Bf16, rounded, widened
from dtrain_plugins.exchanges.overlap import Overlap
from dtrain_plugins.exchanges.scatter import stretch
from tests.plugins.exchanges.support import totals
from tests.support import assert_same_bits, rough


def nearest(x):
    """bfloat16 of float32 numbers by its definition: of the two neighbours the nearer, of two equally near the even."""
    bits = x.view(np.uint32)
    low = (bits & np.uint32(0xFFFF0000)).view(np.float32).astype(float)
    high = ((bits & np.uint32(0xFFFF0000)) + np.uint32(0x10000)).view(np.float32).astype(float)
    wide, even = x.astype(float), (bits >> np.uint32(16)) % 2 == 0
    to_low = (np.abs(wide - low) < np.abs(high - wide)) | ((np.abs(wide - low) == np.abs(high - wide)) & even)
    return np.where(to_low, low, high).astype(np.float32)


def test_rounds_to_the_nearest_and_ties_to_even():
    random = np.random.default_rng(0)
    x = random.integers(0, 2**32, 100_000, np.uint32).view(np.float32)
    x = x[np.isfinite(x) & (np.abs(x) < 3e38)]
    ties = (random.integers(0, 2**15, 1000, np.uint32) << 16 | 0x8000).view(np.float32)
    x = np.concatenate([x, ties[np.abs(ties) < 3e38], np.array([0, -0.0, 1, -1, 1e-45], np.float32)])
    assert_same_bits(widened(rounded(x)), nearest(x))


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (1.0, 1.0),
        (1 + 2**-8, 1.0),
        (1 + 3 * 2**-8, 1 + 2**-6),
        (3.4e38, np.inf),
        (-3.4e38, -np.inf),
        (np.inf, np.inf),
    ],
)
def test_some_numbers_by_hand(x, expected):
    assert widened(rounded(np.array([x], np.float32)))[0] == expected


def test_nan_stays_nan():
    assert np.isnan(widened(rounded(np.array([np.nan, -np.nan], np.float32)))).all()


def by_formula(gradients, feedback):
    """The totals of all steps, (steps, n), and the residuals of all ranks at the end, in plain NumPy."""
    steps, ranks, n = gradients.shape
    e = np.zeros((ranks, n), gradients.dtype)
    found = []
    for step in range(steps):
        h = gradients[step] + e
        sent = np.array([nearest(one.astype(np.float32)) for one in h])
        e = (h - sent).astype(gradients.dtype)
        result = np.zeros(n, np.float32)
        for owner in range(ranks):
            own = stretch(n, ranks, owner)
            t = np.zeros(own.stop - own.start, gradients.dtype)
            for rank in range(ranks):
                t += (h if rank == owner else sent)[rank, own]
            result[own] = nearest(t.astype(np.float32))
            e[owner, own] = t - result[own]
        e *= feedback
        found.append(result.astype(gradients.dtype))
    return np.array(found), e


@pytest.mark.parametrize("feedback", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_is_its_formula(ranks, dtype, feedback):
    gradients = rough(4, ranks, 2048, dtype=dtype)
    expected, residuals = by_formula(gradients, feedback)
    for rank, (got, slots, _) in enumerate(totals(lambda: Bf16(feedback=feedback, bucket=8.0), gradients)):
        assert_same_bits(got, expected)
        assert set(slots) == ({"residual"} if feedback else set())
        if feedback:
            assert_same_bits(slots["residual"], residuals[rank])


def test_one_rank_rounds_nothing():
    gradients = rough(3, 1, 1024)
    ((got, slots, sent),) = totals(Bf16, gradients)
    assert_same_bits(got, gradients[:, 0])
    assert not slots["residual"].any()
    assert sent == 0


@pytest.mark.parametrize(("dtype", "share"), [("float32", 1 / 2), ("float64", 1 / 4)])
@pytest.mark.parametrize("ranks", [2, 4])
def test_a_part_of_the_bytes_travels(ranks, dtype, share):
    gradients = rough(1, ranks, 4096, dtype=dtype)
    mine, exact = (totals(make, gradients)[0][2] for make in (Bf16, Overlap))
    assert exact == 2 * 4096 * gradients.itemsize * (ranks - 1) // ranks
    assert mine == share * exact


def test_without_feedback_an_error_adds_up_and_with_it_it_does_not():
    gradients = np.full((200, 2, 1024), 1 + 2**-9, np.float32)
    exact = 2 * 200 * (1 + 2**-9)
    ((fed, *_), _), ((bare, *_), _) = (
        totals(lambda feedback=feedback: Bf16(feedback=feedback), gradients) for feedback in (True, False)
    )
    assert abs(fed.sum(axis=0)[0] - exact) < 0.05
    assert abs(bare.sum(axis=0)[0] - exact) > 0.3
