"""The recipes, trained in a short form, against independent solvers; each with a control that fails where it works."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_linnerud
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor

from dtrain.cli.arguments import parser
from dtrain.communicator import run_ranks
from dtrain.config import load, recipes
from dtrain.trainer import Result, Trainer, train_session

DENSE = {"name": "dense", "units": 64, "initializer": "he_normal"}
OUT = {"name": "dense", "units": 10}


class Trained(NamedTuple):
    trainer: Trainer
    result: Result
    predicted: np.ndarray | None
    """What the net made of the samples that were asked for."""

    def value(self, name: str) -> np.ndarray:
        (parameter,) = (p for p in self.trainer.replica.network.parameters if p.name == name)
        return parameter.value

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.result.folder / "metrics.jsonl").read_text().splitlines()]

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        rows = self.trainer.samples
        return rows.rows(np.arange(len(rows)))


@pytest.fixture
def train(tmp_path: Path):
    """train("digits", {"train.epochs": 1}, ranks=2) → what rank 0 has. x: of its trainer, samples to predict."""

    def run(
        recipe: str,
        changes: Mapping[str, Any] | None = None,
        ranks: int = 1,
        x: Callable[[Trainer], np.ndarray] | None = None,
    ) -> Trained:
        def job(communicator):
            trainers = []
            options = {"overwrite": True, "prepared": trainers.append}
            result = train_session(lambda: load(recipe, changes or {}), communicator, tmp_path, **options)
            (trainer,) = trainers
            return Trained(trainer, result, None if x is None else trainer.predict(x(trainer)))

        return run_ranks(ranks, job)[0]

    return run


def held_out(trainer: Trainer) -> np.ndarray:
    rows = trainer.job.validation
    return rows.rows(np.arange(len(rows)))[0]


def scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


# ---------------------------------------------------------------------- models of one layer


def test_the_perceptron_settles_within_the_bound_of_novikoff(train):
    trained = train("perceptron")
    x, t = trained.samples()
    x, t = np.column_stack([x, np.ones(len(x))]), 2 * t - 1
    mistakes = [round((1 - line["train"]["binary_accuracy"]) * 150) for line in trained.lines()]
    w = np.append(trained.value("dense_1.weight")[:, 0], trained.value("dense_1.bias"))
    margin = (t * (x @ w)).min() / np.linalg.norm(w)  # of one plane that separates: the best's is no smaller
    assert margin > 0
    assert 0 < sum(mistakes) <= (np.linalg.norm(x, axis=1).max() / margin) ** 2
    assert mistakes[1:] == [0] * 9


def test_the_perceptron_never_settles_where_no_plane_separates(train):
    lines = train("perceptron", {"data.positive": "versicolor"}).lines()
    assert all(line["train"]["binary_accuracy"] < 0.9 for line in lines)


def test_linear_regression_ends_at_least_squares(train):
    data = load_diabetes(scaled=False)
    x = scaled(data.data)
    solver = LinearRegression().fit(x, data.target)
    trained = train("linear_regression")
    assert trained.value("dense_1.weight")[:, 0] == pytest.approx(solver.coef_, rel=1e-4, abs=1e-3)
    assert trained.value("dense_1.bias") == pytest.approx(solver.intercept_, rel=1e-6)
    best = np.mean((solver.predict(x) - data.target) ** 2)
    assert trained.result.train["loss"] == pytest.approx(best, rel=1e-9)
    assert trained.result.train["r2"] == pytest.approx(solver.score(x, data.target), rel=1e-9)
    assert train("linear_regression", {"optimizer.momentum": 0.0}).result.train["loss"] > 1.001 * best


def ridge(samples: int, weight: float, **options: Any) -> LogisticRegression:
    """scikit-learn adds ½·Σw² to C times the sum of losses; here weight·Σw² is added to their mean."""
    return LogisticRegression(C=1 / (2 * weight * samples), tol=1e-10, max_iter=10_000, **options)


def test_logistic_regression_ends_where_scikit_learn_does(train):
    data = load_breast_cancer()
    x = scaled(data.data)
    solver = ridge(569, 1e-3).fit(x, data.target)
    trained = train("logistic_regression", {"data.validation": 0.0, "train.epochs": 600}, x=lambda _: x)
    assert trained.value("dense_1.weight")[:, 0] == pytest.approx(solver.coef_[0], rel=1e-2, abs=1e-3)
    assert trained.predicted[:, 0] == pytest.approx(solver.predict_proba(x)[:, 1], abs=1e-3)
    assert trained.result.train["binary_accuracy"] == pytest.approx(solver.score(x, data.target))
    unlike = train("logistic_regression", {"data.validation": 0.0, "regularizer": []})
    assert np.abs(unlike.value("dense_1.weight")).max() > 1.5 * np.abs(solver.coef_).max()


@pytest.mark.parametrize(("target", "column"), [("chins", 0), ("jumps", 2)])
def test_poisson_regression_ends_where_scikit_learn_does(train, target, column):
    data = load_linnerud()
    x, y = scaled(data.target), data.data[:, column]
    solver = PoissonRegressor(alpha=0, tol=1e-12, max_iter=1000).fit(x, y)
    lr = {"chins": 0.02, "jumps": 0.002}[target]
    trained = train("poisson_regression", {"data.target": target, "optimizer.lr": lr})
    assert trained.value("dense_1.weight")[:, 0] == pytest.approx(solver.coef_, rel=1e-5)
    assert trained.value("dense_1.bias") == pytest.approx([solver.intercept_], rel=1e-6)
    rates = solver.predict(x)
    assert trained.result.train["loss"] == pytest.approx(np.mean(rates - y * np.log(rates)), rel=1e-8)


def test_softmax_regression_ends_where_scikit_learn_does(train):
    data = load_iris()
    x = scaled(data.data)
    solver = ridge(150, 1e-3).fit(x, data.target)
    trained = train("softmax_regression", x=lambda _: x)
    assert pytest.approx(solver.coef_, abs=1e-3) == trained.value("dense_1.weight").T
    assert trained.predicted == pytest.approx(solver.predict_proba(x), abs=1e-3)
    assert trained.result.train["accuracy"] == pytest.approx(solver.score(x, data.target))


# ---------------------------------------------------------------------- deeper ones

SHORT = {"train.epochs": 300, "optimizer.lr": 0.2}


def test_two_layers_follow_a_curve_that_a_straight_line_cannot(train):
    trained = train("approximation", SHORT, x=held_out)
    x = held_out(trained.trainer)
    bumps = ((-0.6, 0.15, 0.8), (0.0, 0.08, -0.6), (0.5, 0.2, 1.0))
    y = sum(h * np.exp(-0.5 * ((x - c) / w) ** 2) for c, w, h in bumps)
    assert np.abs(trained.predicted - y).max() < 0.05
    line = np.polynomial.Polynomial.fit(x[:, 0], y[:, 0], 1)
    assert trained.result.validation["loss"] < 1e-3 * np.mean((line(x) - y) ** 2)
    assert (trained.result.folder / "fit.png").stat().st_size > 10_000
    linear = train("approximation", SHORT | {"network": [OUT | {"units": 1}], "callback": []})
    assert linear.result.validation["loss"] > 0.9 * np.mean((line(x) - y) ** 2)


def principal(trained: Trained, numbers: int) -> tuple[float, float]:
    """The mean squared errors of principal components: of training, of validation."""
    x, v = trained.samples()[0], held_out(trained.trainer)
    pca = PCA(numbers).fit(x)
    return tuple(np.mean((pca.inverse_transform(pca.transform(z)) - z) ** 2) for z in (x, v))


def test_a_linear_autoencoder_reaches_principal_components_and_the_deep_one_is_better(train):
    linear = train(
        "autoencoder",
        {"network": [OUT | {"units": 16}, OUT | {"units": 64}], "optimizer.lr": 0.01, "train.epochs": 60},
    )
    of_training, of_validation = principal(linear, 16)
    assert of_training < linear.result.train["loss"] < 1.03 * of_training
    assert linear.result.validation["loss"] < 1.05 * of_validation
    deep = train("autoencoder", {"train.epochs": 60})
    assert deep.result.train["loss"] < 0.8 * of_training
    assert deep.result.validation["loss"] < 0.85 * of_validation


def test_what_the_encoder_makes_of_a_digit_tells_which_it_is(train, tmp_path):
    """Its 16 numbers, as the features of another network; as many pixels, taken at random, tell less."""
    trained = train("autoencoder", {"train.epochs": 40})
    pixels = trained.samples()[0]
    hidden = pixels @ trained.value("encoder_1.weight") + trained.value("encoder_1.bias")
    code = np.maximum(hidden, 0) @ trained.value("encoder_2.weight") + trained.value("encoder_2.bias")
    digits = trained.trainer.job.train.of._of.rows(trained.trainer.job.train.indices)[1]
    chosen = np.random.Generator(np.random.Philox(1)).choice(64, 16, replace=False)
    accuracies = []
    for x in (code, pixels[:, chosen]):
        np.savez(tmp_path / "features.npz", x=scaled(x + 1e-9 * np.arange(len(x))[:, None]), y=digits)
        data = {"name": "npz", "path": str(tmp_path / "features.npz"), "validation": 0.25}
        short = {"train.epochs": 100, "train.batch_size": 1500, "network.0.units": 10}
        accuracies.append(train("softmax_regression", {"data": data, **short}).result.validation["accuracy"])
    assert accuracies[0] > 0.9 > accuracies[1] + 0.05


def test_skip_connections_train_layers_that_do_not_train_without(train):
    short = {"train.epochs": 4}
    plain = [DENSE, *["relu", DENSE] * 32, OUT]
    assert train("residual", short).result.validation["accuracy"] > 0.93
    assert train("residual", short | {"network": plain}).result.validation["accuracy"] < 0.7


def test_lenet_is_better_than_one_layer_on_the_pixels(train):
    lenet, linear = train("lenet"), train("lenet", {"network": [OUT]})
    assert lenet.trainer.size == 61_706 - (25 - 9) * (6 + 6 * 16) - (400 - 64) * 120  # the paper's, cut down
    assert lenet.result.validation["accuracy"] > 0.97 > linear.result.validation["accuracy"]
    assert lenet.result.validation["loss"] < 0.6 * linear.result.validation["loss"]


# ---------------------------------------------------------------------- all of them

ALONE = [name for name in recipes() if name != "mnist"]


@pytest.mark.parametrize("recipe", ALONE)
def test_a_recipe_ends_with_the_same_bits_on_one_rank_and_on_three(recipe, train):
    short = {"train.steps": 3}
    one, three = (train(recipe, short, ranks).result.summary for ranks in (1, 3))
    assert (one["ranks"], three["ranks"]) == (1, 3)
    assert one["weights_sha256"] == three["weights_sha256"]
    other = train(recipe, {"train.steps": 4, "seed": 1}, 3).result.summary
    assert other["weights_sha256"] != one["weights_sha256"]


@pytest.mark.parametrize("recipe", recipes())
def test_a_recipe_says_at_its_top_what_it_shows_and_what_to_expect(recipe):
    comment = re.match(r"(# .+\n|#\n)+\n", recipes()[recipe].read_text("utf-8"))[0]
    assert re.search(r"^# Expect: .*\d", comment, re.MULTILINE)
    for command in re.findall(r"^  dtrain (.*)", re.sub(r"^#|\\\n#", "", comment, flags=re.M), re.MULTILINE):
        assert parser().parse_args(shlex.split(command)).config == recipe


def test_the_readme_and_the_help_name_every_recipe(capsys):
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    table = readme.split("| recipe | shows |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(recipes())
    with pytest.raises(SystemExit):
        parser().parse_args(["train", "--help"])
    assert ", ".join(recipes()) in " ".join(capsys.readouterr().out.split())
