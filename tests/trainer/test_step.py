"""Training is the same to the bit on any number of ranks, and a step that is not finite changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.contracts import ArrayRows, Optimizer
from dtrain.engine import Context, Layout
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams
from dtrain.trainer.evaluate import evaluate
from dtrain.trainer.update import Penalty
from dtrain_plugins.activations.relu import Relu
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.metrics.accuracy import Accuracy
from dtrain_plugins.optimizers.adam import Adam
from dtrain_plugins.optimizers.momentum import Momentum
from dtrain_plugins.optimizers.sgd import Sgd
from dtrain_plugins.regularizers.l2 import L2
from tests.support import MEMORY, RANKS, Job, Scale, Sum, assert_same_bits, classes, named, network, serial

SAMPLES = 97  # a prime: batches of 32, 32, 32 and 1 row, fewer than ranks or shards


class LocalStatistics(BatchNorm):
    """What a stranger writes: statistics of this rank's rows alone."""

    def forward(self, x, context):
        return super().forward(x, _Local(context))


class _Local:
    """A context that takes this rank's rows for all rows."""

    def __init__(self, context):
        self._context = context

    def __getattr__(self, name):
        return getattr(self._context, name)

    def moments(self, x, axes=()):
        mean = x.sum(axis=0, dtype=float) / max(len(x), 1)
        return len(x), mean, ((x - mean) ** 2).sum(axis=0) / max(len(x), 1)

    def sum(self, *arrays, axes=()):
        return tuple(a.sum(axis=0) for a in arrays)


def layers(norm=BatchNorm):
    return named(
        Dense(50, bias=False), norm(), Relu(), Dropout(0.2), Dense(30, bias=False), norm(), Relu(), Dense(3)
    )


def job_of(communicator, *, norm=BatchNorm, dtype="float32", optimizer=None, data=None, **options):
    net = network(layers(norm), (6,), dtype)
    options = {"batch_size": 32, "metrics": {"accuracy": Accuracy()}, **options}
    optimizer = optimizer or Adam(lr=0.01)
    return Job(communicator, net, SoftmaxCrossEntropy(), optimizer, data or classes(SAMPLES), **options)


def on_weights(net):
    return [Penalty(L2(0.01), [p for p in net.parameters if p.role == "weight"])]


def trained(epochs=2, **options):
    """What a job leaves on every rank: the digest, the slots, the evaluation, the totals of the last step."""

    def body(communicator):
        job = job_of(communicator, **options)
        assert all(job.train(epochs))
        figures = evaluate(job.replica, job.figures, job.blocks)
        slots = {name: slot.tobytes() for name, slot in job.slots().items()}
        return job.replica.digest(), slots, figures, job.step.sums.tobytes(), job.update.penalty()

    return body


OPTIONS = {
    "plain": {},
    "16 shards": {"shards": 16},
    "3 micro-batches": {"parts": 3},
    "clipped by norm": {"clip_norm": 0.05},
    "clipped by value": {"clip_value": 0.002},
    "regularized": {"penalties": on_weights},
    "all at once": {"parts": 3, "clip_norm": 0.05, "clip_value": 0.02, "penalties": on_weights},
    "momentum": {"optimizer": Momentum(lr=0.01)},
    "float64": {"dtype": "float64"},
}


@pytest.fixture(scope="module")
def reference():
    found = {}

    def get(name):
        if name not in found:
            found[name] = serial(trained(**OPTIONS[name]))
        return found[name]

    return get


@MEMORY
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", OPTIONS)
def test_training_ends_in_the_same_bits_on_any_ranks(name, ranks, share_memory, reference):
    expected = reference(name)
    for result in run_ranks(ranks, trained(**OPTIONS[name]), share_memory):
        assert result == expected


def test_every_option_of_the_test_above_changes_the_result(reference):
    assert len({reference(name)[0] for name in OPTIONS}) == len(OPTIONS)


@MEMORY
def test_one_shard_a_rank_agrees_within_rounding_and_all_its_ranks_to_the_bit(share_memory):
    def values(communicator):
        job = job_of(communicator, shards="ranks", dtype="float64", optimizer=Sgd(lr=0.1))
        job.train(1)
        return job.replica.exchange.values.copy(), job.replica.digest()

    one = serial(values)
    three = run_ranks(3, values, share_memory)
    assert len({digest for _, digest in three}) == 1
    np.testing.assert_allclose(three[0][0], one[0], rtol=1e-9, atol=1e-12)
    assert three[0][1] != one[1]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_statistics_of_one_ranks_rows_alone_are_seen(ranks):
    """The negative control: the very same job with a batch norm that forgets the other ranks."""
    data = classes(96)
    expected = serial(lambda c: _digest(job_of(c, norm=LocalStatistics, data=data)))
    found = run_ranks(ranks, lambda c: _digest(job_of(c, norm=LocalStatistics, data=data)))
    assert (set(found) == {expected}) == (ranks == 1)
    assert len(set(found)) == ranks  # their running statistics drift apart


def _digest(job):
    job.train(1)
    return job.replica.digest()


