"""Steps that are not finite: stopped at or skipped, on all ranks alike."""

from __future__ import annotations

import json
import re

import pytest

from dtrain.errors import NonFiniteError

SPOILER = """
    import numpy as np
    from dtrain import Activation, hookimpl

    class Spoiler(Activation):
        def __init__(self, steps: list[int] = [], gradient: bool = False):
            self.steps, self.gradient = steps, gradient

        def forward(self, x, context):
            spoiled = context.training and (context.step in self.steps or -1 in self.steps)
            y = x * np.nan if spoiled and not self.gradient else x.copy()
            return y, lambda dy: dy * np.inf if spoiled else dy

    @hookimpl
    def dtrain_activations():
        return {"spoiler": Spoiler}
"""


def spoiled(steps: list[int], gradient: bool = False) -> dict:
    spoiler = {"name": "spoiler", "steps": steps, "gradient": gradient}
    return {"network": [{"name": "dense", "units": 5}, spoiler, {"name": "dense", "units": 3}]}


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_step_that_is_not_finite_stops_the_run_on_all_ranks(ranks, acme, config, on_ranks, elsewhere):
    acme(SPOILER)
    with pytest.raises(NonFiniteError) as raised:
        on_ranks(ranks, config(spoiled([5])), elsewhere / "out")
    assert raised.value.everywhere
    assert str(raised.value) == (
        "step 6 (epoch 2): expected a finite loss and gradient, got a loss of nan; lower the learning rate, clip "
        '(train.clip_norm), or skip such steps (train.non_finite = "skip"); dtrain debug names the layer'
    )
    assert len((elsewhere / "out" / "metrics.jsonl").read_text().splitlines()) == 1  # what was learned stays


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_gradient_that_is_not_finite_names_its_parameter(ranks, acme, config, on_ranks, elsewhere):
    acme(SPOILER)
    with pytest.raises(NonFiniteError) as raised:
        on_ranks(ranks, config(spoiled([0], gradient=True)), elsewhere / "out")
    assert re.fullmatch(
        r"step 1 \(epoch 1\): expected a finite loss and gradient, got another gradient of 'dense_1.weight' at a "
        r"loss of 1\.\d+; .*",
        str(raised.value),
    )
    assert not (elsewhere / "out").exists()


def test_the_command_says_so_in_one_line(acme, write, dtrain):
    acme(SPOILER)
    ended = dtrain("train", write(spoiled([0])), "--out", "out")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith(
        "dtrain: step 1 (epoch 1): expected a finite loss and gradient"
    )
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("ranks", [1, 2])
def test_skipped_steps_change_nothing_and_are_counted(ranks, acme, config, on_ranks, elsewhere):
    """A skipped batch counts as no update: the next one has the same step, and is spoiled too."""
    acme(SPOILER)
    tables = config({**spoiled([9]), "train.non_finite": "skip"})
    with pytest.raises(NonFiniteError) as raised:
        on_ranks(ranks, {**tables, "train": {**tables["train"], "epochs": 5}}, elsewhere / "out")
    assert str(raised.value) == (
        "epoch 4: expected a finite loss and gradient in one step at least, got none, so that nothing was "
        "trained; lower the learning rate, or clip (train.clip_norm)"
    )
    on_ranks(ranks, tables, elsewhere / "three")
    written = json.loads((elsewhere / "three" / "summary.json").read_text())
    assert (written["steps"], written["skipped"], written["epochs"]) == (9, 3, 3)


def test_an_epoch_without_an_update_is_a_failure(acme, write, dtrain):
    acme(SPOILER)
    ended = dtrain("train", write({**spoiled([-1]), "train.non_finite": "skip"}), "--out", "out")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith(
        "dtrain: epoch 1: expected a finite loss and gradient in one"
    )


def test_skipped_steps_are_no_steps_of_a_run_by_steps(acme, config, on_ranks, elsewhere):
    acme(SPOILER)
    tables = config({"network": spoiled([])["network"], "train": {"steps": 6, "batch_size": 16}})
    (result,) = on_ranks(1, tables, elsewhere / "out")
    assert (result.summary["steps"], result.summary["epochs"]) == (6, 1)


DEBUG = {
    "forward": (False, "layer 'spoiler_1', forward: its output y is not finite at (0, 0): nan"),
    "backward": (True, r"layer 'spoiler_1', backward: its gradient dx is not finite at (0, 0): "),
}


@pytest.mark.parametrize(("gradient", "message"), DEBUG.values(), ids=DEBUG)
def test_debug_names_the_layer(gradient, message, acme, write, dtrain):
    acme(SPOILER)
    ended = dtrain("debug", write(spoiled([2], gradient)), "-n", "2", "--out", "out")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith(f"dtrain: {message}")
