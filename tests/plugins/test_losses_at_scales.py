"""Every loss's figure and gradient, at any scale and any offset, against formulas in extended precision.

A tolerance is what rounding each number once, and each term of the formula once, can change: `size` is the sum of the
terms' magnitudes, which is the value itself where all have one sign. It does not grow with the offset.
"""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.losses import dtrain_losses
from tests.plugins.scales import DTYPES, OFFSETS, ROWS, SCALES, numbers, on_any_ranks, random_of
from tests.plugins.support import built, examples_of, run_loss

WIDE = np.longdouble
TERMS = 16
"""Roundings of a term, in ε of the run's dtype."""


# ---------------------------------------------------------------------- formulas: y, t → (value, size), (dy, size)


def outputs(y):
    return int(np.prod(y.shape[1:]))


def rows(each):
    return each.reshape(len(each), -1).sum(axis=1)


def mean_of(each, dy, y, size=None, dy_size=None):
    """A mean over outputs, from values and derivatives of each."""
    n = outputs(y)
    size, dy_size = abs(each) if size is None else size, abs(dy) if dy_size is None else dy_size
    return (rows(each) / n, rows(size) / n), (dy / n, dy_size / n)


def sum_of(each, dy, size=None, dy_size=None):
    size, dy_size = abs(each) if size is None else size, abs(dy) if dy_size is None else dy_size
    return (rows(each), rows(size)), (dy, dy_size)


def mse(y, t, **_):
    return mean_of((y - t) ** 2, 2 * (y - t), y)


def mae(y, t, **_):
    return mean_of(abs(y - t), np.sign(y - t), y)


def huber(y, t, delta=1.0, **_):
    d, delta = y - t, WIDE(delta)
    near = abs(d) <= delta
    return mean_of(np.where(near, d * d / 2, delta * (abs(d) - delta / 2)), np.clip(d, -delta, delta), y)


def lp(y, t, p=2.0, **_):
    d, p = (y - t).reshape(len(y), -1), float(p)
    if p == np.inf:
        norm = abs(d).max(axis=1)
        first = np.arange(d.shape[1]) == abs(d).argmax(axis=1)[:, None]
        dy = np.where(first, np.sign(d), 0)
    else:
        top = np.where((d != 0).any(axis=1), abs(d).max(axis=1), 1)[:, None]
        norm = ((abs(d) / top) ** p).sum(axis=1) ** (1 / WIDE(p)) * top[:, 0]
        dy = np.sign(d) * (abs(d) / np.where(norm > 0, norm, 1)[:, None]) ** (p - 1)
    return (norm, norm), (dy.reshape(y.shape), abs(dy).reshape(y.shape))


def poisson(y, t, log_rates=False, **_):
    if log_rates:
        rate = np.exp(y)
        return mean_of(rate - t * y, rate - t, y, rate + abs(t * y), rate + t)
    return mean_of(y - t * np.log(y), 1 - t / y, y, y + abs(t * np.log(y)), 1 + t / y)


def kl_divergence(y, t, **_):
    ratio = t / y
    return sum_of(t * np.log(ratio), -ratio, t * (1 + abs(np.log(ratio))))


def binary_cross_entropy(y, t, from_logits=False, label_smoothing=0.0, positive_weight=1.0):
    s = WIDE(label_smoothing)
    t = (1 - s) * t + s / 2
    own, other = WIDE(positive_weight) * t, 1 - t
    if from_logits:
        yes, no = np.logaddexp(0, -y), np.logaddexp(0, y)
        up, down = 1 / (1 + np.exp(-y)), 1 / (1 + np.exp(y))
        return mean_of(own * yes + other * no, other * up - own * down, y, None, other * up + own * down)
    dy = other / (1 - y), own / y
    return mean_of(-own * np.log(y) - other * np.log1p(-y), dy[0] - dy[1], y, None, dy[0] + dy[1])


def of_classes(y, t, label_smoothing, class_weights):
    """q of each output, times its class's weight, and what each row counts."""
    s, w = WIDE(label_smoothing), np.array(class_weights or [1.0] * y.shape[-1], WIDE)
    soft = t.dtype.kind != "i"
    q = t if soft else np.eye(y.shape[-1], dtype=WIDE)[t]
    q = (q * (1 - s) + s / y.shape[-1]) * w
    weights = np.ones(len(y), WIDE) if soft else w[t].reshape(len(y), -1).mean(axis=1)
    return q, weights


def cross_entropy(y, t, label_smoothing=0.0, class_weights=None):
    q, weights = of_classes(y, t, label_smoothing, class_weights)
    return *sum_of(-q * np.log(y), -q / y), weights