def test_training_learns():
    def body(communicator):
        job = job_of(communicator, data=classes(401))
        before = evaluate(job.replica, job.figures, job.blocks)
        job.train(12)
        return before, evaluate(job.replica, job.figures, job.blocks)

    before, after = serial(body)
    assert after["loss"] < 0.3 < 0.9 < before["loss"]
    assert after["accuracy"] > 0.9


# ---------------------------------------------------------------------- the gradient

X = np.random.default_rng(3).standard_normal((13, 4))
LABELS = np.random.default_rng(4).integers(0, 3, 13)


def smooth():
    shared = Dense(5, activation=Tanh())
    return [
        ("a", Dense(5)),
        ("norm", BatchNorm()),
        ("tanh", Tanh()),
        ("drop", Dropout(0.3)),
        ("shared", shared),
        ("again", shared),
        ("scale", Scale()),
        ("sum", Sum("scale", "tanh")),
        ("out", Dense(3)),
    ]


def complex_step_gradient(values):
    """∂(mean loss)/∂θ of every parameter by Im L(θ + ih)/h: exact to rounding, with no backward pass."""
    net = network(smooth(), (4,), "complex128")
    context = Context(Totals(8, [(0, 8)], serial(lambda c: c)), SampleStreams(0))
    for p in net.parameters:
        p._value = values[p.name].astype(complex)
    gradient = {p.name: np.zeros(p.shape) for p in net.parameters}
    for p in net.parameters:
        for i in np.ndindex(p.shape):
            p.value[i] += 1e-30j
            context.begin(Layout(13, 8, 0, 8), training=True, step=0, epoch=0, place=0)
            y, _ = net.forward(X.astype(complex), context)
            losses, _ = SoftmaxCrossEntropy().forward(y, LABELS, context)
            context.rollback()
            gradient[p.name][i] = losses.sum().imag / 1e-30 / 13
            p.value[i] -= 1e-30j
    return gradient


@pytest.mark.parametrize("share_memory", [True, False], ids=["shared", "private"])
@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_a_step_follows_the_exact_gradient_of_the_whole_network(ranks, share_memory):
    def body(communicator):
        net = network(smooth(), (4,), "float64")
        job = Job(communicator, net, SoftmaxCrossEntropy(), Sgd(lr=1.0), ArrayRows(X, LABELS), batch_size=13)
        before = {p.name: p.value.copy() for p in net.parameters}
        communicator.barrier()
        assert job.step(job.batches.cut(0), 0, 0)
        return before, {p.name: before[p.name] - p.value for p in net.parameters}

    before, step = run_ranks(ranks, body, share_memory)[-1]
    for name, gradient in complex_step_gradient(before).items():
        assert np.abs(gradient).max() > 1e-4 or name == "a.bias"  # in front of a batch norm it has none
        np.testing.assert_allclose(step[name], gradient, rtol=1e-9, atol=1e-13)


def test_micro_batches_of_unequal_size_give_the_gradient_of_the_whole_batch():
    """One division at the end: no mean of means. 11 rows in parts of 3, 4 and 4, without batch statistics."""

    def body(parts):
        def run(communicator):
            net = network(named(Dense(3)), (4,), "float64")
            data = ArrayRows(X[:11], LABELS[:11])
            job = Job(communicator, net, SoftmaxCrossEntropy(), Sgd(1.0), data, batch_size=11, parts=parts)
            job.train(1)
            assert job.step.sums[1] == 11
            return job.replica.exchange.values.copy()

        return run

    np.testing.assert_allclose(serial(body(3)), serial(body(1)), rtol=1e-12)


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_loss_with_weights_is_divided_by_the_sum_of_its_weights(ranks):
    class Masked(Mse):
        def forward(self, y, target, context):
            mask = (target[:, 0] > 0).astype(y.dtype)
            values, backward = super().forward(y, target, context)
            return (values * mask, mask), lambda: backward() * mask[:, None]

    def values(loss, x, t):
        def run(communicator):
            net = network(named(Dense(1)), (4,), "float64")
            job = Job(communicator, net, loss, Sgd(0.5), ArrayRows(x, t), batch_size=13)
            job.train(1)
            return job.replica.exchange.values.copy()

        return run_ranks(ranks, run)[0]

    t = X[:, :1] * 2
    keep = t[:, 0] > 0
    assert 0 < keep.sum() < 13
    np.testing.assert_allclose(values(Masked(), X, t), values(Mse(), X[keep], t[keep]), rtol=1e-12)


# ---------------------------------------------------------------------- steps that are not finite


def remembered(job):
    job.communicator.barrier()
    seen = job.replica.digest(), {name: slot.tobytes() for name, slot in job.slots().items()}
    job.communicator.barrier()
    return seen


