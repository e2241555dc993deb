"""Early stopping in a whole run: what is brought back are the weights of the best epoch, on every rank."""

from __future__ import annotations

import json

import numpy as np
import pytest

REGRESSION = {
    "data": {"name": "npz", "path": "line.npz", "validation": 0.3},
    "network": [{"name": "dense", "units": 1}],
    "loss": {"name": "mse"},
    "optimizer": {"name": "sgd", "lr": 0.05},
    "train": {"epochs": 40, "batch_size": 64, "metrics": ["root_mean_squared_error", "r2"]},
}
"""The error falls all along."""


@pytest.fixture
def line(elsewhere):
    random = np.random.default_rng(3)
    x = random.normal(size=(60, 4))
    noise = 0.3 * random.normal(size=60)
    np.savez("line.npz", x=x, y=x @ [1, -1, 2, 0.5] + noise)
    np.savez("tiny.npz", x=x, y=1e-3 * (x @ [1, -1, 2, 0.5] + noise))


@pytest.mark.parametrize("metric", ["root_mean_squared_error", "r2"])
def test_an_error_that_falls_and_a_score_that_rises_are_both_improvements(metric, line, on_ranks, elsewhere):
    callback = {"name": "early_stopping", "metric": metric, "patience": 3}
    summary = on_ranks(1, {**REGRESSION, "callback": [callback]}, elsewhere / "out")[0].summary
    assert summary["epochs"] == 40
    assert summary["validation"]["root_mean_squared_error"] == pytest.approx(0.2941, abs=5e-5)
    wrong = {**callback, "mode": "max" if metric != "r2" else "min"}  # the negative control
    summary = on_ranks(1, {**REGRESSION, "callback": [wrong]}, elsewhere / "wrong")[0].summary
    assert summary["epochs"] == 4
    assert summary["validation"]["root_mean_squared_error"] > 1


@pytest.mark.parametrize(("options", "loss"), [({}, 8.9e-8), ({"relative": False}, None)])
def test_a_plateau_is_one_in_shares_of_the_loss(options, loss, line, on_ranks, elsewhere):
    """Of tiny targets: least squares leave 8.8e-8."""
    network = [{"name": "dense", "units": 1, "initializer": "zeros"}]
    tables = REGRESSION | {"network": network, "schedule": [{"name": "plateau", "patience": 3} | options]}
    tables["data"] = tables["data"] | {"path": "tiny.npz"}
    summary = on_ranks(1, tables, elsewhere / "out")[0].summary
    if loss is None:
        assert summary["train"]["loss"] > 2e-6
    else:
        assert summary["train"]["loss"] < loss


CHANGES = {"optimizer.lr": 0.5, "train.epochs": 30}


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_run_ends_with_the_weights_of_its_best_epoch(ranks, config, on_ranks, sha, elsewhere):
    callback = {"name": "early_stopping", "patience": 2}
    tables = config({**CHANGES, "callback": [callback]})
    summary = on_ranks(ranks, tables, elsewhere / "stopped")[0].summary
    lines = [json.loads(line) for line in (elsewhere / "stopped" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["validation"]["loss"] for line in lines]
    best = losses.index(min(losses)) + 1
    assert best + callback["patience"] == len(lines) < CHANGES["train.epochs"]
    assert summary["weights_sha256"] == sha(config({**CHANGES, "train.epochs": best}))
    assert summary["validation"]["loss"] == min(losses)
    last = on_ranks(
        ranks,
        config({**CHANGES, "callback": [{**callback, "restore_best": False}]}),
        elsewhere / "last",
    )[0].summary
    assert last["weights_sha256"] == sha(config({**CHANGES, "train.epochs": len(lines)}))
    assert last["weights_sha256"] != summary["weights_sha256"]
