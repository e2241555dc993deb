"""Runs that normalize by the variance of one value: refused, warned about, and right in what they keep."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.errors import ConfigError
from dtrain.trainer import train_session
from dtrain.trainer.checkpoint import read

EFFECT = "normalized by the statistics of one value, the output does not depend on the input"
RMS = "normalized by the mean square of one value, the output is the sign of the input"
LAST = f"{EFFECT}; choose another batch_size"
NORM, DENSE = {"name": "batch_norm"}, {"name": "dense", "units": 1}
CHANGES = {
    "data": {"name": "npz", "path": "x.npz"},
    "network": [NORM, DENSE],
    "loss": {"name": "mse"},
    "train": {"epochs": 200, "batch_size": 32},
}


@pytest.fixture
def x(elsewhere):
    """33 rows of 4 features, in x.npz; with one feature, with one place, and with one row in others."""
    random = np.random.default_rng(0)
    x = 5 + 3 * random.normal(size=(33, 4))
    y = x @ [1, -1, 2, 0.5]
    np.savez("x.npz", x=x, y=y)
    np.savez("feature.npz", x=x[:, :1], y=y)
    np.savez("place.npz", x=x[:, None, :], y=y)
    np.savez("row.npz", x=x[:1], y=y[:1])
    return x


def states(run):
    """What the last checkpoint of a run holds of running statistics, by the last part of the name."""
    (last,) = Path(run, "checkpoints").glob("step-*")
    return {name.rpartition(".")[2]: array for name, array in read(last).arrays.items() if "state" in name}


def loss_of(run, dtrain):
    return json.loads(dtrain("evaluate", run, "--split", "train", "--json").out)["train"]["loss"]


def warnings_in(text):
    return [line for line in text.splitlines() if line.startswith("dtrain: warning: ")]


# ---------------------------------------------------------------------- the running variance


@pytest.mark.parametrize("norm", ["batch_norm", "whiten_batch"])
def test_a_last_batch_of_one_row_does_not_shrink_the_running_variance(norm, x, write, dtrain):
    """With the variance of one row taken for 0, it was half of the true one, and the loss above 12 afterwards."""
    ended = dtrain("train", write({**CHANGES, "network.0.name": norm}), "--out", "run")
    line = f"dtrain: warning: layer '{norm}_1': the last batch of an epoch has 1 of the 33 samples: {LAST}"
    assert (ended.code, warnings_in(ended.err)) == (0, [line])
    kept = states("run")
    variance = kept["variance"] if norm == "batch_norm" else np.diag(kept["covariance"])
    np.testing.assert_allclose(variance, x.var(axis=0, ddof=1), rtol=0.05)
    np.testing.assert_allclose(kept["mean"], x.mean(axis=0), atol=0.3)
    assert loss_of("run", dtrain) < json.loads(Path("run/summary.json").read_text())["train"]["loss"]


@pytest.mark.parametrize("norm", ["batch_norm", "whiten_batch"])
def test_a_full_batch_is_as_it_was(norm, x, write, dtrain):
    ended = dtrain(
        "train", write({**CHANGES, "network.0.name": norm, "train.batch_size": 33}), "--out", "run"
    )
    assert (ended.code, warnings_in(ended.err)) == (0, [])
    kept = states("run")
    variance = kept["variance"] if norm == "batch_norm" else np.diag(kept["covariance"])
    np.testing.assert_allclose(variance, x.var(axis=0, ddof=1), rtol=1e-6)
    assert loss_of("run", dtrain) < 0.02


# ---------------------------------------------------------------------- refused

REFUSED = {
    "batches": (
        {"train.batch_size": 1},
        "[train] batch_size: expected at least 2 rows in every batch for layer 'batch_norm_1', got 1: «»; "
        "raise batch_size",
    ),
    "batches drawn with replacement": (
        {"train.batch_size": 1, "train.order": "replacement"},
        "[train] batch_size: expected at least 2 rows in every batch for layer 'batch_norm_1', got 1: «»; "
        "raise batch_size",
    ),
    "micro-batches": (
        {"train.accumulate": 32},
        "[train] accumulate: expected at least 2 rows in every micro-batch for layer 'batch_norm_1', got 1: «»; "
        "lower accumulate, or raise batch_size",
    ),
    "groups": (
        {"train.batch_size": 8, "network.0.group": 1},
        "[[network]] group: expected at least 2 rows in every group of shards for layer 'batch_norm_1', got 1: «»; "
        "raise group, or batch_size",
    ),
    "groups of the shards that the config names": (
        {"train.batch_size": 5, "train.shards": 12, "network.0.group": 2},
        "[[network]] group: expected at least 2 rows in every group of shards for layer 'batch_norm_1', got 1: «»; "
        "raise group, or batch_size",
    ),
    "a single sample": (
        {"data.path": "row.npz"},
        "[data]: expected at least 2 training samples for layer 'batch_norm_1', got 1: «»; add samples",
    ),
    "a single sample, to be standardized": (
        {"data.path": "row.npz", "network.0.name": "standardize"},
        "[data]: expected at least 2 training samples for layer 'standardize_1', got 1: «»; add samples",
    ),
    "layers within layers": (
        {
            "network": [
                {"name": "parallel", "branches": [[{"name": "residual", "layers": ["tanh", NORM]}], []]},
                DENSE,
            ],
            "train.batch_size": 1,
        },
        "[train] batch_size: expected at least 2 rows in every batch for layer 'parallel_1.1.1.2', got 1: «»; "
        "raise batch_size",
    ),
}


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_certain_to_have_one_row_is_refused(changes, message, ranks, x, config, elsewhere):
    check_refused({**CHANGES, **changes}, message, ranks, config, elsewhere)


@pytest.mark.parametrize(("ranks", "batch_size"), [(2, 5), (3, 6)])
def test_a_rank_of_one_row_that_trains_alone_is_refused(ranks, batch_size, x, config, elsewhere):
    """Of 8 shards, the last rank has as many rows as there are beyond four, or beyond five."""
    changes = {**CHANGES, "train.exchange": "local_steps", "train.batch_size": batch_size}
    message = (
        "[train] batch_size: expected at least 2 rows on every rank for layer 'batch_norm_1', got 1: «»; "
        "raise batch_size, or start fewer ranks"
    )
    check_refused(changes, message, ranks, config, elsewhere)


def check_refused(changes, message, ranks, config, elsewhere):
    before = {*os.listdir()}
    tables = config(changes)

    def rank(communicator):
        with pytest.raises(ConfigError) as raised:
            train_session(lambda: load(tables), communicator, elsewhere / "out")
        return str(raised.value), raised.value.everywhere

    assert run_ranks(ranks, rank) == [(message.replace("«»", EFFECT), True)] * ranks
    assert {*os.listdir()} == before


def test_a_refusal_is_one_line_and_exit_code_2(x, write, dtrain):
    ended = dtrain("train", write({**CHANGES, "train.batch_size": 1}), "--out", "run")
    message = REFUSED["batches"][1].replace("«»", EFFECT)
    assert (ended.code, ended.out, ended.err) == (2, "", f"dtrain: {message}\n")
    assert not Path("run").exists()


ALLOWED = {
    "several places a row": {
        "train.batch_size": 1,
        "network.0.name": "batch_norm",
        "data.path": "images.npz",
    },
    "all features of a row": {"train.batch_size": 1, "network.0.name": "scalar_norm"},
    "a layer without statistics": {"train.batch_size": 1, "network.0.name": "tanh"},
    "statistics of the whole set": {"train.batch_size": 1, "network.0.name": "standardize"},
}


@pytest.mark.parametrize("changes", ALLOWED.values(), ids=ALLOWED)
def test_one_row_is_enough_for(changes, x, write, dtrain):
    np.savez("images.npz", x=np.random.default_rng(0).normal(size=(8, 3, 2)), y=np.ones(8))
    network = [NORM, {"name": "flatten"}, DENSE]
    ended = dtrain("train", write({**CHANGES, "network": network, **changes, "train.epochs": 1}))
    assert (ended.code, warnings_in(ended.err)) == (0, [])


# ---------------------------------------------------------------------- warned about

REST = "layer 'batch_norm_1': the last batch of an epoch has 3 of the {} samples"
WARNED = {
    "last micro-batches": (
        {"train.batch_size": 10, "train.accumulate": 2},
        [f"{REST.format(33)}, with 1 row in a micro-batch: {LAST}"],
    ),
    "last groups": (
        {"train.batch_size": 16, "network.0.group": 2, "data.path": "35.npz"},
        [f"{REST.format(35)}, with 1 row in a group of shards: {LAST}"],
    ),
    "one feature": (
        {"data.path": "feature.npz", "network.0.name": "layer_norm"},
        [f"layer 'layer_norm_1': {EFFECT}; remove it"],
    ),
    "one feature, not centred": (
        {"data.path": "feature.npz", "network.0.name": "rms_norm"},
        [f"layer 'rms_norm_1': {RMS}; remove it"],
    ),
    "one place": (
        {"data.path": "place.npz", "network": [{"name": "instance_norm"}, {"name": "flatten"}, DENSE]},
        [f"layer 'instance_norm_1': {EFFECT}; remove it"],
    ),
    "groups of one channel at one place": (
        {"network.0": {"name": "group_norm", "groups": 4}},
        [f"layer 'group_norm_1': {EFFECT}; remove it"],
    ),
    "several places": (
        {"data.path": "place.npz", "network": [{"name": "layer_norm"}, {"name": "flatten"}, DENSE]},
        [],
    ),
}


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("changes", "lines"), WARNED.values(), ids=WARNED)
def test_what_is_seldom_or_learns_nothing_gets_a_line(
    changes, lines, ranks, x, config, on_ranks, elsewhere, capfd
):
    np.savez("35.npz", x=np.concatenate([x, x[:2] + 1]), y=np.ones(35))
    on_ranks(ranks, config({**CHANGES, **changes, "train.epochs": 1}), elsewhere / "out")
    assert warnings_in(capfd.readouterr().err) == [f"dtrain: warning: {line}" for line in lines]


def test_the_line_comes_before_the_first_step_and_not_after_a_resume(x, write, dtrain):
    path = write({**CHANGES, "train.epochs": 1})
    first, second, *_ = dtrain("train", path, "--out", "out").err.splitlines()
    assert first.startswith("run: ")
    assert second.startswith("dtrain: warning: layer 'batch_norm_1': the last batch")
    ended = dtrain("train", "--resume", "--out", "out", "--set", "train.epochs=2")
    assert (ended.code, warnings_in(ended.err)) == (0, [])


@pytest.mark.parametrize("norm", ["batch_norm", "whiten_batch", "scalar_norm"])
def test_a_last_batch_of_one_row_ends_in_the_same_bits_on_any_number_of_ranks(norm, x, config, sha):
    tables = config({**CHANGES, "network.0.name": norm, "train.epochs": 3, "train.batch_size": 8})
    assert len({sha(tables, ranks) for ranks in (1, 2, 3)}) == 1
