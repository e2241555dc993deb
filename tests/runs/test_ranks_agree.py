"""Before the first step all ranks have the same config, the same data and the same versions, or none of them trains."""

from __future__ import annotations

import copy
import json
import platform
import re
from pathlib import Path

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.config import load, to_table
from dtrain.errors import ConfigError
from dtrain.inference import Wanted, evaluate_run, predict_run
from dtrain.trainer import build_job, train_session
from dtrain.trainer.agreement import agree_on
from tests.mpirun import run_mpirun

ADVICE = "give all ranks one config, or train on each rank alone: dtrain.train(…, alone=True)"

EVERYTHING = {
    "name": "everything",
    "seed": 3,
    "data.transform": [{"name": "noise", "std": 0.5}],
    "network": [
        {"name": "dense", "units": 6, "id": "code", "activation": "tanh"},
        {"name": "batch_norm"},
        {"name": "dropout", "rate": 0.3, "inputs": ["batch_norm_1"]},
        {"name": "dense", "units": 3, "initializer": {"name": "normal", "std": 0.1}},
    ],
    "schedule": [{"name": "cosine", "of": "lr", "unit": "epoch"}],
    "regularizer": [{"name": "l2", "weight": 1e-4, "on": "weights", "layers": ["code"]}],
    "callback": [{"name": "early_stopping", "patience": 5}],
    "procedure": {"name": "lr_finder"},
    "train.clip_norm": 5.0,
    "train.clip_value": 2.0,
    "train.time_limit": 1000.0,
    "train.scale_lr": {"rule": "linear", "reference": 16},
    "train.shards": 8,
    "train.accumulate": 2,
    "checkpoint.steps": 3,
    "plugins.block": ["acme"],
}
"""A config that uses every table, and every key of the engine's own."""


def leaves(value, path=()):
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if items is None:
        return [path]
    return [leaf for key, item in items for leaf in leaves(item, (*path, key))]


def other(value):
    """Another value of the same type, in the same range if it has one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.25
    return f"{value}_2"


def changed(tables, path):
    tables = copy.deepcopy(tables)
    inner = tables
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = other(inner[path[-1]])
    return tables


@pytest.fixture
def everything(config):
    job = build_job(load(config(EVERYTHING)), SerialCommunicator())
    return to_table(job.config)


def errors_of(tables, out, ranks=2):
    """What each rank raises, where the last one has other tables."""

    def one(communicator):
        own = tables[-1] if communicator.rank == ranks - 1 else tables[0]
        with pytest.raises(Exception) as raised:  # noqa: PT011 - compared below
            train_session(lambda: load(own), communicator, out)
        return raised.value

    return run_ranks(ranks, one)


def test_every_key_that_differs_on_one_rank_is_named(everything, elsewhere):
    paths = leaves(everything)
    assert len(paths) > 60
    tables = {path[0] for path in paths}
    assert tables == {
        "name", "seed", "data", "network", "loss", "optimizer", "schedule", "train", "regularizer", "checkpoint",
        "callback", "procedure", "plugins",
    }  # fmt: skip
    for path in paths:
        key, before = ".".join(map(str, path)), everything
        for step in path:
            before = before[step]
        first, second = errors_of([everything, changed(everything, path)], elsewhere / "run")
        assert type(first) is type(second), key
        assert str(first) == str(second), key
        assert first.everywhere, key
        if not re.match(r"rank 1 of 2 on \S+: ", str(first)):  # no config at all
            assert str(first).startswith(f"{key}: expected the same on all ranks, "), key
            assert str(first).endswith(f" on rank 1 of 2 on {platform.node()}; {ADVICE}"), key
        assert not (elsewhere / "run").exists(), key


def test_the_whole_line(config, elsewhere):
    two = [config(), config({"optimizer.lr": 0.5})]
    (error, *_) = errors_of(two, elsewhere / "run", ranks=3)
    assert isinstance(error, ConfigError)
    assert str(error) == (
        "optimizer.lr: expected the same on all ranks, 0.05 as on rank 0, got 0.5 on rank 2 of 3 on "
        f"{platform.node()}; {ADVICE}"
    )


def test_a_key_that_only_one_rank_has_is_named(config, elsewhere):
    two = [config(), config({"regularizer": [{"name": "l2"}]})]
    (error, *_) = errors_of(two, elsewhere / "run")
    assert str(error).startswith(
        'regularizer.0.name: expected the same on all ranks, nothing as on rank 0, got "l2" on rank 1 of 2 on '
    )


OWN_DATA = """
    import threading
    import numpy as np
    from dtrain import ArrayRows, Dataset, hookimpl

    HERE = threading.local()

    class Own(Dataset):
        def __init__(self):
            self.train = ArrayRows(HERE.arrays["x"], HERE.arrays["y"])
            self.validation = ArrayRows(HERE.arrays["x_validation"], HERE.arrays["y_validation"])

    class Drawn(Dataset):
        def __init__(self):
            self.train = ArrayRows(np.random.normal(size=(40, 4)), np.arange(40) % 3)

    @hookimpl
    def dtrain_datasets():
        return {"own": Own, "drawn": Drawn}
