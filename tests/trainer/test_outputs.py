"""What the last layer gives, and what the loss expects of it: an error, a warning, or a look at the outputs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dtrain import Activation, ArrayRows, Dataset, Span, UserError, hookimpl
from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.config import load
from dtrain.contracts import Output
from dtrain.inference import load_model
from dtrain.registry import Registry
from dtrain.trainer import train_session
from dtrain.trainer.job import build_job
from dtrain.trainer.outputs import limits, look_of
from dtrain_plugins.activations import dtrain_activations
from dtrain_plugins.losses import dtrain_losses
from tests.plugins.support import built, examples_of, layers_and_activations, run_layer
from tests.support import network

ACTIVATIONS = sorted(dtrain_activations())
VARIANTS = {
    "binary_cross_entropy": [{}, {"from_logits": True}],
    "poisson": [{}, {"log_rates": True}],
    "hinge": [{}, {"multi_class": True}],
}
LOSSES = [(name, options) for name in sorted(dtrain_losses()) for options in VARIANTS.get(name, [{}])]

# ---------------------------------------------------------------------- what layers say of themselves


def batches(extra):
    """Ordinary and extreme inputs that the example allows."""
    low, high = extra.get("range", (-1e4, 1e4))
    random = np.random.Generator(np.random.Philox(8))
    for scale in (1.0, 0.01):
        x = random.standard_normal((40, *extra["input"])) * max(abs(low), abs(high)) * scale
        yield np.clip(x, low, high)
    yield np.abs(np.clip(random.standard_normal((40, *extra["input"])), low, high))


def holds(said, y):
    """Whether all outputs are where the layer says, but for rounding."""
    if said is None:
        return True
    slack = 1e-6 * (1 + np.abs(y).max())
    sums = y.sum(axis=-1) if said.distribution else np.ones(1)
    return y.min() >= said.low - slack and y.max() <= said.high + slack and np.abs(sums - 1).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "options", "extra"),
    [
        (name, options, extra)
        for name, _, options, extra in examples_of(layers_and_activations())
        if not isinstance(extra["input"], list)
    ],
    ids=str,
)
def test_outputs_lie_where_a_layer_says(name, options, extra):
    kind = "activations" if name in ACTIVATIONS else "layers"

    def make():
        return built(kind, name, options)

    def range_of(taken):
        net = network([("layer", make())], tuple(extra["input"]))
        return net.nodes[0].layer.output_span(taken)

    assert range_of(Span()) is not None
    for x in batches(extra):
        taken = Span(float(x.min()), float(x.max()))
        for training in (True, False):
            y = run_layer(make, x, training=training).y
            for said in (range_of(None), range_of(Span()), range_of(taken)):
                assert holds(said, y), (said, y.min(), y.max())
    if len(extra["input"]) and x.shape[-1] > 1:
        x = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
        said = range_of(Span(0, 1, distribution=True))
        for training in (True, False):
            assert holds(said, run_layer(make, x, training=training).y)


# ---------------------------------------------------------------------- every loss × every last layer


class Points(Dataset):
    """Targets of a kind that fits the loss; x has 4 features."""

    def __init__(self, target: str) -> None:
        random = np.random.Generator(np.random.Philox(5))
        x, classes = random.standard_normal((16, 4)), np.arange(16) % 3
        y = {
            "labels": np.eye(3, dtype=int)[classes],
            "classes": classes,
            "distributions": random.dirichlet(np.ones(3), 16),
            "numbers": random.uniform(0, 1, (16, 3)),
        }[target]
        self.train, self.validation = ArrayRows(x, y), ArrayRows(x, y)


class Undeclared(Activation):
    """y = x, or a softmax, without a word of where y lies."""

    def __init__(self, softmax: bool = False) -> None:
        self.softmax = softmax

    def forward(self, x, context):
        if not self.softmax:
            return x, lambda dy: dy
        y = np.exp(x - x.max(axis=-1, keepdims=True))
        y /= y.sum(axis=-1, keepdims=True)
        return y, lambda dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True))


PLUGIN = SimpleNamespace(
    dtrain_datasets=hookimpl(lambda: {"points_of": Points}),
    dtrain_activations=hookimpl(lambda: {"undeclared": Undeclared}),
)
REGISTRY = Registry.load(extra=[("cases", PLUGIN)])


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    monkeypatch.setattr(Registry, "load", lambda *args, **options: REGISTRY)
    monkeypatch.chdir(tmp_path)


def target_for(loss, options):
    if loss in ("cross_entropy", "softmax_cross_entropy") or options.get("multi_class"):
        return "classes"
    kinds = {"kl_divergence": "distributions", "hinge": "labels", "perceptron": "labels"}
    return kinds.get(loss, "numbers")


def config(loss, options, *last, metrics=(), **train):
    layers = [
        {"name": "dense", "units": 3},
        *({"name": one} if isinstance(one, str) else one for one in last),
    ]
    return load(
        {
            "data": {"name": "points_of", "target": target_for(loss, options)},
            "network": layers,
            "loss": {"name": loss, **options},
            "optimizer": {"name": "sgd", "lr": 1e-3},
            "train": {"epochs": 2, "batch_size": 16, "metrics": list(metrics)} | train,
        }
    )


def reached(last):
    """Outputs of these activations for anything that a dense layer may give."""
    random = np.random.Generator(np.random.Philox(6))
    y = random.standard_normal((4000, 3)) * 10.0 ** random.uniform(-2, 8, (4000, 1))
    with np.errstate(all="ignore"):
        for name in last:
            made = built("activations", name, {})
            y = run_layer(lambda made=made: made, y, training=False).y
    return y[np.isfinite(y).all(axis=1)]


def wanted(loss, options, y):
    """Whether these outputs are what the loss is defined for."""
    if loss in ("cross_entropy", "kl_divergence"):
        return bool(y.min() >= 0 and np.abs(y.sum(axis=-1) - 1).max() < 1e-6)
    if loss == "binary_cross_entropy" and not options:
        return bool(y.min() >= 0 and y.max() <= 1)
    return bool(y.min() >= 0) if loss == "poisson" and not options else True


def limited(loss, options, y):
    """Whether these outputs leave out most of what the loss could be told."""
    low, high = y.min(), y.max()
    if loss in ("cross_entropy", "kl_divergence"):
        return high < 0.99
    if loss == "softmax_cross_entropy":
        return high - low < 20
    if loss == "binary_cross_entropy":
        return (low > -10 or high < 10) if options else (low > 0.01 or high < 0.99)
    if loss == "poisson":
        return (low > -10 or high < 10) if options else (low > 0.01 or high < 10)
    return (loss == "perceptron" or (loss == "hinge" and not options)) and not low < 0 < high


def attempt(loss, options, last):
    """The job; None if it is refused."""
    try:
        return build_job(config(loss, options, *last), SerialCommunicator())
    except UserError:
        return None


@pytest.mark.parametrize(("loss", "options"), LOSSES, ids=str)
def test_every_last_layer_is_right_refused_or_warned_of(loss, options):
    chains = [
        (),
        *((one,) for one in ACTIVATIONS),
        *((one, two) for one in ACTIVATIONS for two in ACTIVATIONS),
    ]
    for last in chains:
        y = reached(last)
        job = attempt(loss, options, last)
        assert (job is not None) == wanted(loss, options, y), last
        if job is None:
            continue
        warned = bool(limits(job.loss, job.network.output, loss))
        assert warned == limited(loss, options, y), (last, y.min(), y.max())


# ---------------------------------------------------------------------- whole lines


@pytest.mark.parametrize(
    ("loss", "options", "last", "message"),
    [
        (
            "cross_entropy", {}, ["sigmoid"],
            "[loss] cross_entropy: expected distributions over the last dimension from the network, but its last "
            "layer, 'sigmoid_1', gives numbers from 0 to 1; put a softmax layer behind it, or take "
            "softmax_cross_entropy",
        ),
        (
            "binary_cross_entropy", {}, [],
            "[loss] binary_cross_entropy: expected numbers from 0 to 1 from the network, but its last layer, "
            "'dense_1', gives any numbers; put a sigmoid layer behind it, or set from_logits = true",
        ),
        (
            "poisson", {}, ["tanh"],
            "[loss] poisson: expected numbers of at least 0 from the network, but its last layer, 'tanh_1', gives "
            "numbers from -1 to 1; put an exp or softplus layer behind it, or set log_rates = true",
        ),
        (
            "kl_divergence", {}, ["softmax", "dropout"],
            "[loss] kl_divergence: expected distributions over the last dimension from the network, but its last "
            "layer, 'dropout_1', gives numbers from 0 to 2; put a softmax layer behind it, or take "
            "softmax_cross_entropy, which differs by a constant",
        ),
    ],
    ids=["sigmoid", "dense", "tanh", "dropout"],
)  # fmt: skip
def test_a_last_layer_that_cannot_give_it_is_refused(loss, options, last, message):
    with pytest.raises(UserError) as refused:
        build_job(config(loss, options, *last), SerialCommunicator())
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("loss", "options", "last", "words"),
    [
        ("softmax_cross_entropy", {}, ["softmax"], ("logits", "softmax_1", "distributions over the last dimension")),
        ("binary_cross_entropy", {"from_logits": True}, ["sigmoid"], ("logits", "sigmoid_1", "numbers from 0 to 1")),
        ("poisson", {"log_rates": True}, ["exp"], ("log rates", "exp_1", "numbers of at least 0")),
        ("binary_cross_entropy", {}, ["sigmoid", "sigmoid"],
         ("probabilities", "sigmoid_2", "numbers from 0.5 to 0.731")),
        ("hinge", {}, ["sigmoid"], ("scores", "sigmoid_1", "numbers from 0 to 1")),
    ],
    ids=str,
)  # fmt: skip
def test_a_squashing_done_twice_is_warned_of(loss, options, last, words, capfd, tmp_path):
    made = config(loss, options, *last, epochs=1)
    train_session(lambda: made, SerialCommunicator(), tmp_path / "out")
    expected, layer, given = words
    assert (
        f"dtrain: warning: [loss] {loss} takes {expected}, but the last layer, {layer!r}, gives only {given}, "
        "as an activation there limits them; leave it out\n"
    ) in capfd.readouterr().err


UNDECLARED = {"name": "undeclared"}
SOFTMAX = {"name": "undeclared", "softmax": True}


@pytest.mark.parametrize("ranks", [1, 2])
def test_outputs_that_no_layer_declares_are_looked_at_before_the_first_step(ranks, tmp_path):
    made = config(
        "binary_cross_entropy", {}, {"name": "dense", "units": 3, "initializer": "ones"}, UNDECLARED
    )

    def run(communicator):
        with pytest.raises(UserError) as refused:
            train_session(lambda: made, communicator, tmp_path / "out")
        return str(refused.value)

    lines = run_ranks(ranks, run)
    assert len(set(lines)) == 1
    start, end = lines[0].split(" gave ")
    assert start == (
        "[loss] binary_cross_entropy: expected numbers from 0 to 1 from the network, but its last layer, "
        "'undeclared_1',"
    )
    assert end.endswith(
        "; put a sigmoid layer behind it, or set from_logits = true (one of the training samples)"
    )
    assert not (tmp_path / "out").exists()


def test_outputs_that_no_layer_declares_may_be_right(tmp_path):
    made = config("cross_entropy", {}, SOFTMAX, metrics=["perplexity"])
    result = train_session(lambda: made, SerialCommunicator(), tmp_path / "out")
    assert 1 < result.summary["train"]["perplexity"] < 20
    model = load_model(tmp_path / "out")
    rows = Points("classes").train
    assert model.evaluate(rows.x, rows.y)["loss"] > 0


@pytest.mark.parametrize("held_out", [True, False])
def test_outputs_that_no_layer_declares_are_looked_at_after_each_epoch(held_out, tmp_path, monkeypatch):
    zeros = {"name": "dense", "units": 3, "initializer": "zeros"}  # 0 at the start, and far off after a step
    made = config("binary_cross_entropy", {}, zeros, UNDECLARED)
    if not held_out:
        monkeypatch.setattr(Points, "__init__", _without_held_out(Points.__init__))
    with pytest.raises(UserError) as refused:
        train_session(lambda: made, SerialCommunicator(), tmp_path / "out")
    assert str(refused.value).startswith(
        "[loss] binary_cross_entropy: expected numbers from 0 to 1 from the network, but its last layer, "
        "'undeclared_1', gave "
    )
    assert str(refused.value).endswith(f"(one of the {'validation' if held_out else 'training'} samples)")


def _without_held_out(init):
    def changed(self, target: str) -> None:
        init(self, target)
        self.validation = None

    return changed


def test_outputs_that_add_up_to_something_else_are_seen():
    job = build_job(config("cross_entropy", {}, SOFTMAX), SerialCommunicator())
    look = look_of(job.loss, job.network.output, "[loss] cross_entropy")
    assert look(np.array([[0.25, 0.75, 0], [1, 0, 0]])) is None
    assert look(np.zeros((0, 3))) is None
    assert look(np.array([[np.nan, 0, 0]])) is None  # a loss that is not finite says so itself
    assert look(np.array([[0.5, 0.5, 0], [0.5, 0.25, 0]])) == (
        "[loss] cross_entropy: expected distributions over the last dimension from the network, but its last "
        "layer, 'undeclared_1', gave outputs that add up to 0.75; put a softmax layer behind it, or take "
        "softmax_cross_entropy"
    )


def test_an_output_says_where_it_lies():
    softmax = built("activations", "softmax", {})
    net = network([("a", built("layers", "dense", {"units": 3})), ("b", softmax)], (4,))
    assert net.output == Output((3,), Span(0, 1 / (1 + 2 * np.exp(-700)), distribution=True), "b")
    assert [str(one) for one in (Span(), Span(0), Span(high=1), Span(-1, 0.5), Span(0, 1, True))] == [
        "any numbers",
        "numbers of at least 0",
        "numbers of at most 1",
        "numbers from -1 to 0.5",
        "distributions over the last dimension",
    ]
