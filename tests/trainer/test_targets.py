"""Every loss × every metric × every kind of target × every shape of output: the right number, or one line."""

from __future__ import annotations

from functools import cache
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit, huber, log_softmax, rel_entr, softmax, xlog1py, xlogy
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from dtrain import ArrayRows, Dataset, Schema, UserError, hookimpl
from dtrain.communicator import SerialCommunicator
from dtrain.config import load
from dtrain.inference import evaluate_run, load_model
from dtrain.registry import Registry
from dtrain.trainer import train_session
from dtrain.trainer.job import build_job

ROWS = 12
RANDOM = np.random.Generator(np.random.Philox(29))
TEXT = ("1,100", "1,250", "12,000", "blue", "red")

# ---------------------------------------------------------------------- targets, and what each may be taken for

NUMBERS, COUNTS, LABELS, SIGNS = "numbers", "counts", "labels", "signs"
SHARES, CLASSES, MIX = "probabilities", "classes", "distributions"
ONE_HOT = np.resize(np.eye(3, dtype=int), (ROWS, 3))
SEVERAL = np.resize([[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 1, 1]], (ROWS, 3))
SINGLE = np.resize([0, 1, 1, 0, 1], ROWS)


def tiled(rows, places):
    """The same target at each of these places, rolled, so that no two are alike."""
    return np.stack([np.roll(rows, k, axis=0) for k in range(int(np.prod(places)))], axis=1).reshape(
        (ROWS, *places, *rows.shape[1:])
    )


def drawn(shape, places, low=-3.0, high=3.0):
    return RANDOM.uniform(low, high, (ROWS, *places, *shape))


def targets_of(places, last):
    """name: (values, what they may be taken for, names of the classes)."""
    shape = (*places, last)
    soft = RANDOM.dirichlet(np.ones(last), (ROWS, *places))
    several = tiled(SEVERAL[:, :last], places)
    whole, anything = {NUMBERS, COUNTS}, {NUMBERS, COUNTS, LABELS, SHARES}
    table = {
        "numbers": (drawn((last,), places), {NUMBERS}, ()),
        "counts": (RANDOM.integers(2, 9, (ROWS, *shape)), whole, ()),
        "counts as floats": (RANDOM.integers(2, 9, (ROWS, *shape)).astype(float), whole, ()),
        "several labels, int": (several, anything, ()),
        "several labels, uint8": (several.astype("u1"), anything, ()),
        "several labels, float": (several.astype(float), anything, ()),
        "several labels, bool": (several.astype(bool), {LABELS, SHARES}, ()),
        "soft labels": (drawn((last,), places, 0.1, 0.9), {*whole, SHARES}, ()),
        "signs": (2 * several - 1, {NUMBERS, SIGNS}, ()),
        "signs as floats": (2.0 * several - 1, {NUMBERS, SIGNS}, ()),
        "-1, 0 and 1": (several - np.roll(several, 1, axis=-1 if last > 1 else 0), {NUMBERS}, ()),
        "numbers of another shape": (drawn((last + 1,), places), set(), ()),
        "none": (None, set(), ()),
    }
    if last > 1:
        one_hot = tiled(ONE_HOT, places)
        certain = {*anything, MIX}
        table |= {
            "classes": (one_hot.argmax(-1), {CLASSES}, ()),
            "classes, uint8": (one_hot.argmax(-1).astype("u1"), {CLASSES}, ()),
            "classes, bool": (several[..., 0].astype(bool), {CLASSES}, ()),
            "classes beyond the outputs": (one_hot.argmax(-1) + 1, set(), ()),
            "classes below 0": (one_hot.argmax(-1) - 1, set(), ()),
            "classes as floats": (one_hot.argmax(-1).astype(float), set(), ()),
            "classes as a column": (one_hot.argmax(-1)[..., None], set(), ()),
            "one-hot, int": (one_hot, certain, ()),
            "one-hot, uint8": (one_hot.astype("u1"), certain, ()),
            "one-hot, float": (one_hot.astype(float), certain, ()),
            "one-hot, bool": (one_hot.astype(bool), certain - whole, ()),
            "soft": (soft, {*whole, SHARES, MIX}, ()),
            "text of three classes": (one_hot.argmax(-1), {CLASSES}, TEXT[:3]),
            "text of five classes": (one_hot.argmax(-1) + 2, set(), TEXT),
        }
    else:
        table |= {
            "0 and 1": (SINGLE, anything, ()),
            "0 and 1 as floats": (SINGLE.astype(float), anything, ()),
            "bool": (SINGLE.astype(bool), {LABELS, SHARES}, ()),
            "plain numbers": (drawn((), places), {NUMBERS}, ()),
            "plain signs": (2 * SINGLE - 1, {NUMBERS, SIGNS}, ()),
            "probabilities": (drawn((), places, 0.1, 0.9), {*whole, SHARES}, ()),
            "nothing but class 0": (np.zeros(ROWS, int), {*anything, CLASSES}, ()),
            "text of one class": (np.zeros(ROWS, int), {CLASSES}, TEXT[:1]),
            "text of two classes": (SINGLE, {LABELS, SHARES}, TEXT[3:]),
            "text of three classes": (ONE_HOT.argmax(-1), set(), TEXT[:3]),
        }
    return table


