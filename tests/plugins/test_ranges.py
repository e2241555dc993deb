"""The ranges that options of built-in parts have in common."""

from __future__ import annotations

import pytest

from dtrain.options import Range, fault
from dtrain_plugins import ranges

RANGES = [
    ("Positive", [1e-300, 2], [0, -1.0], "positive"),
    ("NotNegative", [0, 2.5], [-1e-300, -1], "at least 0"),
    ("AtLeastOne", [1, 2.5], [0.999, -1], "at least 1"),
    ("Share", [0, 0.5, 1], [-0.1, 1.1], "in [0, 1]"),
    ("BelowOne", [0, 0.999], [-0.1, 1], "in [0, 1)"),
    ("AboveZero", [1e-300, 1], [0, 1.1], "in (0, 1]"),
    ("Between", [1e-300, 0.999], [0, 1], "in (0, 1)"),
    ("Count", [1, 7], [0, -1], "at least 1"),
    ("Natural", [0, 7], [-1], "at least 0"),
]


@pytest.mark.parametrize(("name", "good", "bad", "expected"), RANGES, ids=[row[0] for row in RANGES])
def test_a_range_takes_what_is_inside(name, good, bad, expected):
    annotation = getattr(ranges, name)
    assert [fault(value, annotation) for value in good] == [None] * len(good)
    assert [fault(value, annotation) for value in bad] == [expected] * len(bad)


def test_every_range_is_tested():
    names = {name for name, value in vars(ranges).items() if hasattr(value, "__metadata__")}
    assert names == {row[0] for row in RANGES}
    assert all(isinstance(getattr(ranges, name).__metadata__[0], Range) for name in names)
