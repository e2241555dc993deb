"""What a target is, what losses and metrics take it for, what the last layer gives: whole lines, and right values."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

import dtrain as product
from dtrain import UserError
from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.trainer import train_session

AT = "run.toml: [data], training samples: "


def table(path, *cells, rows=12):
    """A CSV of one feature and a target whose cells come round."""
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "price"])
        writer.writerows([k, cells[k % len(cells)]] for k in range(rows))
    return {"data": {"name": "csv", "path": path, "target": "price"}}


def dense(units, **options):
    return {"network": [{"name": "dense", "units": units, **options}]}


def arrays(path="arrays.npz", **arrays):
    np.savez(path, **arrays)
    return {"data": {"name": "npz", "path": path}}


def refused(dtrain, write, changes, *arguments):
    """The line of a run that is refused; it leaves nothing behind."""
    ended = dtrain("train", write(changes), "--out", "out", *arguments)
    assert ended.code == 2, ended.err
    assert ended.out == ""
    assert not Path("out").exists()
    (line,) = ended.err.splitlines()
    assert line.startswith("dtrain: ")
    return line.removeprefix("dtrain: ")


# ---------------------------------------------------------------------- text is no number


@pytest.mark.parametrize(
    "cells",
    [
        ("1,100", "1,250", "12,000"),
        ("$100", "$200", "$350"),
        ("5%", "10%", "7%"),
        ("3,5", "4,25", "1,0"),
        ("2020-01-01", "2020-01-02", "2021-07-30"),
        ("red", "blue", "green"),
    ],
    ids=["thousands", "dollars", "percent", "decimal comma", "dates", "colours"],
)
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "lp", "poisson"])
def test_a_loss_of_numbers_refuses_text(loss, cells, write, dtrain):
    changes = table("t.csv", *cells) | dense(1) | {"loss": {"name": loss}, "train.metrics": ["r2"]}
    changes["data"]["target_kind"] = "class"  # without it, the dataset refuses what looks like numbers
    if loss == "poisson":
        changes["loss"]["log_rates"] = True
    shown = ", ".join(map(repr, sorted(cells)))
    assert refused(dtrain, write, changes) == (
        f"{AT}[loss] {loss}: expected numbers for a network that gives (1,) a sample, but the target 'price' is text "
        f"with the classes {shown}; if its cells are numbers, correct them; losses that take it: 'cross_entropy', "
        "'softmax_cross_entropy'"
    )


def test_two_classes_of_text_are_no_numbers_either_but_labels(write, dtrain):
    changes = table("t.csv", "red", "blue") | dense(1) | {"loss": {"name": "mse"}, "train.metrics": []}
    assert refused(dtrain, write, changes) == (
        f"{AT}[loss] mse: expected numbers for a network that gives (1,) a sample, but the target 'price' is text "
        "with the classes 'blue', 'red'; if its cells are numbers, correct them; losses that take it: "
        "'binary_cross_entropy', 'cross_entropy', 'hinge', 'perceptron', 'softmax_cross_entropy'"
    )
    changes |= {
        "loss": {"name": "hinge"},
        "train.metrics": ["accuracy", "binary_accuracy"],
        "data.validation": 0.0,
    }
    assert dtrain("train", write(changes), "--out", "out").code == 0


@pytest.mark.parametrize("metric", ["r2", "mean_absolute_error", "root_mean_squared_error"])
def test_a_metric_of_numbers_refuses_text(metric, write, dtrain):
    changes = table("t.csv", "red", "blue", "green") | dense(3) | {"train.metrics": [metric]}
    line = refused(dtrain, write, changes)
    assert line == (
        f"{AT}[train] metrics, {metric}: expected numbers or distributions over classes for a network that gives "
        "(3,) a sample, but the target 'price' is text with the classes 'blue', 'green', 'red'; if its cells are "
        "numbers, correct them; metrics that take it: 'accuracy', 'perplexity', 'top_k_accuracy'"
    )


@pytest.mark.parametrize(
    ("loss", "units"), [({"name": "mse"}, 1), ({"name": "poisson", "log_rates": True}, 1), ({}, 4)], ids=str
)
def test_whole_numbers_of_a_csv_are_numbers_counts_or_classes(loss, units, write, dtrain):
    loss = loss or {"name": "softmax_cross_entropy"}
    changes = table("t.csv", 0, 1, 2, 3) | dense(units) | {"loss": loss, "train.metrics": []}
    assert dtrain("train", write(changes), "--out", "out").code == 0


# ---------------------------------------------------------------------- metrics have targets of their own kind


@pytest.mark.parametrize("dtype", [int, np.uint8, float])
@pytest.mark.parametrize("batch", [2, 6])
def test_accuracy_of_one_hot_targets_under_mse_is_right(dtype, batch, write, dtrain):
    x = np.repeat(np.eye(2), 3, 0)
    changes = arrays(x=x, y=x.astype(dtype)) | dense(2)
    changes |= {
        "loss": {"name": "mse"},
        "train.batch_size": batch,
        "train.epochs": 60,
        "data.validation": 0.0,
    }
    assert dtrain("train", write(changes), "--out", "out").code == 0
    model = product.load("out")
    y = model.predict(x)
    assert model.evaluate(x, x.astype(dtype))["accuracy"] == accuracy_score(x.argmax(1), y.argmax(1)) == 1


def test_one_hot_targets_of_bool_are_no_numbers(write, dtrain):
    x = np.repeat(np.eye(2), 3, 0)
    changes = arrays(x=x, y=x.astype(bool)) | dense(2) | {"loss": {"name": "mse"}}
    assert refused(dtrain, write, changes) == (
        f"{AT}[loss] mse: expected numbers for a network that gives (2,) a sample, but the target is bool; "
        "losses that take it: 'binary_cross_entropy', "
        "'cross_entropy', 'hinge', 'kl_divergence', 'perceptron', 'softmax_cross_entropy'"
    )


def several_labels():
    random = np.random.Generator(np.random.Philox(4))
    return arrays(x=random.standard_normal((12, 4)), y=random.integers(0, 2, (12, 3)))


@pytest.mark.parametrize("batch", [3, 5])
def test_accuracy_of_several_labels_names_the_metric_that_takes_them(batch, write, dtrain):
    changes = several_labels() | dense(3, activation="sigmoid")
    changes |= {"loss": {"name": "binary_cross_entropy"}, "train.batch_size": batch, "data.validation": 0.0}
    assert refused(dtrain, write, changes) == (
        f"{AT}[train] metrics, accuracy: expected classes or distributions over classes for a network that gives (3,) "
        "a sample, but the target has shape (3,), not (), and adds up to 3, not to 1; metrics that take it: "
        "'binary_accuracy', 'mean_absolute_error', 'r2', 'root_mean_squared_error'"
    )
    changes["train.metrics"] = ["binary_accuracy"]
    assert dtrain("train", write(changes), "--out", "out").code == 0
    model, data = product.load("out"), np.load("arrays.npz")
    right = (model.predict(data["x"]) > 0.5) == (data["y"] == 1)
    assert model.evaluate(data["x"], data["y"])["binary_accuracy"] == pytest.approx(right.mean())


def test_targets_are_asked_of_held_out_samples_too(write, dtrain):
    random = np.random.Generator(np.random.Philox(4))
    x, y = random.standard_normal((12, 4)), np.arange(12) % 3
    changes = arrays(x=x, y=y, x_validation=x, y_validation=y + 1) | dense(3) | {"data.validation": 0.0}
    assert refused(dtrain, write, changes) == (
        "run.toml: [data], validation samples: [loss] softmax_cross_entropy: expected classes 0 to 2, one for each "
        "output of the network, but the target holds 3; correct the data, or give the last layer more units"
    )


def test_targets_are_asked_where_a_model_is_evaluated(write, dtrain):
    assert dtrain("train", write({"train.epochs": 1}), "--out", "out").code == 0
    model = product.load("out")
    x = np.zeros((4, 4))
    with pytest.raises(UserError) as refusal:
        model.evaluate(x, np.array([[0, 1, 1]] * 4))
    assert str(refusal.value) == (
        "given samples: [loss] softmax_cross_entropy: expected classes or distributions over classes for a network "
        "that gives (3,) a sample, but the target has shape (3,), not (), and adds up to 2, not to 1; losses that "
        "take it: 'binary_cross_entropy', 'hinge', 'huber', 'lp', 'mae', 'mse', 'perceptron', 'poisson'"
    )
    with pytest.raises(UserError, match=r"got data without targets$"):
        model.evaluate(x)
    np.savez("other.npz", x=x, y=np.ones((4, 3)))
    ended = dtrain("evaluate", "out", "--set", "data.path=other.npz", "--split", "all")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    ended = dtrain("evaluate", "out", "--set", "train.metrics=['r2']")
    assert ended.code == 2
    assert ended.err.startswith(
        "dtrain: validation samples: [train] metrics, r2: expected numbers or distributions"
    )


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (
            {"name": "perplexity", "from_logits": True},
            "expected from_logits as the loss has it, which takes probabilities, got true; leave it out",
        ),
        (
            "binary_accuracy",
            "expected labels (0 and 1, or -1 and 1) for a network that gives (3,) a sample, but the target has shape "
            "(), not (3,); metrics that take it: 'accuracy', 'perplexity', 'top_k_accuracy'",
        ),
    ],
    ids=["perplexity", "binary_accuracy"],
)
def test_metrics_of_classes_go_by_the_loss(metric, message, write, dtrain):
    changes = dense(3, activation="softmax") | {"loss": {"name": "cross_entropy"}, "train.metrics": [metric]}
    name = metric if isinstance(metric, str) else metric["name"]
    assert refused(dtrain, write, changes) == f"{AT}[train] metrics, {name}: {message}"


def test_perplexity_takes_probabilities_for_what_they_are(write, dtrain):
    changes = dense(3, activation="softmax") | {
        "loss": {"name": "cross_entropy"},
        "train.metrics": ["perplexity"],
    }
    assert dtrain("train", write(changes), "--out", "out").code == 0
    model, data = product.load("out"), np.load("points.npz")
    p = model.predict(data["x"]).astype(float)
    expected = np.exp(-np.log(p[np.arange(len(p)), data["y"]]).mean())
    assert model.evaluate(data["x"], data["y"])["perplexity"] == pytest.approx(expected, rel=1e-5)


# ---------------------------------------------------------------------- what an output means is the loss's to say


def test_a_single_softmax_output_is_the_one_class_that_there_is(write, dtrain):
    x = np.random.Generator(np.random.Philox(4)).standard_normal((60, 3))
    changes = arrays(x=x, y=np.zeros(60, int)) | dense(1) | {"data.validation": 0.0}
    changes["train.metrics"] = ["accuracy", "top_k_accuracy", "perplexity"]
    assert dtrain("train", write(changes), "--out", "out").code == 0
    figures = product.load("out").evaluate(x, np.zeros(60, int))
    assert figures == {"loss": 0, "accuracy": 1, "top_k_accuracy": 1, "perplexity": 1}


def test_targets_of_two_signs_need_a_threshold_between_them(write, dtrain):
    x = np.random.Generator(np.random.Philox(4)).standard_normal((24, 3))
    y = np.where(x[:, 0] > 0, 1, -1)
    changes = arrays(x=x, y=y) | dense(1, activation="tanh") | {"loss": {"name": "mse"}}
    for name in ("accuracy", "binary_accuracy"):
        changes["train.metrics"] = [name]
        assert refused(dtrain, write, changes) == (
            f"{AT}[train] metrics, {name}: expected a threshold between the targets -1 and 1, got 0.5 from the loss; "
            "set threshold = 0.0"
        )
    changes["train.metrics"] = [{"name": "accuracy", "threshold": 0.0}]
    assert dtrain("train", write(changes), "--out", "out").code == 0
    model = product.load("out")
    assert model.evaluate(x, y)["accuracy"] == accuracy_score(y > 0, model.predict(x)[:, 0] > 0)


# ---------------------------------------------------------------------- what the last layer gives


def test_logits_under_a_loss_of_probabilities_are_refused(write, dtrain):
    changes = {"network": [{"name": "dense", "units": 3}], "loss": {"name": "cross_entropy"}}
    assert refused(dtrain, write, changes) == (
        "run.toml: [loss] cross_entropy: expected distributions over the last dimension from the network, but its "
        "last layer, 'dense_1', gives any numbers; put a softmax layer behind it, or take softmax_cross_entropy"
    )


def test_a_loss_of_probabilities_in_evaluate_is_refused_on_logits(write, dtrain):
    assert dtrain("train", write({"train.epochs": 1}), "--out", "out").code == 0
    ended = dtrain("evaluate", "out", "--set", "loss.name=cross_entropy")
    assert (ended.code, ended.err) == (
        2,
        "dtrain: out/config.toml: [loss] cross_entropy: expected distributions over the last dimension from the "
        "network, but its last layer, 'dense_2', gives any numbers; put a softmax layer behind it, or take "
        "softmax_cross_entropy\n",
    )


def test_a_softmax_in_front_of_a_loss_that_has_its_own_is_warned_of_once(config, on_ranks, elsewhere, capfd):
    on_ranks(2, config(dense(3, activation="softmax") | {"train.epochs": 1}), elsewhere / "out")
    warnings = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    assert warnings == [
        "dtrain: warning: [loss] softmax_cross_entropy takes logits, but the last layer, 'dense_1', gives only "
        "distributions over the last dimension, as an activation there limits them; leave it out"
    ]


# ---------------------------------------------------------------------- transforms, options, ranks


def test_mixup_takes_whole_numbers_for_numbers_if_the_loss_does(write, dtrain):
    changes = table("t.csv", 2, 3, 4) | dense(1) | {"loss": {"name": "mse"}, "train.metrics": ["r2"]}
    changes["data.transform"] = [{"name": "mixup"}]
    assert dtrain("train", write(changes), "--out", "out").code == 0


def test_mixup_wants_the_number_of_classes_if_the_loss_takes_classes(write, dtrain):
    changes = table("t.csv", 0, 1, 2) | dense(3) | {"data.transform": [{"name": "mixup"}]}
    assert refused(dtrain, write, changes) == (
        f"{AT}[data] transform, mixup: expected classes, how many there are, to mix targets that are classes, got "
        "none; set classes = 3"
    )


@pytest.mark.parametrize(
    ("loss", "units", "y", "message"),
    [
        (
            {"name": "softmax_cross_entropy", "label_smoothing": 0.1}, 1, np.zeros(12, int),
            "expected at least two outputs, one a class, with label_smoothing, got one",
        ),
        (
            {"name": "softmax_cross_entropy", "class_weights": [1.0, 2.0]}, 3, np.arange(12) % 3,
            "expected as many class_weights as the network has outputs, 3, got 2",
        ),
        (
            {"name": "hinge"}, 1, np.arange(12) % 3 - 1,
            "expected labels (0 and 1, or -1 and 1) for a network that gives (1,) a sample, but the target holds "
            "-1, 0 and 1 together; losses that take it: 'binary_cross_entropy', 'huber', 'lp', 'mae', 'mse', 'poisson'",
        ),
        (
            {"name": "poisson", "log_rates": True}, 1, np.arange(12) - 3,
            "expected counts, at least 0, but a target is -3; correct the data",
        ),
    ],
    ids=["label_smoothing", "class_weights", "signs", "counts"],
)  # fmt: skip
def test_options_and_values_at_odds_with_the_target_are_refused(loss, units, y, message, write, dtrain):
    x = np.random.Generator(np.random.Philox(4)).standard_normal((12, 4))
    changes = arrays(x=x, y=y) | dense(units) | {"loss": loss, "train.metrics": [], "data.validation": 0.0}
    assert refused(dtrain, write, changes) == f"{AT}[loss] {loss['name']}: {message}"


def test_all_ranks_say_the_same(config, elsewhere):
    tables = config(table("t.csv", "red", "blue", "green") | dense(1) | {"loss": {"name": "mse"}})

    def run(communicator):
        with pytest.raises(UserError) as refusal:
            train_session(lambda: load(tables), communicator, elsewhere / "out")
        return str(refusal.value)

    lines = run_ranks(3, run)
    assert len(set(lines)) == 1
    assert not (elsewhere / "out").exists()
