"""Ranks are killed in every collective of a run: those that are left end in the undisturbed run's weights."""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.communicator.threads import ThreadCommunicator
from dtrain.config import load
from dtrain.engine.journal import Journal
from dtrain.trainer import train_session
from dtrain.trainer.update import Update

RANKS = 3
NOBODY, EVERYBODY = (), range(RANKS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 61 samples: three shards of a batch are larger than the others, the last batch is short."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((61, 6)).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, x=x, y=x[:, :3].argmax(axis=1))
    return path


def config(data: Path) -> dict[str, Any]:
    return {
        "data": {"name": "npz", "path": str(data), "validation": 0.2},
        "network": [
            {"name": "dense", "units": 300, "bias": False},
            {"name": "batch_norm"},
            {"name": "relu"},
            {"name": "dropout", "rate": 0.2},
            {"name": "dense", "units": 3},
        ],
        "loss": "softmax_cross_entropy",
        "optimizer": {"name": "adam", "lr": 0.05},
        "schedule": [{"name": "plateau", "patience": 1}],
        "train": {"epochs": 3, "batch_size": 20, "accumulate": 2, "clip_norm": 1.0},
        "callback": [{"name": "early_stopping", "patience": 1}],
        "checkpoint": {"steps": 2, "keep": 2},
    }


class Run:
    """Runs of one config. deaths: as `run_ranks` takes them."""

    def __init__(self, data: Path, share_memory: bool = True) -> None:
        self.config, self.share_memory = config(data), share_memory

    def __call__(self, out: Path, deaths: dict[int, tuple[int, Container[int]]]) -> dict[str, Any]:
        """Returns the summary of a run in which these ranks are killed."""

        def rank(communicator: ThreadCommunicator) -> int:
            train_session(lambda: load(self.config), communicator, out)
            return communicator.entered

        sequences = run_ranks(RANKS, rank, self.share_memory, deaths)
        summary = json.loads((out / "summary.json").read_text())
        return summary | {"collectives": max(sequences)}


@pytest.fixture(scope="module", params=[True, False], ids=["shared memory", "private memory"])
def run(request: pytest.FixtureRequest, data: Path) -> Run:
    return Run(data, request.param)


@pytest.fixture(scope="module")
def undisturbed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("undisturbed") / "run", {})


def same(summary: dict[str, Any], undisturbed: dict[str, Any]) -> bool:
    keys = ("weights_sha256", "steps", "epochs", "stopped", "train", "validation")
    return {key: summary[key] for key in keys} == {key: undisturbed[key] for key in keys}


def lines(out: Path) -> list[Any]:
    written = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in line if key != "seconds"} for line in written]


@pytest.mark.parametrize("start", [1, 4])
def test_a_rank_killed_in_any_collective_changes_nothing(run, undisturbed, tmp_path, start):
    for number in range(start, undisturbed["collectives"], 7):
        victim = number % RANKS
        through = (NOBODY, EVERYBODY, (1,), (0, 2))[number % 4]
        out = tmp_path / f"run-{number}"
        summary = run(out, {victim: (number, through)})
        assert same(summary, undisturbed), (
            f"rank {victim} killed in collective {number}, {through} came through"
        )
        assert summary["ranks"] == RANKS - 1


@pytest.mark.parametrize("apart", [0, 1, 2, 3, 5, 8, 13, 30])
def test_two_ranks_killed_at_once_or_while_the_others_recover(run, undisturbed, tmp_path, apart):
    for number in range(5 + apart % 4, undisturbed["collectives"] - apart, 29):
        deaths = {number % RANKS: (number, NOBODY), (number + 1) % RANKS: (number + apart, (0,))}
        out = tmp_path / f"run-{number}"
        summary = run(out, deaths)
        assert same(summary, undisturbed), f"killed: {deaths}"
        assert summary["ranks"] == 1


def test_the_run_folder_tells_of_the_loss_and_of_each_epoch_once(run, undisturbed, tmp_path, capsys):
    undisturbed_out, out = tmp_path / "undisturbed", tmp_path / "run"
    run(undisturbed_out, {})
    number = undisturbed["collectives"] * 2 // 3
    summary = run(out, {0: (number, NOBODY)})
    assert lines(out) == lines(undisturbed_out)
    assert [one["rank"] for one in json.loads((out / "ranks.json").read_text())] == [0, 1]
    if run.share_memory:
        assert [one["rank"] for one in summary["lost"]] == [0]
        assert "dtrain: warning: lost rank 0 (process " in capsys.readouterr().err


def dies_in_an_update(monkeypatch: pytest.MonkeyPatch, step: int, deceived: tuple[int, ...] = ()) -> None:
    """Makes a rank die in the middle of its update number `step`: half its slice is new, or worse.

    deceived: ranks that come through the barrier behind it all the same, as was seen with Open MPI.
    """
    apply = Update._apply_kept

    def torn(self: Update, journal: Journal, gradient: np.ndarray, number: int) -> None:
        communicator = self._replica.communicator
        assert isinstance(communicator, ThreadCommunicator)
        if communicator.rank == 1 and communicator.size == RANKS and number == step:
            update = self.optimizer.update

            def half(value, gradient, context, *slots):
                update(value, gradient, context, *slots)
                value[: len(value) // 2] = 7
                slots[0][len(value) // 3 :] = 0.5
                communicator.die(deceived)

            monkeypatch.setattr(self.optimizer, "update", half)
        apply(self, journal, gradient, number)

    monkeypatch.setattr(Update, "_apply_kept", torn)


@pytest.mark.parametrize("deceived", [(), (0,), (0, 2)], ids=str)
@pytest.mark.parametrize("step", [1, 4])
def test_a_rank_killed_in_the_middle_of_an_update_leaves_it_undone(
    data, tmp_path, monkeypatch, step, deceived
):
    run = Run(data)
    undisturbed = run(tmp_path / "undisturbed", {})
    with monkeypatch.context() as patch:
        dies_in_an_update(patch, step, deceived)
        assert same(run(tmp_path / "killed", {}), undisturbed)
        patch.setattr(Journal, "roll_back", lambda self, number: None)  # the control
        assert not same(run(tmp_path / "not mended", {}), undisturbed)
