"""What an annotation says of an option's numbers."""

from __future__ import annotations

from math import inf, nan
from typing import Annotated, Literal

import numpy as np
import pytest

from dtrain.options import Range, check, fault, numbers_in, ranged
from tests.plugins.support import message_of

HUGE = 10**400  # no float holds it

RANGES = [
    (Range(), [0, -1.5, 1e308, np.float32(2)], [HUGE], "finite"),
    (Range(gt=0), [1e-300, 2, 1e308], [0, -0.0, -1], "positive"),
    (Range(gt=1.5), [1.6], [1.5, 0], "above 1.5"),
    (Range(ge=0), [0, 2.5], [-1e-300], "at least 0"),
    (Range(ge=1), [1, 2], [0.999, -1], "at least 1"),
    (Range(lt=2), [-5, 1.99], [2, 3], "below 2"),
    (Range(le=2), [-5, 2], [2.01], "at most 2"),
    (Range(ge=0, le=1), [0, 0.5, 1], [-0.1, 1.1], "in [0, 1]"),
    (Range(ge=0, lt=1), [0, 0.999], [-0.1, 1], "in [0, 1)"),
    (Range(gt=0, le=1), [1e-300, 1], [0, 1.1], "in (0, 1]"),
    (Range(gt=1e-4, lt=1), [2e-4], [1e-4, 1], "in (0.0001, 1)"),
]


@pytest.mark.parametrize(("range_", "good", "bad", "words"), RANGES, ids=[row[3] for row in RANGES])
def test_a_range_holds_finite_numbers_within_its_bounds(range_, good, bad, words):
    assert str(range_) == words
    assert all(value in range_ for value in good)
    for value in (*bad, nan, inf, -inf, True, "1", None, [1]):
        assert value not in range_


FAULTS = [
    (1, float, None),
    (True, float, "a number"),
    ("x", float, "a number"),
    (None, float, "a number"),
    (3, int, None),
    (np.int64(3), int, None),
    (3.0, int, "a whole number"),
    (True, int, "a whole number"),
    (0.5, Annotated[float, Range(gt=0)], None),
    (0, Annotated[float, Range(gt=0)], "positive"),
    (nan, Annotated[float, Range(gt=0)], "positive"),
    (inf, Annotated[float, Range(gt=0)], "finite"),
    (HUGE, Annotated[float, Range(gt=0)], "finite"),
    (1.5, Annotated[int, Range(ge=1)], "a whole number"),
    (0, Annotated[int, Range(ge=1)], "at least 1"),
    (None, Annotated[int, Range(ge=1)] | None, None),
    (0, Annotated[int, Range(ge=1)] | None, "at least 1"),
    ("auto", Annotated[int, Range(ge=1)] | Literal["auto"], None),
    ("autp", Annotated[int, Range(ge=1)] | Literal["auto"], "a whole number"),
    ([1, 0], list[Annotated[float, Range(ge=0)]], None),
    ([1, -1], list[Annotated[float, Range(ge=0)]], "at least 0"),
    ((1, -1), tuple[Annotated[float, Range(ge=0)], ...], "at least 0"),
    ((0, -1), tuple[float, Annotated[float, Range(ge=0)]], "at least 0"),
    ((-1, 0), tuple[float, Annotated[float, Range(ge=0)]], None),
    (object(), Range, None),  # what it does not know, it takes
]


@pytest.mark.parametrize(("value", "annotation", "expected"), FAULTS)
def test_says_what_a_value_must_be(value, annotation, expected):
    assert fault(value, annotation) == expected


def test_the_error_names_option_and_value():
    annotation = Annotated[float, Range(gt=0)]
    assert message_of(ValueError, lambda: check("lr", -1.0, annotation)) == "lr must be positive, got -1.0"
    check("lr", 1.0, Annotated[float, Range(gt=0)])


def test_knows_which_annotations_are_numbers_and_which_have_a_range():
    assert numbers_in(Annotated[float, Range(gt=0)]) == {float}
    assert numbers_in(Annotated[int, Range(gt=0)] | None) == {int}
    assert numbers_in(int | float) == {int, float}
    assert numbers_in(int | str) == numbers_in(str) == numbers_in(list[int]) == frozenset()
    assert ranged(list[Annotated[float, Range(ge=0)]] | None)
    assert not ranged(list[float] | None)
    assert not ranged(None)
