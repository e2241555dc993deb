"""What an optimizer with a step of its own sees: exact, the same on any ranks, and once a step."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import ArrayRows, Layer, Solver
from dtrain.engine import twin
from dtrain.errors import ConfigError
from dtrain.trainer.update import Penalty
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.newton_cg import NewtonCg
from dtrain_plugins.regularizers.l2 import L2
from tests.support import MEMORY, Job, assert_same_bits, named, network

RANDOM = np.random.Generator(np.random.Philox(5))
X, T = RANDOM.standard_normal((13, 40)), RANDOM.standard_normal((13, 30))
CLASSES = RANDOM.integers(0, 3, 13)


class Look(Solver):
    """Does something with the problem; what that returns is the new value, or nothing moves."""

    lr = 1.0

    def __init__(self, do):
        self.do, self.seen = do, None

    def solve(self, problem):
        self.seen = self.do(problem)
        return problem.value


class Go(Look):
    def solve(self, problem):
        return self.do(problem)


def deep():
    return named(Dense(50), Tanh(), Dense(30))


def job_of(communicator, do, *, of=deep, loss=None, x=X, t=T, dtype="float64", solver=Look, **options):
    net = network(of(), x.shape[1:], dtype)
    data = ArrayRows(x.astype(dtype), t if t.dtype.kind == "i" else t.astype(dtype))
    return Job(communicator, net, loss or Mse(), solver(do), data, **{"batch_size": len(x), **options})


def looked(do, ranks=1, share_memory=True, **options):
    """What `do(problem)` returned on every rank; vectors whole."""

    def body(communicator):
        job = job_of(communicator, do, **options)
        assert job.train(1) == [True]
        found = job.update.optimizer.seen
        return [job.replica.gather(a) if isinstance(a, np.ndarray) else a for a in found]

    if ranks == 1:
        return body(SerialCommunicator())
    every = run_ranks(ranks, body, share_memory=share_memory)
    for other in every[1:]:
        for a, b in zip(every[0], other, strict=True):
            assert_same_bits(a, b)
    return every[0]


def ramp(problem):
    """A direction that is the same on any ranks, from the parameters alone."""
    return np.where(problem.gradient, np.cos(1e3 * problem.value), 0)


# ---------------------------------------------------------------------- exact


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


# ---------------------------------------------------------------------- on ranks


def everything(problem):
    v = ramp(problem)
    value = problem.value - 0.1 * problem.gradient
    loss, gradient = problem.loss_and_gradient(value)
    return [
        problem.loss, problem.gradient, loss, gradient, problem.loss_at(value), problem.hessian_product(v),
        problem.gauss_newton_product(v), problem.dot(v, gradient), problem.norm(v), problem.size, problem.step,
    ]  # fmt: skip


@MEMORY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_has_the_same_bits_on_any_ranks(dtype, share_memory):
    options = {
        "dtype": dtype,
        "parts": 2,
        "of": lambda: named(Dense(50), BatchNorm(), Tanh(), Dropout(0.3), Dense(30)),
    }
    alone = looked(everything, **options)
    for ranks in (2, 3):
        for a, b in zip(alone, looked(everything, ranks, share_memory, **options), strict=True):
            assert_same_bits(a, b)


def test_one_shard_a_rank_gives_other_bits():
    """The negative control: where shards are not fixed by the config, ranks show."""

    def body(communicator):
        job = job_of(
            communicator, lambda problem: problem.hessian_product(ramp(problem)), shards=communicator.size
        )
        job.train(1)
        return job.replica.gather(job.update.optimizer.seen)

    one, three = body(SerialCommunicator()), run_ranks(3, body)[0]
    assert not np.array_equal(one, three)
    assert np.abs(one - three).max() < 1e-12


def test_a_dot_of_slices_that_is_not_the_problems_is_another_number():
    """The negative control of `dot`: a rank's own sum is the sum of its elements alone."""

    def body(communicator):
        job = job_of(communicator, lambda p: (float(p.gradient @ p.gradient), p.dot(p.gradient, p.gradient)))
        job.train(1)
        return job.update.optimizer.seen

    alone, every = body(SerialCommunicator()), run_ranks(3, body)
    assert {dot for _, dot in every} == {alone[1]}
    assert all(own < 0.9 * alone[0] for own, _ in every)


