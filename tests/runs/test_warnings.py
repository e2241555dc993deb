"""Warnings of a run: a line each, from one rank, once."""

from __future__ import annotations

import pytest

from dtrain.config import recipes

BIAS = "dtrain: warning: layer 'dense_1' has a bias that layer 'batch_norm_1' takes away again: "
NETWORK = [{"name": "dense", "units": 4}, {"name": "batch_norm"}, {"name": "dense", "units": 3}]


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_warning_comes_once_after_the_first_line(ranks, config, on_ranks, elsewhere, capfd):
    on_ranks(ranks, config({"network": NETWORK, "train.epochs": 1}), elsewhere / "out")
    first, second, *rest = capfd.readouterr().err.splitlines()
    assert first.startswith("run: ")
    assert second.startswith(BIAS)
    assert not any("dtrain: warning" in line for line in rest)


def test_equal_weights_are_told_at_the_start_and_not_after_a_resume(write, dtrain):
    path = write({"network.0.initializer": "zeros", "train.steps": 3})
    assert "its weights all start at 0, so that" in dtrain("train", path, "--out", "out").err
    ended = dtrain("train", "--resume", "--out", "out", "--set", "train.steps=5")
    assert ended.code == 0
    assert "dtrain: warning" not in ended.err


@pytest.mark.parametrize("recipe", [name for name in recipes() if name != "mnist"])
def test_the_recipes_are_without_fault(recipe, dtrain):
    ended = dtrain("train", recipe, "--set", "train.steps=1", "--out", "out")
    assert ended.code == 0
    assert "dtrain: warning" not in ended.err
