"""Transforms alone, on thread ranks or with given random numbers."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from dtrain import ConfigError
from tests.plugins.support import frozen, message_of
from tests.support import in_context

RANDOM = np.random.Generator(np.random.Philox(5))
NO_IMAGES = pytest.mark.parametrize("shape", [(), (8,), (2, 3, 4, 5)], ids=str)


def transformed(make, x, y=None, ranks=1, **options):
    """Returns (x, y) of all ranks, after a transform of the global batch."""

    def body(context, mine):
        context.layer = "transform 1"
        given = None if y is None else frozen(y[mine])
        got, target = make().forward(frozen(x[mine]), given, context)
        assert got.shape == x[mine].shape
        assert got.dtype == x.dtype
        assert got.flags.c_contiguous
        return got, target

    parts = in_context(ranks, len(x), body, **options)
    targets = None if y is None else np.concatenate([target for _, target in parts])
    return np.concatenate([got for got, _ in parts]), targets


def given(*draws, shards=()):
    """A context whose draws are these, one after another."""
    left = iter(draws)
    draw = lambda *args: np.array(next(left))  # noqa: E731
    return SimpleNamespace(uniform=draw, bernoulli=draw, normal=draw, shards=list(shards), empty=np.empty)


def refuses_what_is_no_image(make, name, shape):
    call = partial(make().forward, np.zeros((2, *shape)), None, given())
    assert message_of(ConfigError, call) == (
        f"{name} takes images, (rows, H, W) or (rows, H, W, C), got samples of shape {shape}"
    )