"""
"""A dataset that differs from rank to rank, as a file on the disk of a host may, and one that draws its samples."""


def test_every_number_of_the_data_that_differs_on_one_rank_is_found(config, elsewhere, acme):
    acme(OWN_DATA)
    tables = config({"data": {"name": "own"}})
    x, y = np.load("points.npz")["x"][:4], np.load("points.npz")["y"][:4]
    arrays = {"x": x, "y": y, "x_validation": x[:3], "y_validation": y[:3]}
    for name, array in arrays.items():
        part = "validation" if name.endswith("validation") else "train"
        for index in np.ndindex(array.shape):
            others = array.copy()
            others[index] = (others[index] + 1) % 3 if name[0] == "y" else np.nextafter(others[index], 9)
            (message,) = set(messages(tables, elsewhere, [arrays, arrays | {name: others}]))
            assert re.fullmatch(
                rf'\[data\] record.{part}.content: expected the same on all ranks, "[0-9a-f]{{16}}" as on rank 0, '
                rf'got "[0-9a-f]{{16}}" on rank 1 of 2 on \S+; let every rank read the same data',
                message,
            )
    assert not (elsewhere / "run").exists()


def messages(tables, elsewhere, of_ranks):
    """What each rank's error says, where each has arrays of its own."""

    def one(communicator):
        import acme

        acme.HERE.arrays = of_ranks[communicator.rank]
        with pytest.raises(ConfigError) as raised:
            train_session(lambda: load(tables), communicator, elsewhere / "run")
        return str(raised.value)

    return run_ranks(len(of_ranks), one)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda a: {"x": a["x"][::-1], "y": a["y"][::-1]}, "train.order"),
        (lambda a: {"x": a["x"][:-1], "y": a["y"][:-1]}, "train.rows"),
        (lambda a: {"x": a["x"].astype(np.float32)}, "train.x.dtype"),
        (lambda a: {"y": a["y"].astype(np.int32)}, "train.y.dtype"),
    ],
    ids=["order", "number", "dtype of x", "dtype of y"],
)
def test_rows_in_another_order_of_another_number_or_type_are_found(change, key, config, elsewhere, acme):
    acme(OWN_DATA)
    arrays = {name: np.load("points.npz")[name] for name in "xy"}
    arrays |= {"x_validation": arrays["x"][:3], "y_validation": arrays["y"][:3]}
    found = messages(config({"data": {"name": "own"}}), elsewhere, [arrays, arrays | change(arrays)])
    assert found[0] == found[1]
    assert found[0].startswith(f"[data] record.{key}: expected the same on all ranks, ")


def test_a_dataset_that_draws_its_samples_on_each_rank_is_found(config, elsewhere, acme):
    acme(OWN_DATA)
    (error, _) = errors_of([config({"data": {"name": "drawn"}})] * 2, elsewhere / "run")
    assert str(error).startswith("[data] record.train.content: expected the same on all ranks, ")


