"""A network in words: `10gbit,50us`."""

from __future__ import annotations

import re
from math import isfinite

from dtrain.errors import ConfigError

from .links import Link

RATES = {
    "kbit": 1e3 / 8, "mbit": 1e6 / 8, "gbit": 1e9 / 8, "tbit": 1e12 / 8,
    "kb/s": 1e3, "mb/s": 1e6, "gb/s": 1e9, "kib/s": 2.0**10, "mib/s": 2.0**20, "gib/s": 2.0**30,
}  # fmt: skip
"""Unit → bytes a second. As people write them: bits by 1,000; case does not count."""

TIMES = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0}
"""Unit → seconds."""

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*([^0-9\s].*)", re.IGNORECASE)


def read_network(text: str) -> tuple[float, float]:
    """Returns (bytes a second, seconds of latency) of `RATE,LATENCY`, such as `10gbit,50us`.

    Raises ConfigError for anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    found = (_value(parts[0], RATES), _value(parts[1], TIMES, least=0.0)) if len(parts) == 2 else (None, None)
    rate, latency = found
    if rate is None or latency is None:
        raise ConfigError(
            "plan --network: expected RATE,LATENCY such as 10gbit,50us (rates in kbit, mbit, gbit, MB/s, GB/s, …; "
            f"times in ns, us, ms, s), got {text!r}"
        )
    return rate, latency


def _value(text: str, units: dict[str, float], least: float | None = None) -> float | None:
    """Returns the number times its unit; None where it is no such thing, too small or too large."""
    match = _NUMBER.fullmatch(text)
    unit = units.get(match[2].strip().lower()) if match else None
    if match is None or unit is None:
        return None
    value = float(match[1]) * unit
    return value if isfinite(value) and (value > 0 or value == least) else None


def given_network(rate: float, latency: float, host: Link) -> Link:
    """Returns the link of a given rate (bytes a second) and latency (seconds, one way), for what MPI and Python take
    besides adding what they take within a host."""
    return Link(latency + host.exchange, latency + host.gather, latency + host.barrier, 1 / rate)
