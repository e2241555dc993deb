"""Activations of one number each, in one table: values and derivatives against scalar closed forms."""

from __future__ import annotations

from functools import partial
from math import cosh, erfc, exp, expm1, log1p, pi, sqrt, tanh

import numpy as np
import pytest

from dtrain_plugins.activations.elementwise import Elementwise, decay, either, logistic
from dtrain_plugins.activations.elu import Elu
from dtrain_plugins.activations.exp import Exp
from dtrain_plugins.activations.gelu import Gelu
from dtrain_plugins.activations.hard_sigmoid import HardSigmoid
from dtrain_plugins.activations.hard_tanh import HardTanh
from dtrain_plugins.activations.identity import Identity
from dtrain_plugins.activations.leaky_relu import LeakyRelu
from dtrain_plugins.activations.mish import Mish
from dtrain_plugins.activations.selu import Selu
from dtrain_plugins.activations.silu import Silu
from dtrain_plugins.activations.softplus import Softplus
from dtrain_plugins.activations.tanh_probability import TanhProbability
from tests.plugins.support import (
    check_gradients,
    check_rows_are_their_own,
    distance,
    message_of,
    run_layer,
    same_bits,
)

X = np.linspace(-12, 12, 97)[:, None] + 1 / 64  # off every kink
MOST = float(np.finfo(np.float32).max)


def sigma(x):
    return 1 / (1 + exp(-x))


def gelu_slope(x):
    return erfc(-x / sqrt(2)) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi)


def gelu_by_tanh(x):
    return x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))


def gelu_by_tanh_slope(x):
    u = sqrt(2 / pi) * (x + 0.044715 * x**3)
    return (1 + tanh(u)) / 2 + x / 2 / cosh(u) ** 2 * sqrt(2 / pi) * (1 + 0.134145 * x**2)


def mish_slope(x):
    """In the form of the paper: e^x·ω/δ²."""
    omega = 4 * (x + 1) + 4 * exp(2 * x) + exp(3 * x) + exp(x) * (4 * x + 6)
    return exp(x) * omega / (2 * exp(x) + exp(2 * x) + 2) ** 2


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

TABLE = {
    # name: (factory, f, f′, (f, f′) at −1e4, (f, f′) at 1e4)
    "identity": (Identity, lambda x: x, lambda x: 1, (-1e4, 1), (1e4, 1)),
    "leaky_relu": (LeakyRelu, lambda x: max(x, x / 100), lambda x: 1 if x > 0 else 0.01, (-100, 0.01), (1e4, 1)),
    "leaky_relu-0.3": (
        partial(LeakyRelu, slope=0.3),
        lambda x: max(x, 0.3 * x), lambda x: 1 if x > 0 else 0.3, (-3000, 0.3), (1e4, 1),
    ),
    "elu": (
        Elu, lambda x: x if x > 0 else exp(x) - 1, lambda x: 1 if x > 0 else exp(x), (-1, 0), (1e4, 1),
    ),
    "elu-0.5": (
        partial(Elu, alpha=0.5),
        lambda x: x if x > 0 else expm1(x) / 2, lambda x: 1 if x > 0 else exp(x) / 2, (-0.5, 0), (1e4, 1),
    ),
    "selu": (
        Selu,
        lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * expm1(x)),
        lambda x: SELU_SCALE * (1 if x > 0 else SELU_ALPHA * exp(x)),
        (-SELU_ALPHA * SELU_SCALE, 0), (1e4 * SELU_SCALE, SELU_SCALE),
    ),
    "softplus": (Softplus, lambda x: log1p(exp(x)), sigma, (0, 0), (1e4, 1)),
    "gelu": (Gelu, lambda x: x * erfc(-x / sqrt(2)) / 2, gelu_slope, (0, 0), (1e4, 1)),
    "gelu-tanh": (partial(Gelu, approximate="tanh"), gelu_by_tanh, gelu_by_tanh_slope, (0, 0), (1e4, 1)),
    "silu": (Silu, lambda x: x * sigma(x), lambda x: sigma(x) * (1 + x * sigma(-x)), (0, 0), (1e4, 1)),
    "mish": (Mish, lambda x: x * tanh(log1p(exp(x))), mish_slope, (0, 0), (1e4, 1)),
    "hard_sigmoid": (
        HardSigmoid,
        lambda x: min(max(x / 6 + 0.5, 0), 1), lambda x: 1 / 6 if -3 < x < 3 else 0, (0, 0), (1, 0),
    ),
    "hard_tanh": (HardTanh, lambda x: min(max(x, -1), 1), lambda x: 1 if -1 < x < 1 else 0, (-1, 0), (1, 0)),
    "tanh_probability": (
        TanhProbability, lambda x: 1 / (1 + exp(-2 * x)), lambda x: 0.5 / cosh(x) ** 2, (0, 0), (1, 0),
    ),
}  # fmt: skip