def softmax_cross_entropy(y, t, label_smoothing=0.0, class_weights=None):
    q, weights = of_classes(y, t, label_smoothing, class_weights)
    below = y - y.max(axis=-1, keepdims=True)
    at_top = np.arange(y.shape[-1]) == y.argmax(axis=-1)[..., None]
    others = np.where(at_top, 0, np.exp(below)).sum(axis=-1, keepdims=True)
    p = np.exp(below) / (1 + others)
    each = np.log1p(others) - below
    total = q.sum(axis=-1, keepdims=True)
    moved = (p * abs(below)).sum(axis=-1, keepdims=True)  # by rounding y less its top
    size = q * (abs(each) + moved + np.finfo(np.float64).eps / np.finfo(np.float32).eps)
    return *sum_of(q * each, total * p - q, size, (total * p + q) * (1 + abs(below) + moved)), weights


def signs(t):
    return np.where(t > 0, WIDE(1), WIDE(-1))


def perceptron(y, t, **_):
    slope = np.where(signs(t) * y <= 0, -signs(t), 0)
    return sum_of(slope * y, slope)


def hinge(y, t, multi_class=False):
    if not multi_class:
        margin = 1 - signs(t) * y
        inside = margin > 0
        size = np.where(inside, 1 + abs(y), 0)
        return mean_of(np.where(inside, margin, 0), np.where(inside, -signs(t), 0), y, size)
    own = np.take_along_axis(y, t[..., None], axis=-1)
    scores = np.where(np.arange(y.shape[-1]) == t[..., None], -np.inf, y)
    rival = scores.argmax(axis=-1)[..., None]
    apart = np.take_along_axis(y, rival, axis=-1) - own
    inside = apart + 1 > 0
    dy = np.zeros_like(y)
    np.put_along_axis(dy, rival, inside, axis=-1)
    np.put_along_axis(dy, t[..., None], -1 * inside, axis=-1)
    each, size = np.where(inside, apart + 1, 0), np.where(inside, 1 + abs(apart), 0)
    return (rows(each), rows(size)), (dy, abs(dy))


FORMULAS = {
    f.__name__: f
    for f in (
        mse, mae, huber, lp, poisson, kl_divergence, binary_cross_entropy, cross_entropy, softmax_cross_entropy,
        perceptron, hinge,
    )
}  # fmt: skip


# ---------------------------------------------------------------------- inputs: one case for each scale and offset


def probabilities(shape, scale, offset, dtype):
    """Of size `scale` up to ½, or as far from 1; offsets make them more alike."""
    drawn = random_of(7, scale, offset).uniform(0.1, 1, shape)
    p = (drawn + offset) / (1 + offset) * min(scale, 1 / scale) / 2
    return np.minimum(p if scale <= 1 else 1 - p, np.nextafter(1, 0, dtype=dtype)).astype(dtype)


def rates(shape, scale, offset, dtype):
    return ((random_of(5, scale, offset).uniform(0.1, 2, shape) + offset) * scale).astype(dtype)


def pair(name, options, extra, scale, offset, dtype):
    """(y, target) as the loss takes them; None where there is no such number."""
    shape = (ROWS, *extra["input"])
    draw = random_of(3, scale, offset)
    if name in ("mse", "mae", "huber", "lp"):
        t = numbers(shape, scale, offset, dtype)
        return numbers(shape, scale, offset, dtype, seed=1), t
    if name == "poisson":
        t = rates(shape, scale, offset, dtype)
        if not options.get("log_rates"):
            return (t * draw.uniform(0.5, 2, shape)).astype(dtype), t
        return np.log(t.astype(WIDE) * draw.uniform(0.5, 2, shape)).astype(dtype), t
    if name == "kl_divergence":
        t = rates(shape, scale, offset, dtype)
        return (t * (1 + 1e-3 * draw.standard_normal(shape))).astype(dtype), t
    logits = options.get("from_logits") or name not in ("cross_entropy", "binary_cross_entropy")
    y = (numbers if logits else probabilities)(shape, scale, offset, dtype)
    if name in ("perceptron", "binary_cross_entropy") or (name == "hinge" and not options.get("multi_class")):
        soft = extra["target"] == "unit"
        return y, draw.uniform(0, 1, shape).astype(dtype) if soft else draw.integers(2, size=shape)
    if extra["target"] == "distribution":
        return y, draw.dirichlet([1] * shape[-1], shape[:-1]).astype(dtype)
    return y, draw.integers(shape[-1], size=shape[:-1])


CASES = [(name, options, extra) for name, _, options, extra in examples_of(dtrain_losses())]
CASES += [("lp", {"p": 300.0}, {"input": (3,), "target": "real"})]
CASES += [("kl_divergence", {}, {"input": (5,), "target": "unit"}), ("mse", {}, {"input": (2, 3)})]


