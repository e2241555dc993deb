"""Watchdogs of one process, on one board: what they show of it, and what they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from dtrain.communicator import run_ranks
from dtrain.communicator.board import Board
from dtrain.communicator.door import Door
from dtrain.communicator.memory import private
from dtrain.communicator.place import Place
from dtrain.communicator.post import Post
from dtrain.communicator.verdict import Row
from dtrain.communicator.watchdog import Watchdog, limit_of

HOST = os.uname().nodename


@pytest.fixture
def board():
    return Board(2, private)


@pytest.fixture
def watchdog(board, monkeypatch):
    """watchdog(…) watches over this process as rank 0 of 2, ten times as often as usual."""
    monkeypatch.setattr("dtrain.communicator.watchdog.TICK", 0.025)
    made = []

    def make(place=None, recovers=False, **options):
        ended = threading.Event()
        made.append(
            Watchdog(board, 0, lambda: (0, 2), Door(), __file__ if options.pop("inside", False) else "none",
                     recovers, ended.set, **options)
        )  # fmt: skip
        made[-1].ended = ended
        if place is not None:
            made[-1].watch_over(lambda: place, 0.3)
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextmanager
def other_rank(board, row):
    """Rank 1, beating as a rank does, in this process."""
    over = threading.Event()

    def beat():
        while not over.wait(0.025):
            board.write(1, row)

    thread = threading.Thread(target=beat)
    thread.start()
    yield
    over.set()
    thread.join()


PLACE = Place(1, 3, "dense_1")
OTHER = Row(1, 2, HOST, os.getpid(), 0, 5, "barrier #5", "barrier None None", place=PLACE)


def test_it_shows_where_the_main_thread_is(board, watchdog):
    shown = watchdog(PLACE)
    shown._door.enter("barrier")
    time.sleep(0.2)
    _, row = board.read(0)
    assert row == Row(
        0, 2, HOST, os.getpid(), 0, 1, "barrier #1", "barrier None None", place=PLACE, stack=row.stack,
        dump=row.dump,
    )  # fmt: skip
    assert "in test_it_shows_where_the_main_thread_is\n    time.sleep(0.2)" in row.stack


def test_a_main_thread_is_in_a_collective_when_its_stack_says_so(board, watchdog):
    watchdog(PLACE, inside=True)
    time.sleep(0.1)
    assert board.read(0)[1].inside


def test_the_kind_of_an_exchange_does_not_tell_how_many_messages_a_rank_has(board, watchdog):
    shown = watchdog(PLACE)
    shown._door.enter("exchange", ([], []))
    time.sleep(0.1)
    assert board.read(0)[1].kind == "exchange"


def test_closed_it_says_that_nobody_has_to_wait(board, watchdog):
    one = watchdog()
    one.close()
    assert board.read(0)[1].left
    assert not one._thread.is_alive()


def test_a_rank_that_does_not_get_on_ends_the_job_with_one_report(
    board, watchdog, capfd, tmp_path, monkeypatch
):
    monkeypatch.setenv("DTRAIN_REPORT", str(tmp_path / "report"))
    with other_rank(board, OTHER):
        one = watchdog(PLACE, inside=True)
        assert one.ended.wait(10)
    told = capfd.readouterr().err
    first = (
        f"rank 1 of 2 on {HOST} (pid {os.getpid()}, epoch 1, step 3, layer 'dense_1') has not got on for 0 s "
        "while the others wait; ending the job ([train] stop_limit, or DTRAIN_STOP_LIMIT: seconds; 0: never)"
    )
    assert told.startswith(f"dtrain: {first}\n")
    assert told.count("dtrain: ") == 1
    assert json.loads((tmp_path / "report").read_text()) == ["RunError", first]


def test_a_rank_that_may_take_long_is_told_of_once(board, watchdog, capfd, monkeypatch):
    monkeypatch.setattr("dtrain.communicator.verdict.PATIENCE", 1000)
    busy = replace(OTHER, place=Place(1, 3, "dense_1", "writing a checkpoint"))
    with other_rank(board, busy):
        one = watchdog(PLACE, inside=True)
        time.sleep(1.0)
        assert not one.ended.is_set()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(
        f"dtrain: the others have waited for rank 1 of 2 on {HOST} (pid {os.getpid()}, epoch 1, "
    )
    assert "step 3, layer 'dense_1', writing a checkpoint) for 0 s; after 9 s the job is ended" in line


@pytest.mark.parametrize(("recovers", "ends"), [(False, True), (True, False)])
def test_a_rank_that_is_gone_ends_the_job_unless_it_goes_on_without(board, watchdog, capfd, recovers, ends):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    board.write(1, replace(OTHER, pid=gone.pid))
    one = watchdog(PLACE, recovers=recovers)
    assert one.ended.wait(10 if ends else 0.4) == ends
    assert ("is gone: its process was killed" in capfd.readouterr().err) == ends


def test_it_is_silent_when_the_job_is_being_ended(board, watchdog, capfd):
    board.hush()
    with other_rank(board, OTHER):
        assert not watchdog(PLACE, inside=True).ended.wait(1.0)
    assert capfd.readouterr().err == ""


def test_it_tells_a_main_thread_whose_collective_failed_in_which_the_ranks_are(board, watchdog):
    one = watchdog(PLACE, inside=True)
    one._door.enter("allgather", ((3,), "float64"))
    with other_rank(board, replace(OTHER, sequence=1, inside=True, call="barrier #1")):
        time.sleep(0.1)
        assert one.everywhere() == "rank 0 in allgather #1 of (3,) float64; rank 1 in barrier #1"


@pytest.mark.parametrize(
    ("configured", "variable", "limit"),
    [
        (None, None, 6.0),
        (9.0, None, 9.0),
        (9.0, "2.5", 2.5),
        (9.0, "0", 0.0),
        (9.0, "-1", 0.0),
        (9.0, "x", 9.0),
    ],
)
def test_the_environments_limit_wins(configured, variable, limit):
    assert limit_of(configured, {} if variable is None else {"DTRAIN_STOP_LIMIT": variable}) == limit


@pytest.mark.parametrize("blocked", [False, True], ids=["heard", "blocked"])
def test_hosts_have_heard_of_each_other_before_work_begins(monkeypatch, blocked):
    """Else one that is cut off at once would be waited for without end. A firewall costs half a second."""
    monkeypatch.setattr("platform.node", lambda: "localhost")
    if blocked:
        monkeypatch.setattr(Post, "send", lambda *_: None)

    def rank(communicator):
        me, board = communicator.rank, Board(2, private)
        post = Post(me, communicator.share)
        one = Watchdog(board, me, lambda: (me, 2), Door(), "none", False, lambda: None, me, post)
        heard = board.read(1 - me) is not None
        one.close()
        return heard

    assert run_ranks(2, rank) == [not blocked] * 2