OUTPUTS = {"one output": ((), 1), "three outputs": ((), 3), "an image": ((2, 2), 3)}
TARGETS = {output: targets_of(*shape) for output, shape in OUTPUTS.items()}

# ---------------------------------------------------------------------- losses by their definitions, in float64


def of_shape(t, y):
    return np.asarray(t, float).reshape(y.shape)


def shares(t, y):
    """A target as distributions over classes."""
    return np.asarray(t, float) if t.ndim == y.ndim else np.eye(y.shape[-1])[t.astype(int)]


def by_row(each):
    return each.reshape(len(each), -1).sum(axis=1)


def rivals(y, t):
    """Crammer and Singer's loss, place by place."""
    total = np.zeros(len(y))
    for at in np.ndindex(y.shape[:-1]):
        k = int(t[at])
        total[at[0]] += max(0.0, 1 + max(y[at][j] for j in range(y.shape[-1]) if j != k) - y[at][k])
    return total.mean()


def side(t, y):
    return np.where(of_shape(t, y) > 0, 1, -1)


CLASSIFIERS = {"cross_entropy", "softmax_cross_entropy", "kl_divergence", "hinge-multi_class"}
SCORES = {"hinge", "perceptron", "hinge-multi_class"}
LOSSES = {
    # name: (options, activation of the last layer, what targets may be, loss, what predict gives)
    "mse": ({}, None, {NUMBERS}, lambda y, t: mean_squared_error(of_shape(t, y).ravel(), y.ravel()), None),
    "mae": ({}, None, {NUMBERS}, lambda y, t: mean_absolute_error(of_shape(t, y).ravel(), y.ravel()), None),
    "huber": ({}, None, {NUMBERS}, lambda y, t: huber(1.0, y - of_shape(t, y)).mean(), None),
    "lp": (
        {}, None, {NUMBERS},
        lambda y, t: np.linalg.norm((y - of_shape(t, y)).reshape(len(y), -1), axis=1).mean(), None,
    ),
    "poisson": ({}, "exp", {COUNTS}, lambda y, t: (y - xlogy(of_shape(t, y), y)).mean(), None),
    "poisson-log_rates": (
        {"log_rates": True}, None, {COUNTS}, lambda y, t: (np.exp(y) - of_shape(t, y) * y).mean(), np.exp,
    ),
    "binary_cross_entropy": (
        {}, "sigmoid", {SHARES},
        lambda y, t: -(xlogy(of_shape(t, y), y) + xlog1py(1 - of_shape(t, y), -y)).mean(), None,
    ),
    "binary_cross_entropy-from_logits": (
        {"from_logits": True}, None, {SHARES},
        lambda y, t: -(xlogy(of_shape(t, y), expit(y)) + xlog1py(1 - of_shape(t, y), -expit(y))).mean(), expit,
    ),
    "hinge": ({}, None, {LABELS, SIGNS}, lambda y, t: np.maximum(0, 1 - side(t, y) * y).mean(), None),
    "perceptron": (
        {}, None, {LABELS, SIGNS}, lambda y, t: by_row(np.maximum(0, -side(t, y) * y)).mean(), None,
    ),
    "hinge-multi_class": ({"multi_class": True}, None, {CLASSES}, rivals, None),
    "cross_entropy": (
        {}, "softmax", {CLASSES, MIX}, lambda y, t: -by_row(shares(t, y) * np.log(y)).mean(), None,
    ),
    "softmax_cross_entropy": (
        {}, None, {CLASSES, MIX}, lambda y, t: -by_row(shares(t, y) * log_softmax(y, axis=-1)).mean(),
        lambda y: softmax(y, axis=-1),
    ),
    "kl_divergence": ({}, "softmax", {MIX}, lambda y, t: by_row(rel_entr(shares(t, y), y)).mean(), None),
}  # fmt: skip