def reference(name, options, y, t):
    with np.errstate(all="ignore"):
        kept = t if t.dtype.kind == "i" else t.astype(WIDE)
        value, dy, *weights = FORMULAS[name](y.astype(WIDE), kept, **options)
    total = weights[0].sum() if weights else len(y)
    return float(value[0].sum() / total), float(value[1].sum() / total), dy


def test_there_is_a_formula_for_every_loss():
    assert FORMULAS.keys() == dtrain_losses().keys()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "options", "extra"), CASES, ids=[f"{n}-{o or ''}-{e['input']}" for n, o, e in CASES]
)
def test_a_loss_is_right_at_any_scale_and_offset(name, options, extra, dtype):
    eps = float(np.finfo(dtype).eps)
    for scale in SCALES:
        for offset in OFFSETS:
            y, t = pair(name, options, extra, scale, offset, dtype)
            figures, dy = on_any_ranks(lambda: (built("losses", name, options), {}), y, t)
            value, size, (slope, slope_size) = reference(name, options, y, t)
            where = f"scale {scale:g}, offset {offset:g}"
            assert abs(figures["loss"] - value) <= TERMS * eps * size, where
            steep = max(1, 300 if options.get("p") == 300 else 1)  # a power rounds as often
            off = abs(dy.astype(WIDE) - slope)
            assert (off <= TERMS * eps * steep * slope_size + np.finfo(dtype).tiny).all(), where


# ---------------------------------------------------------------------- beyond the squares of float32


@pytest.mark.parametrize("name", ["mse", "huber", "mae", "lp"])
@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e19, 1e30])
def test_errors_whose_squares_float32_cannot_hold_have_a_loss(name, scale):
    y, t = numbers((ROWS, 3), scale, 0, "float32"), numbers((ROWS, 3), scale, 0, "float32", seed=1)
    figures, _ = on_any_ranks(lambda: (built("losses", name, {}), {}), y, t)
    value, _, _ = reference(name, {}, y, t)
    assert value > 0
    assert figures["loss"] == pytest.approx(value, rel=1e-6, abs=0)


@pytest.mark.parametrize(
    "t", [np.zeros(ROWS, int), np.eye(3, dtype=np.float32)[np.zeros(ROWS, int)]], ids=["fused", "q"]
)
def test_classes_that_are_all_but_certain_have_a_loss(t):
    """Rows that float32 cannot tell from 0 beside 1; in a plain step, for speed, it does not."""
    y = np.zeros((ROWS, 3), np.float32)
    y[:, 0] = 25
    loss = built("losses", "softmax_cross_entropy", {})
    values, _ = run_loss(loss, y, t, training=False)
    assert values == pytest.approx(2 * np.exp(-25.0), rel=1e-4, abs=0)
    in_training, _ = run_loss(loss, y, t)
    assert in_training == pytest.approx(values, rel=0, abs=1.2e-7)


# ---------------------------------------------------------------------- negative controls: what these tests see


def seen(formula, name, options, extra, scale, offset, dtype):
    """By how many tolerances a formula in the run's dtype is off."""
    y, t = pair(name, options, extra, scale, offset, dtype)
    value, size, _ = reference(name, options, y, t)
    with np.errstate(all="ignore"):
        found = float(np.asarray(formula(y, t), np.float64).sum() / len(y))
    return abs(found - value) / (TERMS * float(np.finfo(dtype).eps) * size)


def hinge_with_1_first(y, t):
    own = np.take_along_axis(y, t[..., None], axis=-1)
    rival = np.where(np.arange(y.shape[-1]) == t[..., None], -np.inf, y).max(axis=-1)[..., None]
    return np.maximum(0, 1 + rival.astype(y.dtype) - own)


def squares_of_sums(y, t):
    return (y * y - 2 * y * t + t * t) / y.shape[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_cancels_would_be_seen(dtype):
    assert seen(squares_of_sums, "mse", {}, {"input": (3,)}, 1.0, 1e3, dtype) > 100
    p = probabilities((ROWS,), 1e-12, 0.0, dtype)
    found, exact = -np.log(1 - p).sum(), -np.log1p(-p.astype(WIDE)).sum()
    assert abs(found - exact) > 100 * TERMS * np.finfo(dtype).eps * exact


def test_a_margin_that_is_lost_beside_large_scores_would_be_seen():
    classes = {"input": (5,), "target": "classes"}
    assert seen(hinge_with_1_first, "hinge", {"multi_class": True}, classes, 1.0, 1e9, "float32") > 100


def test_a_floor_of_epsilon_would_be_seen():
    def floored(y, t):
        return y - t * np.log(np.maximum(y, np.finfo(y.dtype).eps))

    case = "poisson", {}, {"input": (1,), "target": "classes"}
    assert seen(floored, *case, 1e-12, 0.0, "float32") > 1000
