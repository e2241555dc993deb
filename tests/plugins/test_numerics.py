"""No finite number makes a warning or a NaN: every activation, loss and normalization, forwards and backwards."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.activations import dtrain_activations
from dtrain_plugins.layers import dtrain_layers
from dtrain_plugins.layers.sample_norm import SampleNorm
from dtrain_plugins.losses import dtrain_losses
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.plugins.support import built, check, distance, examples_of, run_layer, run_loss

HUGE = 3e38
TINY = float(np.finfo(np.float32).smallest_subnormal)
PATTERNS = {
    "everything": [HUGE, -HUGE, 0, 1e4, -1e4, TINY, -TINY, 1],
    "huge": [HUGE],
    "minus huge": [-HUGE],
    "huge of both signs": [HUGE, -HUGE],
    "huge, mostly of one sign": [HUGE, HUGE, -HUGE],
    "squares beyond float32": [1e20, -1e20, 3e19, 0],
    "1e4": [1e4, -1e4, 0],
    "subnormal": [TINY, -TINY],
    "zero": [0.0],
    "minus zero": [-0.0],
    "certain probabilities": [0, 1, 1],
    "constant": [0.1],
    "all negative": [-1, -2, -3.5],
}
"""Numbers that fill a batch, over and over; one that begins with nothing huge must give nothing infinite."""

BOUNDED = ("exp", "poisson")
"""Infinite beyond e^88, as their docstrings say: they keep to the range of their examples."""

LARGEST_OF_A_BATCH = 1e18
"""Statistics over the batch are of squares; beyond this, a run says that a step is not finite."""

quiet = partial(np.errstate, over="raise", divide="raise", invalid="raise")


def batches(shape, name, extra, largest=HUGE):
    """Yields (text, x): each pattern in five rows and in one, and rows that are constant, each another number."""
    low, high = extra["range"] if name in BOUNDED and "range" in extra else (-largest, largest)
    for text, numbers in PATTERNS.items():
        for rows in (5, 1):
            x = np.resize(np.array(numbers, np.float32), (rows, *shape))
            yield f"{text}, {rows} rows", np.clip(x, np.float32(low), np.float32(high))
    column = np.resize(np.array(PATTERNS["everything"], np.float32), (8, *[1] * len(shape)))
    constant = np.clip(np.broadcast_to(column, (8, *shape)), np.float32(low), np.float32(high))
    yield "constant rows", np.ascontiguousarray(constant)


def examples(kind, parts):
    return pytest.mark.parametrize(
        ("name", "make", "extra"),
        [
            pytest.param(name, partial(built, kind(name), name, options), extra, id=f"{name}{options or ''}")
            for name, _, options, extra in examples_of(parts)
        ],
    )


def passes(make, x, training):
    """All that a layer makes of a batch, with a dy of both signs."""
    with quiet():
        shape = run_layer(make, np.zeros((0, *x.shape[1:]), np.float32)).y.shape[1:]
        dy = np.resize(np.array([1, -0.5, 0.25, 0], np.float32), (len(x), *shape))
        passed = run_layer(make, x, dy, training=training)
    return {"y": passed.y, "dx": passed.dx, **passed.gradients, **passed.states}


def check_finite(make, text, x):
    for training in (True, False):
        for what, array in passes(make, x, training).items():
            assert np.isfinite(array).all(), (text, what, training)


@examples(lambda _: "activations", dtrain_activations())
def test_an_activation_is_finite(name, make, extra):
    for text, x in batches(extra["input"], name, extra):
        check_finite(make, text, x)


NORMS = {name: part for name, part in dtrain_layers().items() if name.endswith("_norm")}


@examples(lambda _: "layers", NORMS)
def test_a_normalization_is_finite(name, make, extra):
    largest = HUGE if issubclass(NORMS[name], SampleNorm) else LARGEST_OF_A_BATCH
    for text, x in batches(extra["input"], name, extra, largest):
        check_finite(make, text, x)


@examples(lambda _: "layers", {name: part for name, part in NORMS.items() if issubclass(part, SampleNorm)})
def test_huge_numbers_are_normalized_as_small_ones_are(name, make, extra):
    """By a power of two, which changes no digit, and beside rows of ordinary size, which keep their bits."""
    x = np.random.Generator(np.random.Philox(5)).standard_normal((6, *extra["input"])).astype(np.float32)
    x *= 2**10  # beside which ε is nothing
    huge = x.copy()
    huge[::2] *= np.float32(2.0**114)
    small, large = passes(make, x, True), passes(make, huge, True)
    assert distance(large["y"], small["y"]) < 1e-6
    assert (large["y"][1::2] == small["y"][1::2]).all()
    unit = TINY * 2.0**114  # what a subnormal number cannot hold
    assert np.abs(large["dx"][::2].astype(float) * 2.0**114 - small["dx"][::2]).max() < 1e-7 + 4 * unit


def target_of(extra, x):
    """A target as the example declares it."""
    kind, shape = extra.get("target", "real"), x.shape
    if kind == "classes":
        return np.resize(np.arange(max(2, shape[-1])), shape[:-1])
    if kind == "distribution":
        one_hot = np.eye(shape[-1], dtype=np.float32)  # certain, which has a logarithm of zero in it
        return np.resize(one_hot, shape)
    return np.resize(np.array([0, 0.5, 1], np.float32), shape)


@examples(lambda _: "losses", dtrain_losses())
def test_a_loss_is_no_nan_and_finite_but_beyond_float32(name, make, extra):
    for text, x in batches(extra["input"], name, extra):
        loss, target = make(), target_of(extra, x)
        check(loss, target, x.shape[1:])
        with quiet():
            values, dy = run_loss_of(loss, x, target)
            predicted = loss.predict(x)
        assert not np.isnan(values).any(), text
        assert np.isfinite(dy).all(), text
        assert np.isfinite(predicted).all(), text
        if np.abs(x).max() <= 1e4:
            assert np.isfinite(values).all(), text


def run_loss_of(loss, x, target):
    """run_loss, also of a loss with weights."""
    if getattr(loss, "class_weights", None) is None:
        return run_loss(loss, x, target)
    values = []

    class Plain:
        def forward(self, y, t, context):
            pair, backward = loss.forward(y, t, context)
            values.append(pair)
            return pair[0], backward

    passed = run_loss(Plain(), x, target)
    assert np.isfinite(values[0][1]).all()
    return passed


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_class_beyond_float32_from_the_top_costs_all_there_is(smoothing):
    y = np.array([[HUGE, -HUGE, 0]], np.float32)
    with quiet():
        values, dy = run_loss(SoftmaxCrossEntropy(smoothing), y, np.array([1]))
    assert values[0] > HUGE
    assert dy[0] == pytest.approx(
        np.array([1 - smoothing / 3, -1 + 2 * smoothing / 3, -smoothing / 3]), rel=1e-6
    )
