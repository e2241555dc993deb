"""Who is to blame for a job that gets no further, from made-up rows and seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dtrain.communicator.place import Place
from dtrain.communicator.verdict import Fate, Observer, Row, Seen, State, judge

AT_WORK = Place(1, 3, "dense_1")
BUSY = Place(1, 3, "dense_1", "writing a checkpoint")
WORKS = Row(0, 3, "node", 10, 0, 17, "barrier #17", "barrier None None", place=AT_WORK)
WAITS = replace(WORKS, sequence=18, call="barrier #18", inside=True)


def job(*ranks):
    """Ranks 0, 1, … of one job, from (row, silent, still) or (row, silent, still, state)."""
    size = len(ranks)
    return [Seen(replace(row, rank=rank, size=size), *rest) for rank, (row, *rest) in enumerate(ranks)]


def blamed(verdict):
    return None if verdict is None else (verdict.fate, [one.row.rank for one in verdict.ranks], verdict.final)


CASES = {
    "all at work": ([(WORKS, 0, 0)] * 3, None),
    "all at work on one layer for long": ([(WORKS, 0, 99)] * 3, None),
    "others wait, not for long": ([(WAITS, 0, 5.9), (WORKS, 0, 5.9), (WAITS, 0, 5.9)], None),
    "a rank does not get on": ([(WAITS, 0, 6), (WORKS, 0, 6), (WAITS, 0, 2)], (Fate.STUCK, [1], True)),
    "a rank has just got on": ([(WAITS, 0, 99), (WORKS, 0, 0.2), (WAITS, 0, 99)], None),
    "two ranks do not get on": ([(WORKS, 0, 7), (WORKS, 0, 7), (WAITS, 0, 7)], (Fate.STUCK, [0, 1], True)),
    "one of two at work gets on": ([(WORKS, 0, 1), (WORKS, 0, 70), (WAITS, 0, 70)], None),
    "a silent rank that was in a collective": (
        [(WAITS, 0, 7), (WAITS, 7, 7), (WAITS, 0, 7)],
        (Fate.STUCK, [1], True),
    ),
    "a beat that is late": ([(WAITS, 0, 1), (WAITS, 1.4, 1), (WAITS, 0, 1)], None),
    "a stopped process": (
        [(WAITS, 0, 2), (WORKS, 6, 6, State.STOPPED), (WORKS, 0, 2)],
        (Fate.STOPPED, [1], True),
    ),
    "a stopped process for which nobody waits": ([(WORKS, 0, 9), (WORKS, 9, 9, State.STOPPED)], None),
    "a process stopped while it was busy": (
        [(WAITS, 0, 6), (replace(WORKS, place=BUSY), 6, 6, State.STOPPED)],
        (Fate.STOPPED, [1], True),
    ),
    "a rank that is gone": ([(WORKS, 0, 0), (WORKS, 0, 0, State.GONE)], (Fate.GONE, [1], True)),
    "a rank that has left is gone": ([(WORKS, 0, 0), (replace(WORKS, left=True), 9, 9, State.GONE)], None),
    "a busy rank": (
        [(WAITS, 0, 7), (replace(WORKS, place=BUSY), 0, 7)],
        (Fate.STUCK, [1], False),
    ),
    "a busy rank for very long": (
        [(WAITS, 0, 180), (replace(WORKS, place=BUSY), 0, 180)],
        (Fate.STUCK, [1], True),
    ),
    "a rank that has not begun": (
        [(WAITS, 0, 7), (replace(WORKS, place=None), 0, 7)],
        (Fate.STUCK, [1], False),
    ),
    "a silent rank was busy, long before the others' collective": (
        [(WAITS, 0, 7), (replace(WORKS, place=BUSY, sequence=9), 7, 7)],
        (Fate.STUCK, [1], True),
    ),
    "pdb": ([(WAITS, 0, 999), (replace(WORKS, debugged=True), 0, 999)], None),
    "a debugger": ([(WAITS, 0, 999), (WORKS, 999, 999, State.TRACED)], None),
    "another host's rank": ([(WAITS, 0, 7), (WORKS, 7, 7, State.UNKNOWN)], None),
    "another host's rank a little later": (
        [(WAITS, 0, 7.5), (WORKS, 7.5, 7.5, State.UNKNOWN)],
        (Fate.STUCK, [1], True),
    ),
    "another host's busy rank that is heard": (
        [(WAITS, 0, 25), (replace(WORKS, place=BUSY), 0, 25, State.UNKNOWN)],
        (Fate.STUCK, [1], False),
    ),
    "another host's busy rank from which nothing is heard": (
        [(WAITS, 0, 24), (replace(WORKS, place=BUSY), 24, 24, State.UNKNOWN)],
        (Fate.STUCK, [1], True),
    ),
    "the same, while all of them are busy": (
        [
            (replace(WAITS, place=BUSY), 0, 24),
            (replace(WORKS, place=BUSY, sequence=9), 24, 24, State.UNKNOWN),
        ],
        (Fate.STUCK, [1], True),
    ),
    "the same, not for long": (
        [(WAITS, 0, 23), (replace(WORKS, place=BUSY), 23, 23, State.UNKNOWN)],
        None,
    ),
    "different collectives of one number": (
        [(WAITS, 0, 1), (replace(WAITS, kind="share None None"), 0, 1), (WORKS, 0, 0)],
        (Fate.MISMATCH, [0, 1], True),
    ),
    "one of them has just been entered": (
        [(WAITS, 0, 1), (replace(WAITS, kind="share None None"), 0, 0.5)],
        None,
    ),
    "one collective behind, in a slow exchange": (
        [(WAITS, 0, 5), (replace(WAITS, sequence=17, kind="exchange"), 0, 5)],
        None,
    ),
    "all wait": ([(WAITS, 0, 6), (WAITS, 0, 7)], (Fate.DEADLOCK, [0, 1], False)),
    "all wait for very long": ([(WAITS, 0, 180), (WAITS, 0, 181)], (Fate.DEADLOCK, [0, 1], True)),
}


@pytest.mark.parametrize(("ranks", "expected"), CASES.values(), ids=CASES)
def test_who_is_to_blame(ranks, expected):
    assert blamed(judge(job(*ranks), 6.0)) == expected


def test_without_a_limit_nobody_is_ever_to_blame():
    assert judge(job((WAITS, 0, 9999), (WORKS, 9999, 9999, State.STOPPED)), 0.0) is None


def test_ranks_that_nobody_has_heard_of_may_be_at_work():
    ranks = [replace(one, row=replace(one.row, size=3)) for one in job((WAITS, 0, 999), (WAITS, 0, 999))]
    assert blamed(judge(ranks, 6.0)) == (Fate.DEADLOCK, [0, 1], False)


@pytest.mark.parametrize(("waited", "found"), [(11.9, None), (12.0, (Fate.STUCK, [1], True))])
def test_what_was_usual_so_far_is_no_fault(waited, found):
    assert blamed(judge(job((WAITS, 0, waited), (WORKS, 0, waited)), 6.0, usual=3.0)) == found


@pytest.mark.parametrize("fate", Fate)
def test_only_a_stopped_rank_is_one_to_go_on_without(fate):
    stopped = judge(job((WAITS, 0, 7), (WORKS, 7, 7, State.STOPPED)), 6.0)
    assert replace(stopped, fate=fate).recoverable == (fate is Fate.STOPPED)


def test_a_row_is_the_same_after_a_journey_as_text():
    row = replace(WAITS, place=BUSY, stack='  File "ä.py", line 1')
    assert Row.from_json(row.to_json()) == row
    assert Row.from_json(replace(row, place=None).to_json()) == replace(row, place=None)


# ---------------------------------------------------------------------- the observer


def look(observer, *ranks, seconds=0.5):
    """ranks: (beat, row) each; returns (silent, still) each."""
    read = [(at, beat, row, State.RUNS) for at, (beat, row) in enumerate(ranks)]
    return [(one.silent, one.still) for one in observer.look(read, seconds)]


def test_a_rank_is_silent_since_its_last_beat_and_still_since_it_last_got_on():
    observer = Observer()
    assert look(observer, (1, WORKS), (1, WORKS)) == [(0, 0), (0, 0)]
    assert look(observer, (2, WORKS), (1, WORKS)) == [(0, 0.5), (0.5, 0.5)]
    assert look(observer, (3, WAITS), (1, WORKS)) == [(0, 0), (1.0, 1.0)]
    assert look(observer, (4, WAITS), (2, WORKS)) == [(0, 0.5), (0, 1.5)]


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 18},
        {"inside": True},
        {"place": Place(1, 3, "dense_2")},
        {"place": Place(1, 4, "dense_1")},
    ],
)
def test_a_rank_gets_on_with_every_collective_layer_and_step(change):
    observer = Observer()
    look(observer, (1, WORKS))
    look(observer, (2, WORKS))
    assert look(observer, (3, replace(WORKS, **change))) == [(0, 0)]


def test_the_longest_wait_that_ended_well_is_what_is_usual():
    observer = Observer()
    for beat in range(4):
        look(observer, (beat, WAITS), (beat, WORKS))
    assert observer.usual == 0
    look(observer, (4, replace(WAITS, sequence=19)), (4, replace(WORKS, sequence=19)))
    assert observer.usual == 1.5


@pytest.mark.parametrize("place", [BUSY, None])
def test_waits_for_what_may_take_long_are_not_usual(place):
    observer = Observer()
    for beat in range(4):
        look(observer, (beat, WAITS), (beat, replace(WORKS, place=place)))
    look(observer, (4, replace(WAITS, sequence=19)), (4, WORKS))
    assert observer.usual == 0


def test_a_wait_that_ended_with_the_loss_of_a_rank_is_not_usual():
    observer = Observer()
    for beat in range(4):
        look(observer, (beat, WAITS), (beat, WORKS))
    look(observer, (4, replace(WAITS, sequence=1, size=2)))
    assert observer.usual == 0
