"""Hosts and slots, in any dialect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host, dealt, merged, read_hostfile, read_hosts, slots_of

A, B = Host("a", 8), Host("b", 2)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("a:8,b:2", (A, B)),
        ("a", (Host("a", 1),)),
        ("a:3,b:2,a:5", (A, B)),
        ("node-1.site.org:4", (Host("node-1.site.org", 4),)),
        ("me@10.0.0.1:4", (Host("me@10.0.0.1", 4),)),
    ],
)
def test_hosts_are_named_with_their_slots(text, hosts):
    assert read_hosts(text) == hosts


@pytest.mark.parametrize(
    ("text", "got"),
    [("", "''"), ("a:0", "'a:0'"), ("a,,b", "''"), ("a:x", "'a:x'"), ("-oX", "'-oX'"), ("a:", "'a:'")],
)
def test_what_is_no_host_is_refused(text, got):
    with pytest.raises(LaunchError) as raised:
        read_hosts(text)
    assert str(raised.value) == (
        f"launch --hosts: expected a host and how many ranks it is meant for, got {got}; "
        "for example: --hosts a:8,b:8"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a slots=8\nb slots=2\n",
        "a:8\nb:2\n",
        "# ours\na slots=8 max_slots=16  # big\n\n  b   slots=2",
        "a\n" * 8 + "b\n" * 2,
        "a slots=3\na:5\nb:2",
    ],
)
def test_a_hostfile_is_read_in_either_dialect(tmp_path, text):
    path = tmp_path / "hosts"
    path.write_text(text)
    assert read_hostfile(path) == (A, B)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "a slots=8\nb cores=2\n",
            "{} line 2: expected a host and how many ranks it is meant for, got 'b cores=2'; a line is: a slots=8",
        ),
        ("# none\n", "{}: expected a line for each host, got none; a line is: a slots=8"),
        (None, "{}: expected a file of hosts, got: No such file or directory; a line is: a slots=8"),
    ],
)
def test_a_hostfile_that_cannot_be_read_is_refused(tmp_path, text, error):
    path = tmp_path / "hosts"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LaunchError) as raised:
        read_hostfile(path)
    assert str(raised.value) == "launch --hostfile " + error.format(path)


def test_ranks_are_dealt_by_slots_and_go_round_when_there_are_more():
    assert dealt(9, [A, B]) == [8, 1]
    assert dealt(10, [A, B]) == [8, 2]
    assert dealt(13, [A, B]) == [11, 2]
    assert dealt(3, [A, B]) == [3, 0]


@given(st.integers(1, 200), st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_every_rank_is_dealt_to_one_host(ranks, slots):
    hosts = [Host(f"h{number}", count) for number, count in enumerate(slots)]
    given_to = dealt(ranks, hosts)
    assert sum(given_to) == ranks
    assert slots_of(hosts) == sum(slots)
    if ranks <= sum(slots):
        assert all(count <= host.slots for count, host in zip(given_to, hosts, strict=True))


def test_a_host_that_comes_twice_is_one():
    assert merged([Host("a", 3), B, Host("a", 5)]) == (A, B)