def takes(loss, output, meant):
    if loss == "hinge-multi_class" and output == "one output":
        return False  # a single class has no rival
    return bool(LOSSES[loss][2] & meant)


# ---------------------------------------------------------------------- metrics by their definitions


def threshold(loss):
    zero = {"hinge", "perceptron", "binary_cross_entropy-from_logits"}
    return 0.0 if loss in zero else np.log(0.5) if loss == "poisson-log_rates" else 0.5


def is_question(loss, output):
    return output == "one output" and loss not in CLASSIFIERS


def right(loss, y, t):
    return (y > threshold(loss)) == (of_shape(t, y) > 0.5)


def accuracy(loss, output, y, t, p):
    if is_question(loss, output):
        return right(loss, y, t).mean()
    return (y.argmax(-1) == shares(t, y).argmax(-1)).mean()


def top_2(loss, output, y, t, p):
    hits = [
        int(np.argmax(q)) in sorted(range(len(row)), key=lambda j: (-row[j], j))[:2]
        for row, q in zip(y.reshape(-1, y.shape[-1]), shares(t, y).reshape(-1, y.shape[-1]), strict=True)
    ]
    return np.mean(hits)


def perplexity(loss, output, y, t, p):
    return np.exp(-(shares(t, y) * np.log(p)).sum(axis=-1).mean())


def flat(t, p):
    numbers = np.asarray(t, float) if t.size == p.size else shares(t, p)
    return numbers.reshape(len(p), -1), p.reshape(len(p), -1)


METRICS = {
    # name in the config: (the metric, its value)
    "accuracy": ("accuracy", accuracy),
    "binary_accuracy": ("binary_accuracy", lambda loss, output, y, t, p: right(loss, y, t).mean()),
    "top_k_accuracy": ({"name": "top_k_accuracy", "k": 2}, top_2),
    "perplexity": ("perplexity", perplexity),
    "r2": ("r2", lambda loss, output, y, t, p: r2_score(*flat(t, p))),
    "mean_absolute_error": ("mean_absolute_error", lambda loss, output, y, t, p: mean_absolute_error(*flat(t, p))),
    "root_mean_squared_error": (
        "root_mean_squared_error", lambda loss, output, y, t, p: mean_squared_error(*flat(t, p)) ** 0.5,
    ),
}  # fmt: skip


