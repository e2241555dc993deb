"""One row's prediction: the same bits beside any others, in any blocks, from any thread, rank, process and copy."""

from __future__ import annotations

import copy
import json
import pickle
import pickletools
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

import dtrain
from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.config import load
from dtrain.errors import ConfigError
from dtrain.inference import Wanted, evaluate_run, predict_run
from dtrain.trainer import train_session
from tests.mpirun import python_path
from tests.support import assert_other_bits, assert_same_bits

NETS = {
    "small": (64, (128, 128), 64),
    "middle": (784, (256,), 128),
    "large": (784, (512, 512), 256),
    "huge": (784, (2048, 2048), 512),
}
"""Those of the speed table: inputs, hidden units, batch size."""

ROWS = 333


def untrained(folder: Path, name: str, dtype: str = "float32") -> Path:
    """A run of one step, with batch norm between dense layers, and metrics."""
    inputs, hidden, batch = NETS[name]
    random = np.random.default_rng(0)
    np.savez(folder / "rows.npz", x=random.standard_normal((batch, inputs)), y=random.integers(0, 10, batch))
    layers: list[dict[str, object]] = []
    for units in hidden:
        layers += [{"name": "dense", "units": units, "bias": False}, {"name": "batch_norm"}, {"name": "relu"}]
    tables = {
        "data": {"name": "npz", "path": str(folder / "rows.npz"), "validation": 0.3},
        "network": [*layers, {"name": "dropout"}, {"name": "dense", "units": 10}],
        "loss": {"name": "softmax_cross_entropy"},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "train": {"steps": 1, "batch_size": batch, "dtype": dtype, "metrics": ["accuracy", "perplexity"]},
    }
    return train_session(lambda: load(tables), SerialCommunicator(), folder / name).folder


def rows_of(name: str) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((ROWS, NETS[name][0])).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_blocks_of_any_size_any_order_and_any_number_of_ranks_give_one_answer(name, dtype, elsewhere):
    folder, x = untrained(elsewhere, name, dtype), rows_of(name)
    model = dtrain.load(folder)
    y, order = model.predict(x), np.random.default_rng(2).permutation(ROWS)
    assert_same_bits(model.predict(x[order]), y[order])
    for size in (1, 7, 64):
        shown = ROWS if size > 1 else 20
        parts = [model.predict(x[first : first + size]) for first in range(0, shown, size)]
        assert_same_bits(np.concatenate(parts)[:shown], y[:shown])
    np.save("X.npy", x)
    ended = json.loads((folder / "summary.json").read_text())["validation"]
    for ranks in (1, 2, 3):
        wanted = Wanted(output=Path("Y.npy"), input=Path("X.npy"), overwrite=True)
        run_ranks(ranks, lambda communicator, wanted=wanted: predict_run(communicator, folder, wanted))
        assert_same_bits(np.load("Y.npy"), y)
        for found in run_ranks(ranks, lambda communicator: evaluate_run(communicator, folder)):
            assert found.figures == ended


def test_a_product_over_all_rows_at_once_would_give_another(elsewhere):
    """The control: with the run's own weights, a row alone has other bits than beside others."""
    weights = dtrain.load(untrained(elsewhere, "large")).parameters
    x, w = rows_of("large"), weights["dense_1.weight"]
    assert_other_bits(np.concatenate([row[None] @ w for row in x]), x @ w)


# ---------------------------------------------------------------------- threads


STRANGER = """
    import numpy as np
    from dtrain import Layer, hookimpl

    class Keeper(Layer):
        def build(self, shape, make):
            return shape

        def forward(self, x, context):
            self.kept = np.array(x)
            for _ in range(3):
                self.kept = np.sort(np.tanh(self.kept), axis=1)
            return self.kept[:, ::-1] + x, lambda dy: dy

    @hookimpl
    def dtrain_layers():
        return {"keeper": Keeper}
"""


def calls(model: dtrain.Model, x: np.ndarray, y: np.ndarray, thread: int, number: int) -> list[object]:
    """Several answers about rows of a choice that depends on the number alone."""
    rows = np.random.default_rng([thread, number]).integers(0, len(x), 192)
    answers: list[object] = [model.predict(x[rows])]
    if number % 10 == 0:
        answers += [*model.predict(x[rows], draws=2), model.predict(x[rows], layer="dense_1")]
        answers += [model.forward(x[rows]), str(model.evaluate(x[rows], y[rows]))]
        answers += [*model.parameters.values(), *model.states.values()]
    return answers


