"""Losses and metrics: sums over rows, shard by shard, and one division at the end."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dtrain.contracts import Loss, Metric
from dtrain.data.batches import Batch
from dtrain.engine import shard_bounds
from dtrain.trainer.figures import Figures, names_of
from dtrain_plugins.losses.mse import Mse
from tests.support import assert_same_bits, in_context, refused


class Errors(Metric):
    """Two sums a row; the result is their ratio."""

    def forward(self, y, target, context):
        return np.stack([np.abs(y[:, 0]), np.ones(len(y))], axis=1)

    def result(self, sums, count):
        return float(sums[0] / sums[1]) if count else 0.0


class First(Metric):
    def forward(self, y, target, context):
        return y[:, 0]


Y = np.random.default_rng(0).standard_normal((61, 2)).astype(np.float32)
T = np.random.default_rng(1).standard_normal((61, 2)).astype(np.float32)


def columns(ranks, rows, figures):
    def body(context, mine):
        made = figures()
        sums, _ = made.of(Y[:rows][mine], Batch(context.layout, 0, Y[:rows][mine], T[:rows][mine]), context)
        assert context.layer == "loss"
        return sums

    return np.concatenate(in_context(ranks, rows, body))


@pytest.mark.parametrize("rows", [0, 3, 61])
def test_each_shard_has_its_sums_of_loss_weight_and_metrics_and_room_for_a_word(rows):
    def figures():
        return Figures(Mse(), {"errors": Errors(), "first": First()})

    found = columns(1, rows, figures)
    loss = ((Y - T) ** 2).mean(axis=1)
    table = np.stack([loss, np.ones(61), np.abs(Y[:, 0]), np.ones(61), Y[:, 0], np.zeros(61)], axis=1).astype(
        float
    )
    bounds = shard_bounds(rows, 8)
    assert found.dtype == np.float64
    expected = [table[a:b].sum(axis=0) for a, b in pairwise(bounds)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    for ranks in (2, 3, 5):
        assert_same_bits(columns(ranks, rows, figures), found)


def test_results_are_one_division_of_the_totals():
    figures = Figures(Mse(), {"errors": Errors(), "first": First()})
    figures.widths = [2, 1]
    assert figures.result(np.array([6.0, 3, 8, 2, 5]), 10) == {"loss": 2.0, "errors": 4.0, "first": 0.5}


def test_the_loss_of_no_weight_is_not_a_number():
    assert np.isnan(Figures(Mse(), {}).result(np.zeros(2), 0)["loss"])


def test_weights_of_a_loss_are_summed_beside_it():
    class Weighted(Loss):
        def forward(self, y, target, context):
            return (y[:, 0] * 3, np.full(len(y), 3.0)), lambda: y

    total = columns(1, 61, lambda: Figures(Weighted(), {})).sum(axis=0)
    np.testing.assert_allclose(total, [3 * Y[:, 0].sum(dtype=float), 183, 0], rtol=1e-5)


def test_rows_of_a_changing_number_do_not_disturb_each_other():
    figures = Figures(Mse(), {"first": First()})
    kept = [columns(1, rows, lambda: figures) for rows in (61, 3, 61)]
    assert_same_bits(kept[2], kept[0])


def test_a_metric_knows_the_loss_of_its_run():
    loss, metric = Mse(), First()
    assert (metric.loss.threshold, metric.loss.predict(Y) is Y) == (0.5, True)
    Figures(loss, {"first": metric})
    assert metric.loss is loss


class Fails(Loss, Metric):
    def forward(self, y, target, context):
        raise ZeroDivisionError("boom")


def test_an_error_names_the_loss_or_the_metric():
    with refused(ZeroDivisionError, "boom", "in the loss Fails", "on rank 0 of 1"):
        columns(1, 3, lambda: Figures(Fails(), {}))
    with refused(ZeroDivisionError, "boom", "in the metric Fails", "on rank 0 of 1"):
        columns(1, 3, lambda: Figures(Mse(), {"fails": Fails()}))


def test_names_of_metrics_are_made_unique():
    assert names_of(["a", "top_k", "top_k", "top_k"]) == ["a", "top_k", "top_k_2", "top_k_3"]
    assert names_of([]) == []
