"""Products with second derivatives are exact."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.engine import twin
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.support import assert_same_bits, named
from tests.trainer.solving.support import CLASSES, T, X, job_of, looked, ramp


def test_the_product_of_a_softmax_regression_is_its_closed_form():
    """H = 1/n·Σ (diag p − p·pᵀ) ⊗ x·xᵀ, and the Gauss–Newton matrix of a linear model is the same."""
    x = X[:, :4]

    def do(problem):
        hessian = [problem.hessian_product(problem.scatter(e)) for e in np.eye(problem.size)]
        newton = [problem.gauss_newton_product(problem.scatter(e)) for e in np.eye(problem.size)]
        return [np.array([problem.gather(column) for column in columns]) for columns in (hessian, newton)] + [
            problem.gather(problem.value)
        ]

    job = job_of(
        SerialCommunicator(),
        do,
        of=lambda: named(Dense(3, bias=False)),
        loss=SoftmaxCrossEntropy(),
        x=x,
        t=CLASSES,
    )
    job.train(1)
    hessian, newton, w = job.update.optimizer.seen
    z = x @ w.reshape(4, 3)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = np.zeros((4, 3, 4, 3))
    for row, q in zip(x, p, strict=True):
        expected += np.einsum("a,b,ij->aibj", row, row, np.diag(q) - np.outer(q, q)) / len(x)
    expected = expected.reshape(12, 12)
    assert np.abs(hessian - expected).max() <= 1e-13 * np.abs(expected).max()
    assert np.abs(newton - expected).max() <= 1e-13 * np.abs(expected).max()


def of_extended(theta):
    """Residuals (rows, 2) of a dense net 3-4-2 with tanh, in extended precision: nothing of dtrain's."""
    w, a, v, b = theta[:12].reshape(3, 4), theta[12:16], theta[16:24].reshape(4, 2), theta[24:26]
    x, t = X[:, :3].astype(np.longdouble), T[:, :2].astype(np.longdouble)
    return np.tanh(x @ w + a) @ v + b - t


def differentiated(function, theta, h=1e-4):
    """Derivatives by differences of sixth order, in extended precision: precise to 1e-15 or so."""
    columns = []
    for i in range(len(theta)):
        e = np.zeros_like(theta)
        e[i] = h
        f = [function(theta + s * e) for s in (-3, -2, -1, 1, 2, 3)]
        columns.append((45 * (f[3] - f[2]) - 9 * (f[4] - f[1]) + (f[5] - f[0])) / (60 * np.longdouble(h)))
    return np.stack(columns, axis=-1)


def test_products_with_a_dense_network_are_those_with_its_dense_matrices():
    """H by differences of an extended-precision gradient, JᵀHₗJ with J alike."""

    def do(problem):
        v = ramp(problem)
        return [
            problem.gather(a)
            for a in (problem.value, v, problem.hessian_product(v), problem.gauss_newton_product(v))
        ]

    job = job_of(
        SerialCommunicator(),
        do,
        of=lambda: named(Dense(4, activation=Tanh()), Dense(2)),
        x=X[:, :3],
        t=T[:, :2],
    )
    job.train(1)
    theta, v, product, newton = job.update.optimizer.seen
    theta = theta.astype(np.longdouble)

    def gradient(at):
        jacobian = differentiated(of_extended, at)
        return np.einsum("ro,rok->k", of_extended(at), jacobian) / len(X)

    expected = differentiated(gradient, theta, 1e-3) @ v
    jacobian = differentiated(of_extended, theta).reshape(-1, len(theta))
    assert np.abs(product - expected).max() <= 1e-10 * np.abs(expected).max()
    expected_newton = jacobian.T @ (jacobian @ v) / len(X)
    assert np.abs(newton - expected_newton).max() <= 1e-12 * np.abs(expected_newton).max()
    assert np.abs(product - newton).max() > 1e-3 * np.abs(product).max()  # two different matrices


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_digit_hangs_on_the_length_of_the_complex_step(dtype, monkeypatch):
    exponents = {"float32": (-60, -20), "float64": (-400, -60)}[dtype]

    def do(problem):
        return [problem.hessian_product(ramp(problem))]

    (expected,) = looked(do, dtype=dtype)
    for exponent in exponents:
        monkeypatch.setattr(twin, "EXPONENT", {"F": exponent, "D": exponent})
        (product,) = looked(do, dtype=dtype)
        assert np.abs(product - expected).max() <= 4 * np.finfo(dtype).eps * np.abs(expected).max()


def test_a_product_does_not_depend_on_the_length_of_the_vector():
    def do(problem):
        v = ramp(problem)
        return [problem.hessian_product(a * v) / a for a in (1.0, 2.0**-60, 2.0**40)]

    expected, *others = looked(do)
    for product in others:
        assert_same_bits(product, expected)
