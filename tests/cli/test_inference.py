"""`dtrain evaluate` and `dtrain predict`: what they print, and how they refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import dtrain as package


@pytest.fixture
def run(place):
    """A finished run in the folder `run`, and its samples in X.npy."""
    assert place.train("--set", "train.metrics=['accuracy']", "--set", "data.validation=0.25").code == 0
    np.save("X.npy", np.load("data.npz")["x"])
    return place


def test_evaluate_prints_a_table(run):
    said = run.dtrain("evaluate", "run")
    figures = json.loads(Path("run/summary.json").read_text())["validation"]
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"loss      {figures['loss']:.4f}\n"
        f"accuracy  {figures['accuracy']:.4f}\n"
        "15 samples (validation), step 6 (step-0000000006.safetensors)\n"
    )


def test_evaluate_prints_json_with_the_figures_of_the_summary(run):
    said = run.dtrain("evaluate", "run", "--json", "--checkpoint", "last")
    assert said.out.count("\n") == 1
    assert json.loads(said.out) == {
        "split": "validation",
        "samples": 15,
        "checkpoint": "run/checkpoints/step-0000000006.safetensors",
        "step": 6,
        "validation": json.loads(Path("run/summary.json").read_text())["validation"],
    }


def test_evaluate_takes_other_data_and_other_samples(run):
    np.savez("other.npz", x=np.ones((1, 4)), y=[2])
    said = run.dtrain(
        "evaluate", "run", "--split", "all", "--set", "data.path='other.npz'", "--set", "train.metrics=[]"
    )
    assert said.out.splitlines()[1] == "1 sample (all), step 6 (step-0000000006.safetensors)"
    assert json.loads(run.dtrain("evaluate", "run", "--split", "train", "--json").out)["samples"] == 45


def test_a_loss_that_is_not_finite_is_null(run):
    np.savez("far.npz", x=np.full((9, 4), 1e300), y=np.arange(9) % 3)
    config = Path("run/config.toml")
    config.write_text(config.read_text().replace('name = "tanh"', 'name = "identity"'))
    said = run.dtrain("evaluate", "run", "--split", "all", "--json", "--set", "data.path='far.npz'")
    assert json.loads(said.out)["all"]["loss"] is None


def test_warnings_go_to_stderr(run):
    Path("run/checkpoints/step-0000000007.safetensors").write_bytes(b"")
    said = run.dtrain("evaluate", "run")
    assert said.code == 0
    assert said.err.startswith(
        "dtrain: warning: run/checkpoints/step-0000000007.safetensors: expected a checkpoint"
    )
    assert said.err.endswith("; taking the one before\n")


def test_predict_writes_what_the_model_predicts(run):
    said = run.dtrain("predict", "run", "--input", "X.npy", "--output", "Y.npy")
    assert (said.code, said.err) == (0, "")
    assert said.out == "Y.npy: (60, 3) of float32, step 6 (step-0000000006.safetensors)\n"
    np.testing.assert_array_equal(np.load("Y.npy"), package.load("run").predict(np.load("X.npy")))


def test_predict_draws_and_takes_layers(run):
    Path("config.toml").write_text(
        Path("config.toml").read_text().replace('name = "tanh"', 'name = "dropout"\nid = "mask"')
    )
    assert run.train(out="dropped").code == 0
    words = ["--input", "X.npy", "--output", "Y.npy", "--spread", "S.npy", "--draws", "4", "--layer", "mask"]
    said = run.dtrain("predict", "dropped", *words)
    assert said.out.startswith("Y.npy and S.npy: (60, 3) of float32, ")
    mean, spread = package.load("dropped").predict(np.load("X.npy"), draws=4, layer="mask")
    np.testing.assert_array_equal(np.load("Y.npy"), mean)
    np.testing.assert_array_equal(np.load("S.npy"), spread)


def test_predict_takes_the_samples_of_the_run(run):
    said = run.dtrain("predict", "run", "--split", "validation", "--output", "Y.npy")
    assert said.out.startswith("Y.npy: (15, 3) of float32")


def test_predict_tells_of_values_that_are_not_finite(run):
    np.save("X.npy", np.full((2, 4), np.nan))
    said = run.dtrain("predict", "run", "--input", "X.npy", "--output", "Y.npy")
    assert said.code == 0
    assert said.err == (
        "dtrain: warning: 2 of the samples hold values that are not finite, and so may their predictions; "
        "the first is row 0\n"
    )


def test_ctrl_c_leaves_no_output(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dtrain.inference.output.NpyOutput.write", interrupted)
    before = {*os.listdir()}
    said = run.dtrain("predict", "run", "--input", "X.npy", "--output", "Y.npy")
    assert (said.code, said.out, said.err) == (130, "", "dtrain: interrupted; nothing written\n")
    assert {*os.listdir()} == before


REFUSED = {
    "evaluate": "the following arguments are required: RUN; see `dtrain evaluate --help`",
    "evaluate none": "none: expected the folder of a run, got nothing",
    "evaluate data.npz": "data.npz: expected the folder of a run, got a file",
    "evaluate run --split test": (
        "argument --split: invalid choice: 'test' (choose from 'validation', 'train', 'all'); "
        "see `dtrain evaluate --help`"
    ),
    "evaluate run --checkpoint 7": (
        "run/checkpoints: expected 'last', 'best', or the name or step of a checkpoint, got '7'; "
        "there are 'best.safetensors', 'step-0000000006.safetensors'"
    ),
    "evaluate run --set train.epoch=1": (
        "run/config.toml: unknown key 'epoch' in [train]; did you mean 'epochs'?; known: "
    ),
    "predict run --output Y.npy": (
        "one of the arguments --input --split is required; see `dtrain predict --help`"
    ),
    "predict run --input X.npy": "the following arguments are required: --output; see `dtrain predict --help`",
    "predict run --input none.npy --output Y.npy": (
        "none.npy: expected a .npy file, got: No such file or directory"
    ),
    "predict run --input damaged.npy --output Y.npy": (
        "damaged.npy: expected a .npy file of numbers, got another (the magic string is not correct; "
    ),
    "predict run --input X.npy --output X.npy": "--output X.npy: it exists; --overwrite replaces it",
    "predict run --input X.npy --output Y.npy --draws 0": (
        "argument --draws: expected a whole number of at least 1, got '0'; see `dtrain predict --help`"
    ),
    "predict run --input X.npy --output Y.npy --spread S.npy": "--spread: expected --draws beside it, got none",
    "predict run --input X.npy --output Y.npy --draws 3": (
        "draws: expected a network with a layer that draws random numbers, such as dropout, got none; "
    ),
    "predict run --input X.npy --output Y.npy --layer code": (
        "layer: expected the id of a layer, got 'code'; there are 'dense_1', 'tanh_1'"
    ),
}


def test_mistakes_end_in_one_line_with_exit_code_2(run):
    Path("damaged.npy").write_bytes(Path("data.npz").read_bytes())
    before = {*os.listdir()}
    for command, message in REFUSED.items():
        said = run.dtrain(*command.split())
        assert (said.code, said.out) == (2, ""), command
        assert said.err.startswith(f"dtrain: {message}"), command
        assert said.err.count("\n") == 1, command
        assert {*os.listdir()} == before, command