def test_ranks_evaluate_and_predict_the_same_samples_or_none(config, elsewhere, acme):
    acme(OWN_DATA)
    x, y = np.load("points.npz")["x"], np.load("points.npz")["y"]
    arrays = {"x": x[:20], "y": y[:20], "x_validation": x[20:26], "y_validation": y[20:26]}
    other = arrays | {"x_validation": x[26:32]}
    tables, folder = config({"data": {"name": "own"}}), elsewhere / "run"

    def one(communicator):
        import acme

        acme.HERE.arrays = arrays
        train_session(lambda: load(tables), communicator, folder)
        evaluate_run(communicator, folder)
        acme.HERE.arrays = other if communicator.rank == 1 else arrays
        said = []
        for call in (
            lambda: evaluate_run(communicator, folder, split="validation"),
            lambda: predict_run(communicator, folder, Wanted(elsewhere / "Y.npy", split="validation")),
        ):
            with pytest.raises(ConfigError) as raised:
                call()
            said.append(str(raised.value))
        return said

    for said in run_ranks(2, one):
        assert said[0] == said[1]
        assert said[0].startswith("[data] record.samples.content: expected the same on all ranks, ")
    assert not (elsewhere / "Y.npy").exists()


def test_ranks_read_the_same_checkpoint(config, elsewhere, on_ranks):
    folders = [elsewhere / name / "run" for name in ("a", "b")]
    for folder, lr in zip(folders, (0.05, 0.04), strict=True):
        on_ranks(1, config({"optimizer.lr": lr}), folder)
        text = (folder / "config.toml").read_text()
        (folder / "config.toml").write_text(text.replace("lr = 0.04", "lr = 0.05"))

    def one(communicator):
        with pytest.raises(ConfigError) as raised:
            evaluate_run(communicator, folders[communicator.rank])
        return str(raised.value)

    for said in run_ranks(2, one):
        assert re.match(r"step-0000000012.safetensors.\S+: expected the same on all ranks, ", said)
        assert said.endswith("; let every rank read the same run folder")


def test_versions_are_compared(config, elsewhere, monkeypatch):
    versions = iter(["3.11.7", "3.12.1"])
    monkeypatch.setattr(platform, "python_version", lambda: next(versions))
    (error, _) = errors_of([config()] * 2, elsewhere / "run")
    assert re.match(
        r'version of.Python: expected the same on all ranks, "3.1\d.\d" as on rank 0, got "3.1\d.\d" on rank 1 of 2',
        str(error),
    )


def test_ranks_that_agree_exchange_a_hash_and_no_more():
    class Counting(SerialCommunicator):
        def __init__(self, size):
            self.size, self.shared = size, []

        def share(self, value):
            self.shared.append(value)
            return [value] * self.size

    facts = {"a": {"b": [1, 2.5, "c", None]}}
    for size, lengths in ((1, []), (2, [64])):
        ranks = Counting(size)
        agree_on(ranks, facts, "")
        assert [len(value) for value in ranks.shared] == lengths


SCRIPT = """
import sys, os, json
import dtrain
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
result = dtrain.train("run.toml", {"seed": rank}, out=f"runs/{rank}", alone=sys.argv[1] == "alone")
print(json.dumps(["done", rank, result.summary["ranks"], result.summary["weights_sha256"]]))
"""


def test_ranks_of_different_seeds_train_only_if_they_train_alone(write, sha, config, elsewhere):
    write()
    Path("script.py").write_text(SCRIPT)
    together = run_mpirun(2, ["script.py", "together"])
    assert together.code == 2
    assert together.output.count("dtrain: out: expected the same on all ranks, ") == 1
    assert "Traceback" not in together.output
    assert not Path("runs").exists()
    alone = run_mpirun(2, ["script.py", "alone"])
    assert alone.code == 0, alone.output
    done = sorted(json.loads(line) for line in alone.output.splitlines() if line.startswith('["done"'))
    assert done == [["done", rank, 1, sha(config({"seed": rank}))] for rank in (0, 1)]


def test_alone_is_no_number_of_ranks(config):
    import dtrain

    with pytest.raises(ConfigError, match=r"^ranks, alone: expected one of them, got both$"):
        dtrain.train(config(), ranks=2, alone=True)