FACTORIES = [pytest.param(row[0], id=name) for name, row in TABLE.items()]
CURVES = [pytest.param(*row[:3], id=name) for name, row in TABLE.items()]
FAR = [pytest.param(row[0], row[3], row[4], id=name) for name, row in TABLE.items()]

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize(("make", "f", "slope"), CURVES)
def test_agrees_with_its_formula_element_by_element(make, f, slope, dtype, tolerance):
    """Relative to each value, so that a small one on the left must be right, too; the tanh of gelu's own
    reference has no more than 1e-16 there."""
    x = X.astype(dtype)
    passed = run_layer(make, x, np.full_like(x, 3))
    assert passed.y.dtype == passed.dx.dtype == dtype
    for got, function, factor in ((passed.y, f, 1), (passed.dx, slope, 3)):
        expected = np.array([[factor * function(float(v))] for v in x[:, 0]])
        floor = 1e-14 if f is gelu_by_tanh else 1e-30
        roots = 0.05 if function is slope else 0  # silu, gelu and mish turn near −1, where f′ has no digits
        assert (np.abs(got - expected) <= tolerance * np.maximum(np.abs(expected), roots) + floor).all()


@pytest.mark.parametrize("make", FACTORIES)
def test_differentiates_off_the_kinks(make):
    random = np.random.Generator(np.random.Philox(2))
    x, dy = random.standard_normal((2, 6, 5)) * 2
    x[np.abs(x) < 0.1] = 0.5
    check_gradients(make, x, dy, sizes=(3, 0, 3), tolerance=1e-13)


@both_dtypes
@pytest.mark.parametrize(("make", "left", "right"), FAR)
def test_is_right_far_out(make, left, right, dtype):
    x = np.array([[-1e4, 1e4]], dtype)
    passed = run_layer(make, x, np.full_like(x, 2))
    assert passed.y[0] == pytest.approx([left[0], right[0]], rel=1e-6, abs=1e-30)
    assert passed.dx[0] == pytest.approx([2 * left[1], 2 * right[1]], rel=1e-6, abs=1e-30)


@pytest.mark.parametrize("make", FACTORIES)
def test_takes_every_finite_number_without_a_warning(make):
    """Warnings are errors here. selu alone may leave the range: λ·x > x."""
    sizes = np.logspace(-45, np.log10(MOST / 1.1), 400).astype(np.float32)
    x = np.concatenate([-sizes, [-MOST if make is not Selu else -1, 0.0, -0.0, 1e-45], sizes])
    x = np.append(x, MOST if make is not Selu else 1).astype(np.float32)[:, None]
    passed = run_layer(make, x, np.ones_like(x))
    assert np.isfinite(passed.y).all()
    assert np.isfinite(passed.dx).all()


@pytest.mark.parametrize("make", FACTORIES)
def test_passes_on_what_is_not_a_number(make):
    assert np.isnan(run_layer(make, np.array([[np.nan]])).y).all()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("make", FACTORIES)
def test_takes_no_rows_and_any_shape(make, shape):
    x = np.linspace(-2, 2, 4 * max(1, int(np.prod(shape)))).reshape(4, *shape) + 0.1
    whole = run_layer(make, x, x)
    empty = run_layer(make, x[:0], x[:0])
    assert empty.y.shape == empty.dx.shape == (0, *shape)
    same_bits(run_layer(make, x[1:2], x[1:2]).y, whole.y[1:2])


@both_dtypes
@pytest.mark.parametrize("make", FACTORIES)
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(make, dtype):
    """Vectorised loops have ends, where other code could run."""
    for width in (1, 3, 7, 33):
        x, dy = (3 * np.random.Generator(np.random.Philox(width)).standard_normal((2, 11, width))).astype(
            dtype
        )
        check_rows_are_their_own(lambda x, dy: run_layer(make, x, dy)[:2], x, dy)


