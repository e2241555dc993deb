"""The report, word by word."""

from __future__ import annotations

from dataclasses import replace

from dtrain.communicator.place import Place
from dtrain.communicator.telling import report
from dtrain.communicator.verdict import Fate, Row, Seen, State, Verdict

SETTING = "([train] stop_limit, or DTRAIN_STOP_LIMIT: seconds; 0: never)"
STACK = '  File "acme.py", line 12, in forward\n    while True: pass'
WAITS = Seen(
    Row(0, 3, "node7", 10, 0, 17, "barrier #17", "barrier None None", True, Place(1, 3, "dense_1")), 0.1, 6.3
)
WORKS = Seen(Row(2, 3, "node7", 12, 0, 17, "barrier #17", "barrier None None", place=Place(1, 3, "dense_1")))
LOOPS = Seen(
    Row(1, 3, "node8", 11, 0, 16, "share #16", "share", place=Place(1, 3, "loop_1"), stack=STACK), 0, 6.2
)
WHO = "rank 1 of 3 on node8 (pid 11, epoch 1, step 3, layer 'loop_1')"
LAST_SEEN = "rank 1 of 3 on node8 (pid 11, last seen: epoch 1, step 3, layer 'loop_1')"
OTHERS = (
    "  rank 0 waits in barrier #17 (epoch 1, step 3, layer 'dense_1')\n"
    "  rank 2 is at work (epoch 1, step 3, layer 'dense_1')"
)


def told(fate, one, goes_on=False):
    return report(Verdict(fate, (one,)), [WAITS, one, WORKS], goes_on)


def test_a_rank_that_does_not_get_on():
    assert told(Fate.STUCK, LOOPS) == (
        f"dtrain: {WHO} has not got on for 6 s while the others wait; ending the job {SETTING}\n"
        f"  where rank 1 is (most recent call last):\n{STACK}\n{OTHERS}"
    )


def test_a_rank_that_does_not_even_beat():
    silent = replace(LOOPS, silent=6.2, row=replace(LOOPS.row, stack=""))
    assert told(Fate.STUCK, silent) == (
        f"dtrain: {LAST_SEEN} has not got on for 6 s: it is in C code that holds Python's lock, or its memory is "
        f"swapped out; ending the job {SETTING}\n{OTHERS}"
    )


def test_a_rank_on_another_host_that_does_not_even_beat():
    silent = replace(LOOPS, silent=7.6, state=State.UNKNOWN, row=replace(LOOPS.row, stack=""))
    assert told(Fate.STUCK, silent) == (
        f"dtrain: {LAST_SEEN} has not been heard of for 8 s: its process is stopped, or its host out of reach; "
        f"ending the job {SETTING}\n{OTHERS}"
    )


def test_a_stopped_rank():
    stopped = replace(LOOPS, silent=6.2, state=State.STOPPED, row=replace(LOOPS.row, stack=""))
    assert told(Fate.STOPPED, stopped) == (
        f"dtrain: {LAST_SEEN} is stopped (SIGSTOP), for 6 s; ending the job {SETTING}\n{OTHERS}"
    )
    assert told(Fate.STOPPED, stopped, goes_on=True) == (
        f"dtrain: {LAST_SEEN} is stopped (SIGSTOP), for 6 s; it is killed, and the others go on\n{OTHERS}"
    )


def test_a_rank_that_is_gone_before_it_began():
    gone = replace(LOOPS, state=State.GONE, row=replace(LOOPS.row, stack="", place=None))
    assert told(Fate.GONE, gone) == (
        "dtrain: rank 1 of 3 on node8 (pid 11, last seen: before the first step) is gone: its process was killed, "
        f"or ended without a word; ending the job\n{OTHERS}"
    )


def test_different_collectives_with_a_stack_of_each():
    other = replace(WORKS, row=replace(WORKS.row, inside=True, stack="  the same"))
    elsewhere = replace(LOOPS, row=replace(LOOPS.row, sequence=17, call="share #17", inside=True))
    first = replace(WAITS, row=replace(WAITS.row, stack="  here"))
    ranks = (first, elsewhere, other)
    lines = (
        "  rank 0 of 3 on node7 (pid 10, epoch 1, step 3, layer 'dense_1') waits in barrier #17\n"
        "  where rank 0 is (most recent call last):\n  here\n"
        f"  {WHO} waits in share #17\n"
        f"  where rank 1 is (most recent call last):\n{STACK}\n"
        "  rank 2 of 3 on node7 (pid 12, epoch 1, step 3, layer 'dense_1') waits in barrier #17"
    )
    assert report(Verdict(Fate.MISMATCH, ranks), ranks) == (
        f"dtrain: ranks wait in different collectives; ending the job\n{lines}"
    )
    assert report(Verdict(Fate.DEADLOCK, ranks), ranks) == (
        f"dtrain: all ranks wait in collectives that do not end; ending the job {SETTING}\n{lines}"
    )


def test_what_may_take_long_is_named():
    busy = replace(LOOPS, row=replace(LOOPS.row, stack="", place=Place(2, 5, "", "writing a checkpoint")))
    assert "(pid 11, epoch 2, step 5, writing a checkpoint)" in told(Fate.STUCK, busy)
