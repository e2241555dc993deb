"""Which processes are ours, and that none of them stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain_launch.processes import Brood, Process, descendants, parse_stat, process_table

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize("name", ["python", "a b", "x) S 1 (", ")", ""])
def test_a_process_name_may_hold_anything(name):
    assert parse_stat(f"42 ({name}) R 7 42 42 0 -1 4194304 1") == Process(42, 7, "R")


def test_this_process_is_in_the_table_under_its_parent():
    (me,) = [process for process in process_table() if process.pid == os.getpid()]
    assert me.parent == os.getppid()


def test_descendants_are_followed_through_the_dead_and_not_into_other_families():
    table = [
        Process(1, 0, "S"),
        Process(2, 1, "S"),
        Process(3, 2, "Z"),
        Process(4, 3, "R"),
        Process(5, 1, "S"),
        Process(6, 5, "S"),
        Process(7, 0, "S"),
    ]
    assert descendants(table, 1) == {2, 4, 5, 6}
    assert descendants(table, 1, without=[5]) == {2, 4}
    assert descendants(table, 7) == set()


@given(st.lists(st.integers(min_value=0), max_size=40))
def test_a_process_descends_from_exactly_its_ancestors(parents):
    """Process k + 1 has a parent among 0..k, as the list says."""
    parent = {k + 1: number % (k + 1) for k, number in enumerate(parents)}
    table = [Process(pid, above, "S") for pid, above in parent.items()]
    for root in range(len(parents) + 1):
        expected = set()
        for pid in parent:
            above = pid
            while above > root:
                above = parent[above]
            expected.update([pid] if above == root != pid else [])
        assert descendants(table, root) == expected


def test_only_later_children_are_ended():
    earlier = subprocess.Popen(SLEEP)
    try:
        with Brood() as brood:
            later = subprocess.Popen(SLEEP)
            assert brood.living() == {later.pid}
            brood.clear()
            assert brood.living() == set()
        assert not Path(f"/proc/{later.pid}").exists()
        assert earlier.poll() is None
        later.wait()
    finally:
        earlier.kill()
        earlier.wait()
