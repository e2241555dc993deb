"""The ranges of options."""

from __future__ import annotations

import pytest

from dtrain_plugins import ranges
from tests.plugins.support import message_of

RANGES = [
    ("positive", [1e-300, 2, float("inf")], [0, -1.0], "must be positive"),
    ("not_negative", [0, 2.5], [-1e-300, -1], "must be at least 0"),
    ("at_least_one", [1, 2.5], [0.999, -1], "must be at least 1"),
    ("share", [0, 0.5, 1], [-0.1, 1.1], "must be in [0, 1]"),
    ("below_one", [0, 0.999], [-0.1, 1], "must be in [0, 1)"),
    ("above_zero", [1e-300, 1], [0, 1.1], "must be in (0, 1]"),
    ("between", [1e-300, 0.999], [0, 1], "must be in (0, 1)"),
]


@pytest.mark.parametrize(("name", "good", "bad", "expected"), RANGES, ids=[row[0] for row in RANGES])
def test_a_range_names_the_first_option_outside(name, good, bad, expected):
    check = getattr(ranges, name)
    for value in good:
        check(a=value, b=value)
    for value in [*bad, float("nan")]:
        assert (
            message_of(ValueError, lambda v=value: check(a=good[0], b=v, c=v)) == f"b {expected}, got {value}"
        )


def test_every_range_is_tested():
    functions = {
        name for name, value in vars(ranges).items() if getattr(value, "__module__", "") == ranges.__name__
    }
    assert functions == {row[0] for row in RANGES}
