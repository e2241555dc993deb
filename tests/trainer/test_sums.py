"""Sums that an optimizer asks for: of each parameter or of all, with the same bits on any ranks."""

from __future__ import annotations

from math import fsum

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.contracts import ArrayRows, Layer, Optimizer
from dtrain.engine.replica import BLOCK
from dtrain.trainer.update import PIECE
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.optimizers.adam import Adam
from dtrain_plugins.optimizers.lamb import Lamb
from dtrain_plugins.optimizers.lars import Lars
from dtrain_plugins.optimizers.sgd import Sgd
from dtrain_plugins.optimizers.swats import Swats
from tests.support import MEMORY, Job, Scale, named, network, refused, rough

RANDOM = np.random.default_rng(0)
WIDE = PIECE // 40 + 30
X, T = RANDOM.standard_normal((13, 40)), RANDOM.standard_normal((13, 40))


class Fixed(Layer):
    """y = w·x, w never trained; beside it a parameter without elements, and one of a single element."""

    def build(self, shape, make):
        self.weight = make.parameter("weight", shape, "drawn", trainable=False)
        self.none = make.parameter("none", (0,), "drawn")
        self.one = make.parameter("one", (1,), "drawn", role="scale")
        return shape

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.weight, lambda rows, out: out.fill(np.nan))
            context.gradient(self.none, lambda rows, out: None)
            context.gradient(self.one, lambda rows, out: out.fill(len(x[rows])))
            return dy * self.weight.value

        return x * self.weight.value, backward


def job_of(communicator, optimizer, dtype="float32", layers=None, **options):
    """A first matrix longer than a piece; then parameters that share blocks, end inside them, or fill no block."""
    layers = layers or (Dense(WIDE), Fixed(), Scale(), Dense(3))
    net = network(named(*layers), (40,), dtype)
    data = ArrayRows(X, T[:, : net.shape[0]])
    return Job(communicator, net, Mse(), optimizer, data, batch_size=13, **options)


class Asks(Optimizer):
    """Notes the sums w·w and w·g; its update subtracts nothing."""

    sums_over = "parameter"
    lr = 0.0

    def __init__(self, role=False):
        self.seen, self.decided, self.count = [], [], 2
        self.by_role = role

    def sums(self):
        return self.count

    def measure(self, value, gradient, context, *slots):
        assert context.sums == ()
        gradient *= 2  # what update gets
        return ((value, value), (value, gradient))[: self.count]

    def decide(self, step, sums):
        self.decided.append((step, sums))

    def update(self, value, gradient, context, *slots):
        self.seen.append((context.step, context.role, len(value), context.sums, gradient.copy()))


class AsksOfAll(Asks):
    sums_over = "all"


class BySlice(Asks):
    """What an optimizer without `measure` could do at best: the sums over what it is given."""

    sums_over = ""

    def update(self, value, gradient, context, *slots):
        self.seen.append(float(np.dot(value, value)))


def applied(kind, dtype="float32", steps=1, **options):
    """Every rank's optimizer after updates by a rough gradient; and values and gradient, by parameter."""

    def body(communicator):
        optimizer = kind(**options)
        job = job_of(communicator, optimizer, dtype)
        own, layout = job.replica.own, job.replica.layout
        if job.replica.writes_values():
            job.replica.exchange.values[:] = rough(layout.size, dtype=dtype)
        communicator.barrier()
        whole = rough(layout.size, seed=1, dtype=dtype)
        for step in range(1, steps + 1):
            job.update.apply(whole[own].copy(), step)
        arrays = {
            p.name: tuple(
                layout.view(flat, p).ravel().astype(float) for flat in (job.replica.exchange.values, whole)
            )
            for p in layout.parameters
            if p.trainable
        }
        return optimizer, arrays

    return body


def sums_seen(optimizers):
    """All sums that these optimizers' updates saw."""
    return {sums for optimizer in optimizers for _, _, _, sums, _ in optimizer.seen}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_a_parameter_are_those_of_its_elements_alone(dtype):
    ((optimizer, arrays),) = run_ranks(1, applied(Asks, dtype))
    expected = {(fsum(w * w), fsum(w * 2 * g)) for w, g in arrays.values() if len(w)}
    found = sorted(sums_seen([optimizer]))
    assert len(found) == len(expected) == 6
    np.testing.assert_allclose(found, sorted(expected), rtol=1e-12)
    assert optimizer.decided == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_over_all_are_told_once_a_step_and_seen_by_every_update(dtype):
    ((optimizer, arrays),) = run_ranks(1, applied(AsksOfAll, dtype, steps=2))
    first = [fsum(fsum(w * a) for w, a in pairs) for pairs in _both(arrays)]
    assert [step for step, _ in optimizer.decided] == [1, 2]
    np.testing.assert_allclose(optimizer.decided[0][1], first, rtol=1e-12)
    assert sums_seen([optimizer]) == {sums for _, sums in optimizer.decided}


