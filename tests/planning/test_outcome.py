"""The table, where ranks become a waste, and the sentence of advice."""

from __future__ import annotations

import json

import pytest

from dtrain.planning.advice import advice_of
from dtrain.planning.links import Link, Links
from dtrain.planning.outcome import Plan, Row, duration, limit_of, size

HOST = Link(3e-6, 2e-6, 1e-6, 1e-10)


def rows(*seconds, line=0.0, waiting=0.0, batch=256):
    """Rows of 1, 2, 4, … ranks."""
    return tuple(
        Row(1 << k, 1, s, batch / s, seconds[0] / s, waiting * bool(k), line * bool(k), 6, 1e6, 50_000_000)
        for k, s in enumerate(seconds)
    )


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [
        ((1.0,), 1),
        ((1.0, 0.5, 0.25), 4),
        ((1.0, 0.95, 0.5), 1),  # 5 % shorter only
        ((1.0, 0.6, 0.55, 0.2), 2),  # 4 ranks: 8 % shorter; what comes after does not count
        ((1.0, 0.55, 0.45, 0.4), 4),  # 8 ranks: 11 % shorter, at an efficiency of 31 %
        ((1.0, 2.0), 1),
    ],
)
def test_more_ranks_are_a_waste_by_the_rule(seconds, limit):
    assert limit_of(rows(*seconds)) == limit


def test_a_gain_is_counted_for_each_doubling():
    one, two, four, eight = rows(1.0, 0.5, 0.25, 0.23)
    assert limit_of((one, two, four, eight)) == 4
    assert limit_of((one, eight)) == 8  # three doublings, at an efficiency of 60 %


@pytest.mark.parametrize(
    ("seen", "batch", "exchange", "words"),
    [
        (rows(1.0, 0.5), 256, "exact", "take 2 ranks, 512 samples/s"),
        (rows(1.0, 2.0, line=0.8), 256, "exact", '[train] exchange = "local_steps"'),
        (rows(1.0, 2.0, line=0.8), 256, "local_steps", "too slow for more: a larger batch_size"),
        (rows(1.0, 2.0, waiting=0.8), 256, "exact", "would wait for each other"),
        (rows(1.0, 2.0), 256, "exact", "does not get less"),
        (rows(1.0, 2.0), 1, "exact", "leaves some of 2 ranks without a sample"),
    ],
)
def test_the_advice_is_of_what_is_in_the_way(seen, batch, exchange, words):
    assert words in advice_of(seen, batch, exchange)


def test_the_whole_text():
    plan = Plan(
        "net", 1000, 256, rows(1.0, 0.5, 0.48), Links(HOST, Link(1e-3, 1e-3, 1e-3, 1e-8)), "…", ("so",)
    )
    assert str(plan) == (
        "net: 1,000 parameters, batches of 256\n"
        "within a host: 3 µs for messages to and fro, 10 GB/s each way\n"
        "between hosts: 1 ms for messages to and fro, 100 MB/s each way\n"
        "\n"
        "ranks  hosts    step  samples/s  speed-up  efficiency  waiting  messages  sent  memory\n"
        "    1      1     1 s        256      1.00        100%       0%         6  1 MB   50 MB\n"
        "    2      1  500 ms        512      2.00        100%       0%         6  1 MB   50 MB\n"
        "    4      1  480 ms        533      2.08         52%       0%         6  1 MB   50 MB\n"
        "\n"
        "note: so\n"
        "more than 2 ranks are a waste: beyond, a step gets less than 10% shorter for each doubling, or efficiency "
        "falls below 50%\n"
        "advice: …"
    )
    told = json.loads(json.dumps(plan.as_dict()))
    assert (told["limit"], told["rows"][2]["efficiency"]) == (2, pytest.approx(1 / 0.48 / 4))


def test_units():
    assert [duration(s) for s in (2.5, 0.0125, 2.2e-6, 5e-10)] == ["2.5 s", "12.5 ms", "2.2 µs", "0.5 ns"]
    assert [size(b) for b in (5, 999, 1000, 2.5e6, 1.25e9)] == ["5 B", "999 B", "1 kB", "2.5 MB", "1.25 GB"]
