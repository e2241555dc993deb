"""The board, and what the system and a signal say of a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from dtrain.communicator.board import BYTES, HEAD, Board, state_of
from dtrain.communicator.dump import Dump, ask_for_stack
from dtrain.communicator.memory import private
from dtrain.communicator.place import Place
from dtrain.communicator.verdict import Row, State

ROW = Row(1, 3, "node", 10, 0, 17, "barrier #17", "barrier None None", True, Place(1, 3, "dense_1"))


@pytest.fixture
def board():
    return Board(3, private)


def test_what_is_written_is_read_and_each_time_is_a_beat(board):
    assert board.read(1) is None
    assert board.write(1, ROW) == 1
    assert board.read(1) == (1, ROW)
    board.write(1, replace(ROW, sequence=18))
    assert board.read(1) == (2, replace(ROW, sequence=18))
    assert board.read(0) is None


def test_a_row_of_another_host_keeps_its_beat(board):
    board.write(2, ROW, beat=41)
    assert board.read(2) == (41, ROW)


def test_a_row_that_is_being_written_is_not_read(board):
    board.write(1, ROW)
    board._numbers[2, 0] += 1
    assert board.read(1) is None
    board.write(1, ROW)
    assert board.read(1) == (2, ROW)


def test_a_row_that_is_torn_all_the_same_is_not_read(board):
    board.write(1, ROW)
    board._texts[1, 3] = ord("{")
    assert board.read(1) is None


@pytest.mark.parametrize("letter", ["x", "ä", '"'])
def test_of_a_long_stack_the_outer_end_is_left_out(board, letter):
    board.write(1, replace(ROW, stack=letter * 9000 + "the end"))
    _, row = board.read(1)
    assert row.stack.endswith("the end")
    assert (BYTES - HEAD) // 2 < len(row.to_json().encode()) <= BYTES - HEAD


def test_one_rank_speaks_until_it_says_that_it_has(board):
    assert board.claim(1)
    assert not board.claim(2)
    board.free(2)
    assert not board.claim(0)
    board.free(1)
    assert board.claim(2)


def test_nobody_speaks_while_the_job_is_being_ended(board):
    board.hush()
    assert not board.claim(1)
    board.free(1)
    assert not board.claim(1)


def test_a_rank_that_is_being_killed_is_marked(board):
    board.kill(1)
    assert [board.killed(at) for at in range(3)] == [False, True, False]


@pytest.fixture
def child():
    """A process that shows its descriptor of a `Dump`, and then holds Python's lock for ever."""
    code = (
        "from dtrain.communicator.dump import Dump\n"
        "def spin(): sum(iter(int, 1))\n"
        "print(Dump().descriptor, flush=True)\n"
        "spin()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_the_system_tells_a_stopped_process_from_one_that_runs_or_is_gone(child):
    child.stdout.readline()
    assert state_of(child.pid) is State.RUNS
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert state_of(child.pid) is State.STOPPED
    assert state_of(child.pid, closer=False) is State.RUNS
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert state_of(child.pid) is State.GONE
    child.wait()
    assert state_of(child.pid, closer=False) is State.GONE


def test_a_process_that_holds_pythons_lock_shows_its_stack_when_asked(child):
    descriptor = int(child.stdout.readline())
    stack = ""
    for _ in range(20):  # until it has come to spin()
        stack = stack if "in spin" in stack else ask_for_stack(child.pid, descriptor)
    assert stack == '  File "<string>", line 4 in <module>\n  File "<string>", line 2 in spin'


def test_a_signal_with_another_meaning_keeps_it():
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        dump = Dump()
        assert dump.descriptor == -1
        dump.close()
        assert ask_for_stack(os.getpid(), -1) == ""
    finally:
        signal.signal(signal.SIGUSR2, before)