def _both(arrays):
    return [(w, w) for w, _ in arrays.values()], [(w, 2 * g) for w, g in arrays.values()]


@MEMORY
@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("kind", [Asks, AsksOfAll])
def test_sums_have_the_same_bits_on_any_ranks(kind, ranks, share_memory):
    ((one, _),) = run_ranks(1, applied(kind))
    many = [optimizer for optimizer, _ in run_ranks(ranks, applied(kind), share_memory)]
    assert sums_seen(many) == sums_seen([one])
    assert all(optimizer.decided == one.decided for optimizer in many)
    first = one.seen[0][3]
    assert sum(first in sums_seen([optimizer]) for optimizer in many) > 1  # ranks share the first parameter


@pytest.mark.parametrize("ranks", [2, 3])
def test_sums_over_slices_do_depend_on_the_ranks(ranks):
    """The negative control: added by slice, then over the ranks, they have other bits."""
    one, many = ([sum(optimizer.seen) for optimizer, _ in run_ranks(n, applied(BySlice))] for n in (1, ranks))
    assert sum(many) == pytest.approx(one[0], rel=1e-5)
    assert sum(many) != one[0]


def test_a_slice_holds_one_parameter_and_its_role():
    ((optimizer, arrays),) = run_ranks(1, applied(Asks, role=True))
    lengths = {}
    for _, role, length, sums, _ in optimizer.seen:
        assert length <= PIECE
        lengths[role, sums] = lengths.get((role, sums), 0) + length
    roles = [role for role, _ in lengths]
    assert (roles.count("weight"), roles.count("bias"), roles.count("scale")) == (3, 2, 1)
    assert sorted(lengths.values()) == sorted(len(w) for w, _ in arrays.values() if len(w))


def test_update_gets_the_gradient_as_measure_left_it():
    ((optimizer, arrays),) = run_ranks(1, applied(Asks))
    seen = np.concatenate([gradient for *_, gradient in optimizer.seen])
    given = np.concatenate([g for _, g in arrays.values()])
    assert (seen == 2 * given).all()


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_rank_without_elements_takes_part(ranks):
    def body(communicator):
        optimizer = AsksOfAll()
        job = job_of(communicator, optimizer, layers=(Scale(),))
        assert job.replica.layout.blocks == 1
        assert job.step(job.batches.cut(0), 0, 0)
        return optimizer.decided, len(optimizer.seen)

    results = run_ranks(ranks, body)
    assert len({str(decided) for decided, _ in results}) == 1
    assert sum(seen for _, seen in results) == 1


@pytest.mark.parametrize("ranks", [1, 2])
def test_sums_over_no_parameter_at_all_are_zero(ranks):
    class Nothing(Layer):
        def forward(self, x, context):
            return x, lambda dy: dy

    def body(communicator):
        optimizer = AsksOfAll()
        job = job_of(communicator, optimizer, layers=(Nothing(),))
        assert job.step(job.batches.cut(0), 0, 0)
        return optimizer.decided, optimizer.seen

    assert run_ranks(ranks, body) == [([(1, (0.0, 0.0))], [])] * ranks


@pytest.mark.parametrize("share_memory", [True, False])
@pytest.mark.parametrize("kind", [Lars, Lamb, Swats])
def test_sums_cost_one_exchange_a_step_and_none_when_they_are_not_needed(kind, share_memory):
    def calls(optimizer):
        def body(communicator):
            counting = CountingCommunicator(communicator)
            job = job_of(counting, optimizer())
            counting.reset()
            assert job.step(job.batches.cut(0), 0, 0)
            return counting.calls

        return run_ranks(3, body, share_memory)[0]

    def switched():
        swats = Swats()
        swats.load_state({"rate": 0.1, "average": 0.1, "last": 0, "lr": 1e-3})
        return swats

    assert calls(kind) - calls(Adam) == {"allgather": 1}
    assert calls(switched) == calls(Adam)


