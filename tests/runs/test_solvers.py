"""Runs whose optimizer takes steps of its own: the same weights on any ranks, resumed, and what is refused."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from dtrain.errors import ConfigError
from tests.runs.test_resume import cut_back, summary

RUNS = {
    "newton_cg": {"optimizer": {"name": "newton_cg", "cg_iterations": 8}, "train.epochs": 2},
    "newton_cg with everything": {
        "optimizer": {"name": "newton_cg", "curvature": "hessian", "damping": 0.1, "cg_iterations": 5},
        "network": [
            {"name": "dense", "units": 6, "bias": False},
            {"name": "batch_norm"},
            {"name": "dropout", "rate": 0.4},
            {"name": "dense", "units": 3},
        ],
        "regularizer": [{"name": "l2", "weight": 1e-3}],
        "schedule": [{"name": "linear"}],
        "train.accumulate": 2,
        "train.epochs": 1,
    },
    "lbfgs": {"optimizer": {"name": "lbfgs", "history": 3}, "train": {"epochs": 4, "batch_size": 60}},
    "newton": {"optimizer": {"name": "newton"}, "train.batch_size": 60},
}


@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_a_run_is_the_same_on_any_ranks_and_from_any_step(changes, config, on_ranks, elsewhere):
    tables = config({**changes, "checkpoint": {"steps": 1, "keep": 100}})
    whole = elsewhere / "whole"
    on_ranks(1, tables, whole)
    kept = ("weights_sha256", "train", "validation", "steps", "skipped")
    expected = [summary(whole)[key] for key in kept]
    on_ranks(3, tables, elsewhere / "three")
    assert [summary(elsewhere / "three")[key] for key in kept] == expected
    cut_back(whole, elsewhere / "cut", 2)
    on_ranks(2, tables, elsewhere / "cut", resume=True)
    assert [summary(elsewhere / "cut")[key] for key in kept] == expected


def test_a_run_that_forgets_its_damping_ends_elsewhere(config, on_ranks, elsewhere):
    """The negative control: resumed with the damping of the beginning."""
    whole_batch = {"train": {"epochs": 5, "batch_size": 60}}
    newton = {"optimizer": {"name": "newton_cg"}}
    tables = config({**newton, **whole_batch, "checkpoint": {"steps": 1, "keep": 100}})
    on_ranks(1, tables, elsewhere / "whole")
    cut_back(elsewhere / "whole", elsewhere / "cut", 3)

    def forget(trainer):
        trainer.job.optimizer.load_state = lambda state: None

    on_ranks(1, tables, elsewhere / "cut", resume=True, prepared=forget)
    hashes = [summary(elsewhere / name)["weights_sha256"] for name in ("whole", "cut")]
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("name", ["newton_cg", "newton", "lbfgs"])
def test_the_loss_falls_at_every_step(name, write, dtrain, elsewhere):
    changes = {"optimizer": {"name": name}, "train": {"epochs": 5, "batch_size": 60}}
    assert dtrain("train", write(changes), "--out", "out").code == 0
    lines = [json.loads(line) for line in (elsewhere / "out" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["train"]["loss"] for line in lines]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]


REFUSED = {
    "clip_norm": (
        {"train.clip_norm": 1.0},
        "[train] clip_norm: expected none beside the optimizer 'newton_cg', which chooses the length of its step by "
        "the loss, got 1; leave it out",
    ),
    "clip_value": (
        {"train.clip_value": 0.5},
        "[train] clip_value: expected none beside the optimizer 'newton_cg', which chooses the length of its step by "
        "the loss, got 0.5; leave it out",
    ),
    "a layer with a stand-in gradient": (
        {"network": [{"name": "dense", "units": 5, "activation": "sign"}, {"name": "dense", "units": 3}]},
        "run.toml: [optimizer] name: 'newton_cg' takes layers whose gradient is the derivative of the loss, got "
        "'dense_1.activation', whose backward is a stand-in, gradient = 'straight_through'; take another optimizer "
        "or another layer",
    ),
    "a layer with a penalty of its own": (
        {"network": [{"name": "dense", "units": 3}, {"name": "activity_regularizer", "l2": 0.1}]},
        "run.toml: [optimizer] name: 'newton_cg' takes layers whose gradient is the derivative of the loss, got "
        "'activity_regularizer_1', whose penalty is in no loss; take another optimizer or another layer",
    ),
    "l1": (
        {"regularizer": [{"name": "l1"}]},
        "run.toml: [[regularizer]] #1 name: expected a penalty with a derivative everywhere for the optimizer "
        "'newton_cg', got 'l1'; take l2, or another optimizer",
    ),
    "too many parameters": (
        {"optimizer": {"name": "newton"}, "network.0.units": 600},
        "run.toml: [optimizer] name: 'newton': expected at most 2,000 trained parameters, of which it makes the whole "
        "matrix of second derivatives, got 4,803; take newton_cg, which needs none",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(changes, message, write, dtrain, elsewhere):
    ended = dtrain("train", write({"optimizer": {"name": "newton_cg"}, **changes}), "--out", "out")
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")
    assert not (elsewhere / "out").exists()


STOPS = "whose scale is taken for constant"
SURROGATES = {
    "losses": ({}, "SoftmaxCrossEntropy", "losses", "softmax_cross_entropy", "loss"),
    "regularizers": ({"regularizer": [{"name": "l2"}]}, "L2", "regularizers", "l2", "regularizer"),
}


@pytest.mark.parametrize(("changes", "cls", "kind", "name", "word"), SURROGATES.values(), ids=SURROGATES)
def test_a_stand_in_gradient_of_any_part_is_refused(
    changes, cls, kind, name, word, write, dtrain, monkeypatch, elsewhere
):
    monkeypatch.setattr(getattr(import_module(f"dtrain_plugins.{kind}.{name}"), cls), "surrogate", STOPS)
    ended = dtrain("train", write({"optimizer": {"name": "newton_cg"}, **changes}), "--out", "out")
    assert (ended.code, ended.err) == (
        2,
        f"dtrain: run.toml: [optimizer] name: 'newton_cg' takes {kind} whose gradient is the derivative of the loss, "
        f"got {name!r}, {STOPS}; take another optimizer or another {word}\n",
    )


def test_a_penalty_that_is_l2_alone_fits(config, on_ranks, elsewhere):
    penalty = {"regularizer": [{"name": "l1_l2", "l1": 0.0, "l2": 1e-3}]}
    on_ranks(1, config({**RUNS["newton_cg"], **penalty}), elsewhere / "out")
    with pytest.raises(ConfigError):
        on_ranks(1, config({**RUNS["newton_cg"], "regularizer": [{"name": "l1_l2"}]}), elsewhere / "other")
