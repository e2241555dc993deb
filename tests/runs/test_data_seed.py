"""`[data] seed` chooses the rows that are held out; `seed` is of everything else."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

from dtrain.random import Stream
from dtrain.trainer import checkpoint


@pytest.fixture
def held_out(config, on_ranks, elsewhere):
    """held_out(changes) → the numbers of the rows that a run holds out."""

    def of(changes):
        chosen = []
        tables = config(changes | {"train.epochs": 1})
        out = elsewhere / f"run-{len(os.listdir(elsewhere))}"
        on_ranks(1, tables, out, prepared=lambda t: chosen.append(t.job.validation))
        return chosen[0].indices.tolist()

    return of


def test_runs_of_other_seeds_are_judged_on_the_same_rows(held_out):
    plain = held_out({})
    assert plain == sorted(Stream(0, "hold out").permutation(80)[:20].tolist())
    assert held_out({"seed": 7}) == plain
    assert held_out({"data.seed": 7}) != plain
    assert held_out({"data.seed": 7, "seed": 3}) == held_out({"data.seed": 7})


def test_the_seed_still_changes_everything_else(sha, config):
    assert sha(config({"seed": 7})) != sha(config())


def test_a_dataset_with_a_seed_of_its_own_gets_it(config, elsewhere, on_ranks):
    def noise(seed):
        data = {"name": "curve", "samples": 20, "noise": 0.1, "seed": seed}
        tables = config({"loss": "mse", "train.metrics": []}) | {"data": data}
        tables["network"][1]["units"] = 1
        kept = []
        run = on_ranks(1, tables, elsewhere / f"run-{seed}", prepared=lambda t: kept.append(_targets(t)))[0]
        recorded = (run.folder / "config.toml").read_text()
        assert len(re.findall(r"^seed = ", recorded, re.MULTILINE)) == 2
        again = on_ranks(1, str(run.folder / "config.toml"), elsewhere / f"again-{seed}")[0]
        assert again.summary["weights_sha256"] == run.summary["weights_sha256"]
        return kept[0].tolist()

    assert noise(0) != noise(1)


def _targets(trainer):
    return trainer.job.train.rows(np.arange(20))[1]


def test_a_wrong_one_is_one_line(write, dtrain):
    ended = dtrain("train", write({"data.seed": -1}))
    assert (ended.code, ended.err) == (
        2,
        "dtrain: run.toml: [data] seed: expected a whole number ≥ 0, got -1\n",
    )


def test_another_one_is_refused_on_resume(write, dtrain, elsewhere):
    assert dtrain("train", write(), "--out", "out").code == 0
    ended = dtrain("train", "--resume", "--out", "out", "--set", "data.seed=4", "--set", "train.epochs=4")
    path = elsewhere / "out/checkpoints" / checkpoint.name_of(12)
    assert (ended.code, ended.err.splitlines()[-1]) == (
        2,
        f"dtrain: {path}: [data] seed: expected 0, as when the run was saved, got 4; start a new run for other ones",
    )


@pytest.fixture
def old(write, dtrain, elsewhere):
    """A run with seed 5, as left by a version that held rows out by it."""
    tables = {"seed": 5, "data.seed": 5}
    assert dtrain("train", write(tables), "--out", "out").code == 0
    for path in (elsewhere / "out/checkpoints").iterdir():
        found = checkpoint.read(path)
        del found.cursor["kept"]["[data] seed"]
        checkpoint.write(path, found)
    recorded = elsewhere / "out/config.toml"
    recorded.write_text(
        recorded.read_text().replace("\nvalidation = 0.25\nseed = 5\n", "\nvalidation = 0.25\n")
    )
    assert recorded.read_text().count("seed = ") == 1


def test_a_run_of_before_keeps_its_rows(old, dtrain, write, elsewhere):
    ended = dtrain("evaluate", "out")
    summary = (elsewhere / "out/metrics.jsonl").read_text().splitlines()[-1]
    accuracy = float(re.search(r'"validation": {"loss": [\d.e-]+, "accuracy": ([\d.]+)}', summary)[1])
    loss = float(re.search(r'"validation": {"loss": ([\d.e-]+)', summary)[1])
    assert f"loss      {loss:.4f}" in ended.out
    assert f"accuracy  {accuracy:.4f}" in ended.out
    resume = ("train", "--resume", "--out", "out", "--set", "train.epochs=4")
    refused = dtrain(*resume)
    assert refused.code == 2
    assert "[data] seed: expected 5, as when the run was saved, got 0; " in refused.err
    assert dtrain(*resume, "--set", "data.seed=5").code == 0
    straight = dtrain("train", write({"seed": 5, "data.seed": 5, "train.epochs": 4}), "--out", "straight")
    assert straight.code == 0
    weights = [
        checkpoint.read(elsewhere / name / "checkpoints" / checkpoint.name_of(16))
        for name in ("out", "straight")
    ]
    for name, array in weights[0].arrays.items():
        assert array.tobytes() == weights[1].arrays[name].tobytes()