def test_the_number_of_sums_may_change_from_step_to_step():
    def body(communicator):
        optimizer = Asks()
        job = job_of(communicator, optimizer)
        for step, optimizer.count in enumerate((2, 0, 1, 2), 1):
            job.update.apply(np.ones(job.replica.own.stop - job.replica.own.start, np.float32), step)
        return {step: {len(sums) for s, _, _, sums, _ in optimizer.seen if s == step} for step in range(1, 5)}

    assert run_ranks(2, body) == [{1: {2}, 2: {0}, 3: {1}, 4: {2}}] * 2


def test_another_number_of_pairs_than_said_is_refused():
    class Wrong(Asks):
        def measure(self, value, gradient, context, *slots):
            return ((value, value),)

    message = (
        "measure of the optimizer Wrong must return 2 pairs of arrays, as many as its sums() says, got 1"
    )
    with refused(TypeError, message, "on rank 0 of 1"):
        run_ranks(1, applied(Wrong))


# ---------------------------------------------------------------------- the optimizers that use them


def reference(kind, part, arrays, gradients, steps):
    """Whole arrays of each parameter, from the papers; gradients are the same in every step."""
    state = {name: [np.zeros_like(w), np.zeros_like(w)] for name, w in arrays.items()}
    norm = np.linalg.norm
    for t in range(1, steps + 1):
        for name, w in arrays.items():
            g, (m, v) = gradients[name], state[name]
            weight = name.endswith((".weight", ".none"))
            if kind is Lars:
                decay = part.weight_decay if weight else 0.0
                local = part.trust * norm(w) / (norm(g) + decay * norm(w)) if weight else 1.0
                m[...] = part.momentum * m + part.lr * local * (g + decay * w)
                w -= m
            else:
                m[...] = part.beta_1 * m + (1 - part.beta_1) * g
                v[...] = part.beta_2 * v + (1 - part.beta_2) * g**2
                r = m / (1 - part.beta_1**t) / (np.sqrt(v / (1 - part.beta_2**t)) + part.epsilon)
                r += part.weight_decay * w if weight else 0.0
                w -= part.lr * (norm(w) / norm(r) if weight else 1.0) * r
    return arrays


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("kind", [Lars, Lamb])
def test_each_matrix_gets_a_rate_by_its_own_norms(kind, ranks):
    options = {"lr": 0.1, "weight_decay": 0.1} | ({"trust": 0.1} if kind is Lars else {})

    def body(communicator):
        job = job_of(communicator, kind(**options), "float64")
        replica = job.replica
        whole = rough(replica.layout.size, seed=1, dtype="float64")
        parameters = [p for p in replica.layout.parameters if p.trainable and p.size]
        arrays = {p.name: p.value.copy() for p in parameters}
        gradients = {p.name: replica.layout.view(whole, p) for p in parameters}
        communicator.barrier()
        for step in range(1, 6):
            job.update.apply(whole[replica.own].copy(), step)
        expected = reference(kind, kind(**options), arrays, gradients, 5) if communicator.rank == 0 else {}
        for p in parameters:
            if p.name in expected:
                np.testing.assert_allclose(p.value, expected[p.name], rtol=1e-11, atol=1e-14)
        communicator.barrier()

    run_ranks(ranks, body)


@MEMORY
@pytest.mark.parametrize("kind", [Lars, Lamb, lambda: Swats(tolerance=10.0), lambda: Swats(0.01)])
def test_training_gives_the_same_bits_on_any_ranks(kind, share_memory):
    def body(communicator):
        optimizer = kind()
        job = job_of(communicator, optimizer)
        for step in range(4):
            assert job.step(job.batches.cut(0), 0, step)
        return job.replica.digest(), str(optimizer.state())

    (one,) = run_ranks(1, body)
    before = job_of_digest()
    assert one[0] != before
    for ranks in (2, 3, 5):
        assert set(run_ranks(ranks, body, share_memory)) == {one}


def job_of_digest():
    return run_ranks(1, lambda c: job_of(c, Sgd()).replica.digest())[0]


def test_the_parameters_of_these_tests_share_blocks_and_span_pieces():
    """What the claims above rest on."""
    ((offsets, blocks),) = run_ranks(1, lambda c: _layout(job_of(c, Sgd()).replica.layout))
    assert blocks > PIECE // BLOCK + 5
    assert sum(offset % BLOCK != 0 for offset in offsets) >= 4


def _layout(layout):
    return [p.offset for p in layout.parameters], layout.blocks
