"""How far two arrays are apart: counts, sizes, and steps between floating-point numbers."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from dtrain.trainer.difference import Size, size_of


def steps_between(a, b):
    """Counts by going there, one number after another."""
    a, b = min(a, b), max(a, b)
    count = 0
    while a != b:
        a = np.nextafter(a, b)
        count += 1
    return count


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pair", [(1.0, 5), (-1.0, 5), (2.0, -3), (0.0, 4), (-0.0, -2)])
def test_ulps_are_steps_from_one_number_to_the_next(pair, dtype):
    start, steps = pair
    a = b = dtype(start)
    for _ in range(abs(steps)):
        b = np.nextafter(b, dtype(np.copysign(inf, steps)))
    size = size_of(np.array([1, a], dtype), np.array([1, b], dtype))
    assert size.ulps == abs(steps) == steps_between(a, b)
    assert (size.count, size.of) == (1, 2)
    assert size.absolute == abs(float(b) - float(a))


def test_across_zero_both_sides_count():
    tiny = np.nextafter(np.float64(0), np.float64(1))
    assert size_of(np.array([-tiny]), np.array([tiny])).ulps == 2


def test_the_farthest_numbers_do_not_overflow():
    largest = np.finfo(np.float64).max
    size = size_of(np.array([-largest]), np.array([largest]))
    assert size.ulps == 2 * (0x7FEF_FFFF_FFFF_FFFF)
    assert size.absolute == inf


def test_relative_is_by_the_largest_number_that_was_expected():
    size = size_of(np.array([1.0, -8.0, 0.0]), np.array([1.0, -8.0, 0.5]))
    assert (size.count, size.of, size.absolute, size.relative) == (1, 3, 0.5, 0.0625)


def test_equal_bits_are_no_difference_though_they_are_no_numbers():
    a = np.array([np.nan, 1.0], np.float32)
    assert size_of(a, a.copy()) == Size(0, 2, 0.0, 0.0, 0)


def test_a_minus_before_zero_is_a_difference_of_no_size():
    assert size_of(np.array([0.0, 1.0]), np.array([-0.0, 1.0])) == Size(1, 2, 0.0, 0.0, 0)


def test_what_is_not_finite_is_infinitely_far():
    assert size_of(np.array([1.0]), np.array([np.nan])).absolute == inf


def test_from_nothing_but_zeros_the_distance_is_infinite_by_measure():
    assert size_of(np.zeros(2), np.array([0.0, 0.25])).relative == inf


def test_whole_numbers_have_no_ulps():
    assert size_of(np.array(3), np.array(5)) == Size(1, 1, 2.0, 2 / 3, None)


@pytest.mark.parametrize("other", [np.zeros(3), np.zeros((2, 1)), np.zeros(2, np.float32)])
def test_another_shape_or_dtype_is_all_different(other):
    assert size_of(np.zeros(2), other) == Size(other.size, other.size, inf, inf, None)


def test_nothing_is_nothing():
    assert size_of(np.zeros((0, 3)), np.zeros((0, 3))).count == 0


def test_the_words():
    assert str(Size(1, 1, 0.5, 0.25, 1)) == "1 of 1 number by up to 0.5 (0.25 of the largest, 1 ulp)"
    assert str(Size(1000, 2000, 2.0, inf, None)) == "1,000 of 2,000 numbers by up to 2 (inf of the largest)"
