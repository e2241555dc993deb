"""From times to a rate, and what is said of it."""

from __future__ import annotations

import pytest

from dtrain.doctor.checks.exchange import rate
from tests.doctor.support import bad, healthy, judged


def test_the_rate_is_what_a_rank_sends():
    """Two ranks send half of it to each other, twice; of many, each sends nearly all of it twice."""
    speed = {"bytes": 4_000_000, "large": 0.04}
    assert rate({**speed, "ranks": 2}) == pytest.approx(1e8)
    assert rate({**speed, "ranks": 1000}) == pytest.approx(1.998e8)


def test_between_hosts():
    world = healthy(2)
    assert judged("exchange", world)[0].text == (
        "4.1 kB of gradients in 50 µs, 4.19 MB in 20,000 µs: 315 MB/s (2.52 Gbit/s) a rank, between hosts"
    )
    world.job.speed["large"] = 0.2
    (found,) = judged("exchange", world)
    assert found.status == "warn"
    assert found.text.endswith("31.5 MB/s (252 Mbit/s) a rank, between hosts: slower than 1 Gbit/s")
    assert "dtrain plan" in found.remedy[0]
    assert "local_steps" in found.remedy[1]


def test_far_away():
    world = healthy(2)
    world.job.speed["small"] = 0.03
    assert [status for status, _ in bad("exchange", world)] == ["warn"]


def test_within_a_host_there_is_no_network_to_blame():
    world = healthy()
    world.job.speed["large"] = 0.5
    assert bad("exchange", world) == []


def test_no_figure():
    world = healthy()
    world.job.speed = None
    assert bad("exchange", world) == [("skip", "not measured: the job did not come so far")]
    world.job = None
    assert bad("exchange", world) == [("skip", "not measured: there was no job of several ranks")]
