"""Draws in training, and not where predictions are drawn."""

from __future__ import annotations

from dtrain import Layer

from .table import broken


@broken("layers", "sampling")
class DrawsInTrainingOnly(Layer):
    """Monte-Carlo dropout would leave it out."""

    def forward(self, x, context):
        if not context.training:
            return x, lambda dy: dy
        mask = context.bernoulli(x.shape, 0.5).astype(x.dtype)
        return x * mask, lambda dy: dy * mask