# ---------------------------------------------------------------------- one function


def test_micro_batches_add_up():
    whole, parts = looked(everything), looked(everything, parts=3)
    for a, b in zip(whole, parts, strict=True):
        assert np.abs(np.asarray(a) - b).max() <= 1e-12 * np.abs(a).max()


def test_loss_and_products_hold_the_penalties():
    """Against the same without: weight·Σw², 2·weight·w, 2·weight·v on weights."""

    def do(problem):
        v = ramp(problem)
        loss, gradient = problem.loss_and_gradient(2 * problem.value)
        return [
            problem.loss, loss, problem.loss_at(2 * problem.value), problem.gradient, gradient,
            problem.hessian_product(v), problem.gauss_newton_product(v), problem.value, v,
        ]  # fmt: skip

    def penalties(net):
        return [Penalty(L2(0.5), [p for p in net.parameters if p.role == "weight"])]

    plain, both = looked(do), looked(do, penalties=penalties)
    weights = 40 * 50 + 50 * 30
    w, v = (np.where(np.arange(len(a)) < weights, a, 0) for a in plain[-2:])
    square = 0.5 * (w @ w)
    added = [square, 4 * square, 4 * square, w, 2 * w, v, v]
    for before, after, more in zip(plain, both, added, strict=False):
        assert np.abs(np.asarray(after) - before - more).max() <= 1e-12 * np.abs(after).max()


def test_dropout_draws_the_same_numbers_throughout_a_step_and_others_in_the_next():
    seen = []

    def do(problem):
        gradient = problem.loss_and_gradient(problem.value)[1]
        seen.append((problem.loss, problem.loss_at(problem.value)))
        assert_same_bits(gradient, problem.gradient)
        h = 1e-4
        v = ramp(problem)
        left, right = (problem.loss_and_gradient(problem.value + s * h * v)[1] for s in (-1, 1))
        expected = (right - left) / (2 * h)
        assert np.abs(problem.hessian_product(v) - expected).max() <= 1e-6 * np.abs(expected).max()

    job_of(SerialCommunicator(), do, of=lambda: named(Dense(50), Tanh(), Dropout(0.5), Dense(30))).train(2)
    (a, again), (b, _) = seen
    assert a == again
    assert a != b


class Remembers(Layer):
    """Counts its training passes."""

    def build(self, shape, make):
        self.count = make.state("count", (1,))
        return shape

    def forward(self, x, context):
        if context.training:
            context.update(self.count, self.count.value + 1)
        return x, lambda dy: dy


def test_running_statistics_move_once_a_step():
    seen = []

    def do(problem):
        problem.loss_at(problem.value)
        problem.loss_and_gradient(problem.value)
        problem.hessian_product(problem.gradient)
        seen.append(float(state.value[0]))

    job = job_of(SerialCommunicator(), do, of=lambda: named(Dense(5), Remembers(), Dense(30)), parts=2)
    (state,) = job.replica.network.states
    job.train(2)
    assert seen == [0.0, 2.0]  # a micro-batch each
    assert float(state.value[0]) == 4.0


class Held(Layer):
    """y = w·x with a w that is not trained."""

    def build(self, shape, make):
        self.w = make.parameter("w", shape, "drawn", trainable=False)
        return shape

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.w, lambda rows, out: np.sum(x[rows] * dy[rows], axis=0, out=out))
            return dy * self.w.value

        return x * self.w.value, backward


@pytest.mark.parametrize("ranks", [1, 3])
def test_what_is_not_trained_never_moves(ranks):
    def body(communicator):
        job = job_of(
            communicator, lambda p: p.value + 1, of=lambda: named(Dense(50), Held(), Dense(30)), solver=Go
        )
        before = {p.name: p.value.copy() for p in job.replica.network.parameters}
        communicator.barrier()
        assert job.train(1) == [True]
        moved = {p.name: p.value - before[p.name] for p in job.replica.network.parameters}
        size = job.step.seen.size
        return moved, size

    moved, size = (run_ranks(ranks, body) if ranks > 1 else [body(SerialCommunicator())])[0]
    assert size == 40 * 50 + 50 + 50 * 30 + 30
    for name, by in moved.items():
        assert by == pytest.approx(np.full(by.shape, 0.0 if name == "layer_2.w" else 1.0))


