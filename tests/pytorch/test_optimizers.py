"""Optimizers against PyTorch's: fifty updates on a function with hills and valleys, point by point.

Each side takes the gradient at its own points.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.plugins.optimizers.support import START, Pad, gradient
from tests.plugins.support import built, distance
from tests.pytorch.support import BOUNDS, dtypes, torch

T = torch.optim
STEPS = 50
LATE = 10**6
"""A step whose bias corrections are 1 − 0."""

TABLE = [
    ("sgd", {"lr": 0.02}, partial(T.SGD, lr=0.02)),
    ("momentum", {"lr": 0.01, "momentum": 0.8}, partial(T.SGD, lr=0.01, momentum=0.8)),
    ("nesterov", {"lr": 0.01, "momentum": 0.8}, partial(T.SGD, lr=0.01, momentum=0.8, nesterov=True)),
    (
        "adagrad",
        {"lr": 0.1, "epsilon": 0.01},
        # √(G + ε) is a sum that starts at ε, with nothing added outside the root.
        partial(T.Adagrad, lr=0.1, initial_accumulator_value=0.01, eps=0.0),
    ),
    ("rmsprop", {"lr": 0.01, "rho": 0.8, "epsilon": 0.01}, partial(T.RMSprop, lr=0.01, alpha=0.8, eps=0.01)),
    ("adadelta", {"lr": 2.0, "rho": 0.9}, partial(T.Adadelta, lr=2.0, rho=0.9)),
    ("adam", {"lr": 0.02}, partial(T.Adam, lr=0.02)),
    (
        "adam",
        {"lr": 0.02, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.1},
        partial(T.Adam, lr=0.02, betas=(0.8, 0.9), eps=0.1),
    ),
    ("adamw", {"lr": 0.02, "weight_decay": 0.1}, partial(T.AdamW, lr=0.02, weight_decay=0.1)),
    # At a momentum_decay so great, β₁'s warm-up is over at once, which `nadam` has not.
    ("nadam", {"lr": 0.02}, partial(T.NAdam, lr=0.02, momentum_decay=1e9)),
]


def ours(name, options, dtype, steps):
    optimizer, value, points = built("optimizers", name, options), START.astype(dtype), []
    slots = [np.zeros(len(value), dtype) for _ in optimizer.slots]
    for step in steps:
        optimizer.update(value, np.array(gradient(value.tolist()), dtype), Pad(dtype, step), *slots)
        points.append(value.copy())
    return np.array(points)


def f(w):
    """What `gradient` is the gradient of."""
    return (torch.sin(3 * w) + w * w / 4 + torch.exp(-w * w) * torch.roll(w, -1)).sum()


@pytest.fixture(autouse=True)
def _counts_in_float64():
    """NAdam keeps its product of momenta in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def theirs(make, dtype, steps, state=None):
    """With PyTorch's own gradient, in float64 as `gradient` is."""
    value, points = torch.tensor(START.astype(dtype), requires_grad=True), []
    optimizer = make([value], foreach=False)
    optimizer.state[value].update(state or {})
    for _ in steps:
        wide = value.detach().double().requires_grad_()
        (slope,) = torch.autograd.grad(f(wide), wide)
        value.grad = slope.to(value.dtype)
        optimizer.step()
        points.append(value.detach().numpy().copy())
    return np.array(points)


@pytest.mark.parametrize(("name", "options", "make"), TABLE, ids=lambda value: str(value)[:40])
@dtypes
def test_goes_the_same_way(name, options, make, dtype):
    steps = range(1, STEPS + 1)
    points = ours(name, options, dtype, steps)
    assert distance(points, theirs(make, dtype, steps)) <= BOUNDS[dtype]
    assert distance(points[-1], START) > 0.05


@dtypes
def test_amsgrad_goes_the_same_way_where_nothing_is_left_to_correct(dtype):
    """PyTorch takes the greatest v and corrects it, `amsgrad` the greatest corrected v."""
    steps = range(LATE, LATE + STEPS)
    options, adam = {"lr": 0.002, "beta_1": 0.8, "beta_2": 0.9}, partial(T.Adam, lr=0.002, betas=(0.8, 0.9))
    points = ours("amsgrad", options, dtype, steps)
    expected = theirs(partial(adam, amsgrad=True), dtype, steps, begun(dtype, 3))
    assert distance(points, expected) <= BOUNDS[dtype]
    plain = theirs(adam, dtype, steps, begun(dtype, 2))
    assert distance(plain, expected) > 100 * BOUNDS[dtype]  # the maximum is at work


def begun(dtype, slots):
    """PyTorch's state of an optimizer whose next step is LATE, and whose slots are 0."""
    names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[:slots]
    zeros = np.zeros(len(START), dtype)
    return {"step": torch.tensor(LATE - 1.0)} | {name: torch.tensor(zeros) for name in names}
