"""Durations: what people write, in seconds."""

from __future__ import annotations

import pytest

from dtrain.config.duration import seconds
from dtrain.errors import ConfigError

WRITTEN = {
    "90": 90,
    "0.5": 0.5,
    "45s": 45,
    "1h30m": 5400,
    "2d": 172800,
    "1d2h3m4.5s": 93784.5,
    "1.5h": 5400,
    "100m": 6000,
}


@pytest.mark.parametrize(("text", "expected"), WRITTEN.items())
def test_a_duration_is_a_number_of_seconds(text, expected):
    assert seconds(text, "--time-limit") == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0h", "-5", "30m1h", "1h30", "h", "1.h", "90 s", "inf", "1e3", "1h ", "١h", "9" * 400]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ConfigError) as raised:
        seconds(text, "--time-limit")
    assert (
        str(raised.value)
        == f"--time-limit: expected seconds, or a duration such as 1h30m or 45s, got {text!r}"
    )
