"""The losses that are one number an output, in one table: values and gradients against scalar closed forms."""

from __future__ import annotations

from functools import partial
from math import copysign, exp, fsum, lgamma, log, log1p

import numpy as np
import pytest
from scipy import special, stats

from dtrain_plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from dtrain_plugins.losses.hinge import Hinge
from dtrain_plugins.losses.huber import Huber
from dtrain_plugins.losses.kl_divergence import KlDivergence
from dtrain_plugins.losses.mae import Mae
from dtrain_plugins.losses.perceptron import Perceptron
from dtrain_plugins.losses.pointwise import LEAST, Pointwise, floored
from dtrain_plugins.losses.poisson import Poisson
from tests.plugins.support import (
    STEP,
    check,
    check_rows_are_their_own,
    distance,
    lone_context,
    message_of,
    run_loss,
)

RANDOM = np.random.Generator(np.random.Philox(11))


def normal(shape):
    return RANDOM.standard_normal(shape) * 2


def probability(shape):
    return RANDOM.uniform(0.01, 0.99, shape)


def count(shape):
    return RANDOM.integers(0, 6, shape).astype(float)


def sign(shape):
    return RANDOM.choice([-1.0, 1.0], shape)


def positive(shape):
    return RANDOM.uniform(0.1, 5, shape)


TABLE = {
    # name: (factory, y, target, f(y, t), ∂f/∂y, whether a row's loss is a mean)
    "mae": (Mae, normal, normal, lambda y, t: abs(y - t), lambda y, t: copysign(1, y - t), True),
    "huber": (
        Huber, normal, normal,
        lambda y, t: (y - t) ** 2 / 2 if abs(y - t) <= 1 else abs(y - t) - 0.5,
        lambda y, t: min(max(y - t, -1), 1), True,
    ),
    "huber-0.3": (
        partial(Huber, 0.3), normal, normal,
        lambda y, t: float(special.huber(0.3, y - t)), lambda y, t: min(max(y - t, -0.3), 0.3), True,
    ),
    "binary_cross_entropy": (
        BinaryCrossEntropy, probability, probability,
        lambda y, t: -t * log(y) - (1 - t) * log1p(-y), lambda y, t: (y - t) / (y * (1 - y)), True,
    ),
    "binary_cross_entropy-logits": (
        partial(BinaryCrossEntropy, from_logits=True), normal, probability,
        lambda y, t: t * log1p(exp(-y)) + (1 - t) * log1p(exp(y)),
        lambda y, t: exp(y) / (1 + exp(y)) - t, True,
    ),
    "poisson": (
        Poisson, positive, count, lambda y, t: -float(stats.poisson.logpmf(t, y)) - lgamma(t + 1),
        lambda y, t: (y - t) / y, True,
    ),
    "poisson-log_rates": (
        partial(Poisson, log_rates=True), normal, count,
        lambda y, t: -float(stats.poisson.logpmf(t, exp(y))) - lgamma(t + 1), lambda y, t: exp(y) - t, True,
    ),
    "perceptron": (
        Perceptron, normal, sign, lambda y, t: max(0.0, -t * y), lambda y, t: -t if t * y < 0 else 0, False,
    ),
    "hinge": (
        Hinge, normal, sign, lambda y, t: max(0.0, 1 - t * y), lambda y, t: -t if t * y < 1 else 0, True,
    ),
    "kl_divergence": (
        KlDivergence, probability, probability,
        lambda y, t: float(special.rel_entr(t, y)), lambda y, t: -t / y, False,
    ),
}  # fmt: skip
every = pytest.mark.parametrize(
    ("make", "draw_y", "draw_t", "f", "slope", "mean"),
    [pytest.param(*row, id=name) for name, row in TABLE.items()],
)
every_but_distributions = pytest.mark.parametrize(
    ("make", "draw_y", "draw_t", "f", "slope", "mean"),
    [pytest.param(*row, id=name) for name, row in TABLE.items() if name != "kl_divergence"],
)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@every
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3), ()], ids=str)
def test_agrees_with_its_formula_row_by_row(make, draw_y, draw_t, f, slope, mean, shape, dtype, tolerance):
    y, target = draw_y((6, *shape)).astype(dtype), draw_t((6, *shape)).astype(dtype)
    values, dy = run_loss(make(), y, target)
    assert (values.dtype, dy.dtype) == (np.float64, dtype)
    share = 1 / max(1, y[0].size) if mean else 1
    for row in range(6):
        pairs = [(float(a), float(b)) for a, b in zip(y[row].flat, target[row].flat, strict=True)]
        expected = fsum(f(*pair) for pair in pairs) * share
        assert values[row] == pytest.approx(expected, rel=tolerance, abs=tolerance)
        assert distance(dy[row].ravel(), [slope(*pair) * share for pair in pairs]) <= tolerance