# ---------------------------------------------------------------------- not finite, not complex


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_step_that_begins_or_ends_beyond_numbers_changes_nothing(ranks):
    def body(communicator):
        found = []
        for x in (X, np.where(np.arange(40) == 7, np.inf, X)):
            of = lambda: named(Dense(5), Remembers(), Dense(30))  # noqa: E731
            job = job_of(communicator, lambda p: p.value / 0, of=of, x=x, solver=Go)
            before = job.replica.digest()
            with np.errstate(all="ignore"):
                taken = job.train(1)
            found.append((taken, job.replica.digest() == before))
        return found

    for found in run_ranks(ranks, body):
        assert found == [([False], True), ([False], True)]


def test_a_solver_survives_trial_points_beyond_numbers():
    """The first trial overflows; the line search comes back from there."""
    job = job_of(SerialCommunicator(), None, solver=lambda _: NewtonCg(lr=1e200))
    with np.errstate(all="ignore"):
        assert job.train(1) == [True]
    assert all(np.isfinite(p.value).all() for p in job.replica.network.parameters)


class LosesForward(Layer):
    """y = x², the imaginary part forgotten."""

    def forward(self, x, context):
        return (x.real**2).astype(x.dtype), lambda dy: 2 * x * dy


class LosesBackward(Layer):
    """y = w·x, whose gradient is taken at the real part of x."""

    def build(self, shape, make):
        self.w = make.parameter("w", shape, "drawn")
        return shape

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.w, lambda rows, out: np.sum(x.real[rows] * dy[rows], axis=0, out=out))
            return dy * self.w.value

        return x * self.w.value, backward


class Real(Layer):
    def forward(self, x, context):
        return np.fmod(x, 2), lambda dy: dy


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (LosesForward, "the derivative of the loss along its gradient: "),
        (LosesBackward, "a·Hb, as large as b·Ha: "),
    ],
)
def test_a_layer_that_loses_imaginary_parts_is_an_error_not_a_wrong_product(layer, what, ranks):
    def body(communicator):
        with pytest.raises(ConfigError) as error:
            looked_at(communicator, layer)
        return str(error.value)

    def looked_at(communicator, layer):
        of = lambda: named(Dense(5), layer(), Dense(30))  # noqa: E731
        job_of(communicator, lambda p: p.hessian_product(p.gradient), of=of).train(1)

    for message in run_ranks(ranks, body):
        head, numbers = message.split(what)
        assert head == (
            "[optimizer]: expected layers and a loss that pass complex numbers on, from which products with second "
            "derivatives are computed, got ones that lose them ("
        )
        assert numbers.endswith("; take an optimizer without products, such as lbfgs")


def test_a_layer_that_takes_no_complex_numbers_is_named():
    of = lambda: named(Dense(5), Real(), Dense(30))  # noqa: E731
    with pytest.raises(TypeError) as error:
        job_of(SerialCommunicator(), lambda p: p.hessian_product(p.gradient), of=of).train(1)
    assert error.value.__notes__ == [
        "in the forward of layer 'layer_2' (Real)",
        "on complex numbers, with which second derivatives are computed",
    ]


def test_work_is_counted_in_gradients():
    def do(problem):
        problem.loss_at(problem.value)
        problem.loss_and_gradient(problem.value)

    job = job_of(SerialCommunicator(), do)
    job.train(2)
    assert job.step.seen.work == pytest.approx(2 * (1 + 1 / 3 + 1))
    job.update.optimizer.do = lambda problem: problem.gauss_newton_product(problem.gradient)
    job.train(2)
    assert job.step.seen.work == pytest.approx(
        2 * (1 + 1 / 3 + 1) + 2 * (1 + 4) + 2 * 4
    )  # the first: checked
