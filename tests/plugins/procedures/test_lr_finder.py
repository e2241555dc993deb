"""The range test: on losses that are given, and on real runs."""

from __future__ import annotations

import csv
import json
from math import exp, expm1, inf, log, nan

import numpy as np
import pytest

from dtrain import ConfigError, Taken
from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.trainer import train_session
from dtrain_plugins.procedures import lr_finder
from dtrain_plugins.procedures.lr_finder import LrFinder
from tests.plugins.support import message_of


@pytest.fixture(autouse=True)
def can_plot(monkeypatch):
    """can_plot(True): from here on pictures are drawn, which takes a while."""

    def whether(answer):
        monkeypatch.setattr(lr_finder, "can_plot", lambda: answer)

    whether(False)
    return whether


class Given:
    """A `Course` whose loss is a function of lr."""

    def __init__(self, loss, folder=None, updates=lambda lr: True, ends=inf):
        self.loss, self.writes_to, self.updates, self.ends = loss, folder, updates, ends
        self.options = {"lr": 0.1}
        self.rates, self.noted, self.said, self.rewound = [], {}, [], []

    @property
    def stopped(self):
        return len(self.rates) >= self.ends

    def take_step(self, options):
        self.rates.append(options["lr"])
        return Taken(self.loss(options["lr"]), self.updates(options["lr"]))

    def mark(self):
        return len(self.rates)

    def rewind(self, mark):
        self.rewound.append((mark, len(self.rates)))

    def note(self, **figures):
        self.noted |= figures

    def say(self, text):
        self.said.append(text)


def valley(lr):
    """Falls fastest at 1e-3, least at 1e-2, then rises."""
    t = log(lr, 10)
    return 3 - 2 / (1 + exp(-6 * (t + 3))) + (expm1(4 * (t + 2)) if t > -2 else 0)


def run(loss, **options):
    course = Given(loss, **{key: options.pop(key) for key in ("folder", "updates", "ends") if key in options})
    LrFinder(**{"smoothing": 0.0, "lowest": 1e-5, "highest": 1.0, "steps": 101} | options).run(course)
    return course


def test_rates_rise_by_equal_factors_from_the_lowest_to_the_highest():
    course = run(lambda lr: 1.0)
    assert course.rates == pytest.approx([10 ** (-5 + i / 20) for i in range(101)])
    assert course.rewound == [(0, 101)]


def test_it_suggests_where_the_loss_falls_fastest_and_a_tenth_of_where_it_is_least():
    course = run(valley)
    assert course.noted["steepest"] == pytest.approx(1e-3, rel=1e-6)
    assert course.noted["tenth"] == pytest.approx(1e-3, rel=1e-6)
    assert course.said == [
        "lr_finder: suggests lr 0.001 (where the loss falls fastest) or 0.001 (a tenth of the rate of the least "
        f"loss), after {len(course.rates)} steps"
    ]


@pytest.mark.parametrize("factor", [2.0, 4.0, 8.0])
def test_it_ends_where_the_loss_has_diverged(factor):
    rates = run(lambda lr: 1 + 1000 * lr, divergence=factor).rates
    assert 1 + 1000 * rates[-1] > factor * (1 + 1000 * rates[0]) >= 1 + 1000 * rates[-2]


def test_a_negative_loss_diverges_too():
    rates = run(lambda lr: -2 + 1000 * lr, divergence=2.0).rates
    assert 1000 * (rates[-1] - rates[0]) > 2 - 1000 * rates[0] >= 1000 * (rates[-2] - rates[0])


def test_the_smoothed_loss_is_a_running_average_without_the_bias_of_its_start(tmp_path):
    losses = iter(np.random.Generator(np.random.Philox(4)).uniform(1, 2, 20))
    run(lambda lr: float(next(losses)), smoothing=0.8, steps=20, folder=tmp_path)
    rows = list(csv.DictReader((tmp_path / "lr_finder.csv").read_text().splitlines()))
    loss = [float(row["loss"]) for row in rows]
    for i, row in enumerate(rows):
        weights = 0.8 ** np.arange(i, -1, -1)
        assert float(row["smoothed"]) == pytest.approx(np.average(loss[: i + 1], weights=weights))
    assert [row["step"] for row in rows] == [str(i) for i in range(1, 21)]


@pytest.mark.parametrize("wrong", [nan, inf])
def test_a_loss_that_is_not_finite_ends_it_and_stands_in_no_figure(wrong, tmp_path):
    course = run(lambda lr: valley(lr) if lr < 2e-2 else wrong, folder=tmp_path)
    assert course.rates[-1] >= 2e-2 > course.rates[-2]
    assert len((tmp_path / "lr_finder.csv").read_text().splitlines()) == len(course.rates)
    assert course.noted["steepest"] == pytest.approx(1e-3, rel=1e-6)


