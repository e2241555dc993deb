"""Draws, moves state, or looks at other rows where nothing is trained."""

from __future__ import annotations

from dtrain import Layer

from .right import Hits, Square
from .right_layers import Double
from .table import broken


@broken("layers", "inference")
class DrawsInInference(Double):
    def forward(self, x, context):
        context.uniform(x.shape)
        return super().forward(x, context)


@broken("layers", "inference")
class DrawsForTheBatchInInference(Double):
    def forward(self, x, context):
        context.stream("mask")
        return super().forward(x, context)


@broken("layers", "inference", "same_bits", "state")
class BatchStatisticsInInference(Layer):
    def forward(self, x, context):
        n = max(context.rows, 1)
        return x - context.sum(x) / n, lambda dy: dy - context.sum(dy) / n


@broken("layers", "inference")
class ChangesStateInInference(Double):
    def build(self, shape, make):
        self.count = make.state("count", ())
        return shape

    def forward(self, x, context):
        if not context.training:
            self.count.value += 1
        return super().forward(x, context)


@broken("losses", "inference")
class LossThatDraws(Square):
    def forward(self, y, target, context):
        context.normal(y.shape)
        return super().forward(y, target, context)


@broken("metrics", "inference")
class MetricThatDraws(Hits):
    def forward(self, y, target, context):
        context.bernoulli(y.shape, 0.5)
        return super().forward(y, target, context)
