"""Rows between hosts."""

from __future__ import annotations

import json
import socket
import time

import pytest

from dtrain.communicator import run_ranks
from dtrain.communicator.place import Place
from dtrain.communicator.post import Post, readers
from dtrain.communicator.verdict import Row

ROW = Row(1, 3, "node", 10, 0, 17, "barrier #17", "barrier None None", True, Place(1, 3, "dense_1"))


@pytest.fixture
def posts(monkeypatch):
    """The posts of two ranks, each on a host of its own."""
    monkeypatch.setattr("platform.node", lambda: "localhost")
    made = run_ranks(2, lambda communicator: Post(communicator.rank, communicator.share))
    yield made
    for post in made:
        post.close()


def arrived(post):
    for _ in range(200):
        found = list(post.receive())
        if found:
            return found
        time.sleep(0.01)
    return []


def test_a_row_comes_to_the_other_host_and_not_back(posts):
    posts[1].send(1, 7, ROW)
    assert arrived(posts[0]) == [(1, 7, ROW)]
    assert list(posts[1].receive()) == []


@pytest.mark.parametrize("text", [b"\xff", b"[]", b"{}", json.dumps(["token", 1, 7, ROW.to_json()]).encode()])
def test_what_a_stranger_sends_is_left_out(posts, text):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(text, ("localhost", posts[0]._socket.getsockname()[1]))
    posts[1].send(1, 8, ROW)
    assert arrived(posts[0]) == [(1, 8, ROW)]


def test_two_ranks_of_every_other_host_read():
    everyone = [[0, "localhost", port] for port in (1, 2, 3)] + [[3, "localhost", port] for port in (4, 5, 6)]
    assert readers(everyone, 0) == [("127.0.0.1", 4), ("127.0.0.1", 5)]
    assert readers(everyone, 3) == [("127.0.0.1", 1), ("127.0.0.1", 2)]
    assert readers([[0, "no such host.invalid", 1]], 3) == [("no such host.invalid", 1)]


def test_a_reader_out_of_reach_harms_nobody(posts):
    posts[0]._readers = [("no such host.invalid", 1), *posts[0]._readers]
    posts[0].send(0, 7, ROW)
    assert arrived(posts[1]) == [(0, 7, ROW)]
