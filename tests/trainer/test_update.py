"""Regularizers, clipping and the optimizer: once, after the reduction, with the same bits on any ranks."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows, Layer, Optimizer
from dtrain.engine.replica import BLOCK
from dtrain.parameter import ALIGN
from dtrain.trainer.update import PIECE, Penalty, Scratchpad
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.optimizers.adam import Adam
from dtrain_plugins.optimizers.adamw import Adamw
from dtrain_plugins.optimizers.sgd import Sgd
from dtrain_plugins.regularizers.l2 import L2
from dtrain_plugins.regularizers.weight_decay import WeightDecay
from tests.support import MEMORY, Job, Scale, assert_same_bits, named, network

RANDOM = np.random.default_rng(0)
X, T = RANDOM.standard_normal((13, 40)), RANDOM.standard_normal((13, 30))
DATA = ArrayRows(X, T)


class Frozen(Layer):
    """y = w·x + b, w and b fixed; both still pass gradients down."""

    def build(self, shape, make):
        self.weight = make.parameter("weight", shape, "drawn", trainable=False)
        self.bias = make.parameter("bias", shape, "drawn", role="bias")
        return shape

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.weight, lambda rows, out: out.fill(np.nan))
            context.gradient(self.bias, lambda rows, out: np.sum(dy[rows], axis=0, out=out))
            return dy * self.weight.value

        return x * self.weight.value + self.bias.value, backward


def layers():
    return named(Dense(50), Scale(), Dense(30))


def job_of(communicator, dtype="float64", optimizer=None, of=layers, **options):
    net = network(of(), (40,), dtype)
    return Job(communicator, net, Mse(), optimizer or Sgd(lr=1.0), DATA, batch_size=13, **options)


def stepped(steps=1, **options):
    """Values before and after, by name; on every rank."""

    def body(communicator):
        job = job_of(communicator, **options)
        before = {p.name: p.value.copy() for p in job.replica.network.parameters}
        communicator.barrier()
        for step in range(steps):
            assert job.step(job.batches.cut(0), 0, step)
        return before, {p.name: p.value.copy() for p in job.replica.network.parameters}

    return body


def gradient(ranks=1, **options):
    """The gradient that the optimizer gets, by name: Sgd of lr 1 subtracts it."""
    before, after = run_ranks(ranks, stepped(**options))[0]
    return {name: before[name] - after[name] for name in before}, before


def norm_of(gradients):
    return np.sqrt(sum((g**2).sum() for g in gradients.values()))


def chosen(role):
    return lambda net: [Penalty(L2(0.5), [p for p in net.parameters if p.role == role])]


# ---------------------------------------------------------------------- clipping


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("share", [0.1, 0.999, 1.5])
def test_a_norm_is_clipped_over_all_parameters_at_once(ranks, share):
    whole, _ = gradient()
    limit = share * norm_of(whole)
    clipped, _ = gradient(ranks, clip_norm=limit)
    assert norm_of(clipped) == pytest.approx(min(limit, norm_of(whole)), rel=1e-9)
    for name, g in whole.items():
        np.testing.assert_allclose(clipped[name], g * min(share, 1), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_values_are_clipped_one_by_one(ranks):
    whole, _ = gradient()
    limit = 0.3 * max(np.abs(g).max() for g in whole.values())
    clipped, _ = gradient(ranks, clip_value=limit)
    assert sum((np.abs(g) > limit).sum() for g in whole.values()) > 3
    for name, g in whole.items():
        np.testing.assert_allclose(clipped[name], np.clip(g, -limit, limit), rtol=1e-8, atol=1e-12)


def test_values_are_clipped_before_the_norm():
    whole, _ = gradient()
    limit = 0.3 * max(np.abs(g).max() for g in whole.values())
    cut = {name: np.clip(g, -limit, limit) for name, g in whole.items()}
    both, _ = gradient(2, clip_value=limit, clip_norm=0.5 * norm_of(cut))
    for name, g in cut.items():
        np.testing.assert_allclose(both[name], 0.5 * g, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_norm_that_overflows_float32_is_clipped_not_skipped(ranks):
    def body(communicator):
        net = network(layers(), (40,), "float32")
        data = ArrayRows(X.astype(np.float32), T.astype(np.float32) * np.float32(1e25))
        job = Job(communicator, net, Mse(), Sgd(lr=1.0), data, batch_size=13, clip_norm=2.0)
        before = job.replica.exchange.values.copy()
        communicator.barrier()
        assert job.step(job.batches.cut(0), 0, 0)
        assert np.isfinite(job.step.sums[0])  # the loss, whose square is beyond float32
        communicator.barrier()
        moved = (job.replica.exchange.values - before).astype(float)
        assert np.sqrt((moved**2).sum()) == pytest.approx(2, rel=1e-5)

    run_ranks(ranks, body)


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "size", "limit"),
    [("float32", 1e30, 2.0), ("float32", 1e37, 1e-9), ("float32", 1e-30, 1e-31), ("float64", 1e300, 2.0)],
)
def test_a_norm_is_clipped_at_any_scale(dtype, size, limit, ranks):
    def body(communicator):
        net = network(layers(), (40,), dtype)
        data = ArrayRows(X.astype(dtype), T.astype(dtype))
        job = Job(communicator, net, Mse(), Sgd(lr=1.0), data, batch_size=13, clip_norm=limit)
        gradient = np.full(job.replica.own.stop - job.replica.own.start, size, dtype)
        assert job.update.prepare(gradient, True)
        whole = job.replica.gather(gradient) / np.array(limit, dtype)
        assert np.sqrt((whole.astype(float) ** 2).sum()) == pytest.approx(1, rel=1e-5)
        return job.replica.gather(gradient)

    with np.errstate(over="ignore"):
        results = run_ranks(ranks, body)
        for found in results:
            assert_same_bits(found, run_ranks(1, body)[0])


# ---------------------------------------------------------------------- regularizers


@pytest.mark.parametrize("role", ["weight", "bias"])
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_a_penalty_is_added_once_to_the_mean_whatever_the_ranks(ranks, role):
    whole, values = gradient()
    regularized, _ = gradient(ranks, penalties=chosen(role))
    for name, g in whole.items():
        extra = 2 * 0.5 * values[name] if name.endswith(role) else 0
        np.testing.assert_allclose(regularized[name], g + extra, rtol=1e-9, atol=1e-12)


@MEMORY
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sum_of_penalties_has_the_same_bits_on_any_ranks(dtype, ranks, share_memory):
    def body(communicator):
        job = job_of(
            communicator, dtype, penalties=lambda net: [*chosen("weight")(net), *chosen("bias")(net)]
        )
        found = job.update.penalty()
        values = np.concatenate([p.value.ravel() for p in job.replica.network.parameters]).astype(float)
        return found, 0.5 * float(values @ values)

    ((one, expected),) = run_ranks(1, body)
    assert one == pytest.approx(expected, rel=1e-6)
    assert {found for found, _ in run_ranks(ranks, body, share_memory)} == {one}


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_penalties_of_chosen_layers_beyond_one_piece_have_the_same_bits_on_any_ranks(ranks):
    """The chosen parameter starts inside a block, and is longer than what an optimizer gets at once."""

    def body(communicator):
        net = network(named(Dense(1), Dense(PIECE + 3 * BLOCK)), (40,))
        data = ArrayRows(X, np.zeros((13, PIECE + 3 * BLOCK), np.float32))
        second = [p for p in net.parameters if p.name == "layer_2.weight"]
        options = {"batch_size": 13, "penalties": lambda net: [Penalty(L2(1), second)]}
        job = Job(communicator, net, Mse(), Sgd(), data, **options)
        return job.update.penalty()

    (one,) = run_ranks(1, body)
    assert set(run_ranks(ranks, body)) == {one}


def test_there_is_no_penalty_without_regularizers():
    assert run_ranks(2, lambda c: job_of(c).update.penalty()) == [0.0, 0.0]


# ---------------------------------------------------------------------- decoupled decay


def decays(role="weight", weight=0.5):
    return lambda net: [Penalty(WeightDecay(weight), [p for p in net.parameters if p.role == role])]


def values_after(ranks, optimizer, share_memory=True, **options):
    body = stepped(3, dtype="float32", optimizer=optimizer, **options)
    first, *others = [after for _, after in run_ranks(ranks, body, share_memory)]
    for other in others:
        for name, value in first.items():
            assert_same_bits(other[name], value)
    return first


@MEMORY
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_adam_beside_decoupled_decay_is_adamw(ranks, share_memory):
    expected = values_after(1, Adamw(0.1, 0.5))
    beside = values_after(ranks, Adam(0.1), share_memory, penalties=decays())
    plain = values_after(1, Adam(0.1))
    for name, value in expected.items():
        assert_same_bits(beside[name], value)
        assert not np.array_equal(value, plain[name])


@pytest.mark.parametrize("role", ["weight", "bias"])
@pytest.mark.parametrize("ranks", [1, 3])
def test_decoupled_decay_takes_the_parameters_that_are_chosen_times_the_rate(ranks, role):
    def body(communicator):
        job = job_of(communicator, optimizer=Sgd(0.1), penalties=decays(role))
        if job.replica.writes_values():
            job.replica.exchange.values += 1
        communicator.barrier()
        before = {p.name: p.value.copy() for p in job.replica.network.parameters}
        communicator.barrier()
        job.update.apply(np.zeros(job.replica.own.stop - job.replica.own.start), 1)
        for p in job.replica.network.parameters:
            np.testing.assert_allclose(p.value, before[p.name] * (0.95 if p.role == role else 1), rtol=1e-15)
        assert job.update.penalties == []
        assert job.update.penalty() == 0.0
        communicator.barrier()

    run_ranks(ranks, body)


def test_decoupled_decay_is_not_what_a_penalty_does_to_an_adaptive_optimizer():
    """The negative control: half the weight as l2, which is the same for sgd, is another thing for adam."""
    penalized = lambda net: [Penalty(L2(0.25), [p for p in net.parameters if p.role == "weight"])]  # noqa: E731
    same = [values_after(1, Sgd(0.1), penalties=p)["layer_1.weight"] for p in (decays(), penalized)]
    np.testing.assert_allclose(*same, rtol=1e-4, atol=1e-6)
    other = [values_after(1, Adam(0.1), penalties=p)["layer_1.weight"] for p in (decays(), penalized)]
    assert np.abs(other[0] - other[1]).max() > 1e-2


# ---------------------------------------------------------------------- parameters that stay


class Decays(Adam):
    """Moves every value that it is given, also where the gradient is zero."""

    def update(self, value, gradient, context, *slots):
        super().update(value, gradient, context, *slots)
        value *= 0.9
        slots[0][...] += 1


@MEMORY
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_frozen_parameters_stay_and_the_others_move(ranks, share_memory):
    def body(communicator):
        job = job_of(communicator, optimizer=Decays(0.01), of=lambda: named(Dense(30), Frozen()))
        before = {p.name: p.value.copy() for p in job.replica.network.parameters}
        communicator.barrier()
        for step in range(3):
            assert job.step(job.batches.cut(0), 0, step)
        slots = job.slots()
        for p in job.replica.network.parameters:
            moved = not np.array_equal(p.value, before[p.name])
            assert moved == p.trainable
            assert job.replica.layout.view(slots["m"], p).any() == p.trainable
            assert job.replica.layout.view(slots["v"], p).any() == p.trainable
        return job.replica.digest()

    assert len(set(run_ranks(ranks, body, share_memory))) == 1


class Forgets(Scale):
    """No gradient of its weight."""

    def forward(self, x, context):
        return x * self.weight.value, lambda dy: dy * self.weight.value


@MEMORY
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_parameter_without_a_gradient_feels_its_regularizer_once_a_step(ranks, share_memory):
    """w ← w − lr·2λ·w each step: what one step leaves in the gradient must not reach the next."""

    def body(communicator):
        options = {"of": lambda: named(Dense(30), Forgets()), "penalties": chosen("weight")}
        job = job_of(communicator, optimizer=Sgd(0.1), **options)
        w = job.replica.network.parameters[2]
        before = w.value.copy()
        communicator.barrier()
        for step in range(4):
            assert job.step(job.batches.cut(0), 0, step)
        np.testing.assert_allclose(w.value, before * 0.9**4, rtol=1e-12)

    run_ranks(ranks, body, share_memory)


# ---------------------------------------------------------------------- what an optimizer sees


class Notes(Optimizer):
    """Checks its arrays, and notes what it was given."""

    slots = ("seen",)
    lr = 1.0

    def __init__(self):
        self.calls = []

    def update(self, value, gradient, context, *slots):
        (seen,) = slots
        assert value.ndim == gradient.ndim == seen.ndim == 1
        assert len(value) == len(gradient) == len(seen) <= PIECE
        scratch = context.empty(len(value)), context.empty(len(value))
        assert not np.shares_memory(*scratch)
        assert scratch[0].dtype == value.dtype
        scratch[0].fill(3)
        scratch[1].fill(4)
        seen += 1
        self.calls.append((context.step, context.role, len(value)))


class NotesByRole(Notes):
    by_role = True


WIDE = PIECE // 30


def noted(ranks, kind):
    """All ranks' calls in two steps; every element must have been seen in both."""

    def body(communicator):
        notes = kind()
        net = network(named(Dense(WIDE), Scale(), Dense(30)), (40,), "float32")
        job = Job(communicator, net, Mse(), notes, DATA, batch_size=13)
        for step in range(2):
            assert job.step(job.batches.cut(0), 0, step)
        seen = job.slots()["seen"]
        for p in net.parameters:
            assert (job.replica.layout.view(seen, p) == 2).all()
        assert seen.max() == 2
        return notes.calls

    calls = [call for rank in run_ranks(ranks, body) for call in rank]
    assert {step for step, _, _ in calls} == {1, 2}
    return {role: sum(n for step, r, n in calls if (step, r) == (1, role)) for _, role, _ in calls}


def aligned(*sizes):
    return sum(-(-size // ALIGN) * ALIGN for size in sizes)


WEIGHTS, BIASES = aligned(40 * WIDE, WIDE, WIDE * 30), aligned(WIDE, 30)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_optimizer_sees_every_element_once_a_step(ranks):
    assert noted(ranks, Notes) == {"": WEIGHTS + BIASES}


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_optimizer_that_tells_roles_apart_sees_each_in_slices_of_its_own(ranks):
    assert noted(ranks, NotesByRole) == {"weight": WEIGHTS, "bias": BIASES}


def test_scratch_of_an_optimizer_is_used_again_and_grows():
    pad = Scratchpad("float32")
    pad.begin(1, "weight")
    small = pad.empty(10)
    pad.begin(2, "bias")
    again = pad.empty(20)
    assert np.shares_memory(small, again)
    assert (pad.step, pad.role, again.dtype, again.shape) == (2, "bias", np.float32, (20,))
    assert pad.empty(2 * PIECE).shape == (2 * PIECE,)
