"""PyTorch as the reference: the same numbers through a part and through torch's own function, both ways.

Axes: dtrain has the channels last, PyTorch first; `first` and `last` go between them.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.plugins.support import distance, frozen, lone_context, run_layer

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `python tests/run.py torch` brings it")

BOUNDS = {np.float32: 1e-5, np.float64: 1e-10}
"""Of ‖ours − theirs‖/‖theirs‖."""

dtypes = pytest.mark.parametrize("dtype", BOUNDS, ids=["float32", "float64"])


def tensor(array, dtype):
    """A copy that PyTorch differentiates with respect to."""
    return torch.tensor(np.asarray(array, dtype), requires_grad=True)


def first(x):
    """(rows, …, C) → (rows, C, …)."""
    return x.movedim(-1, 1)


def last(y):
    """(rows, C, …) → (rows, …, C)."""
    return y.movedim(1, -1)


def numbers(*shape, seed=0):
    return np.random.Generator(np.random.Philox(seed)).standard_normal(shape)


def compare(make, theirs, x, dtype, values=None, **options):
    """Compares y, dx and every parameter's gradient; returns what `run_layer` gave.

    theirs: (x, **parameters) → y, of tensors in dtrain's shapes. values: of the parameters.
    """
    values = {name: np.asarray(value, dtype) for name, value in (values or {}).items()}
    tensors = {name: tensor(value, dtype) for name, value in values.items()}
    source = tensor(x, dtype)
    expected = theirs(source, **tensors)
    dy = numbers(*expected.shape, seed=1).astype(dtype)
    expected.backward(torch.from_numpy(dy))
    passed = run_layer(make, x.astype(dtype), dy, values=values, **options)
    assert passed.y.dtype == passed.dx.dtype == dtype
    assert distance(passed.y, expected.detach().numpy()) <= BOUNDS[dtype]
    assert distance(passed.dx, source.grad.numpy()) <= BOUNDS[dtype]
    if options.get("training", True):
        assert passed.gradients.keys() == tensors.keys()
        for name, gradient in passed.gradients.items():
            assert distance(gradient, tensors[name].grad.numpy()) <= BOUNDS[dtype], name
    return passed


def compare_loss(loss, theirs, y, target, dtype):
    """Compares every row's value and dy; with weights, the mean over them, too.

    theirs: (y, target) → one number a row, or (numbers, the weighted mean).
    """
    if target.dtype.kind == "f":
        target = target.astype(dtype)
    ours, backward = loss.forward(frozen(y.astype(dtype)), frozen(target), lone_context(len(y)))
    values, weights = ours if isinstance(ours, tuple) else (ours, None)
    values, dy = values.copy(), backward()
    source = tensor(y, dtype)
    expected, mean = theirs(source, torch.from_numpy(target)), None
    if isinstance(expected, tuple):
        expected, mean = expected
    expected.sum().backward()
    assert values.dtype in (dtype, np.float64)
    assert dy.dtype == dtype
    assert distance(values, expected.detach().numpy()) <= BOUNDS[dtype]
    assert distance(dy, source.grad.numpy()) <= BOUNDS[dtype]
    if mean is not None:
        assert distance(values.sum() / weights.sum(), mean.item()) <= BOUNDS[dtype]
