"""Every built-in layer, activation and loss gives exact products with second derivatives, or is refused."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import prod

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.contracts import ArrayRows, Solver
from dtrain.engine import Network
from dtrain.testing.data import sample
from dtrain.testing.guard import Column
from dtrain.testing.plain import Half, Linear, Pull, Shaped
from dtrain.testing.subject import subjects
from tests.plugins.support import initializer, registry
from tests.support import Job

ROWS = 6
REFUSED = {
    "sign": "a stand-in gradient goes back: there is no function whose second derivative it is",
    "step": "a stand-in gradient goes back: there is no function whose second derivative it is",
    "activity_regularizer": "its penalty is in no loss, with an l1 or l2",
}
"""name → why a part has no second derivative."""

RANGES = {
    "exp": (-2.0, 2.0),
    **dict.fromkeys(("binary_cross_entropy", "cross_entropy", "kl_divergence", "poisson"), (0.05, 0.95)),
}
"""name → where y lies, other than in the part's examples: where differences of e^y or of 1/y are precise."""

EVERY = [
    pytest.param(subject, id=f"{kind}.{name}{'-' + text if text else ''}")
    for kind in ("layers", "activations", "losses")
    for name in registry().names(kind)
    for text, subject in subjects(kind, name, {}, registry())
]


class Look(Solver):
    """Does something with the problem, and moves nothing."""

    lr = 1.0

    def __init__(self, do):
        self.do, self.seen = do, None

    def solve(self, problem):
        self.seen = self.do(problem)
        return problem.value


def around(subject):
    """A network with parameters in front of the part and behind it, and a loss."""
    layers = []
    subject.range = RANGES.get(subject.name, subject.range)
    if not subject.whole:
        layers = [("linear", Linear(prod(subject.flat_input), Half())), ("shape", Shaped(subject))]
    part = subject.make()
    if subject.kind == "losses":
        return layers, part
    cuts = list(pairwise(accumulate(map(prod, subject.inputs or ()), initial=0)))
    for i, (a, b) in enumerate(cuts):
        column = Column(a, b, subject.inputs[i])
        column.inputs = ("shape",)
        layers.append((f"part_{i}", column))
    part.inputs = tuple(f"part_{i}" for i in range(len(cuts)))
    return [*layers, ("part", part), ("last", Linear(3, Half()))], Pull()


def looked(subject, do, dtype=np.float64):
    layers, loss = around(subject)
    data = sample(subject, ROWS)
    x = data.x if subject.whole else np.cos(np.arange(ROWS * 4)).reshape(ROWS, 4)
    net = Network(layers, x.shape[1:], dtype, initializer)
    look = Look(do)
    target = data.target if subject.kind == "losses" else None
    job = Job(
        SerialCommunicator(), net, loss, look, ArrayRows(x.astype(dtype), target), batch_size=ROWS, shards=2
    )
    assert job.train(1) == [True]
    return look.seen


def by_differences(problem, v):
    """H·v by differences of gradients, fourth order: what the part's own backward says, a little way off."""
    h = 1e-4 / problem.norm(v)
    left2, left, right, right2 = (
        problem.loss_and_gradient(problem.value + s * h * v)[1] for s in (-2, -1, 1, 2)
    )
    return (8 * (right - left) - (right2 - left2)) / (12 * h)


def direction(problem):
    return np.where(problem.gradient, np.sin(1.0 + np.arange(len(problem.value))), 0)


def both(problem):
    v = direction(problem)
    return problem.hessian_product(v), by_differences(problem, v)


@pytest.mark.parametrize("subject", EVERY)
def test_a_product_is_the_derivative_of_the_gradient(subject):
    if getattr(subject.make(), "surrogate", ""):
        assert subject.name in REFUSED
        return
    product, expected = looked(subject, both)
    assert np.abs(expected).max() > 1e-3
    assert np.abs(product - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("subject", EVERY)
def test_a_product_in_float32_is_that_of_float64(subject):
    if getattr(subject.make(), "surrogate", ""):
        return
    wide, narrow = (
        looked(
            subject, lambda p: (p.hessian_product(direction(p)), p.gauss_newton_product(direction(p))), dtype
        )
        for dtype in (np.float64, np.float32)
    )
    for a, b in zip(wide, narrow, strict=True):
        assert b.dtype == np.float32
        assert np.abs(a - b).max() <= 1e-4 * max(np.abs(wide).max(), 1e-2)
