"""Schedules at work on an optimizer's options."""

from __future__ import annotations

import pytest

from dtrain.config import SchedulePart
from dtrain.contracts import Optimizer, Schedule
from dtrain.trainer.schedules import Driver


class Noting(Schedule):
    """Returns 1/(1 + step), and notes what it was asked and told."""

    def __init__(self) -> None:
        self.asked, self.told = [], []

    def __call__(self, step, steps, epoch):
        self.asked.append((step, steps, epoch))
        return 1 / (1 + step)

    def observe(self, metric):
        self.told.append(metric)

    def state(self):
        return {"told": self.told}

    def load_state(self, state):
        self.told = state["told"]


class Two(Optimizer):
    def __init__(self) -> None:
        self.lr, self.momentum = 8, 0.5


def driver(*parts):
    optimizer, schedules = Two(), [Noting() for _ in parts]
    return optimizer, schedules, Driver(optimizer, schedules, parts, steps=10, steps_per_epoch=4)


def test_an_option_is_its_first_value_times_the_factor_of_the_step():
    optimizer, (schedule,), drive = driver(SchedulePart(name="a"))
    for step in (0, 3, 1):
        drive.drive(step)
        assert (optimizer.lr, optimizer.momentum) == (8 / (1 + step), 0.5)
    assert schedule.asked == [(0, 10, 0.0), (3, 10, 0.75), (1, 10, 0.25)]


def test_a_schedule_by_epochs_counts_whole_ones():
    optimizer, (schedule,), drive = driver(SchedulePart(name="a", unit="epoch"))
    for step in (3, 4, 9):
        drive.drive(step)
    assert schedule.asked == [(0, 3, 0.75), (1, 3, 1.0), (2, 3, 2.25)]
    assert optimizer.lr == pytest.approx(8 / 3)


def test_schedules_of_one_option_multiply_and_others_have_theirs():
    optimizer, _, drive = driver(
        SchedulePart(name="a"), SchedulePart(name="b", of="momentum"), SchedulePart(name="c", unit="epoch")
    )
    drive.drive(5)
    assert optimizer.lr == pytest.approx(8 / 6 / 2)
    assert optimizer.momentum == pytest.approx(0.5 / 6)


def test_all_are_told_the_figure_and_keep_their_state():
    _, schedules, drive = driver(SchedulePart(name="a"), SchedulePart(name="b", of="momentum"))
    schedules[1].metric = "accuracy"
    drive.observe({"loss": 0.25, "accuracy": -0.5}.__getitem__)
    assert [schedule.told for schedule in schedules] == [[0.25], [-0.5]]
    _, others, again = driver(SchedulePart(name="a"), SchedulePart(name="b", of="momentum"))
    again.load_state(drive.state())
    assert [schedule.told for schedule in others] == [[0.25], [-0.5]]