@pytest.mark.parametrize("network", ["small", "stranger"])
def test_eight_threads_get_the_answers_of_one(network, elsewhere, acme, trained):
    if network == "small":
        folder, x = untrained(elsewhere, "small"), rows_of("small")
    else:
        acme(STRANGER)
        layers = [
            {"name": "keeper"},
            {"name": "dense", "units": 9},
            {"name": "dropout"},
            {"name": "dense", "units": 3},
        ]
        folder, x = trained({"network": layers, "train.epochs": 1}), rows_of("small")[:, :4]
    y = np.random.default_rng(3).integers(0, 3, ROWS)
    model, serial = dtrain.load(folder), dtrain.load(folder)
    together = Barrier(8)

    def work(thread: int) -> int:
        together.wait()
        found = [calls(model, x, y, thread, number) for number in range(300)]
        return sum(not _equal(one, expected[thread, i]) for i, one in enumerate(found))

    expected = {(t, i): calls(serial, x, y, t, i) for t in range(8) for i in range(300)}
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [0] * 8


def _equal(one: list[object], other: list[object]) -> bool:
    return [_bytes(answer) for answer in one] == [_bytes(answer) for answer in other]


def _bytes(answer: object) -> object:
    return answer.tobytes() if isinstance(answer, np.ndarray) else answer


def test_a_call_that_fails_leaves_the_others_right(elsewhere):
    model, x = dtrain.load(untrained(elsewhere, "small")), rows_of("small")
    y = model.predict(x)
    with pytest.raises(ConfigError):
        model.predict(x, layer="none")
    assert_same_bits(model.predict(x), y)


# ---------------------------------------------------------------------- copies


def test_a_pickle_and_a_copy_predict_the_same_without_the_run(elsewhere):
    folder, x = untrained(elsewhere, "small"), rows_of("small")
    model = dtrain.load(folder)
    y, mean = model.predict(x), model.predict(x, draws=3)[0]
    held = pickle.dumps(model)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for other in (
        pickle.loads(held),
        copy.deepcopy(model),
        copy.copy(model),
        pickle.loads(pickle.dumps(pickle.loads(held))),
    ):
        assert_same_bits(other.predict(x), y)
        assert_same_bits(other.predict(x, draws=3)[0], mean)
        assert (other.layers, other.input_shape, other.config) == (
            model.layers,
            model.input_shape,
            model.config,
        )
        assert other.checkpoint == model.checkpoint
        for name, value in (other.parameters | other.states).items():
            assert_same_bits(value, (model.parameters | model.states)[name])
    Path("model.pickle").write_bytes(held)
    np.save("x.npy", x)
    code = (
        "import pickle, sys, numpy as np\n"
        "y = pickle.load(open('model.pickle', 'rb')).predict(np.load('x.npy'))\n"
        "assert 'mpi4py' not in sys.modules\n"
        "np.save('y.npy', y)"
    )
    environ = {"PYTHONPATH": python_path(), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60, env=environ)
    assert_same_bits(np.load("y.npy"), y)


def test_what_is_pickled_is_data(elsewhere):
    held = pickle.dumps(dtrain.load(untrained(elsewhere, "small")), protocol=2)
    names = {arg for op, arg, _ in pickletools.genops(held) if op.name == "GLOBAL"}
    assert {name.split()[0].split(".")[0] for name in names} == {"dtrain", "numpy", "_codecs"}
    assert [name for name in names if name.startswith("dtrain")] == ["dtrain.inference.model _unpickled"]


def test_a_pickle_names_the_plugin_that_is_missing(trained, acme):
    site = acme(STRANGER)
    model = dtrain.load(
        trained({"network": [{"name": "keeper"}, {"name": "dense", "units": 3}], "train.epochs": 1})
    )
    held = pickle.dumps(model)
    for path in Path(site).rglob("*"):
        if path.is_file():
            path.unlink()
    sys.modules.pop("acme", None)
    with pytest.raises(ConfigError) as caught:
        pickle.loads(held)
    assert str(caught.value) == (
        "[[network]] #1: no plugin provides the layer 'keeper'; the run had it from plugin 'acme' 1.2 (distribution "
        "acme-dtrain): install it with `pip install acme-dtrain==1.2`"
    )


def test_nothing_is_warned_of_finite_rows(elsewhere):
    model = dtrain.load(untrained(elsewhere, "small"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(rows_of("small"))


# ---------------------------------------------------------------------- callbacks


SHOWER = """
    import numpy as np
    from dtrain import Callback, hookimpl

    class Shower(Callback):
        def end(self, run):
            np.save(f"shown-{run.communicator.rank}.npy", run.predict(np.load("X.npy")))

    @hookimpl
    def dtrain_callbacks():
        return {"shower": Shower}
"""


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_what_a_callback_predicts_is_what_the_model_does(ranks, elsewhere, acme, config):
    acme(SHOWER)
    x = rows_of("small")[:, :4]
    np.save("X.npy", x)
    tables = config(
        {"network": [{"name": "dense", "units": 257}, {"name": "dense", "units": 3}], "train.epochs": 1}
    )
    tables["callback"] = [{"name": "shower"}]
    results = run_ranks(
        ranks, lambda communicator: train_session(lambda: load(tables), communicator, elsewhere / "r")
    )
    y = dtrain.load(results[0].folder).predict(x)
    for rank in range(ranks):
        assert_same_bits(np.load(f"shown-{rank}.npy"), y)
