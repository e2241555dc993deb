"""`dtrain.load`: what was trained, in this process, whatever is gone by now."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import dtrain
from dtrain.communicator import SerialCommunicator
from dtrain.errors import CheckpointError, ConfigError, DataError
from dtrain.inference import evaluate_run
from dtrain.parameter import digest
from dtrain.trainer import checkpoint
from tests.support import assert_same_bits, refused


@pytest.fixture
def model(trained):
    return dtrain.load(trained())


X = np.random.default_rng(3).standard_normal((11, 4))


def test_it_has_the_weights_and_statistics_of_the_end_of_the_run(trained):
    folder = trained()
    model = dtrain.load(folder)
    named = [
        [SimpleNamespace(name=n, value=v) for n, v in d.items()] for d in (model.parameters, model.states)
    ]
    summary = json.loads((folder / "summary.json").read_text())
    assert digest(*named) == summary["weights_sha256"]
    assert list(model.parameters)[:2] == ["code.weight", "code.bias"]
    assert model.checkpoint == folder / "checkpoints" / checkpoint.name_of(12)


def test_it_tells_its_config_its_shape_and_its_layers(model):
    assert (model.config.optimizer.name, model.config.train.shards) == ("adam", 8)
    assert model.input_shape == (4,)
    assert model.layers == ["code", "batch_norm_1", "tanh_1", "dropout_1", "dense_2"]


def test_parameters_are_copies(model):
    before = model.predict(X)
    model.parameters["code.weight"].fill(0)
    model.states["batch_norm_1.mean"].fill(9)
    assert_same_bits(model.predict(X), before)


def softmax(y):
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_predictions_are_what_the_loss_makes_of_the_outputs(model):
    y = model.forward(X)
    p = {name: value.astype(float) for name, value in (model.parameters | model.states).items()}
    h = X @ p["code.weight"] + p["code.bias"]
    h = (h - p["batch_norm_1.mean"]) / np.sqrt(p["batch_norm_1.variance"] + 1e-5)
    h = np.tanh(h * p["batch_norm_1.gamma"] + p["batch_norm_1.beta"])
    np.testing.assert_allclose(y, h @ p["dense_2.weight"] + p["dense_2.bias"], rtol=1e-4, atol=1e-5)
    assert (y.dtype, y.shape) == (np.float32, (11, 3))
    np.testing.assert_allclose(model.predict(X), softmax(y.astype(float)), rtol=1e-5)


def test_rows_come_in_the_order_of_the_input_over_any_number_of_blocks(model):
    x = np.random.default_rng(0).standard_normal((601, 4))
    y = model.forward(x)
    assert_same_bits(model.forward(x[::-1])[::-1], y)
    assert_same_bits(np.concatenate([model.forward(row[None]) for row in x]), y)


def test_what_was_given_out_does_not_change_with_the_next_call(model):
    first = model.forward(X)
    kept = first.copy()
    model.forward(X + 1)
    assert_same_bits(first, kept)


def test_no_rows_are_no_mistake(model):
    assert model.predict(X[:0]).shape == (0, 3)
    mean, spread = model.predict(X[:0], draws=2)
    assert mean.shape == spread.shape == (0, 3)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", ">f4", "bool"])
def test_numbers_are_cast_to_the_runs_dtype(dtype, model):
    x = np.round(X).astype(dtype)
    assert_same_bits(model.forward(x), model.forward(x.astype(np.float32)))


def test_whole_numbers_are_numbers(model):
    x = np.arange(44).reshape(11, 4)
    assert_same_bits(model.forward(x), model.forward(x.astype(np.float64)))


def test_the_output_of_a_layer_is_a_code(model):
    code = model.predict(X, layer="code")
    expected = X.astype(np.float32) @ model.parameters["code.weight"] + model.parameters["code.bias"]
    np.testing.assert_allclose(code, expected, rtol=1e-5, atol=1e-6)
    assert_same_bits(model.predict(X, layer="dense_2"), model.forward(X))


def test_figures_of_arrays_are_those_of_the_command(trained):
    folder = trained()
    arrays = np.load("points.npz")
    found = evaluate_run(SerialCommunicator(), folder, split="all")
    assert dtrain.load(folder).evaluate(arrays["x"], arrays["y"]) == found.figures


def test_rows_that_are_not_finite_are_told_refused_or_allowed(model):
    x = np.concatenate([X, X])
    x[5, 0], x[16, 3] = np.nan, 1e300  # beyond float32
    calls = {
        "predict": lambda **given: model.predict(x, **given),
        "draws": lambda **given: model.predict(x, 2, **given)[0],
        "forward": lambda **given: model.forward(x, **given),
        "evaluate": lambda **given: model.evaluate(x, [0] * 22, **given)["loss"],
    }
    for call in calls.values():
        with pytest.warns(UserWarning, match="2 of the samples") as caught:
            y = call()
        assert str(caught[0].message) == (
            "2 of the samples hold values that are not finite, and so may their predictions; the first is row 5"
        )
        assert caught[0].filename == __file__
        assert_same_bits(call(non_finite="allow"), y)
        with refused(
            DataError,
            "x: expected finite numbers, got 2 rows with NaN, infinity or a number beyond the run's dtype; the first "
            "is row 5; clean the data",
        ):
            call(non_finite="refuse")
        with refused(
            ConfigError,
            "non_finite: expected one of 'allow', 'refuse', 'warn', got 'warm'; did you mean 'warn'?",
        ):
            call(non_finite="warm")
    assert np.isnan(calls["predict"](non_finite="allow")[5]).all()


MISTAKES = {
    "one sample": (
        X[0],
        "x: expected shape (rows, 4), got (4,); one sample needs an axis for the rows: x[None]",
    ),
    "a wide sample": (np.zeros((2, 5)), "x: expected shape (rows, 4), got (2, 5)"),
    "a number": (1.0, "x: expected shape (rows, 4), got ()"),
    "objects": (np.full((2, 4), None), "x: expected numbers, got dtype object"),
    "text": ([["a"] * 4], "x: expected numbers, got dtype <U1"),
    "complex": (np.zeros((2, 4), complex), "x: expected numbers, got dtype complex128"),
}


@pytest.mark.parametrize(("x", "message"), MISTAKES.values(), ids=MISTAKES)
def test_samples_that_do_not_fit_are_refused(x, message, model):
    for call in (model.predict, model.forward, model.evaluate):
        with refused(DataError, message):
            call(x)


def test_rows_of_different_lengths_are_refused(model):
    with pytest.raises(DataError, match=r"^x: expected an array, got what is none: "):
        model.predict([[1.0], [1.0, 2.0]])


def test_targets_that_do_not_fit_are_refused(model):
    with refused(DataError, "expected as many rows in y as in x, 11, got 3"):
        model.evaluate(X, [0, 1, 2])
    with refused(DataError, "given samples: expected at least one, got none"):
        model.evaluate(X[:0], [])
    with pytest.raises(DataError, match=r"^given samples: "):
        model.evaluate(X)
    with refused(DataError, "y: expected numbers, got dtype <U1"):
        model.evaluate(X, ["a"] * 11)


@pytest.mark.parametrize("draws", [0, True, 2.0])
def test_draws_that_are_no_count_are_refused(draws, model):
    with refused(ConfigError, f"draws: expected a whole number ≥ 1, got {draws!r}"):
        model.predict(X, draws=draws)


def test_a_layer_that_is_not_there_is_refused(model):
    with refused(
        ConfigError,
        "layer: expected the id of a layer, got 'cod'; did you mean 'code'?; "
        "there are 'batch_norm_1', 'code', 'dense_2', 'dropout_1', 'tanh_1'",
    ):
        model.predict(X, layer="cod")


def test_what_is_no_folder_is_refused():
    with refused(ConfigError, "expected the folder of a run, got 3"):
        dtrain.load(3)


# ---------------------------------------------------------------------- what is gone by now


def test_it_needs_neither_the_data_nor_mpi(trained, elsewhere):
    folder = trained()
    Path("points.npz").unlink()
    code = (
        "import sys, dtrain, numpy as np\n"
        f"y = dtrain.load({str(folder)!r}).predict(np.ones((2, 4)))\n"
        "assert y.shape == (2, 3) and 'mpi4py' not in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60)


def _without_shape(folder):
    """As checkpoints were before they recorded the shape of a sample."""
    path = folder / "checkpoints" / checkpoint.name_of(12)
    old = checkpoint.read(path)
    cursor = {key: value for key, value in old.cursor.items() if key not in ("input", "format")}
    checkpoint.write(path, checkpoint.Checkpoint(old.arrays, cursor))


def test_a_checkpoint_that_does_not_know_its_input_asks_the_data(trained):
    folder = trained()
    y = dtrain.load(folder).predict(X)
    _without_shape(folder)
    assert_same_bits(dtrain.load(folder).predict(X), y)
    Path("points.npz").unlink()
    with pytest.raises(DataError, match=r"points\.npz"):
        dtrain.load(folder)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_with_a_warning(trained):
    folder = trained({"checkpoint.steps": 4})
    newest = folder / "checkpoints" / checkpoint.name_of(12)
    newest.write_bytes(newest.read_bytes()[:-5])
    with pytest.warns(UserWarning, match="taking the one before"):
        model = dtrain.load(folder)
    assert model.checkpoint.name == checkpoint.name_of(8)


def test_a_config_of_another_network_is_refused(trained):
    folder = trained()
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("units = 6", "units = 7"))
    with refused(
        CheckpointError,
        f"{folder}/checkpoints/step-0000000012.safetensors: 'value/code.weight' must be (4, 7) of float32, "
        "got (4, 6) of float32",
    ):
        dtrain.load(folder)


ACME = """
    import numpy as np
    from dtrain import Activation, Optimizer, hookimpl

    class Halved(Activation):
        def forward(self, x, context):
            return x / 2, lambda dy: dy / 2

    class Plain(Optimizer):
        def __init__(self, lr: float = 0.1):
            self.lr = lr

        def update(self, value, gradient, context):
            value -= self.lr * gradient

    @hookimpl
    def dtrain_activations():
        return {"halved": Halved}

    @hookimpl
    def dtrain_optimizers():
        return {"plain": Plain}
"""


def _uninstall(site):
    for path in Path(site).rglob("*"):
        if path.is_file():
            path.unlink()
    sys.modules.pop("acme", None)


def test_a_layer_of_a_plugin_that_is_gone_says_what_to_install(trained, acme, config):
    site = acme(ACME)
    network = [{"name": "halved"}, {"name": "dense", "units": 3}]
    folder = trained({"network": network, "train.epochs": 1})
    assert dtrain.load(folder).predict(X).shape == (11, 3)
    _uninstall(site)
    with refused(
        ConfigError,
        f"{folder}/config.toml: [[network]] #1: no plugin provides the layer 'halved'; the run had it from "
        "plugin 'acme' 1.2 (distribution acme-dtrain): install it with `pip install acme-dtrain==1.2`",
    ):
        dtrain.load(folder)


def test_an_optimizer_of_a_plugin_that_is_gone_is_not_missed(trained, acme):
    site = acme(ACME)
    folder = trained({"optimizer": {"name": "plain"}, "train.epochs": 1})
    y = dtrain.load(folder).predict(X)
    _uninstall(site)
    assert_same_bits(dtrain.load(folder).predict(X), y)