def defined(metric, loss, output, meant):
    """Whether the metric means something here."""
    if metric == "accuracy" and is_question(loss, output):
        metric = "binary_accuracy"
    if metric == "accuracy":
        return bool(meant & {CLASSES, MIX})
    if metric == "binary_accuracy":
        possible = {LABELS, SHARES, SIGNS} if loss in SCORES else {LABELS, SHARES}
        return loss not in CLASSIFIERS and bool(meant & possible)
    if metric == "top_k_accuracy":
        return not is_question(loss, output) and bool(meant & {CLASSES, MIX})
    if metric == "perplexity":
        return loss in CLASSIFIERS - SCORES and bool(meant & {CLASSES, MIX})
    return loss not in SCORES and bool(meant & ({MIX} if loss in CLASSIFIERS else {NUMBERS}))


# ---------------------------------------------------------------------- the product


class Given(Dataset):
    """A case of the table above; the samples to train on are held out, too."""

    def __init__(self, output: str, target: str, whole: bool = True) -> None:
        values, _, classes = TARGETS[output][target]
        places, _ = OUTPUTS[output]
        x = np.random.Generator(np.random.Philox(3)).standard_normal((ROWS, *places, 4))
        self.train = ArrayRows(x, values, whole)
        self.validation = ArrayRows(x, values, whole)
        self.schema = Schema(targets=("price",), classes=classes)


@cache
def registry():
    plugin = SimpleNamespace(dtrain_datasets=hookimpl(lambda: {"given": Given}))
    return Registry.load(extra=[("cases", plugin)])


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    """The plugins are looked for once."""
    known = registry()
    monkeypatch.setattr(Registry, "load", lambda *args, **options: known)
    monkeypatch.chdir(tmp_path)


def config(loss, output, target, metrics=(), **data):
    name, (options, activation, *_) = loss.partition("-")[0], LOSSES[loss]
    places, last = OUTPUTS[output]
    layer = {"name": "conv2d", "filters": last, "kernel": 1} if places else {"name": "dense", "units": last}
    return load(
        {
            "data": {"name": "given", "output": output, "target": target, **data},
            "network": [layer | ({} if activation is None else {"activation": activation})],
            "loss": {"name": name, **options},
            "optimizer": {"name": "sgd", "lr": 1e-30},
            "train": {"epochs": 1, "batch_size": 7, "dtype": "float64", "metrics": list(metrics)},
        }
    )


def refusal(*case, **options):
    """The one line that refuses this case, before a step is done; None if it is taken."""
    try:
        build_job(config(*case, **options), SerialCommunicator())
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_target_is_taken_rightly_or_refused_in_one_line(loss, output, tmp_path):
    _, _, _, loss_of, predict = LOSSES[loss]
    for target, (t, meant, _) in TARGETS[output].items():
        line = refusal(loss, output, target)
        assert (line is None) == takes(loss, output, meant), (target, line)
        if line is not None:
            assert "\n" not in line
            continue
        metrics = [name for name in METRICS if refusal(loss, output, target, [METRICS[name][0]]) is None]
        assert metrics == [name for name in METRICS if defined(name, loss, output, meant)], target
        made = config(loss, output, target, [METRICS[name][0] for name in metrics])
        folder = tmp_path / target
        result = train_session(lambda made=made: made, SerialCommunicator(), folder)
        model, x = load_model(folder), Given(output, target).train.x
        y = model.forward(x)
        p = y if predict is None else predict(y)
        expected = {"loss": loss_of(y, t)}
        expected |= {name: METRICS[name][1](loss, output, y, t, p) for name in metrics}
        found = {
            "training": result.summary["train"],
            "held out": result.summary["validation"],
            "evaluate": evaluate_run(SerialCommunicator(), folder, split="train").figures,
            "model": model.evaluate(x, t),
        }
        for where, figures in found.items():
            assert figures == pytest.approx(expected, rel=1e-9, abs=1e-12), (target, where)


@pytest.mark.parametrize("output", OUTPUTS)
def test_rows_that_are_not_in_memory_are_refused_alike(output):
    for (target, (_, meant, _)), loss in product(
        TARGETS[output].items(), ("mse", "softmax_cross_entropy", "hinge")
    ):
        line = refusal(loss, output, target, whole=False)
        assert (line is None) == takes(loss, output, meant), (target, line)
