"""Loss, count and metrics of a batch: sums over rows, shard by shard, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain.contracts import Loss, Metric
    from dtrain.data import Batch
    from dtrain.engine import Context
    from dtrain.types import Array

    from .outputs import Look


class Figures:
    """Columns of numbers a row: loss, weight, then every metric's.

    metrics: name → part. The width of a metric is known after the first batch. look: says what is wrong with outputs
    of which the layers do not say where they lie; asked in evaluations only.
    """

    def __init__(self, loss: Loss, metrics: dict[str, Metric], look: Look | None = None) -> None:
        self.loss, self.metrics, self.look = loss, metrics, look
        for metric in metrics.values():
            metric.loss = loss
        self.widths: list[int] = []
        self._columns: dict[int, Array] = {}

    def refer(self, reference: Array | float) -> None:
        """Gives the metrics the `reference` of the data that the next batches belong to."""
        for metric in self.metrics.values():
            metric.reference = reference

    @contextmanager
    def referring(self, reference: Array | float) -> Iterator[None]:
        """Does the same while the block runs: then the sums of a pass in progress can be continued."""
        before = [metric.reference for metric in self.metrics.values()]
        self.refer(reference)
        try:
            yield
        finally:
            for metric, kept in zip(self.metrics.values(), before, strict=True):
                metric.reference = kept

    def of(
        self, y: Array, batch: Batch, context: Context, rows: int | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        """Returns the sums of each local shard, (shards, columns + 1), float64, and the loss's backward.

        The last column is 0: room for what a rank has to say. rows: how many of them count; None: all.
        """
        context.layer = "loss"
        try:
            values, backward = self.loss.forward(y, batch.y, context)  # type: ignore[arg-type]
        except Exception as error:
            error.add_note(f"in the loss {type(self.loss).__name__}")
            raise
        weights: Array | int = 1
        if isinstance(values, tuple):
            values, weights = values
        parts = [self._metric(metric, y, batch, context) for metric in self.metrics.values()]
        if not self.widths:
            self.widths = [1 if part.ndim == 1 else part.shape[1] for part in parts]
        columns = self._columns_of(len(y))
        columns[:, 0] = values
        columns[:, 1] = weights
        at = 2
        for part, width in zip(parts, self.widths, strict=True):
            if part.ndim == 1:
                columns[:, at] = part
            else:
                columns[:, at : at + width] = part
            at += width
        if rows is not None:
            columns[rows:] = 0
        sums = np.empty((context.layout.shards, at + 1))
        context.shard_sums(columns, sums)
        return sums, backward

    def _metric(self, metric: Metric, y: Array, batch: Batch, context: Context) -> Array:
        try:
            return metric.forward(y, batch.y, context)  # type: ignore[arg-type]
        except Exception as error:
            error.add_note(f"in the metric {type(metric).__name__}")
            raise

    def _columns_of(self, rows: int) -> Array:
        columns = self._columns.get(rows)
        if columns is None:
            columns = self._columns[rows] = np.ones((rows, 3 + sum(self.widths)))
            columns[:, -1] = 0
        return columns

    def result(self, sums: Array, samples: int) -> dict[str, float]:
        """Returns the figures for people, from totals of the columns: the mean loss and each metric's."""
        figures = {"loss": float(sums[0] / sums[1]) if sums[1] else float("nan")}
        at = 2
        for (name, metric), width in zip(self.metrics.items(), self.widths, strict=True):
            figures[name] = float(metric.result(sums[at : at + width], samples))
            at += width
        return figures


def names_of(metrics: Sequence[str]) -> list[str]:
    """Returns names made unique: a second `top_k` is `top_k_2`."""
    seen: dict[str, int] = {}
    names = []
    for name in metrics:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names
