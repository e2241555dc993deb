"""Schedules as the trainer drives them: multiplied, of any option, in steps or epochs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dtrain.trainer.schedules import Driver
from dtrain_plugins.optimizers.momentum import Momentum
from dtrain_plugins.schedules.cosine import Cosine
from dtrain_plugins.schedules.linear import Linear
from dtrain_plugins.schedules.one_cycle import OneCycle
from dtrain_plugins.schedules.plateau import Plateau
from dtrain_plugins.schedules.step import Step
from dtrain_plugins.schedules.warmup import Warmup


def driver(*schedules, optimizer=None, steps=20, steps_per_epoch=5):
    """A driver of (schedule, option, unit) each, and its optimizer."""
    optimizer = optimizer or Momentum(lr=0.1, momentum=0.8)
    parts = [SimpleNamespace(of=of, unit=unit) for _, of, unit in schedules]
    return optimizer, Driver(optimizer, [s for s, _, _ in schedules], parts, steps, steps_per_epoch)


def test_schedules_of_one_option_multiply():
    optimizer, drive = driver(
        (Warmup(4), "lr", "step"), (Cosine(), "lr", "step"), (Step(2, 0.5), "lr", "epoch")
    )
    for step in range(20):
        drive.drive(step)
        rise, fall, steps = min((step + 1) / 4, 1), Cosine()(step, 20, 0.0), 0.5 ** (step // 10)
        assert optimizer.lr == pytest.approx(0.1 * rise * fall * steps)
        assert optimizer.momentum == 0.8


def test_the_unit_is_the_engines():
    optimizer, drive = driver((Linear(), "lr", "epoch"))
    rates = []
    for step in range(20):
        drive.drive(step)
        rates.append(optimizer.lr)
    assert rates == pytest.approx([0.1] * 5 + [0.075] * 5 + [0.05] * 5 + [0.025] * 5)


def test_the_rate_and_the_momentum_go_opposite_ways():
    optimizer, drive = driver(
        (OneCycle(), "lr", "step"), (OneCycle(1.125, 1.125, shape="linear"), "momentum", "step")
    )
    drive.drive(0)
    assert (optimizer.lr, optimizer.momentum) == pytest.approx((0.004, 0.9))
    drive.drive(6)
    assert (optimizer.lr, optimizer.momentum) == pytest.approx((0.1, 0.8))


def test_a_plateau_goes_on_after_a_checkpoint():
    def make():
        return driver((Plateau(0.5, 1), "lr", "epoch"), (Warmup(1, then=Plateau(0.1, 2)), "lr", "epoch"))

    optimizer, drive = make()
    for loss in (1.0, 1.0):
        drive.observe({"loss": loss}.__getitem__)
    again, resumed = make()
    resumed.load_state(drive.state())
    for one, other in ((optimizer, drive), (again, resumed)):
        other.observe({"loss": 1.0}.__getitem__)
        other.drive(10)
        assert one.lr == pytest.approx(0.1 * 0.25 * 0.1)
