"""Work in the background: one thing at a time, its failure told once."""

from __future__ import annotations

import threading

import pytest

from dtrain.trainer.writer import Writer


def test_nothing_to_do_is_done():
    writer = Writer()
    writer.join()
    writer.wait()
    assert not writer.failed


def test_the_caller_goes_on_while_the_work_is_done():
    writer, gate, done = Writer(), threading.Event(), []
    writer.start(lambda: done.append(gate.wait(10)))
    assert done == []
    gate.set()
    writer.wait()
    assert done == [True]


def test_what_goes_wrong_is_raised_once():
    def work():
        raise OSError("no room")

    writer = Writer()
    writer.start(work)
    writer.join()
    assert writer.failed
    with pytest.raises(OSError, match="no room"):
        writer.wait()
    assert not writer.failed
    writer.wait()
