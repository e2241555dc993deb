# ruff: noqa: E501 (each message stands in full on one line)
"""The picture of a fit: what is on it, who draws it, and what it asks of a run."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager

import numpy as np
import pytest

from dtrain import ArrayRows, ConfigError
from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.trainer import train_session
from dtrain_plugins.callbacks import plot_fit
from dtrain_plugins.callbacks.plot_fit import PlotFit
from tests.plugins.support import message_of

X = np.linspace(-2, 4, 5001)[:, None]


class Ended:
    """A `Run` that has ended, whose net is y = x²."""

    step, train, validation = 1200, {"loss": 0.25}, {"loss": 0.125}

    def __init__(self, folder, x=X, y=None, outputs=1):
        self.writes_to, self.outputs = folder, outputs
        self.samples = ArrayRows(x, x[:, 0] ** 2 if y is None else y)
        self.asked = []

    def predict(self, x):
        self.asked.append(x)
        return np.repeat(x**2, self.outputs, axis=1)


@pytest.fixture
def pictures(monkeypatch):
    """The axes of each picture that was drawn."""
    drawn = []
    drawing = plot_fit.drawing

    @contextmanager
    def kept(*arguments):
        with drawing(*arguments) as axes:
            drawn.append(axes)
            yield axes

    monkeypatch.setattr(plot_fit, "drawing", kept)
    return drawn


def test_the_picture_shows_the_data_and_the_function_of_the_net(tmp_path, pictures):
    run = Ended(tmp_path)
    PlotFit().end(run)
    (axes,) = pictures
    data, net = (line.get_xydata() for line in axes.get_lines())
    assert len(data) == 2000
    assert data[[0, -1]].tolist() == [[-2, 4], [4, 16]]
    assert net == pytest.approx(np.column_stack([np.linspace(-2, 4, 801), np.linspace(-2, 4, 801) ** 2]))
    assert axes.get_title() == "After 1,200 steps: training loss 0.25, validation loss 0.125"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["data", "the net"]
    assert (tmp_path / "fit.png").stat().st_size > 10_000


def test_its_title_can_be_chosen_and_several_outputs_have_a_curve_each(tmp_path, pictures):
    PlotFit("bumps").end(Ended(tmp_path, y=np.ones((5001, 2)), outputs=2))
    (axes,) = pictures
    assert axes.get_title() == "bumps"
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["data, y[0]", "data, y[1]", "the net, y[0]", "the net, y[1]"]


def test_a_rank_that_does_not_write_takes_part_in_the_prediction_and_draws_nothing(pictures):
    run = Ended(None)
    PlotFit().end(run)
    assert len(run.asked) == 1
    assert pictures == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ArrayRows(np.ones((3, 2)), np.ones(3)), "plot_fit draws nets of one input, samples of shape (1,), got (2,); leave it out"),
        (ArrayRows(np.ones((3, 1))), "plot_fit draws the targets of the training samples, got none; leave it out"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_drawn_is_refused_at_the_start(rows, message):
    run = Ended(None)
    run.samples = rows
    assert message_of(ConfigError, lambda: PlotFit().start(run)) == message


def test_only_the_rank_that_draws_needs_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    PlotFit().start(Ended(None))
    with pytest.raises(ConfigError, match="plot_fit draws with matplotlib, which is not installed"):
        PlotFit().start(Ended(tmp_path))


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_run_on_any_number_of_ranks_leaves_the_same_picture(ranks, tmp_path):
    tables = {
        "data": {"name": "curve", "samples": 30},
        "network": [{"name": "dense", "units": 1}],
        "loss": {"name": "mse"},
        "optimizer": {"name": "sgd"},
        "train": {"epochs": 2, "batch_size": 7},
        "callback": [{"name": "plot_fit"}],
    }

    def pictured(ranks):
        out = tmp_path / str(ranks)
        run_ranks(ranks, lambda communicator: train_session(lambda: load(tables), communicator, out))
        return (out / "fit.png").read_bytes()

    assert pictured(ranks) == pictured(2)
