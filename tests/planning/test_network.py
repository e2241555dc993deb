"""A network in words."""

from __future__ import annotations

import pytest

from dtrain.errors import ConfigError
from dtrain.planning.links import Link
from dtrain.planning.network import given_network, read_network


@pytest.mark.parametrize(
    ("text", "rate", "latency"),
    [
        ("10gbit,50us", 1.25e9, 50e-6),
        ("100mbit,1ms", 12.5e6, 1e-3),
        ("1.5 GB/s, 2 µs", 1.5e9, 2e-6),
        ("1GiB/s,500ns", 2**30, 5e-7),
        ("800kbit,0s", 1e5, 0.0),
        ("1e3mbit,1E-3s", 1.25e8, 1e-3),
    ],
)
def test_a_rate_and_a_latency(text, rate, latency):
    assert read_network(text) == pytest.approx((rate, latency))


@pytest.mark.parametrize(
    "text", ["", "10gbit", "10,50us", "10gbit,50", "0gbit,1us", "-1gbit,1us", "1gbit,-1us", "nangbit,1us",
             "1e999gbit,1us", "1gbit,1us,2", "1parsec,1us", "50us,10gbit"],
)  # fmt: skip
def test_anything_else_is_one_clear_error(text):
    with pytest.raises(ConfigError) as raised:
        read_network(text)
    assert str(raised.value) == (
        "plan --network: expected RATE,LATENCY such as 10gbit,50us (rates in kbit, mbit, gbit, MB/s, GB/s, …; "
        f"times in ns, us, ms, s), got {text!r}"
    )


def test_a_given_network_takes_what_the_software_takes_besides():
    host = Link(exchange=3e-6, gather=2e-6, barrier=1e-6, byte=1e-10)
    given = given_network(1e8, 50e-6, host).as_dict()
    assert given == pytest.approx(Link(53e-6, 52e-6, 51e-6, 1e-8).as_dict())