def test_derivatives_at_the_kinks():
    at = {Elu: [0.0], LeakyRelu: [0.0], HardTanh: [-1.0, 1.0], HardSigmoid: [-3.0, 3.0]}
    expected = {Elu: [1], LeakyRelu: [0.01], HardTanh: [0, 0], HardSigmoid: [0, 0]}
    for make, x in at.items():
        assert list(run_layer(make, np.array([x]), np.ones((1, len(x)))).dx[0]) == expected[make]


def test_gelu_by_tanh_is_near_gelu():
    x = np.linspace(-6, 6, 1201)[:, None]
    exact, near = run_layer(Gelu, x).y, run_layer(partial(Gelu, approximate="tanh"), x).y
    assert 4e-4 < np.abs(exact - near).max() < 5e-4


def test_selu_keeps_zero_mean_and_unit_variance():
    """Of a standard normal x, by quadrature: the fixed point that its constants were made for."""
    x, weights = np.polynomial.hermite_e.hermegauss(180)
    y = run_layer(Selu, x[:, None]).y[:, 0]
    weights = weights / weights.sum()
    mean = (weights * y).sum()
    assert mean == pytest.approx(0, abs=1e-3)
    assert (weights * y * y).sum() == pytest.approx(1, abs=1e-3)


def test_softplus_is_the_limit_of_shifted_sigmoids():
    """∫ σ(x − s) ds from 0 to ∞, as a sum of narrow steps at their middles."""
    shifts = (np.arange(40_000) + 0.5) / 1000
    for x in (-2.0, 0.0, 3.0):
        total = float((1 / (1 + np.exp(shifts - x))).sum() / 1000)
        assert run_layer(Softplus, np.array([[x]])).y[0, 0] == pytest.approx(total, rel=1e-6)


def test_exp_is_the_exponential_function():
    for dtype, tolerance in ((np.float32, 1e-6), (np.float64, 1e-15)):
        x = X.astype(dtype)
        passed = run_layer(Exp, x, np.full_like(x, 3))
        expected = np.array([[exp(float(v))] for v in x[:, 0]])
        assert distance(passed.y, expected) <= tolerance
        assert distance(passed.dx, 3 * expected) <= tolerance
    check_gradients(Exp, X[:6], X[6:12], tolerance=1e-14)


@both_dtypes
def test_exp_overflows_to_infinity_without_a_warning(dtype):
    x = np.array([[-1e4, -MOST, 0, 1e4, MOST]], dtype)
    passed = run_layer(Exp, x, np.array([[1, 1, 1, 1, 0]], dtype))
    assert list(passed.y[0]) == [0, 0, 1, np.inf, np.inf]
    assert list(passed.dx[0, :4]) == [0, 0, 1, np.inf]
    assert np.isnan(passed.dx[0, 4])  # 0·∞


def test_identity_copies_nothing():
    x = np.ones((2, 3))
    y, backward = Identity().forward(x, None)
    assert y is x
    assert backward(x) is x


@both_dtypes
def test_helpers_keep_the_dtype(dtype):
    x = np.array([-3, 0, 800], dtype)
    assert decay(x).dtype == logistic(x).dtype == dtype
    assert logistic(x) == pytest.approx([sigma(-3), 0.5, 1], rel=1e-6)
    assert logistic(x.astype(np.complex128)).dtype == np.complex128


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_either_is_where_to_the_bit(dtype):
    x = np.random.Generator(np.random.Philox(2)).standard_normal((7, 5)).astype(dtype)
    x[0] = [np.nan, np.inf, -np.inf, -0.0, 0]
    mask = x.real > 0.2
    same_bits(either(mask, x, np.flip(x)), np.where(mask, x, np.flip(x)))
    same_bits(either(mask, 1, x), np.where(mask, dtype(1), x))
    same_bits(either(mask[:0], 1, x[:0]), x[:0])


def test_a_subclass_must_write_its_curve():
    class Nothing(Elementwise):
        pass

    assert message_of(NotImplementedError, lambda: Nothing().curve(X)) == "Nothing has no curve"


@pytest.mark.parametrize("slope", [-0.1, 1.5])
def test_leaky_relu_refuses_a_slope_out_of_range(slope):
    assert message_of(ValueError, lambda: LeakyRelu(slope)) == f"slope must be in [0, 1], got {slope}"


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_elu_refuses_an_alpha_that_is_not_positive(alpha):
    assert message_of(ValueError, lambda: Elu(alpha)) == f"alpha must be positive, got {alpha}"
