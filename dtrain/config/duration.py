"""Durations as people write them: `90`, `45s`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from math import inf

from dtrain.errors import ConfigError

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_WRITTEN = re.compile("".join(rf"(?:{_NUMBER}{unit})?" for unit in UNITS))


def seconds(text: str, key: str) -> float:
    """Returns the seconds of a duration: a number of them, or days, hours, minutes and seconds, in this order.

    Raises ConfigError for anything else, and for none at all. key: how messages call it.
    """
    parts = _WRITTEN.fullmatch(f"{text}s" if re.fullmatch(_NUMBER, text) else text)
    found = [None] * len(UNITS) if parts is None else parts.groups()
    total = sum(float(number or 0) * unit for number, unit in zip(found, UNITS.values(), strict=True))
    if not 0 < total < inf:
        raise ConfigError(f"{key}: expected seconds, or a duration such as 1h30m or 45s, got {text!r}")
    return total
