"""R² of a run whose targets lie far from zero: in training, in validation, afterwards, and after a resume mid-epoch."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.inference import evaluate_run, load_model

RUN = {
    "data": {"name": "npz", "path": "far.npz"},
    "network": [{"name": "dense", "units": 2}],
    "loss": {"name": "mse"},
    "optimizer": {"name": "sgd", "lr": 1e-40},
    "train": {"epochs": 2, "batch_size": 16, "metrics": ["r2"], "dtype": "float64"},
    "checkpoint": {"steps": 1, "keep": 100},
}
"""The weights stay as they are, so that the figures of an epoch are those of one network."""


@pytest.fixture
def far(elsewhere):
    """Targets 10⁹ deviations above zero to train on, and as many below to validate on."""
    random = np.random.default_rng(0)
    x, held_out = random.standard_normal((60, 4)), random.standard_normal((20, 4))
    y, y_held_out = 1e9 + random.standard_normal((60, 2)), -1e9 + random.standard_normal((20, 2))
    np.savez("far.npz", x=x, y=y, x_validation=held_out, y_validation=y_held_out)
    return {"train": (x, y), "validation": (held_out, y_held_out)}


def exact(y, t):
    """1 − R², in fractions: the mean over the outputs."""
    shares = []
    for predicted, column in zip(y.T.tolist(), t.T.tolist(), strict=True):
        column = list(map(Fraction, column))
        mean = sum(column) / len(column)
        off = sum((a - b) ** 2 for a, b in zip(map(Fraction, predicted), column, strict=True))
        shares.append(off / sum((b - mean) ** 2 for b in column))
    return float(sum(shares) / 2)


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_r2_is_right_and_the_same_on_any_ranks(far, on_ranks, elsewhere):
    on_ranks(1, RUN, elsewhere / "one")
    model = load_model(elsewhere / "one")
    found = summary(elsewhere / "one")
    for split, (x, t) in far.items():
        expected = exact(model.predict(x), t)
        assert 1 - found[split]["r2"] == pytest.approx(expected, rel=1e-13)
        evaluation = evaluate_run(SerialCommunicator(), elsewhere / "one", split=split)
        assert 1 - evaluation.figures["r2"] == pytest.approx(expected, rel=1e-13)
    for ranks in (2, 3):
        on_ranks(ranks, RUN, elsewhere / f"{ranks}")
        assert summary(elsewhere / f"{ranks}")["train"] == found["train"]
        assert summary(elsewhere / f"{ranks}")["validation"] == found["validation"]


def test_r2_of_an_epoch_that_was_resumed_in_its_middle_is_the_same(far, on_ranks, elsewhere):
    on_ranks(1, RUN, elsewhere / "whole")
    shutil.copytree(elsewhere / "whole", elsewhere / "cut")
    (elsewhere / "cut" / "summary.json").unlink()
    for path in sorted((elsewhere / "cut" / "checkpoints").glob("step-*"))[6:]:
        path.unlink()
    on_ranks(2, RUN, elsewhere / "cut", resume=True)
    for split in far:
        assert summary(elsewhere / "cut")[split] == summary(elsewhere / "whole")[split]
