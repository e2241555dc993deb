# ruff: noqa: E501 (each message stands in full on one line)
"""What cannot mean anything beside something else is an error before the first step; what is harmless is a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def own_split(elsewhere):
    """own.npz brings 20 validation samples."""
    points = np.load("points.npz")
    x, y = points["x"], points["y"]
    np.savez("own.npz", x=x[:60], y=y[:60], x_validation=x[60:], y_validation=y[60:])


LBFGS = {"name": "lbfgs"}
REFUSED = {
    "a split beside the dataset's own": (
        {"data.path": "own.npz", "data.validation": 0.5},
        "run.toml: [data] validation: expected none, as the dataset 'npz' brings validation samples of its own, 20 of them, got 0.5; leave validation out",
    ),
    "a regularizer of nothing": (
        {
            "network": [{"name": "dense", "units": 3, "bias": False}],
            "regularizer": [{"name": "l2", "on": "biases"}],
        },
        "run.toml: [[regularizer]] #1 on: expected parameters that 'l2' can act on, got a network that has no biases; leave it out",
    ),
    "a stop by what is not held out": (
        {"data.validation": 0, "callback": [{"name": "early_stopping"}]},
        "run.toml: [[callback]] #1: early_stopping needs held-out samples: set [data] validation, for example 0.2",
    ),
    "a stop by what is not measured": (
        {"callback": [{"name": "early_stopping", "metric": "acuracy"}]},
        "run.toml: [[callback]] #1: early_stopping watches 'acuracy', which the run does not measure; it measures 'loss', 'accuracy'; did you mean 'accuracy'?; add it to [train] metrics",
    ),
    "more micro-batches than samples": (
        {"train.accumulate": 17},
        "[train] accumulate: expected at most as many micro-batches as a batch has samples, 16, got 17",
    ),
    "clipping beside a solver": (
        {"optimizer": LBFGS, "train.batch_size": 60, "train.clip_norm": 1.0},
        "[train] clip_norm: expected none beside the optimizer 'lbfgs', which chooses the length of its step by the loss, got 1; leave it out",
    ),
    "class weights": (
        {"loss.class_weights": [1.0, 2.0]},
        "run.toml: [data], training samples: [loss] softmax_cross_entropy: expected as many class_weights as the network "
        "has outputs, 3, got 2",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_contradiction_is_one_line_and_nothing_is_written(changes, message, own_split, write, dtrain):
    ended = dtrain("train", write(changes), "--out", "out")
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")
    assert not Path("out").exists()


@pytest.mark.parametrize("validation", [{}, {"data.validation": 0}, {"data.validation": 0.0}])
def test_a_dataset_with_a_split_of_its_own_takes_no_fraction_or_0(validation, own_split, write, dtrain):
    changes = {"data": {"name": "npz", "path": "own.npz"}, "train.epochs": 1}
    assert dtrain("train", write(changes | validation), "--out", "out").code == 0
    assert dtrain("train", "out/config.toml", "--out", "again").code == 0  # the resolved config says 0.0


TOLD = {
    "a solver on mini-batches": (
        {"optimizer": LBFGS},
        "optimizer 'lbfgs' is made for the loss of all 60 samples, and gets batches of 16: it may diverge; set [train] batch_size = 60, or take another optimizer",
    ),
    "a solver on samples drawn anew": (
        {"optimizer": {"name": "newton_cg"}, "train.batch_size": 256, "train.order": "replacement"},
        "optimizer 'newton_cg' is made for the loss of all 60 samples, and gets samples drawn anew for every batch: it may diverge; set [train] order = \"shuffled\", or take another optimizer",
    ),
    "a meeting that never comes": (
        {"train.exchange": {"name": "local_steps", "interval": 5}},
        "exchange 'local_steps': interval 5 is never reached: ranks meet at the end of every epoch, which has 4 updates",
    ),
    "a warm-up without an end": (
        {"schedule": [{"name": "warmup", "length": 48}]},
        "schedule 'warmup' of lr: length 48 is more than there are, so that the factor ends at 0.25, in this run of 12 updates",
    ),
    "a warm-up without an end, inside another": (
        {"schedule": [{"name": "warmup", "length": 2, "then": {"name": "warmup", "length": 20}}]},
        "schedule 'warmup' of lr: length 20 is more than there are, so that the factor ends at 0.5, in this run of 12 updates",
    ),
    "a schedule without effect": (
        {"schedule": [{"name": "step", "every": 3, "unit": "epoch", "of": "beta_1"}]},
        "schedule 'step' of beta_1: the factor is 1 all along, in this run of 3 epochs",
    ),
}


@pytest.mark.parametrize(("changes", "message"), TOLD.values(), ids=TOLD)
def test_what_is_harmless_is_one_line_before_the_first_step(changes, message, write, dtrain):
    ended = dtrain("train", write(changes), "--out", "out")
    assert ended.code == 0
    warnings = [line for line in ended.err.splitlines() if "warning" in line]
    assert warnings == [f"dtrain: warning: {message}"]


QUIET = {
    "a solver on the full batch": {"optimizer": LBFGS, "train.batch_size": 60},
    "a solver on a batch larger than all samples": {"optimizer": LBFGS, "train.batch_size": 61},
    "an optimizer on mini-batches": {},
    "a meeting at the end of an epoch": {"train.exchange": {"name": "local_steps", "interval": 4}},
    "a warm-up as long as the run": {"schedule": [{"name": "warmup", "length": 12}]},
    "a schedule in its last epoch": {"schedule": [{"name": "step", "every": 2, "unit": "epoch"}]},
    "a schedule that learns": {"schedule": [{"name": "plateau"}]},
}


@pytest.mark.parametrize("changes", QUIET.values(), ids=QUIET)
def test_what_is_as_it_should_be_is_not(changes, write, dtrain):
    ended = dtrain("train", write(changes), "--out", "out")
    assert ended.code == 0
    assert "warning" not in ended.err


def test_a_run_that_goes_on_is_not_told_again(write, dtrain):
    assert dtrain("train", write({"optimizer": LBFGS, "train.epochs": 1}), "--out", "out").code == 0
    ended = dtrain("train", "--resume", "--out", "out", "--set", "train.epochs=2")
    assert (ended.code, "warning" in ended.err) == (0, False)
