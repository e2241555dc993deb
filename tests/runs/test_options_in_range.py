# ruff: noqa: E501 (each message stands in full on one line)
"""An option that would leave its range ends a run in one line: before the first step wherever that can be known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dtrain.errors import ConfigError, OptionError

ADAM = "optimizer 'adam' from plugin 'dtrain-optimizers' 0.1.0 (distribution dtrain)"
CYCLE = {"name": "one_cycle", "of": "beta_2", "start": 1.2, "end": 1.1}

REFUSED = {
    "the constructor": (
        {"optimizer.lr": -1},
        f"run.toml: [optimizer] lr: expected a number > 0, got -1; an option of {ADAM}",
    ),
    "not finite": (
        {"optimizer.beta_1": float("nan")},
        f"run.toml: [optimizer] beta_1: expected a number ≥ 0 and < 1, got nan; an option of {ADAM}",
    ),
    "a schedule": (
        {"schedule": [CYCLE]},
        "run.toml: [[schedule]] #1: schedule 'one_cycle': expected beta_2 of the optimizer to stay a number ≥ 0 and < 1, got 1.1988 in step 1 of 12, 0.999 × 1.2 of 'one_cycle'; change the schedule or the first value",
    ),
    "a schedule by epochs": (
        {"schedule": [{**CYCLE, "unit": "epoch", "start": 0.5}]},
        "run.toml: [[schedule]] #1: schedule 'one_cycle': expected beta_2 of the optimizer to stay a number ≥ 0 and < 1, got 1.052682768 in step 9 of 12, 0.999 × 1.053736505 of 'one_cycle'; change the schedule or the first value",
    ),
    "a list of factors": (
        {"schedule": [{"name": "piecewise", "boundaries": [2], "factors": [1.0, -0.5]}]},
        "run.toml: [[schedule]] #1 factors: expected a list of numbers ≥ 0, got [1.0, -0.5]; an option of schedule 'piecewise' from plugin 'dtrain-schedules' 0.1.0 (distribution dtrain)",
    ),
    "scale_lr": (
        {"optimizer.lr": 1e308, "train.scale_lr": {"rule": "linear", "reference": 1}},
        "[train] scale_lr: lr 1e+308 → inf (linear, batch 16 against 1): lr must be finite, got inf; change lr, rule or reference",
    ),
    "a procedure's range": (
        {"procedure": {"name": "lr_finder", "highest": float("inf")}},
        "run.toml: [procedure] highest: expected a number > 0, got inf; an option of procedure 'lr_finder' from plugin 'dtrain-procedures' 0.1.0 (distribution dtrain)",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_it_is_one_line_and_nothing_is_written(changes, message, write, dtrain):
    ended = dtrain("train", write(changes), "--out", "out")
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")
    assert not Path("out").exists()


def test_all_ranks_say_the_same(config, on_ranks, elsewhere):
    with pytest.raises(ConfigError) as caught:
        on_ranks(3, config({"schedule": [CYCLE]}), elsewhere / "out")
    assert str(caught.value) == REFUSED["a schedule"][1].removeprefix("run.toml: ")
    assert not (elsewhere / "out").exists()


def test_two_schedules_that_stay_inside_together_train(write, dtrain):
    half = {"name": "piecewise", "of": "beta_2", "boundaries": [], "factors": [0.5]}
    assert dtrain("train", write({"schedule": [CYCLE, half]}), "--out", "out").code == 0


# ---------------------------------------------------------------------- what shows in a later step

PLUGIN = """
    from typing import Annotated
    from dtrain import Optimizer, Procedure, Range, Schedule, hookimpl

    class Eager(Schedule):
        def __init__(self):
            self.now = 1.0
        def __call__(self, step, steps, epoch):
            return self.now
        def observe(self, metric):
            self.now *= 1.2

    class Restless(Optimizer):
        def __init__(self, lr: Annotated[float, Range(gt=0)] = 0.1):
            self.lr = lr
        def update(self, value, gradient, context):
            if context.step == 3:
                self.lr -= 1
            value -= self.lr * gradient

    class Bold(Procedure):
        def __init__(self, value: float = -0.5, option: str = "lr"):
            self.value, self.option = value, option
        def run(self, course):
            course.take_step()
            course.take_step({self.option: self.value})

    @hookimpl
    def dtrain_schedules():
        return {"eager": Eager}

    @hookimpl
    def dtrain_optimizers():
        return {"restless": Restless}

    @hookimpl
    def dtrain_procedures():
        return {"bold": Bold}
"""

LATER = {
    "a schedule that learns": (
        {"schedule": [{"name": "eager", "of": "beta_1"}]},
        "run.toml: [[schedule]] #1: schedule 'eager': expected beta_1 of the optimizer to stay a number ≥ 0 and < 1, got 1.08 in step 5 of 12, 0.9 × 1.2 of 'eager'; change the schedule or the first value",
    ),
    "an optimizer by itself": (
        {"optimizer": {"name": "restless"}},
        "lr must be positive, got -0.9 (in update of optimizer 'restless' from plugin 'acme' 1.2 (distribution acme-dtrain); in step 3)",
    ),
    "a procedure": (
        {"procedure": {"name": "bold"}},
        "run.toml: [procedure]: procedure 'bold': expected lr of the optimizer to be a number > 0, got -0.5 in step 2",
    ),
    "a procedure, whole numbers": (
        {
            "procedure": {"name": "bold", "option": "history", "value": 1.5},
            "optimizer": {"name": "lbfgs"},
            "train.batch_size": 60,
        },
        "run.toml: [procedure]: procedure 'bold': expected history of the optimizer to be a whole number ≥ 1, got 1.5 in step 2",
    ),
}


@pytest.mark.parametrize("case", LATER)
def test_it_is_one_line_with_the_step(case, acme, write, dtrain):
    changes, message = LATER[case]
    acme(PLUGIN)
    ended = dtrain("train", write(changes), "--out", "out")
    assert ended.code == 1
    assert [line for line in ended.err.splitlines() if line.startswith("dtrain: ")][
        -1
    ] == f"dtrain: {message}"
    assert "Traceback" not in ended.err


def test_it_is_the_same_on_all_ranks(acme, config, on_ranks, elsewhere):
    acme(PLUGIN)
    changes, message = LATER["a schedule that learns"]
    with pytest.raises(OptionError) as caught:
        on_ranks(2, config(changes), elsewhere / "out")
    assert str(caught.value) == message.removeprefix("run.toml: ")


# ---------------------------------------------------------------------- the batch there is


def test_scale_lr_takes_the_batch_that_there_is_and_says_so(write, dtrain):
    changes = {
        "train.batch_size": 4096,
        "train.scale_lr": {"rule": "linear", "reference": 256},
        "optimizer.lr": 0.01,
    }
    ended = dtrain("train", write(changes), "--out", "out")
    assert "lr 0.01 → 0.00234375 (linear, batch 60 against 256; batch_size is 4096)" in ended.err.splitlines()
    rates = [json.loads(line)["lr"] for line in Path("out/metrics.jsonl").read_text().splitlines()]
    assert rates == [0.00234375] * 3