@every
def test_differentiates(make, draw_y, draw_t, f, slope, mean):
    y, target = draw_y((4, 3)), draw_t((4, 3))
    expected = np.zeros_like(y)
    for at in np.ndindex(*y.shape):
        moved = y.astype(np.complex128)
        moved[at] += 1j * STEP
        expected[at] = run_loss(make(), moved, target)[0].sum().imag / STEP
    assert distance(run_loss(make(), y, target)[1], expected) < 1e-13


@every
@both_dtypes
def test_takes_extreme_outputs_without_a_warning(make, draw_y, draw_t, f, slope, mean, dtype):
    y = np.array([[-1e4, 1e4], [0, 1], [1, 0], [-0.0, 1e-30]], dtype)
    if make is TABLE["poisson-log_rates"][0]:
        y = np.minimum(y, 50)  # what a rate may be
    for target in (draw_t((4, 2)), np.array([[0, 1]] * 4), np.array([[1, 0]] * 4)):
        values, dy = run_loss(make(), y, target)
        assert np.isfinite(values).all()
        assert np.isfinite(dy).all()


@every_but_distributions
def test_a_single_output_takes_plain_targets_of_whole_numbers(make, draw_y, draw_t, f, slope, mean):
    y = draw_y((5, 1)).astype(np.float32)
    for dtype in ("u1", "i4", "i8", "u8", "f4", "f8"):
        target = np.array([0, 1, 1, 0, 1], dtype)
        check(make(), target, (1,))
        values, dy = run_loss(make(), y, target)
        expected = run_loss(make(), y, target[:, None].astype(np.float32))
        assert (values.dtype, dy.dtype) == (np.float64, np.float32)
        assert (values == expected[0]).all()
        assert (dy == expected[1]).all()


@every
@pytest.mark.parametrize("shape", [(2,), (2, 3)], ids=str)
def test_takes_no_rows(make, draw_y, draw_t, f, slope, mean, shape):
    nothing = np.zeros((0, *shape), np.float32)
    check(make(), nothing, shape)
    values, dy = run_loss(make(), nothing, nothing)
    assert values.shape == (0,)
    assert dy.shape == nothing.shape
    assert make().predict(nothing).shape == nothing.shape


@every
@both_dtypes
@pytest.mark.parametrize("shape", [(1,), (5,), (33,), (1000,), (3, 7)], ids=str)
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(
    make, draw_y, draw_t, f, slope, mean, shape, dtype
):
    y, target = draw_y((12, *shape)).astype(dtype), draw_t((12, *shape)).astype(dtype)
    check_rows_are_their_own(partial(run_loss, make()), y, target)


@every
def test_leaves_its_input_alone(make, draw_y, draw_t, f, slope, mean):
    y, target = draw_y((4, 3)), draw_t((4, 3))
    kept = y.copy(), target.copy()
    make().forward(y, target, lone_context(4))[1]()
    assert (y == kept[0]).all()
    assert (target == kept[1]).all()


@every_but_distributions
def test_refuses_targets_that_are_missing_or_of_another_shape(make, draw_y, draw_t, f, slope, mean):
    loss = make()
    assert message_of(ValueError, lambda: check(loss, None, (3,))) == (
        "expected a target for every sample, got data without targets"
    )
    for target, shape, expected in [
        ((4, 2), (3,), "(3,)"),
        ((4,), (3,), "(3,)"),
        ((4, 1), (1, 1), "(1, 1) or ()"),
    ]:
        end = f" for a network that gives {shape} a sample, but the target has shape {target[1:]}, not {expected}"
        assert end in message_of(ValueError, partial(check, loss, np.zeros(target), shape))


