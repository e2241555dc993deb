"""The model's arithmetic, against closed forms on traces made by hand."""

from __future__ import annotations

import pytest

from dtrain.planning.links import Link, Links
from dtrain.planning.model import rounds, step_seconds
from dtrain.planning.placement import Placement, place
from dtrain.planning.trace import Call

HOST = Link(exchange=3e-6, gather=2e-6, barrier=1e-6, byte=1e-9)
NET = Link(exchange=300e-6, gather=200e-6, barrier=100e-6, byte=1e-7)
LINKS = Links(HOST, NET)
ALONE = Links(HOST)


def seconds(placement, links, *calls, rank=0, work=None, shared_bytes=0):
    work = [0.0] * (len(calls) + 1) if work is None else work
    return step_seconds([(rank, calls)], work, placement, links, shared_bytes)


@pytest.mark.parametrize(
    ("ranks", "expected"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10), (1025, 11)]
)
def test_rounds_are_the_logarithm_rounded_up(ranks, expected):
    assert rounds(ranks) == expected


def test_work_alone_adds_up():
    assert seconds(Placement((1,)), ALONE, work=[0.5]) == 0.5
    placement = Placement((4,))
    assert seconds(placement, ALONE, Call("share"), work=[0.5, 0.25]) == 0.75


def test_a_barrier_takes_its_rounds_between_hosts_and_on_each():
    assert seconds(Placement((8,)), LINKS, Call("barrier")) == pytest.approx(3 * 1e-6)
    assert seconds(Placement((4, 4, 4)), LINKS, Call("barrier")) == pytest.approx(2 * 1e-6 + 2 * 100e-6)


def test_an_allgather_is_a_ring_in_bytes():
    call = Call("allgather", 1000)
    assert seconds(Placement((8,)), LINKS, call) == pytest.approx(3 * 2e-6 + 7 * 1000 * 1e-9)
    expected = 1 * 2e-6 + 2 * 200e-6 + 7 * 1000 * 1e-7
    assert seconds(Placement((2, 2, 2, 2)), LINKS, call) == pytest.approx(expected)


def test_an_exchange_takes_as_long_as_its_longer_way_on_each_link():
    call = Call("exchange", 0, sends=((1, 500), (2, 700)), receives=((1, 900), (3, 100)))
    here = Placement((4,))
    assert seconds(here, LINKS, call) == pytest.approx(3e-6 + 1200 * 1e-9)
    spread = Placement((2, 2))  # rank 1 is here, 2 and 3 are away; two ranks share the line
    assert seconds(spread, LINKS, call) == pytest.approx(3e-6 + 900 * 1e-9 + 300e-6 + 2 * 700 * 1e-7)
    assert seconds(here, LINKS, Call("exchange")) == 0


def test_the_slowest_of_the_ranks_that_were_run_counts():
    few, many = Call("exchange", 0, sends=((1, 10),)), Call("exchange", 0, sends=((2, 5000),))
    placement = Placement((1, 1, 1, 1))
    both = step_seconds([(0, (few,)), (3, (many,))], [0.0, 0.0], placement, LINKS)
    assert both == pytest.approx(300e-6 + 5000 * 1e-7)


def test_what_others_wrote_to_shared_memory_is_fetched_once():
    links = Links(HOST, None, shared_byte=2e-10)
    assert seconds(Placement((2,)), links, work=[1.0], shared_bytes=10**6) == pytest.approx(1.0 + 2e-4)


def test_what_is_begun_travels_one_after_another_while_ranks_compute():
    first, second = (Call("begin", 0, sends=((1, count),)) for count in (10_000, 20_000))
    trace = [first, second, Call("wait"), Call("barrier")]
    two = Placement((1, 1))
    a, b = (300e-6 + count * 1e-7 for count in (10_000, 20_000))
    hidden = seconds(two, LINKS, *trace, work=[0.001, 0.002, 0.003, 0.0, 0.0])
    assert hidden == pytest.approx(0.006 + 100e-6)
    bound = seconds(two, LINKS, *trace, work=[0.001, 0.0005, 0.0001, 0.0, 0.0])
    assert bound == pytest.approx(0.001 + a + b + 100e-6)
    idle = seconds(two, LINKS, *trace, work=[0.001, 0.002, 0.0, 0.0, 0.0])
    assert idle == pytest.approx(0.003 + b + 100e-6)


METERED = Links(HOST, Link(0.0, 0.0, 0.0, 1e-7, burst=100_000, burst_byte=1e-9))


def test_a_metered_line_earns_its_credit_while_ranks_compute():
    call = Call("exchange", 0, sends=((1, 50_000),))
    two = Placement((1, 1))
    busy = seconds(two, METERED, call, work=[0.001, 0.0])
    assert busy == pytest.approx(50_000 * 1e-7, rel=1e-3)  # the line's pace alone: work hides behind it
    lazy = seconds(two, METERED, call, work=[0.01, 0.0])  # earns all that it sends
    assert lazy == pytest.approx(0.01 + 50_000 * 1e-9)
    unmetered = seconds(two, LINKS, call, work=[0.001, 0.0])
    assert unmetered == pytest.approx(0.001 + 300e-6 + 50_000 * 1e-7)


def test_a_metered_line_earns_its_credit_while_messages_find_their_way():
    link = Link(0.0, 0.003, 0.0, 1e-7, burst=100_000, burst_byte=1e-9)
    trace = (Call("allgather", 20_000), Call("exchange", 0, sends=((1, 30_000),)))
    found = step_seconds([(0, trace)], [0.0] * 3, Placement((1, 1)), Links(HOST, link))
    assert found == pytest.approx(50_000 * 1e-7, rel=2e-3)
    slow = Link(0.0, 0.03, 0.0, 1e-7, burst=100_000, burst_byte=1e-9)
    found = step_seconds([(0, trace)], [0.0] * 3, Placement((1, 1)), Links(HOST, slow))
    assert found == pytest.approx(0.03 + 50_000 * 1e-9, rel=2e-3)


def test_hosts_are_filled_in_order_and_more_of_their_kind_imagined():
    assert place(5, [8, 8]).ranks == (5,)
    assert place(10, [8, 8]).ranks == (8, 2)
    assert place(20, [8, 4]).ranks == (8, 4, 8)
    assert place(3, [2]).host_of == (0, 0, 1)
    assert (place(1024, [8]).hosts, place(1024, [8]).most, place(1024, [8]).size) == (128, 8, 1024)
