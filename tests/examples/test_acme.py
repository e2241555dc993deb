"""A third-party plugin project: its parts alone, and together on 1, 2 and 3 ranks.

What is left for an installed dtrain: `pip install tests/examples/acme` into a fresh environment, then
`mpirun -n 2 dtrain train tests/examples/acme/config.toml`.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tomllib
from functools import partial
from importlib import import_module
from math import cosh, exp, fsum, log, sin
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import dtrain
from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.contracts import KINDS, Output, Target
from dtrain.data import Batches
from dtrain.engine import Network, Replica
from dtrain.registry import Registry
from dtrain.trainer.fit import check_part
from tests.plugins.optimizers.support import Pad
from tests.plugins.support import (
    check_gradients,
    check_rows_are_their_own,
    distance,
    lone_context,
    message_of,
    registry,
    run_layer,
    run_loss,
    same_bits,
)

PROJECT = Path(__file__).parent / "acme"
NUMBERS = np.random.Generator(np.random.Philox(11))
X, DY = NUMBERS.standard_normal((2, 20, 3))


@pytest.fixture(scope="module")
def acme():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(PROJECT), *sys.path])
        yield import_module("acme")


@pytest.fixture(scope="module")
def parts(acme):
    """Makes a part by kind and name, from options as in a config."""
    found = registry(("acme", acme))
    return lambda kind, name, **options: found.bind(kind, name, options, "acme.toml").build()


def offered(acme):
    return {kind: getattr(acme, f"dtrain_{kind}")() for kind in KINDS}


def registry_with(acme, **options):
    return Registry.load(extra=[("acme", acme)], **options)


# ---------------------------------------------------------------------- the project


def test_the_entry_point_is_all_that_ties_it_to_dtrain():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"] == {"dtrain": {"acme": "acme"}}
    assert "dtrain" in project["project"]["dependencies"]


@pytest.mark.parametrize("path", sorted((PROJECT / "acme").glob("*.py")), ids=lambda path: path.name)
def test_uses_only_the_names_that_dtrain_gives_to_everyone(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert [alias.name for alias in node.names] == ["numpy"]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module in ("dtrain", "math")
            assert node.module == "math" or {alias.name for alias in node.names} <= set(dtrain.__all__)


def test_offers_a_part_of_every_kind(acme):
    assert all(offered(acme).values())
    table = {(e.kind, e.name): e.plugin for e in registry(("acme", acme)).table()}
    for kind, names in offered(acme).items():
        assert {table[kind, name] for name in names} == {"acme"}


def test_the_config_uses_every_part(acme, parts):
    config = load(PROJECT / "config.toml")
    used = [
        ("datasets", config.data), ("losses", config.loss), ("optimizers", config.optimizer),
        ("procedures", config.procedure), ("exchanges", config.train.exchange),
        *(("layers", part) for part in config.network),
        *(("transforms", part) for part in config.data.transforms),
        *(("schedules", part) for part in config.schedules),
        *(("regularizers", part) for part in config.regularizers),
        *(("callbacks", part) for part in config.callbacks),
        *(("metrics", part) for part in config.train.metrics),
    ]  # fmt: skip
    built = [parts(kind, part.name, **part.options) for kind, part in used]
    for dense in [part for part in built if type(part).__name__ == "Dense"]:
        built += [dense.initializer, dense.activation]
    mine = {part for names in offered(acme).values() for part in names.values()} - {acme.Adam}
    assert mine <= {type(part) for part in built}


def test_the_adam_of_acme_takes_the_place_of_dtrains_and_its_options(acme):
    def table(**options):
        return registry_with(acme, **options).entry("optimizers", "adam")

    assert (table().plugin, table().replaces) == ("acme", "dtrain-optimizers")
    assert table(block=["acme"]).plugin == "dtrain-optimizers"
    back = table(prefer={"optimizers.adam": "dtrain-optimizers"})
    assert (back.plugin, back.replaces) == ("dtrain-optimizers", "acme")
    ours, theirs = (
        inspect.signature(registry_with(acme, block=block).factory("optimizers", "adam"))
        for block in ([], ["acme"])
    )
    assert {name: p.default for name, p in ours.parameters.items()} == {
        name: p.default for name, p in theirs.parameters.items()
    }


# ---------------------------------------------------------------------- each part


@pytest.mark.parametrize("shape", [(3,), (2, 3)], ids=str)
def test_scale_shift(acme, shape):
    x, dy = NUMBERS.standard_normal((2, 5, *shape))
    values = {"a": np.array([2.0, -1.0, 0.5]), "b": np.array([0.0, 1.0, 3.0])}
    passed = check_gradients(acme.ScaleShift, x, dy, sizes=(2, 0, 3), values=values)
    for at in np.ndindex(*x.shape):
        assert passed.y[at] == values["a"][at[-1]] * x[at] + values["b"][at[-1]]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3,), (2, 3)], ids=str)
def test_centre_differentiates(acme, shape, training):
    x, dy = NUMBERS.standard_normal((2, 5, *shape))
    states = {"mean": np.ones(shape)}
    check_gradients(acme.Centre, x, dy, sizes=(2, 0, 3), states=states, training=training)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_centre_takes_the_mean_of_all_ranks(acme, ranks):
    passed = run_layer(partial(acme.Centre, 0.25), X, DY, sizes=(9, 0, 7, 4), ranks=ranks)
    mean, slope = ([fsum(column) / 20 for column in array.T] for array in (X, DY))
    assert distance(passed.y, X - mean) < 1e-14
    assert distance(passed.dx, DY - slope) < 1e-14
    assert distance(passed.states["mean"], [0.25 * m for m in mean]) < 1e-14
    assert passed.calls == ([{}, {}] if ranks == 1 else [{"allgather": 1}, {"allgather": 1}])
    used = run_layer(acme.Centre, X, states={"mean": mean}, sizes=(9, 0, 7, 4), ranks=ranks, training=False)
    assert distance(used.y, X - mean) < 1e-14


def test_a_bare_mean_forgets_the_other_ranks(acme):
    """The negative control: the mistake that `centre` is there to avoid."""

    class Bare(acme.Centre):
        def forward(self, x, context):
            mean = x.sum(axis=0) / max(len(x), 1)
            return x - mean, lambda dy: dy - dy.sum(axis=0) / max(len(dy), 1)

    for layer, same in [(acme.Centre, True), (Bare, False)]:
        alone = run_layer(layer, X, DY, sizes=(10, 10))
        split = run_layer(layer, X, DY, sizes=(10, 10), ranks=2)
        assert (distance(split.y, alone.y) < 1e-2) == same
        assert (distance(split.dx, alone.dx) < 1e-2) == same


def test_swish(acme):
    passed = check_gradients(acme.Swish, X, DY)
    assert distance(passed.y, [[v / (1 + exp(-v)) for v in row] for row in X]) < 1e-14
    most = np.finfo(np.float32).max
    assert list(run_layer(acme.Swish, np.array([[-most, 0, most]], np.float32)).y[0]) == [0, 0, most]


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_triangular(acme, gain):
    values = acme.Triangular(gain)((300, 200), (300, 200), dtrain.Stream(0, "init", "w"))
    wide = (6 * gain / 300) ** 0.5
    assert 0.98 * wide < np.abs(values).max() < wide
    assert abs(values.mean()) < 5 * (gain / 300 / 60000) ** 0.5
    assert values.var() == pytest.approx(gain / 300, rel=0.02)
    # P(|x| > w/2) = 1/4: the sides fall evenly
    assert (np.abs(values) > wide / 2).mean() == pytest.approx(0.25, abs=0.01)


def test_signum(acme):
    value, m = np.zeros(3), np.zeros(3)
    for step, (gradient, sign) in enumerate([([4, -1, 0], [1, -1, 0]), ([-1, 20, 1], [1, 1, 1])], 1):
        before = value.copy()
        acme.Signum(0.5, 0.9).update(value, np.array(gradient, float), Pad(float, step), m)
        assert list(before - value) == [0.5 * s for s in sign]
    assert m == pytest.approx([0.26, 1.91, 0.1])


def test_adam_remembers_the_largest_gradient(acme):
    value, m, v, u = np.zeros((4, 1))
    options = {"lr": 0.5, "beta_1": 0.5, "beta_2": 0.75, "epsilon": 1e-3}
    theta = m1 = v1 = u1 = 0.0
    for t, g in enumerate([4.0, 1.0, -1.0, 0.5], 1):
        acme.Adam(**options).update(value, np.array([g]), Pad(float, t), m, v, u)
        m1, v1 = 0.5 * m1 + 0.5 * g, 0.75 * v1 + 0.25 * g * g
        u1 = max(u1, v1)
        theta -= 0.5 * m1 / (1 - 0.5**t) / ((u1 / (1 - 0.75**t)) ** 0.5 + 1e-3)
        assert value[0] == pytest.approx(theta, rel=1e-12)
    assert (u > v).all()  # Adam itself would have forgotten by now


def test_log_cosh(acme):
    y, target = NUMBERS.standard_normal((2, 6, 4))
    values, dy = run_loss(acme.LogCosh(), y, target)
    for row in range(6):
        expected = [log(cosh(float(d))) for d in y[row] - target[row]]
        assert values[row] == pytest.approx(fsum(expected) / 4, rel=1e-12)
    for at in np.ndindex(*y.shape):
        up, down = y.copy(), y.copy()
        up[at] += 1e-6
        down[at] -= 1e-6
        slope = (
            run_loss(acme.LogCosh(), up, target)[0] - run_loss(acme.LogCosh(), down, target)[0]
        ).sum() / 2e-6
        assert dy[at] == pytest.approx(slope, abs=1e-9)
    far, _ = run_loss(acme.LogCosh(), np.array([[1e30]], np.float32), np.zeros((1, 1), np.float32))
    assert far[0] == np.float32(1e30)
    check_rows_are_their_own(partial(run_loss, acme.LogCosh()), y, target)


def test_inverse_time(acme):
    assert [acme.InverseTime(0.5)(step, 10, 0.0) for step in (0, 1, 2, 6)] == [1, 1 / 1.5, 0.5, 0.25]


def test_log_square(acme):
    part, value, out = acme.LogSquare(0.3), X.ravel(), np.full(60, 2.0)
    assert part.penalty(value) == pytest.approx(0.3 * fsum(log(1 + v * v) for v in value), rel=1e-13)
    part.gradient(value, out)
    for i in range(60):
        up, down = (part.penalty(value[i : i + 1] + h) for h in (1e-6, -1e-6))
        assert out[i] - 2 == pytest.approx((up - down) / 2e-6, abs=1e-9)


def test_within(acme):
    y = np.array([[0.0, 0.0], [0.05, -0.1], [0.0, 0.2], [np.nan, 0.0]])
    assert list(acme.Within().forward(y, np.zeros((4, 2)), lone_context(4))) == [True, True, False, False]


def test_waves(acme):
    waves = acme.Waves(samples=30, features=3).train
    x, y = waves.rows(np.arange(30))
    assert (len(waves), waves.shape, x.dtype, y.shape, y.dtype) == (30, (3,), np.float32, (30, 2), np.float32)
    s = [float(row[1]) - (float(row[0]) + float(row[2])) / 2 for row in x]
    assert y[:, 0] == pytest.approx([sin(3 * v) for v in s], abs=1e-6)
    assert (acme.Waves(30, 3).train.x == x).all()
    assert (acme.Waves(30, 3, seed=1).train.x != x).any()


def test_jitter_belongs_to_the_sample(acme):
    x = np.zeros((500, 40))
    whole, y = acme.Jitter(2.0).forward(x, None, lone_context(500))
    assert y is None
    assert not x.any()
    assert abs(whole.mean()) < 5 * 2 / 20000**0.5
    assert whole.std() == pytest.approx(2, rel=0.03)
    part, _ = acme.Jitter(2.0).forward(x[:7], None, lone_context(7))
    same_bits(part, whole[:7])


def test_goal(acme):
    goal, reasons = acme.Goal(0.5, after=2), []
    for epoch, loss in enumerate([0.4, 0.6, float("nan"), 0.5], 1):
        goal.after_epoch(SimpleNamespace(epoch=epoch, train={"loss": loss}, stop=reasons.append))
        assert len(reasons) == (epoch == 4)
    assert reasons == ["the training loss reached the goal of 0.5"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Centre", {"momentum": 0.0}, "momentum must be in (0, 1], got 0.0"),
        ("Triangular", {"gain": 0.0}, "gain must be positive, got 0.0"),
        ("Adam", {"lr": 0.0}, "lr and epsilon must be positive, got 0.0 and 1e-08"),
        ("Adam", {"beta_2": 1.0}, "beta_1 and beta_2 must be in [0, 1), got 0.9 and 1.0"),
        ("Signum", {"lr": 0.0}, "lr must be positive, got 0.0"),
        ("Signum", {"beta": 1.0}, "beta must be in [0, 1), got 1.0"),
        ("InverseTime", {"decay": -1.0}, "decay must be at least 0, got -1.0"),
        ("LogSquare", {"weight": -1.0}, "weight must be at least 0, got -1.0"),
        ("Within", {"tolerance": -1.0}, "tolerance must be at least 0, got -1.0"),
        ("Waves", {"samples": 0}, "samples must be at least 1, got 0"),
        ("Waves", {"features": 1}, "features must be at least 2, got 1"),
        ("Jitter", {"std": -1.0}, "std must be at least 0, got -1.0"),
        ("Goal", {"loss": 1.0, "after": 0}, "after must be at least 1, got 0"),
    ],
)
def test_refuses_options_out_of_range(acme, name, options, message):
    assert message_of(ValueError, lambda: getattr(acme, name)(**options)) == message


def test_log_cosh_and_scale_shift_refuse_what_does_not_fit(acme):
    for part in acme.LogCosh(), acme.Within():
        assert message_of(ValueError, lambda part=part: check_part(part, Target(None), Output((2,)))) == (
            "expected a target for every sample, got data without targets"
        )
        found = Target(np.zeros((4, 3)))
        assert message_of(
            ValueError, lambda part=part, found=found: check_part(part, found, Output((2,)))
        ) == (
            "expected numbers for a network that gives (2,) a sample, but the target has shape (3,), not (2,)"
        )
    assert message_of(ValueError, lambda: acme.ScaleShift().build((), None)) == (
        "scale_shift takes samples of at least one dimension, got ()"
    )


# ---------------------------------------------------------------------- all together


def trained(config, parts, communicator, shards=8, epochs=3):
    """A training loop in a few lines: transforms, network, loss, regularizers, schedule, optimizer."""

    def make(kind, part):
        return parts(kind, part.name, **part.options)

    rows = make("datasets", config.data).train
    layers = [(f"{part.name}_{i}", make("layers", part)) for i, part in enumerate(config.network)]
    network = Network(layers, rows.shape, "f4", partial(parts, "initializers"))
    replica = Replica(network, communicator, shards, config.seed)
    replica.initialize()
    context, own, flat = replica.context, replica.own, replica.exchange.values
    transforms = [make("transforms", part) for part in config.data.transforms]
    regularizers = [make("regularizers", part) for part in config.regularizers]
    schedule, optimizer = make("schedules", config.schedules[0]), make("optimizers", config.optimizer)
    loss, metric = make("losses", config.loss), make("metrics", config.train.metrics[0])
    slots = [np.zeros(own.stop - own.start, "f4") for _ in optimizer.slots]
    batches = Batches(rows, config.train.batch_size, shards, replica.first, replica.last, network.dtype)
    figures, lr, step = [], optimizer.lr, 0
    for epoch in range(epochs):
        total = np.zeros(2)
        order = batches.order(config.seed, epoch)
        for index in range(batches.count):
            (batch,) = batches.cut(index, order)
            context.begin(batch.layout, training=True, step=step, epoch=epoch, place=batch.place)
            context.layer, x, target = "transform", batch.x, batch.y
            for transform in transforms:
                x, target = transform.forward(x, target, context)
            y, backward = network.forward(x, context)
            values, loss_backward = loss.forward(y, target, context)
            near = metric.forward(y, target, context)
            columns = np.stack((values, near), axis=1).astype(np.float64)
            replica.gradients.begin(batch.layout.slices)
            backward(loss_backward())
            replica.gradients.end()
            sums = np.zeros((replica.last - replica.first, 2))
            context.shard_sums(columns, sums)
            total += replica.totals.add(sums)
            gradient, _ = replica.exchange.reduce(1 / batch.layout.rows)
            for regularizer in regularizers:
                regularizer.gradient(flat[own], gradient)
            communicator.barrier()
            optimizer.lr = lr * schedule(step, 100, epoch)
            step += 1
            optimizer.update(flat[own], gradient, Pad(np.float32, step), *slots)
            replica.exchange.publish()
            context.commit()
        figures.append(tuple(total / len(rows)))
    return replica.digest(), figures


@pytest.mark.parametrize("batch_size", [64, 149])  # 600 = 4·149 + 4: ranks without a row at the end
def test_a_run_ends_with_the_same_weights_on_1_2_and_3_ranks(parts, batch_size):
    config = load(PROJECT / "config.toml", {"train.batch_size": batch_size})
    (alone,) = run_ranks(1, partial(trained, config, parts))
    for ranks in (2, 3):
        for share_memory in (True, False):
            for result in run_ranks(ranks, partial(trained, config, parts), share_memory):
                assert result == alone
    _, figures = alone
    losses = [loss for loss, _ in figures]
    assert losses[-1] < 0.6 * losses[0]
    assert figures[-1][1] > figures[0][1]