@pytest.mark.parametrize(
    ("loss", "target", "message"),
    [
        (
            BinaryCrossEntropy(), [0, 1, 3],
            "expected targets from 0 to 1, but a target is 3; correct the data",
        ),
        (
            BinaryCrossEntropy(), [-1.0, 1.0],
            "expected targets from 0 to 1, but a target is -1.0; correct the data",
        ),
        (
            BinaryCrossEntropy(), [np.nan, 1.0],
            "expected targets from 0 to 1, but a target is nan; correct the data",
        ),
        (Poisson(), [2, -1], "expected counts, at least 0, but a target is -1; correct the data"),
        (
            KlDivergence(), [0.5, -0.5],
            "expected distributions over classes for a network that gives (1,) a sample, "
            "but the target has shape (), not (1,)",
        ),
        (
            Perceptron(), [1, 2],
            "expected labels (0 and 1, or -1 and 1) for a network that gives (1,) a sample, but the target holds 2",
        ),
        (
            Hinge(), [0.5, 1],
            "expected labels of two values, -1 and 1 or 0 and 1, but a target is 0.5; correct the data",
        ),
        (
            Perceptron(), [1, 0, -1],
            "expected labels (0 and 1, or -1 and 1) for a network that gives (1,) a sample, "
            "but the target holds -1, 0 and 1 together",
        ),
    ],
)  # fmt: skip
def test_refuses_targets_out_of_range(loss, target, message):
    assert message_of(ValueError, lambda: check(loss, np.array(target), (1,))) == message


@pytest.mark.parametrize("delta", [0.0, -1.0])
def test_huber_refuses_a_delta_that_is_not_positive(delta):
    assert message_of(ValueError, lambda: Huber(delta)) == f"delta must be positive, got {delta}"


def test_mae_has_no_gradient_where_there_is_no_error():
    values, dy = run_loss(Mae(), np.array([[2.0, 3.0]]), np.array([[2.0, 1.0]]))
    assert list(values) == [1]
    assert dy.tolist() == [[0, 0.5]]


@both_dtypes
def test_binary_cross_entropy_of_certain_probabilities_is_finite(dtype):
    """p of exactly 0 or 1: right costs nothing, wrong as much as the least p and 1 − ε/2."""
    y, target = np.array([[0], [1], [0], [1]], dtype), np.array([0, 1, 1, 0])
    values, dy = run_loss(BinaryCrossEntropy(), y, target)
    eps = float(np.finfo(dtype).eps)
    least = LEAST[np.dtype(dtype).char]
    assert values == pytest.approx([0, 0, -log(least), -log(eps / 2)], rel=1e-6)
    assert dy[:, 0] == pytest.approx([1, -1, -1 / least, 2 / eps], rel=1e-6)


@both_dtypes
def test_binary_cross_entropy_of_logits_is_exact_far_out(dtype):
    y, target = np.array([[1e4], [-1e4], [3e38], [-3e38], [-30]], dtype), np.array([0, 1, 0, 0, 0])
    values, dy = run_loss(BinaryCrossEntropy(from_logits=True), y, target)
    assert values == pytest.approx([1e4, 1e4, 3e38, 0, exp(-30)], rel=1e-6)
    assert dy[:, 0] == pytest.approx([1, -1, 1, 0, exp(-30)], rel=1e-6)


def test_predictions():
    y = np.array([[-1e4], [-2.0], [0.0], [1e4]])
    assert BinaryCrossEntropy().predict(y) is y
    assert Poisson().predict(y) is y
    assert Hinge().predict(y) is y
    logits = BinaryCrossEntropy(from_logits=True)
    assert distance(logits.predict(y), special.expit(y)) < 1e-15
    assert distance(Poisson(log_rates=True).predict(y[:3]), np.exp(y[:3])) < 1e-15
    assert Perceptron().predict(y)[:, 0].tolist() == [-1, -1, -1, 1]


