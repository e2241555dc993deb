"""Losses against PyTorch's, row by row."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest

from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.plugins.support import built
from tests.pytorch.support import compare_loss, dtypes, numbers, torch

F = torch.nn.functional
ROWS, OUTPUTS = 9, 5


def mean(each):
    """A row's loss is the mean over its outputs, as PyTorch's over all of a batch."""
    return each.mean(dim=1)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


REAL = numbers(ROWS, OUTPUTS, seed=1)
UNIT = 1 / (1 + np.exp(-REAL))
SIGNS = np.sign(REAL)
COUNTS = np.floor(np.abs(REAL) * 3)
CLASSES = np.arange(ROWS) % OUTPUTS
Y = numbers(ROWS, OUTPUTS) * 2
P = 1 / (1 + np.exp(-Y))

WEIGHTS = [0.5, 2.0, 1.0, 0.25, 3.0]


def weighted_and_smoothed(options):
    """PyTorch's with these options: its numbers a row, and its mean where classes have weights."""
    weights, smoothing = options.get("class_weights"), options.get("label_smoothing", 0.0)

    def theirs(y, target):
        given = None if weights is None else torch.tensor(weights, dtype=y.dtype)
        rows, mean = (
            F.cross_entropy(y, target, given, label_smoothing=smoothing, reduction=reduction)
            for reduction in ("none", "mean")
        )
        return rows if weights is None else (rows, mean)

    return theirs


SOFTMAX = [
    ("softmax_cross_entropy", options, Y, CLASSES, weighted_and_smoothed(options))
    for options in (
        {},
        {"label_smoothing": 0.1},
        {"class_weights": WEIGHTS},
        {"label_smoothing": 0.2, "class_weights": WEIGHTS},
    )
    if options.keys() <= signature(SoftmaxCrossEntropy).parameters.keys()
]
TABLE = [
    *SOFTMAX,
    ("mse", {}, Y, REAL, lambda y, t: mean(F.mse_loss(y, t, reduction="none"))),
    ("mae", {}, Y, REAL, lambda y, t: mean(F.l1_loss(y, t, reduction="none"))),
    ("huber", {}, Y, REAL, lambda y, t: mean(F.huber_loss(y, t, reduction="none"))),
    ("huber", {"delta": 0.5}, Y, REAL, lambda y, t: mean(F.huber_loss(y, t, reduction="none", delta=0.5))),
    ("lp", {"p": 1.0}, Y, REAL, lambda y, t: torch.linalg.vector_norm(y - t, 1, dim=1)),
    ("lp", {"p": 2.0}, Y, REAL, lambda y, t: torch.linalg.vector_norm(y - t, 2, dim=1)),
    ("lp", {"p": 3.5}, Y, REAL, lambda y, t: torch.linalg.vector_norm(y - t, 3.5, dim=1)),
    ("lp", {"p": "inf"}, Y, REAL, lambda y, t: torch.linalg.vector_norm(y - t, float("inf"), dim=1)),
    (
        "binary_cross_entropy",
        {},
        P,
        UNIT,
        lambda y, t: mean(F.binary_cross_entropy(y, t, reduction="none")),
    ),
    (
        "binary_cross_entropy",
        {"from_logits": True},
        Y,
        UNIT,
        lambda y, t: mean(F.binary_cross_entropy_with_logits(y, t, reduction="none")),
    ),
    ("cross_entropy", {}, softmax(Y), CLASSES, lambda y, t: F.nll_loss(y.log(), t, reduction="none")),
    (
        "kl_divergence",
        {},
        softmax(Y),
        softmax(REAL),
        lambda y, t: F.kl_div(y.log(), t, reduction="none").sum(dim=1),
    ),
    (
        "poisson",
        {},
        P,
        COUNTS,
        # Its eps is added to every rate; ours is a floor.
        lambda y, t: mean(F.poisson_nll_loss(y, t, log_input=False, eps=0.0, reduction="none")),
    ),
    (
        "poisson",
        {"log_rates": True},
        Y,
        COUNTS,
        lambda y, t: mean(F.poisson_nll_loss(y, t, reduction="none")),
    ),
    (
        "hinge",
        {},
        Y,
        SIGNS,
        # Of a target −1 it is max(0, margin − input): the hinge of t·y.
        lambda y, t: mean(F.hinge_embedding_loss(t * y, -torch.ones_like(y), margin=1.0, reduction="none")),
    ),
    (
        "perceptron",
        {},
        Y,
        SIGNS,
        lambda y, t: F.hinge_embedding_loss(t * y, -torch.ones_like(y), margin=0.0, reduction="none").sum(
            dim=1
        ),
    ),
    (
        "hinge",
        {"multi_class": True},
        Y[:, :2],
        CLASSES % 2,
        # Its sum over all rivals, over K, is our greatest rival's where there is but one: K = 2.
        lambda y, t: 2 * F.multi_margin_loss(y, t, reduction="none"),
    ),
]


@pytest.mark.parametrize(("name", "options", "y", "target", "theirs"), TABLE, ids=lambda v: str(v)[:24])
@dtypes
def test_agrees(name, options, y, target, theirs, dtype):
    compare_loss(built("losses", name, options), theirs, y, target, dtype)


@dtypes
def test_softmax_cross_entropy_agrees_at_every_place_of_a_row(dtype):
    def theirs(y, target):
        return F.cross_entropy(y.movedim(-1, 1), target, reduction="none").sum(dim=(1, 2))

    target = np.arange(ROWS * 6).reshape(ROWS, 2, 3) % 4
    compare_loss(built("losses", "softmax_cross_entropy", {}), theirs, numbers(ROWS, 2, 3, 4), target, dtype)
