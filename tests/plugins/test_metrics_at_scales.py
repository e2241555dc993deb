"""Every metric, at any scale and any offset of outputs and targets, against exact fractions and extended precision.

The sums are float64 in any run, so that a figure may be off by some ε of float64 a sample, whatever the offset is:
what is given is exact, however coarsely the dtype had to round it before.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from math import isqrt

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows, Loss
from dtrain.data import Batches, Blocks
from dtrain.engine import Network, Replica
from dtrain.trainer.evaluate import evaluate
from dtrain.trainer.figures import Figures
from dtrain_plugins.activations.identity import Identity
from dtrain_plugins.metrics import dtrain_metrics
from dtrain_plugins.metrics.r2 import R2
from tests.plugins.scales import BATCH, DTYPES, OFFSETS, ROWS, SCALES, numbers, on_any_ranks, random_of
from tests.plugins.support import built, examples_of

EPS = float(np.finfo(np.float64).eps)
WIDE = np.longdouble


def exact(array):
    """Rows of fractions."""
    return [[Fraction(float(value)) for value in row] for row in array.reshape(len(array), -1)]


def errors(y, t):
    return [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(exact(y), exact(t), strict=True)]


def mean_absolute_error(y, t, **_):
    return float(sum(abs(d) for row in errors(y, t) for d in row) / y.size)


def root_mean_squared_error(y, t, **_):
    square = sum(d * d for row in errors(y, t) for d in row) / y.size
    shift = 200 + max(0, square.denominator.bit_length() - square.numerator.bit_length())
    return float(Fraction(isqrt((square.numerator << 2 * shift) // square.denominator), 1 << shift))


def r2(y, t, **_):
    shares = []
    for wrong, column in zip(zip(*errors(y, t), strict=True), zip(*exact(t), strict=True), strict=True):
        mean = sum(column) / len(column)
        total, off = sum((value - mean) ** 2 for value in column), sum(d * d for d in wrong)
        shares.append(1 - off / total if total else Fraction(not off))
    return float(sum(shares) / len(shares))


def accuracy(y, t, threshold=0.5):
    if y.shape[-1] == 1:
        return binary_accuracy(y, t, threshold)
    return float(np.mean([row.index(max(row)) == k for row, k in zip(exact(y), t, strict=True)]))


def top_k_accuracy(y, t, k=5):
    order = [sorted(range(len(row)), key=lambda j, row=row: (-row[j], j)) for row in exact(y)]
    classes = t if t.ndim == 1 else t.argmax(axis=1)
    return float(np.mean([c in first[:k] for first, c in zip(order, classes, strict=True)]))


def binary_accuracy(y, t, threshold=0.5):
    above = [[a > threshold for a in row] for row in exact(y)], [[b > 0.5 for b in row] for row in exact(t)]
    return float((np.array(above[0]) == np.array(above[1])).mean())


def perplexity(y, t, from_logits=True):
    wide = y.astype(WIDE)
    q = t.astype(WIDE) if t.dtype.kind == "f" else np.eye(y.shape[-1], dtype=WIDE)[t]
    with np.errstate(over="ignore"):
        if from_logits:
            below = wide - wide.max(axis=-1, keepdims=True)
            surprise = np.log(np.exp(below).sum(axis=-1, keepdims=True)) - below
        else:
            surprise = -np.log(wide)
        return float(np.exp((q * surprise).sum(axis=-1).mean()))


FORMULAS = {
    f.__name__: f
    for f in (
        mean_absolute_error, root_mean_squared_error, r2, accuracy, top_k_accuracy, binary_accuracy, perplexity,
    )
}  # fmt: skip


def pair(name, options, extra, scale, offset, dtype):
    shape, draw = (ROWS, *extra["input"]), random_of(3, scale, offset)
    y = numbers(shape, scale, offset, dtype)
    if options.get("from_logits") is False:
        y = (draw.uniform(0.01, 1, shape) * min(scale, 1)).astype(dtype)
    if extra.get("target") == "distribution":
        return y, draw.dirichlet([1] * shape[-1], shape[:-1]).astype(dtype)
    if name in ("binary_accuracy", "accuracy") and shape[-1] == 1:
        return y, draw.integers(2, size=shape)
    if extra.get("target", "classes") == "classes":
        return y, draw.integers(shape[-1], size=shape[:-1])
    if extra["target"] == "real":
        return numbers(shape, scale, offset, dtype, seed=1), numbers(shape, scale, offset, dtype)
    return y, draw.integers(2, size=shape)


CASES = [case for case in examples_of(dtrain_metrics()) if case[2].get("target") != "signs"]


class Nothing(Loss):
    def forward(self, y, target, context):
        return np.zeros(len(y)), lambda: np.zeros_like(y)


def figure(metric, y, t):
    """Of an epoch, on 1, 2 and 3 ranks."""
    return on_any_ranks(lambda: (Nothing(), {"it": metric()}), y, t)[0]["it"]


def test_there_is_a_formula_for_every_metric():
    assert FORMULAS.keys() == dtrain_metrics().keys()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "part", "options", "extra"), CASES, ids=[f"{n}-{o or ''}-{e['input']}" for n, _, o, e in CASES]
)
def test_a_metric_is_right_at_any_scale_and_offset(name, part, options, extra, dtype):
    for scale in SCALES:
        for offset in OFFSETS:
            y, t = pair(name, options, extra, scale, offset, dtype)
            found = figure(partial(built, "metrics", name, options), y, t)
            expected = FORMULAS[name](y, t, **options)
            where = f"scale {scale:g}, offset {offset:g}"
            if name == "perplexity" and np.isinf(expected):
                assert found == np.inf, where
                continue
            share = np.log(expected) if name == "perplexity" and expected > 1 else 1
            size = 1 + abs(expected) if name == "r2" else abs(expected) * max(1, share)
            assert abs(found - expected) <= ROWS * EPS * size, where


# ---------------------------------------------------------------------- R², whose denominator cancels


def test_one_pass_sums_about_zero_would_be_seen():
    """Negative control of the matrix: Σt² − (Σt)²/n in float64."""
    for offset, least in ((1e3, 10), (1e6, 1e6), (1e9, 1e9)):
        y, t = numbers((ROWS, 3), 1, offset, "float64", seed=1), numbers((ROWS, 3), 1, offset, "float64")
        total = (t * t).sum(axis=0) - t.sum(axis=0) ** 2 / ROWS
        with np.errstate(divide="ignore"):
            found = np.mean(1 - ((y - t) ** 2).sum(axis=0) / total)
        assert abs(found - r2(y, t)) > least * ROWS * EPS * (1 + abs(r2(y, t)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_r2_of_a_first_target_that_is_far_from_all_others(dtype):
    """Then the reference is as far from the mean as can be: digits are lost, but no more than the samples have."""
    for away in (1e3, 1e6, 1e9):
        t = numbers((ROWS, 2), 1, 0, dtype)
        t[0] += away
        y = t + numbers((ROWS, 2), 0.5, 0, dtype, seed=1)
        assert abs(figure(R2, y, t) - r2(y, t)) <= ROWS * ROWS * EPS


def test_r2_of_targets_of_very_different_sizes():
    scales, offsets = np.array([1e-12, 1, 1e12]), np.array([1e9, 0, -1e6])
    t = (random_of(1).standard_normal((ROWS, 3)) + offsets) * scales
    y = t + 0.5 * scales * random_of(2).standard_normal((ROWS, 3))
    assert abs(figure(R2, y, t) - r2(y, t)) <= ROWS * EPS * 2


@pytest.mark.parametrize("value", [0.0, 0.1, -7e9, 1e-300, 1e150])
def test_r2_of_constant_targets_is_exact(value):
    t = np.full((ROWS, 1), value)
    for y, expected in ((t, 1.0), (t + (1 + abs(value)) * 1e-9, 0.0)):
        assert figure(R2, y, t) == expected


def test_r2_of_targets_that_hardly_vary_is_not_that_of_constant_ones():
    """Two neighbouring numbers in turn: a spread of 1e-16 of the mean is a spread."""
    odd = np.arange(ROWS)[:, None] % 2
    t = np.where(odd, 1.0, np.nextafter(1.0, 2))
    y = np.where(odd, t, np.nextafter(t, 2))
    assert abs(figure(R2, y, t) - r2(y, t)) <= ROWS * EPS


# ---------------------------------------------------------------------- evaluation, with a reference of its own


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_evaluation_refers_to_its_own_targets_and_leaves_the_training_sums_alone(ranks):
    trained, held_out = (numbers((ROWS, 2), 1, offset, "float64", seed=3) for offset in (1e9, -1e9))
    y = held_out + numbers((ROWS, 2), 0.5, 0, "float64", seed=4)

    def body(communicator):
        network = Network([("it", Identity())], (2,), np.float64, None)
        replica = Replica(network, communicator, 8, 0)
        replica.initialize()

        def blocks(x, t):
            return Blocks(ArrayRows(x, t), BATCH, 8, replica.first, replica.last, np.float64)

        figures = Figures(Nothing(), {"it": R2()})
        figures.refer(blocks(trained, trained).reference)
        found = evaluate(replica, figures, blocks(y, held_out))
        return found["it"], figures.metrics["it"].reference.tolist()

    for found, reference in run_ranks(ranks, body):
        assert abs(found - r2(y, held_out)) <= ROWS * EPS
        assert reference == trained[0].tolist()


def test_the_reference_is_the_first_target_as_the_run_takes_it():
    def reference(t, dtype="float32"):
        return Batches(ArrayRows(np.zeros((3, 1)), t), 2, 8, 0, 8, dtype).reference

    assert reference(None) == 0.0
    assert reference(np.array([7, 8, 9])) == 7
    assert reference(np.array([0.1, 0, 0])) == np.float32(0.1)
    assert reference(np.array([[np.nan, 2.0], [0, 0], [0, 0]])).tolist() == [0, 2]
    assert reference(np.array([True, False, False])).dtype == np.float64