@both_dtypes
def test_a_poisson_rate_beyond_the_range_is_infinite_without_a_warning(dtype):
    values, dy = run_loss(Poisson(log_rates=True), np.array([[1e4], [-1e4]], dtype), np.array([3, 3]))
    assert list(values) == [np.inf, 3e4]
    assert dy[:, 0].tolist() == [np.inf, -3]


@pytest.mark.parametrize("make", [Perceptron, Hinge])
def test_classes_0_and_1_are_taken_as_signs(make):
    y = normal((6, 1))
    classes = np.array([0, 1, 1, 0, 0, 1])
    for got, expected in zip(run_loss(make(), y, classes), run_loss(make(), y, 2 * classes - 1), strict=True):
        assert (got == expected).all()


def test_a_perceptron_learns_from_zero_weights_and_stops_on_separable_data():
    """Rosenblatt's rule, by nothing but this loss: x rows are added until none is misclassified."""
    x = np.append(normal((40, 2)), np.ones((40, 1)), axis=1)
    t = np.where(x @ [1.0, -2.0, 0.5] > 0, 1, -1)
    x[:, :2] += 0.2 * t[:, None] * [1, -2]  # a margin
    w = np.zeros((3, 1))
    for _ in range(1000):
        wrong = 0
        for row, label in zip(x, t, strict=True):
            _, dy = run_loss(Perceptron(), row[None] @ w, np.array([label]))
            w -= row[:, None] * dy
            wrong += bool(dy.any())
        if not wrong:
            break
    assert wrong == 0
    assert (Perceptron().predict(x @ w)[:, 0] == t).all()


def test_kl_divergence_of_equal_distributions_is_zero():
    p = RANDOM.dirichlet(np.ones(5), 3)
    assert np.abs(run_loss(KlDivergence(), p, p)[0]).max() < 1e-15
    values, dy = run_loss(KlDivergence(), np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]))
    assert values[0] == 0
    assert list(dy[0]) == [0, -1]


@both_dtypes
def test_floored_keeps_what_is_above_the_least(dtype):
    p = np.array([-1, 0, 1e-35, 1e-13, 0.3, 1], dtype)
    least = dtype(LEAST[np.dtype(dtype).char])
    assert list(floored(p)) == [least, least, least, *p[3:]]
    assert list(floored(p, 0.5)) == [0.5] * 5 + [1]
    assert floored(p).dtype == dtype
    assert np.isnan(floored(np.array([np.nan]))).all()


def test_a_subclass_must_write_its_points():
    class Nothing(Pointwise):
        name = "nothing"

    one = np.ones((1, 1))
    assert (
        message_of(NotImplementedError, lambda: Nothing().forward(one, one, None)) == "Nothing has no points"
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [1.0, 3.0])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_smooths_and_weighs_the_positive(target, weight, smoothing):
    """The same for the logit and its probability, from the definition."""
    for z in (-3.0, -0.2, 0.0, 4.0):
        p = 1 / (1 + exp(-z))
        t = target * (1 - smoothing) + smoothing / 2
        expected = -weight * t * log(p) - (1 - t) * log1p(-p)
        slope = -weight * t * (1 - p) + (1 - t) * p
        for from_logits, y, factor in ((True, z, 1), (False, p, p * (1 - p))):
            loss = BinaryCrossEntropy(from_logits, smoothing, weight)
            values, dy = run_loss(loss, np.array([[y]]), np.array([target]))
            assert values[0] == pytest.approx(expected, rel=1e-12)
            assert dy[0, 0] * factor == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_binary_cross_entropy_refuses_a_smoothing_out_of_range(smoothing):
    assert message_of(ValueError, lambda: BinaryCrossEntropy(label_smoothing=smoothing)) == (
        f"label_smoothing must be in [0, 1), got {smoothing}"
    )


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf")])
def test_binary_cross_entropy_refuses_a_weight_that_is_none(weight):
    must = "finite" if weight > 0 else "positive"
    assert message_of(ValueError, lambda: BinaryCrossEntropy(positive_weight=weight)) == (
        f"positive_weight must be {must}, got {weight}"
    )
