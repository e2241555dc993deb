"""What a finished run leaves behind, on any number of ranks."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dtrain.errors import RunError
from dtrain.trainer import run_folder
from tests.support import refused


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_finished_run_holds_all_files(ranks, config, on_ranks, elsewhere):
    results = on_ranks(ranks, config({"checkpoint.steps": 5}), elsewhere / "out")
    folder = elsewhere / "out"
    assert {path.name for path in folder.iterdir()} == {
        "config.toml", "data.json", "metrics.jsonl", "checkpoints", "plugins.json", "ranks.json", "environment.json",
        "summary.json",
    }  # fmt: skip
    names = ["best", "step-0000000005", "step-0000000010", "step-0000000012"]
    assert sorted(path.stem for path in (folder / "checkpoints").iterdir()) == names
    assert [row["rank"] for row in json.loads((folder / "ranks.json").read_text())] == [*range(ranks)]
    assert [sorted(row) for row in json.loads((folder / "ranks.json").read_text())] == [
        ["host", "pid", "rank"]
    ] * ranks
    parts = {(row["kind"], row["name"]) for row in json.loads((folder / "plugins.json").read_text())}
    assert {("layers", "dense"), ("optimizers", "adam")} <= parts
    assert {"python", "numpy", "blas", "threads", "processor", "system"} == {
        *json.loads((folder / "environment.json").read_text())
    }
    last, written = lines(folder)[-1], summary(folder)
    assert [line["epoch"] for line in lines(folder)] == [1, 2, 3]
    assert [line["step"] for line in lines(folder)] == [4, 8, 12]
    assert last == {
        "epoch": 3, "step": 12, "lr": 0.05, "train": written["train"], "validation": written["validation"],
        "seconds": last["seconds"],
    }  # fmt: skip
    assert last["seconds"] > 0
    assert {**written, "samples_per_second": 0, "step_seconds": 0} == {
        "dtrain": "0.1.0", "ranks": ranks, "shards": 8, "epochs": 3, "steps": 12, "skipped": 0, "stopped": None,
        "lost": [],
        "samples_per_second": 0, "step_seconds": 0, "train": last["train"], "validation": last["validation"],
        "parameters": 43, "weights_sha256": written["weights_sha256"],
    }  # fmt: skip
    assert written["samples_per_second"] == pytest.approx(15 / written["step_seconds"])
    assert {*written["train"]} == {*written["validation"]} == {"loss", "accuracy"}
    assert all(result.summary["weights_sha256"] == written["weights_sha256"] for result in results)


def test_figures_and_weights_are_the_same_on_any_number_of_ranks(config, on_ranks, elsewhere):
    tables = config({"regularizer": [{"name": "l2", "weight": 0.01}], "train.clip_norm": 0.5})
    runs = []
    for ranks in (1, 2, 3):
        on_ranks(ranks, tables, elsewhere / f"out-{ranks}")
        written = summary(elsewhere / f"out-{ranks}")
        runs.append((written["train"], written["validation"], written["weights_sha256"]))
    assert runs == [runs[0]] * 3
    assert {*runs[0][0]} == {"loss", "accuracy", "penalty"}
    other = on_ranks(1, config(), elsewhere / "other")[0]
    assert other.summary["weights_sha256"] != runs[0][2]  # the hash can tell


RELOADED = {
    "as it is": {},
    "schedules, early stopping, regularizers": {
        "schedule": [{"name": "cosine", "unit": "epoch"}, {"name": "cosine", "of": "beta_1"}],
        "callback": [{"name": "early_stopping", "patience": 1}],
        "regularizer": [{"name": "l2", "weight": 0.01, "layers": ["dense_1"]}],
    },
    "accumulate, clipping, float64": {
        "train": {"steps": 6, "batch_size": 16, "accumulate": 3, "clip_value": 0.1, "dtype": "float64"},
    },
    "a dataset with paths": {"data": {"name": "npy", "x": "x.npy", "y": "y.npy", "validation": 0.25}},
}


@pytest.mark.parametrize("changes", RELOADED.values(), ids=RELOADED)
def test_the_resolved_config_reloads_to_the_same_run(changes, write, dtrain, elsewhere, monkeypatch):
    arrays = np.load("points.npz")
    np.save("x.npy", arrays["x"])
    np.save("y.npy", arrays["y"])
    assert dtrain("train", write(changes), "--out", "first").code == 0
    (elsewhere / "below").mkdir()
    monkeypatch.chdir(elsewhere / "below")  # paths are absolute
    assert dtrain("train", "../first/config.toml", "--out", "../second").code == 0
    first, second = summary(elsewhere / "first"), summary(elsewhere / "second")
    assert first["weights_sha256"] == second["weights_sha256"]
    texts = [(elsewhere / name / "config.toml").read_text() for name in ("first", "second")]
    assert texts[0] == texts[1]
    assert tomllib.loads(texts[0])["train"]["shards"] == 8


def test_figures_that_are_not_finite_are_null_in_files(config, on_ranks, elsewhere):
    x = np.zeros((8, 1))
    np.savez("huge.npz", x=x, y=np.zeros(8), x_validation=x, y_validation=np.full(8, 1e200))
    tables = {
        "data": {"name": "npz", "path": "huge.npz"},
        "network": [{"name": "dense", "units": 1}],
        "loss": {"name": "mse"},
        "optimizer": {"name": "sgd"},
        "train": {"epochs": 1, "dtype": "float64"},
    }
    (result,) = on_ranks(1, tables, elsewhere / "out")
    assert math.isinf(result.validation["loss"])
    text = (elsewhere / "out" / "summary.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["validation"] == {"loss": None}
    assert lines(elsewhere / "out")[0]["validation"] == {"loss": None}


def test_overwrite_removes_the_runs_own_files_and_no_others(write, dtrain, elsewhere):
    path = write({"checkpoint.steps": 1, "checkpoint.keep": 20})
    assert dtrain("train", path, "--out", "out").code == 0
    (elsewhere / "out" / "notes.txt").write_text("mine")
    (elsewhere / "out" / "checkpoints" / "old").write_text("of the run")
    assert dtrain("train", path, "--out", "out", "--overwrite", "--set", "checkpoint.steps=6").code == 0
    assert (elsewhere / "out" / "notes.txt").read_text() == "mine"
    names = ["best", "step-0000000006", "step-0000000012"]
    assert sorted(path.stem for path in (elsewhere / "out" / "checkpoints").iterdir()) == names
    assert len(lines(elsewhere / "out")) == 3


def test_overwrite_keeps_the_run_when_the_new_one_cannot_start(write, dtrain, elsewhere):
    assert dtrain("train", write(), "--out", "out").code == 0
    before = {path: path.read_bytes() for path in (elsewhere / "out").rglob("*") if path.is_file()}
    changes = {"data.validation": 0.0, "callback": [{"name": "early_stopping"}]}
    assert dtrain("train", write(changes), "--out", "out", "--overwrite").code == 2
    assert before == {path: path.read_bytes() for path in (elsewhere / "out").rglob("*") if path.is_file()}


def test_a_folder_with_other_peoples_files_takes_a_run(write, dtrain, elsewhere):
    (elsewhere / "out").mkdir()
    (elsewhere / "out" / "notes.txt").write_text("mine")
    assert dtrain("train", write(), "--out", "out").code == 0
    assert (elsewhere / "out" / "notes.txt").read_text() == "mine"


def test_two_runs_of_one_second_get_folders_of_their_own(write, dtrain, elsewhere, monkeypatch):
    monkeypatch.setattr(run_folder, "strftime", lambda form: "now")
    path = write({"train.epochs": 1})
    taken = elsewhere / "runs" / "run-now"
    open_as_usual = run_folder.RunFolder.open

    def opened_after_another(self, *arguments):
        taken.mkdir(parents=True, exist_ok=True)
        open_as_usual(self, *arguments)

    monkeypatch.setattr(run_folder.RunFolder, "open", opened_after_another)
    ended = dtrain("train", path)
    assert ended.code == 0
    assert ended.err.splitlines()[-1] == f"run in {taken}-2"
    assert list(taken.iterdir()) == []
    assert summary(elsewhere / "runs" / "run-now-2")["steps"] == 4


def test_the_run_with_steps_ends_within_an_epoch(config, on_ranks, elsewhere):
    on_ranks(1, config({"train": {"steps": 6, "batch_size": 16, "metrics": ["accuracy"]}}), elsewhere / "out")
    assert [(line["epoch"], line["step"]) for line in lines(elsewhere / "out")] == [(1, 4), (1.5, 6)]
    written = summary(elsewhere / "out")
    assert (written["epochs"], written["steps"]) == (1, 6)
    assert written["train"] == lines(elsewhere / "out")[-1]["train"]


def test_a_batch_larger_than_the_data_is_the_data(config, on_ranks, elsewhere):
    on_ranks(2, config({"train.batch_size": 1000}), elsewhere / "large")
    on_ranks(1, config({"train.batch_size": 60}), elsewhere / "exact")
    large, exact = summary(elsewhere / "large"), summary(elsewhere / "exact")
    assert large["steps"] == 3
    assert large["weights_sha256"] == exact["weights_sha256"]


def test_checkpoints_by_the_clock_and_as_many_as_asked_for(config, on_ranks, elsewhere):
    tables = config({"checkpoint": {"minutes": 1e-9, "keep": 2, "best": False}})
    on_ranks(2, tables, elsewhere / "out")
    names = sorted(path.stem for path in (elsewhere / "out" / "checkpoints").iterdir())
    assert names == ["step-0000000011", "step-0000000012"]


def test_the_time_limit_ends_a_run_and_resume_goes_on_to_the_same_weights(config, on_ranks, sha, elsewhere):
    tables = config()
    on_ranks(2, config({"train.time_limit": 1e-9}), elsewhere / "out")
    written = summary(elsewhere / "out")
    assert (written["stopped"], written["steps"]) == ("time limit of 1e-09 s", 1)
    assert {*written["train"]} == {*written["validation"]} == {"loss", "accuracy"}
    on_ranks(1, tables, elsewhere / "out", resume=True)
    resumed = summary(elsewhere / "out")
    assert (resumed["stopped"], resumed["weights_sha256"]) == (None, sha(tables))
    assert [line["epoch"] for line in lines(elsewhere / "out")] == [1, 2, 3]
    assert resumed["train"] == summary(on_ranks(1, tables, elsewhere / "whole")[0].folder)["train"]


def test_a_file_that_finds_no_room_is_not_there_in_half(tmp_path):
    path = tmp_path / "ranks.json"
    path.write_text("before")
    (tmp_path / ".ranks.json.tmp").symlink_to("/dev/full")
    with refused(
        RunError,
        f"{path}: expected a file to be written, got: No space left on device; checkpoints before it are whole: make "
        "room and go on with --resume",
    ):
        run_folder.write_whole(path, "x" * 100)
    assert [file.name for file in tmp_path.iterdir() if file.name != "points.npz"] == ["ranks.json"]
    assert path.read_text() == "before"
