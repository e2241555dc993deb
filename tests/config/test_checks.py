from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dtrain.config.checks import FRACTION, IDS, POSITIVE, WrongValueError, either, one_of, whole
from dtrain.wording import shown


def test_numbers_of_numpy_are_numbers():
    assert type(whole(1).read(np.int64(3))) is int
    assert type(POSITIVE.read(np.float32(0.5))) is float


def test_a_whole_number_may_stand_for_a_number():
    assert type(POSITIVE.read(1)) is float
    assert POSITIVE.read(float("inf")) == float("inf")


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (whole(1), True),
        (whole(1), 1.0),
        (whole(1), 2**63),
        (POSITIVE, True),
        (POSITIVE, float("nan")),
        (POSITIVE, 10**400),
        (FRACTION, -0.1),
        (FRACTION, 1.0),
        (IDS, "ab"),
        (IDS, ["a", ""]),
        (one_of("a", "b"), ["a"]),
    ],
)
def test_what_does_not_fit_is_refused(check, value):
    with pytest.raises(WrongValueError):
        check.read(value)


def test_either_reads_what_one_of_two_reads():
    shards = either(one_of("auto"), whole(1))

    assert (shards.read("auto"), shards.read(3)) == ("auto", 3)
    assert shards.expected == '"auto" or a whole number ≥ 1'
    with pytest.raises(WrongValueError):
        shards.read("3")


def test_a_value_is_shown_as_a_config_would_spell_it():
    assert shown({"a": [True, None, "x\ny", Path("p")], "b": 2**63}) == (
        '{ a = [true, nothing, "x y", "p"], b = a number beyond 2⁶³ }'
    )
    assert shown("x" * 100) == '"' + "x" * 58 + "…"