@MEMORY
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(
    "clip", [{}, {"clip_norm": 1.0}, {"clip_value": 1.0}], ids=["plain", "norm", "value"]
)
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_a_step_that_is_not_finite_changes_nothing_on_any_rank(ranks, clip, parts, share_memory):
    bad = classes(SAMPLES)
    bad.x[40, 2] = np.nan  # of the second batch: one row of one rank

    def body(communicator):
        job = job_of(communicator, data=bad, parts=parts, **clip)
        assert job.step(job.batches.cut(0), 0, 0)
        before = remembered(job)
        assert not job.step(job.batches.cut(1), 0, 1)
        assert remembered(job) == before
        assert np.isnan(job.step.sums[0])
        assert job.step(job.batches.cut(2), 0, 1)
        return remembered(job)

    with np.errstate(invalid="ignore"):
        results = run_ranks(ranks, body, share_memory)
    skipped = serial(lambda c: _without_the_second_batch(job_of(c, parts=parts, **clip)))
    assert [digest for digest, _ in results] == [skipped[0]] * ranks


def _without_the_second_batch(job):
    job.step(job.batches.cut(0), 0, 0)
    job.step(job.batches.cut(2), 0, 1)
    return remembered(job)


class Explodes(Scale):
    """A finite loss, a gradient that is not."""

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.weight, lambda rows, out: out.fill(np.inf if rows.stop > rows.start else 0))
            return dy

        return x, backward


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_gradient_that_is_not_finite_is_found_where_the_loss_is_finite(ranks):
    def body(communicator):
        net = network([("a", Dense(3)), ("b", Explodes())], (6,))
        job = Job(communicator, net, SoftmaxCrossEntropy(), Adam(), classes(SAMPLES), batch_size=32)
        before = remembered(job)
        assert job.train(1) == [False] * 4
        assert remembered(job) == before
        assert np.isfinite(job.step.sums).all()

    run_ranks(ranks, body)


def test_a_clip_by_value_does_not_hide_an_infinite_gradient():
    def body(communicator):
        net = network([("a", Dense(3)), ("b", Explodes())], (6,))
        data = classes(SAMPLES)
        job = Job(communicator, net, SoftmaxCrossEntropy(), Adam(), data, batch_size=32, clip_value=1.0)
        return job.train(1)

    assert run_ranks(2, body) == [[False] * 4] * 2


# ---------------------------------------------------------------------- flags, counts, empty batches


@pytest.mark.parametrize("parts", [1, 3])
def test_flags_of_all_ranks_add_up_once_a_step(parts):
    def body(communicator):
        job = job_of(communicator, parts=parts)
        job.step(job.batches.cut(0), 0, 0, flag=float(communicator.rank))
        first = job.step.flags
        job.step(job.batches.cut(1), 0, 1)
        return first, job.step.flags

    assert run_ranks(3, body) == [(3.0, 0.0)] * 3


@pytest.mark.parametrize("ranks", [1, 5])
@pytest.mark.parametrize("parts", [1, 3])
def test_totals_of_a_step_are_of_its_whole_batch(ranks, parts):
    class Still(Optimizer):
        lr = 0.0

        def update(self, value, gradient, context, *slots):
            pass

    data = classes(SAMPLES)

    def body(communicator):
        net = network(named(Dense(3)), (6,), "float64")
        options = {"batch_size": 32, "parts": parts, "metrics": {"accuracy": Accuracy()}}
        job = Job(communicator, net, SoftmaxCrossEntropy(), Still(), data, **options)
        job.step(job.batches.cut(1), 0, 0)
        values = {p.name: p.value.copy() for p in net.parameters}
        return job.step.sums, values["layer_1.weight"], values["layer_1.bias"]

    sums, w, b = run_ranks(ranks, body)[0]
    x, t = data.x[32:64].astype(float), data.y[32:64]
    y = x @ w + b
    losses = np.log(np.exp(y).sum(axis=1)) - y[np.arange(32), t]
    expected = [losses.sum(), 32, (y.argmax(axis=1) == t).sum(), 0]
    np.testing.assert_allclose(sums, expected, rtol=1e-12)


NAMES = ("allgather", "exchange", "barrier", "share", "allocate")


@MEMORY
def test_collectives_of_a_step_do_not_grow_with_the_parameters(share_memory):
    def body(communicator):
        counting = CountingCommunicator(communicator)
        net = network(layers(), (6,))
        job = Job(counting, net, SoftmaxCrossEntropy(), Adam(), classes(64), batch_size=32)
        counting.reset()
        job.train(1)
        return {name: counting.calls[name] for name in NAMES}

    # a step: 2 statistics forward, 2 backward, the figures, whether all is finite; then the new values
    shared = {"allgather": 2 * 6, "exchange": 0, "barrier": 2, "share": 0, "allocate": 0}
    private = {"allgather": 2 * 7, "exchange": 2 * 2, "barrier": 0, "share": 0, "allocate": 0}
    assert run_ranks(4, body, share_memory) == [shared if share_memory else private] * 4


def test_values_are_seen_by_every_rank_after_a_step():
    def body(communicator):
        job = job_of(communicator)
        job.step(job.batches.cut(0), 0, 0)
        return job.replica.exchange.values.copy()

    first, *others = run_ranks(3, body, share_memory=False)
    for other in others:
        assert_same_bits(other, first)