def test_a_gradient_that_is_not_finite_and_a_run_that_is_to_end_end_it():
    assert run(valley, updates=lambda lr: lr < 1e-4).rates[-1] == pytest.approx(1e-4)
    assert len(run(valley, ends=7).rates) == 7


@pytest.mark.parametrize(
    ("loss", "why"), [(lambda lr: nan, "was never finite"), (lambda lr: 1 + lr, "did not fall")]
)
def test_without_a_fall_there_is_no_suggestion(loss, why, tmp_path):
    course = run(loss, folder=tmp_path)
    assert (course.noted["steepest"], course.noted["tenth"]) == (None, None)
    assert course.said == [f"lr_finder: no suggestion: the loss {why} from lr 1e-05 on; test a lower range"]


def test_the_picture_is_drawn_where_matplotlib_is_and_the_figures_in_any_case(tmp_path, can_plot):
    run(valley, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lr_finder.csv"]
    can_plot(True)
    run(lambda lr: 1 + lr, folder=tmp_path)
    run(valley, folder=tmp_path)
    assert (tmp_path / "lr_finder.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 0.0}, "lowest must be positive, got 0.0"),
        ({"lowest": 1.0, "highest": 0.5}, "lowest must be below highest, got 1.0 and 0.5"),
        ({"steps": 9}, "steps must be at least 10, got 9"),
        ({"divergence": 1.0}, "divergence must be above 1, got 1.0"),
        ({"smoothing": 1.0}, "smoothing must be in [0, 1), got 1.0"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    assert message_of(ValueError, lambda: LrFinder(**options)) == message


def test_an_optimizer_without_lr_is_refused():
    course = Given(valley)
    course.options = {"rate": 1.0}
    assert message_of(ConfigError, lambda: LrFinder().start(course)) == (
        "lr_finder needs an optimizer with an option lr, got one without; choose another"
    )


TABLES = {
    "data": {"name": "iris", "validation": 0.2},
    "network": [{"name": "dense", "units": 9}, {"name": "batch_norm"}, "relu", {"name": "dense", "units": 3}],
    "loss": {"name": "softmax_cross_entropy"},
    "optimizer": {"name": "adam"},
    "schedule": [{"name": "cosine"}],
    "train": {"epochs": 2, "batch_size": 32, "metrics": ["accuracy"]},
    "procedure": {"name": "lr_finder", "steps": 30},
}
NOTHING = """
    from dtrain import Procedure, hookimpl
    class Nothing(Procedure):
        def run(self, course): pass
    @hookimpl
    def dtrain_procedures(): return {"nothing": Nothing}
"""


@pytest.fixture
def done(tmp_path):
    """done(ranks, changes) → (summary, bytes of lr_finder.csv)."""

    def of(ranks=1, changes=None, share_memory=True):
        def job(communicator):
            return train_session(lambda: load(TABLES, changes or {}), communicator, tmp_path, overwrite=True)

        result = run_ranks(ranks, job, share_memory)[0]
        return result.summary, (result.folder / "lr_finder.csv").read_bytes()

    return of


@pytest.mark.parametrize("share_memory", [True, False])
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_figures_are_the_same_on_any_number_of_ranks(ranks, share_memory, done):
    (one, figures), (many, same) = done(), done(ranks, share_memory=share_memory)
    assert figures == same
    assert one["weights_sha256"] == many["weights_sha256"]
    assert one["procedure"] == many["procedure"]
    assert many["ranks"] == ranks


def test_other_options_and_one_shard_less_give_other_figures(done):
    """The control: the bytes that are compared above depend on the data, the rates and the sums."""
    _, figures = done()
    assert done(changes={"seed": 1})[1] != figures
    assert done(changes={"procedure.highest": 1.0})[1] != figures
    assert done(changes={"train.shards": 7})[1] != figures


def test_the_run_ends_with_the_parameters_and_statistics_of_its_start(done, tmp_path):
    summary, figures = done()
    again, _ = done(changes={"procedure.lowest": 1e-9, "procedure.highest": 1e-8})
    assert again["weights_sha256"] == summary["weights_sha256"]
    assert (summary["steps"], summary["epochs"], summary["skipped"]) == (0, 0, 0)
    assert summary["procedure"]["name"] == "lr_finder"
    assert summary["procedure"]["steps"] == len(figures.splitlines()) - 1
    assert summary["train"].keys() == summary["validation"].keys() == {"loss", "accuracy"}
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["train"] == summary["train"]
    assert json.loads(line)["lr"] == 1e-3
