"""What a run watches, its schedules and its best checkpoint, may be a metric; the metric says which way is better."""

from __future__ import annotations

import json

import pytest

from dtrain.errors import ConfigError
from dtrain.trainer.checkpoint import read
from tests.support import refused

PLATEAU = {"name": "plateau", "patience": 1, "factor": 0.5, "minimum_change": 0.0, "unit": "epoch"}
METRICS = ["accuracy", "perplexity"]


def epochs(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def factors(values, sign):
    """The factors that plateau gives, by a loop: halved after an epoch without improvement."""
    best, now, found = float("inf"), 1.0, []
    for value in values:
        if sign * value < best:
            best = sign * value
        else:
            now /= 2
        found.append(now)
    return found


@pytest.mark.parametrize(("metric", "sign"), [("loss", 1), ("accuracy", -1), ("perplexity", 1)])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_plateau_watches_a_metric_the_way_it_is_better(metric, sign, ranks, config, on_ranks, elsewhere):
    tables = config(
        {
            "schedule": [{**PLATEAU, "metric": metric}],
            "train.epochs": 12,
            "train.metrics": METRICS,
            "optimizer.lr": 0.2,
        }
    )
    on_ranks(ranks, tables, elsewhere / "out")
    lines = epochs(elsewhere / "out")
    watched = [line["validation"][metric] for line in lines]
    expected = [0.2, *(0.2 * factor for factor in factors(watched, sign)[:-1])]
    assert [line["lr"] for line in lines] == pytest.approx(expected)
    assert len(set(expected)) > 2


@pytest.mark.parametrize(("metric", "best"), [("accuracy", max), ("perplexity", min), (True, min)])
def test_the_best_checkpoint_is_that_of_the_best_metric(metric, best, config, on_ranks, elsewhere):
    tables = config(
        {"train.epochs": 10, "train.metrics": METRICS, "optimizer.lr": 0.3, "checkpoint": {"best": metric}}
    )
    on_ranks(1, tables, elsewhere / "out")
    values = [line["validation"]["loss" if metric is True else metric] for line in epochs(elsewhere / "out")]
    cursor = read(elsewhere / "out" / "checkpoints" / "best.safetensors").cursor
    assert cursor["epoch"] == 1 + values.index(best(values))
    assert cursor["epoch"] != 10 or metric is not True
    assert cursor["best_of"] == ("loss" if metric is True else metric)


def test_a_resumed_run_forgets_the_best_of_another_figure(config, on_ranks, elsewhere):
    tables = {"train.epochs": 4, "train.metrics": METRICS, "checkpoint": {"best": "accuracy"}}
    on_ranks(1, config(tables), elsewhere / "out")
    tables |= {"train.epochs": 5, "checkpoint": {"best": "perplexity"}}
    on_ranks(1, config(tables), elsewhere / "out", resume=True)
    last = epochs(elsewhere / "out")[-1]
    cursor = read(elsewhere / "out" / "checkpoints" / "best.safetensors").cursor
    assert (cursor["epoch"], cursor["best"]) == (5, last["validation"]["perplexity"])


MEASURED = "expected a figure that the run measures, 'loss', 'accuracy', got 'acuracy'"
MEANT = "; did you mean 'accuracy'?; add it to [train] metrics"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"schedule": [{**PLATEAU, "metric": "acuracy"}]}, "[[schedule]] #1 metric"),
        (
            {"schedule": [{"name": "warmup", "length": 2, "then": {"name": "plateau", "metric": "acuracy"}}]},
            "[[schedule]] #1 metric",
        ),
        ({"checkpoint": {"best": "acuracy"}}, "[checkpoint] best"),
    ],
)
def test_a_figure_that_is_not_measured_is_refused(change, where, config, elsewhere):
    from dtrain.communicator import SerialCommunicator
    from dtrain.config import load
    from dtrain.trainer import train_session

    with refused(ConfigError, f"{where}: {MEASURED}{MEANT}"):
        train_session(lambda: load(config(change)), SerialCommunicator(), elsewhere / "out")
    assert not (elsewhere / "out").exists()
