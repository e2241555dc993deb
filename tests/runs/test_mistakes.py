"""Every mistake of a user: exit code 2, one line, nothing left behind, on one rank and on several."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.errors import UserError, listed
from dtrain.trainer import train_session
from tests.plugins.support import registry

ADAM = "optimizer 'adam' from plugin 'dtrain-optimizers' 0.1.0 (distribution dtrain)"
DENSE = "layer 'dense' from plugin 'dtrain-layers' 0.1.0 (distribution dtrain)"


class Mistake(NamedTuple):
    """What is changed in the config, and the whole message; «at» stands for the folder."""

    changes: dict[str, Any]
    message: str


NPY = {"name": "npy", "x": "x.npy", "y": "y.npy"}

MISTAKES = {
    "an unknown key": Mistake(
        {"train.epoch": 3},
        "run.toml: unknown key 'epoch' in [train]; did you mean 'epochs'?; known: 'accumulate', 'batch_size', "
        "'check_replicas', 'clip_norm', 'clip_value', 'dtype', 'epochs', 'exchange', 'metrics', 'non_finite', "
        "'order', 'scale_lr', 'shards', 'steps', 'stop_limit', 'time_limit'",
    ),
    "a part that no plugin provides": Mistake(
        {"optimizer.name": "adamm"},
        "run.toml: [optimizer]: no plugin provides the optimizer 'adamm'; did you mean 'adam'?; "
        f"installed: {listed(registry().names('optimizers'))}",
    ),
    "a metric that no plugin provides": Mistake(
        {"train.metrics": ["accuracies"]},
        "run.toml: [train] metrics #1: no plugin provides the metric 'accuracies'; did you mean 'accuracy'?; "
        f"installed: {listed(registry().names('metrics'))}",
    ),
    "an option that the part has not": Mistake(
        {"optimizer.learning": 3},
        f"run.toml: [optimizer]: {ADAM} has no option 'learning'; it takes lr = 0.001, beta_1 = 0.9, "
        "beta_2 = 0.999, epsilon = 1e-08",
    ),
    "an option of the wrong type": Mistake(
        {"optimizer.lr": "much"},
        f'run.toml: [optimizer] lr: expected a number > 0, got "much"; an option of {ADAM}',
    ),
    "an option out of range": Mistake(
        {"network.0.units": 0},
        f"run.toml: [[network]] #1 units: expected a whole number ≥ 1, got 0; an option of {DENSE}",
    ),
    "both epochs and steps": Mistake(
        {"train": {"epochs": 3, "steps": 3}}, "run.toml: [train]: expected either epochs or steps, got both"
    ),
    "a data file that is missing": Mistake(
        {"data.path": "none.npz"},
        "«at»/none.npz: expected an archive written by numpy.savez, got no such file; check the path, or give "
        "another: --set data.path=FILE",
    ),
    "a data file that is truncated": Mistake(
        {"data.path": "cut.npz"},
        "«at»/cut.npz: expected an archive written by numpy.savez, got damaged data (File is not a zip file); "
        "write or fetch the file again",
    ),
    "labels out of range": Mistake(
        {"network.1.units": 2},
        "run.toml: [data], training samples: [loss] softmax_cross_entropy: expected classes 0 to 1, one for each "
        "output of the network, but the target holds 2; correct the data, or give the last layer more units",
    ),
    "labels out of range, met at a step": Mistake(
        {"data": {**NPY, "y": "y_bad.npy"}, "train.batch_size": 80},
        "[data], samples 0 to 79: [loss] softmax_cross_entropy: expected classes 0 to 2, one for each output of the "
        "network, but the target holds 7; correct the data, or give the last layer more units",
    ),
    "shapes that do not fit": Mistake(
        {"data.path": "images.npz"},
        f"layer 'dense_1' ({DENSE}): dense takes samples of one dimension, got (2, 2); put a flatten layer "
        "before it",
    ),
    "inputs that name no layer": Mistake(
        {"network.1.inputs": ["dense_3"]},
        "layer 'dense_2': inputs names 'dense_3', which is no layer above it; did you mean 'dense_1'?; "
        "there are 'dense_1', 'input'",
    ),
    "a loss that does not fit the targets": Mistake(
        {"loss.name": "mse"},
        "run.toml: [data], training samples: [loss] mse: expected numbers for a network that gives (3,) a sample, but "
        "the target has shape (), not (3,); losses that take it: 'cross_entropy', 'softmax_cross_entropy'",
    ),
    "a loss that needs targets where there are none": Mistake(
        {"data.path": "x.npz"},
        "run.toml: [data], training samples: [loss] softmax_cross_entropy: expected a target for every sample, "
        "got data without targets",
    ),
    "NaN in data that are read whole": Mistake(
        {"data.path": "nan.npz"},
        "«at»/nan.npz, array 'x': expected finite numbers, got nan in row 70, column 2; clean the data",
    ),
    "NaN in data that are read batch by batch": Mistake(
        {"data": {**NPY, "x": "x_nan.npy"}}, "[data]: x of sample 70 is not finite; clean the data"
    ),
    "NaN in samples that are held out, or beside some": Mistake(
        {"data": {**NPY, "x": "x_nan.npy", "validation": 0.5}, "checkpoint.best": False},
        "[data]: x of sample 70 is not finite; clean the data",
    ),
    "NaN in samples to validate on": Mistake(
        {"data": {**NPY, "x_validation": "x_nan.npy", "y_validation": "y.npy"}, "checkpoint.best": False},
        "[data]: x of sample 70 is not finite; clean the data (one of the validation samples)",
    ),
    "a fraction that holds out nothing": Mistake(
        {"data.validation": 0.001},
        "[data] validation: 0.001 of 80 samples is none; hold out more, or set it to 0",
    ),
    "a fraction that holds out everything": Mistake(
        {"data.validation": 0.999},
        "[data] validation: 0.999 of 80 samples leaves none to train on; hold out fewer",
    ),
    "a schedule of no option": Mistake(
        {"schedule": [{"name": "cosine", "of": "lrr"}]},
        "run.toml: [[schedule]] #1 of: expected a number among the options of the optimizer 'adam', got 'lrr'; "
        "did you mean 'lr'?; it has 'beta_1', 'beta_2', 'epsilon', 'lr'",
    ),
    "a regularizer of no layer": Mistake(
        {"regularizer": [{"name": "l2", "layers": ["dense_1", "dense_9"]}]},
        "run.toml: [[regularizer]] #1 layers: expected ids of layers, got 'dense_9'; did you mean 'dense_2'?; "
        "there are 'dense_1', 'dense_2'",
    ),
    "a regularizer of a layer without such parameters": Mistake(
        {"network.1.bias": False, "regularizer": [{"name": "l2", "on": "biases", "layers": ["dense_2"]}]},
        "run.toml: [[regularizer]] #1 layers: expected layers that have biases, got 'dense_2', which has none; "
        "leave it out",
    ),
    "early stopping without validation": Mistake(
        {"data.validation": 0.0, "callback": [{"name": "early_stopping"}]},
        "run.toml: [[callback]] #1: early_stopping needs held-out samples: set [data] validation, "
        "for example 0.2",
    ),
    "early stopping by what is not measured": Mistake(
        {"callback": [{"name": "early_stopping", "metric": "f1"}]},
        "run.toml: [[callback]] #1: early_stopping watches 'f1', which the run does not measure; it measures "
        "'loss', 'accuracy'; add it to [train] metrics",
    ),
    "a preferred plugin that is not there": Mistake(
        {"plugins.prefer": {"optimizers.adam": "acme"}},
        "[plugins] prefer: 'optimizers.adam' is not provided by a plugin 'acme'; it is provided by: "
        "'dtrain-optimizers'",
    ),
    "a preference for a part that is not there": Mistake(
        {"plugins.prefer": {"optimizers.adamm": "acme"}},
        "[plugins] prefer: no plugin provides the optimizer 'adamm'; did you mean 'adam'?; "
        f"installed: {listed(registry().names('optimizers'))}",
    ),
    "a plugin that is blocked": Mistake(
        {"plugins.block": ["dtrain-optimizers"]},
        "run.toml: [optimizer]: no plugin provides the optimizer 'adam'; installed: none",
    ),
}


@pytest.fixture
def data(elsewhere: Path) -> Path:
    """Files with every flaw."""
    whole = np.load("points.npz")
    x, y = whole["x"], whole["y"]
    flawed, labels = x.copy(), y.copy()
    flawed[70, 2], labels[66] = np.nan, 7
    np.savez("x.npz", x=x)
    np.savez("nan.npz", x=flawed, y=y)
    np.savez("images.npz", x=x.reshape(-1, 2, 2), y=y)
    Path("cut.npz").write_bytes(Path("points.npz").read_bytes()[:500])
    for name, array in (("x", x), ("y", y), ("x_nan", flawed), ("y_bad", labels)):
        np.save(f"{name}.npy", array)
    return elsewhere


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(mistake, data, write, dtrain):
    before = {*os.listdir(), "run.toml"}
    ended = dtrain("train", write(mistake.changes))
    last = ended.err.splitlines()[-1]
    assert (ended.code, last) == (2, f"dtrain: {mistake.message}".replace("«at»", str(data)))
    assert "Traceback" not in ended.err
    assert ended.err.count("dtrain: ") == 1
    if not mistake.message.startswith("[data]"):  # else it is met at a step, after the first line of the run
        assert len(ended.err.splitlines()) == 1
    assert {*os.listdir()} == before


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_all_ranks_raise_the_same_mistake(mistake, ranks, data, config, elsewhere):
    """Each rank returns its own error: nobody is taken out of a collective by the failure of another."""
    tables = config(mistake.changes)

    def rank(communicator):
        with pytest.raises(UserError) as raised:
            train_session(lambda: load(tables), communicator, elsewhere / "out")
        return type(raised.value), str(raised.value), raised.value.everywhere

    said = run_ranks(ranks, rank)
    expected = mistake.message.replace("«at»", str(data)).replace("run.toml: ", "")
    assert said == [(said[0][0], expected, True)] * ranks


def test_more_ranks_than_shards_are_refused_on_all_of_them(config, on_ranks, elsewhere):
    with pytest.raises(UserError) as raised:
        on_ranks(3, config({"train.shards": 2}), elsewhere / "out")
    assert str(raised.value) == (
        "[train] shards: expected at least one shard a rank, got 2 shards for 3 ranks; "
        "start at most 2 ranks, or raise shards (the result then changes within rounding)"
    )
    assert not (elsewhere / "out").exists()


def test_nan_on_the_rows_of_one_rank_is_told_by_all(data, config, elsewhere):
    """Of 80 rows in 8 shards, rank 1 of 2 holds the last 40; validation takes them in the stored order."""
    tables = config(
        {"data": {**NPY, "x_validation": "x_nan.npy", "y_validation": "y.npy"}, "train.batch_size": 80}
    )

    def rank(communicator):
        with pytest.raises(UserError) as raised:
            train_session(lambda: load(tables), communicator, elsewhere / "out")
        return str(raised.value)

    message = "[data]: x of sample 70 is not finite; clean the data (one of the validation samples)"
    assert run_ranks(2, rank) == [message, message]


def test_a_network_beyond_all_memory_is_refused_before_it_is_asked_for(write, dtrain, monkeypatch):
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1_000_000}.__getitem__)
    ended = dtrain("train", write({"network.0.units": 10**9}))
    assert (ended.code, ended.err) == (
        2,
        "dtrain: [[network]]: expected parameters that fit into memory, 4.1 GB, got 32 GB; the largest is "
        "'dense_1.weight' of shape (4, 1000000000)\n",
    )


WIDE = {"name": "conv2d_transpose", "filters": 1, "kernel": 2, "stride": 2000}
TOO_MUCH = {
    "micro-batches": (
        {"train.accumulate": 17},
        "[train] accumulate: expected at most as many micro-batches as a batch has samples, 16, got 17",
    ),
    "shards": (
        {"train.shards": 16385},
        "[train] shards: expected at most 16384, got 16385; one for each rank is enough",
    ),
    "outputs": (
        {
            "network": [
                {"name": "reshape", "shape": [2, 2, 1]},
                WIDE,
                "flatten",
                {"name": "dense", "units": 3},
            ]
        },
        "[[network]]: expected outputs that fit into memory, 0.0819 GB, got 0.257 GB of layer 'conv2d_transpose_1': "
        "16 rows of shape (2002, 2002, 1)",
    ),
}


@pytest.mark.parametrize(("changes", "message"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_is_refused_before_it_is_asked_for(changes, message, write, dtrain, monkeypatch):
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 20_000}.__getitem__)
    ended = dtrain("train", write(changes), "--out", "out")
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")
    assert not Path("out").exists()


FOLDERS = {
    "a file": (["--out", "file"], "--out «at»/file: expected a folder, got a file"),
    "below a file": (
        ["--out", "file/run"],
        "--out «at»/file/run: expected a folder, got a file at «at»/file",
    ),
    "a run": (
        ["--out", "run"],
        "--out «at»/run: there is a run in it; --resume goes on with it, --overwrite replaces it",
    ),
    "a name too long": (
        ["--out", "x" * 300],
        f"--out «at»/{'x' * 300}: expected a folder that can be written, got: File name too long",
    ),
    "a zero byte": (
        ["--out", "a\0b"],
        "--out «at»/a\0b: expected a folder that can be written, got: embedded null byte",
    ),
    "resume without --out": (
        ["--resume"],
        "--resume: expected --out with the folder of the run to go on with",
    ),
    "resume of nothing": (
        ["--resume", "--out", "none"],
        "--resume: expected a run in «at»/none, got none; start it without --resume",
    ),
    "resume of an empty folder": (
        ["--resume", "--out", "empty"],
        "--resume: expected a run in «at»/empty, got none; start it without --resume",
    ),
    "both": (
        ["--resume", "--overwrite", "--out", "run"],
        "argument --overwrite: not allowed with argument --resume; see `dtrain train --help`",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_cannot_take_the_run(arguments, message, elsewhere, write, dtrain):
    Path("file").write_text("mine")
    Path("empty").mkdir()
    Path("run").mkdir()
    path = write()
    Path("run/config.toml").write_text(Path(path).read_text())
    before = {*os.listdir()}
    ended = dtrain("train", path, *arguments)
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n".replace("«at»", str(elsewhere)))
    assert {*os.listdir()} == before
    assert os.listdir("run") == ["config.toml"]


def test_a_folder_that_is_not_writable(elsewhere, write, dtrain, monkeypatch):
    """Root may write anywhere, so that the refusal is made up."""

    def refused(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    ended = dtrain("train", write(), "--out", "out")
    message = f"--out {elsewhere}/out: expected a folder that can be written, got: Permission denied"
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")


RECIPES = (
    "'approximation', 'autoencoder', 'digits', 'lenet', 'linear_regression', 'logistic_regression', 'mnist', "
    "'perceptron', 'poisson_regression', 'residual', 'softmax_regression'"
)
CONFIGS = {
    "none": (
        "nothing.toml",
        f"no config 'nothing.toml': expected a TOML file or the name of a recipe; recipes: {RECIPES}",
    ),
    "a recipe with a typo": (
        "digit",
        "no config 'digit': expected a TOML file or the name of a recipe; did you mean 'digits'?; "
        f"recipes: {RECIPES}",
    ),
    "a folder": ("folder", "folder: expected a TOML file, got a folder"),
    "no TOML": ("bad.toml", "bad.toml: expected TOML, got: Invalid value (at line 2, column 5)"),
}


@pytest.mark.parametrize(("source", "message"), CONFIGS.values(), ids=CONFIGS)
def test_a_config_that_cannot_be_read(source, message, dtrain):
    Path("folder").mkdir()
    Path("bad.toml").write_text("a = 1\nb = \n")
    ended = dtrain("train", source)
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")


# ---------------------------------------------------------------------- anything at all

VALUES = st.one_of(
    st.integers(-3, 70),
    st.sampled_from(
        [0.0, 0.5, -1.0, 1e400, float("nan"), 1e-3, True, "", "relu", "dense", "lr", "auto", 2**70]
    ),
    st.lists(st.integers(0, 3), max_size=2),
    st.just({"name": "normal"}),
)
KEYS = """seed name data.name data.path data.validation network.0.name network.0.units network.0.activation
    network.0.initializer network.0.bias network.1.units network.1.inputs network.1.id loss.name optimizer.name
    optimizer.lr optimizer.beta_1 optimizer.epsilon train.batch_size train.accumulate train.shards train.metrics
    train.dtype train.clip_norm train.clip_value train.non_finite train.time_limit checkpoint.minutes
    checkpoint.steps checkpoint.keep checkpoint.best schedule regularizer callback plugins.prefer plugins.block
    schedule.0.name new.key"""
FAILED = re.compile(
    r"dtrain: (step|epoch) \d+ .*expected a finite loss and gradient|dtrain: epoch \d+: expected a finite"
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.dictionaries(st.sampled_from(KEYS.split()), VALUES, min_size=1, max_size=2))
@example(changes={"train.batch_size": 70})
@example(changes={"train.accumulate": 70})
@example(changes={"network.1.units": 2**70})
@example(changes={"network.0.initializer": {"name": "normal"}})
def test_any_config_runs_or_is_refused_in_one_line(changes, write, dtrain):
    try:
        path = write({"train.epochs": 1, **changes})
    except UserError:  # a key that leads nowhere: there is no such file
        return
    ended = dtrain("train", path, "--out", "out", "--overwrite")
    lines = ended.err.splitlines()
    if ended.code == 0:
        assert lines[-1].startswith("run in ")
    elif ended.code == 1:  # a rate of learning beyond all bounds
        assert FAILED.match(lines[-1]), ended.err
    else:
        assert ended.code == 2
        assert lines[-1].startswith("dtrain: ")
        assert sum(line.startswith("dtrain: ") for line in lines) == 1, ended.err
    assert "Traceback" not in ended.err
