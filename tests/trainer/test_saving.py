"""Checkpoints are written while training goes on: what they hold, who waits, and what happens when it goes wrong."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.errors import RunError
from dtrain.trainer import checkpoint, train_session
from dtrain.trainer.saving import Saving
from dtrain.trainer.trainer import Trainer

EVERY_EPOCH = {"steps": 4, "keep": 100}
GATE = 20  # seconds: never waited for where all goes well


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    x = np.random.default_rng(3).standard_normal((64, 6)).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, x=x, y=x[:, :3].argmax(axis=1))
    return {
        "data": {"name": "npz", "path": str(path), "validation": 0.25},
        "network": [{"name": "dense", "units": 300}, "batch_norm", "relu", {"name": "dense", "units": 3}],
        "loss": "softmax_cross_entropy",
        "optimizer": {"name": "adam", "lr": 0.01},
        "train": {"epochs": 3, "batch_size": 12},  # 12 steps
        "checkpoint": {"steps": 3, "keep": 100},
    }


@pytest.fixture
def train(tables, tmp_path):
    """train(2, "out", …) → the run folder. Options: as of `run_ranks`; changes of the tables."""

    def run(ranks, out, share_memory=True, deaths=None, **changes):
        config = {**tables, **changes}
        run_ranks(
            ranks,
            lambda communicator: train_session(lambda: load(config), communicator, tmp_path / out),
            share_memory,
            deaths,
        )
        return tmp_path / out

    return run


def arrays(folder: Path) -> dict[str, dict[str, bytes]]:
    """The bytes of every array of every checkpoint."""
    return {
        path.name: {name: array.tobytes() for name, array in checkpoint.read(path).arrays.items()}
        for path in sorted((folder / "checkpoints").iterdir())
    }


class Held:
    """Holds back the writing of a checkpoint until the run has come this many steps further."""

    def __init__(self, monkeypatch, steps: int) -> None:
        self.write, self.one_step, self.steps = checkpoint.write, Trainer.one_step, steps
        self.gates: list[tuple[int, threading.Event]] = []
        self.step = 0
        self.overlaps = 0
        monkeypatch.setattr(checkpoint, "write", self.held)
        monkeypatch.setattr(
            Trainer, "one_step", lambda trainer, voices, led=None: self.pass_on(trainer, voices, led)
        )

    def held(self, path, found):
        until = found.cursor["step"] + self.steps
        gate = threading.Event()
        self.gates.append((until, gate))
        if until <= 12 and self.step < until:
            assert gate.wait(GATE)
            self.overlaps += 1
        self.write(path, found)

    def pass_on(self, trainer, voices, led):
        heard = self.one_step(trainer, voices, led)
        if trainer.communicator.rank == 0:
            self.step = trainer.step
            for until, gate in self.gates:
                if self.step >= until:
                    gate.set()
        return heard


@pytest.mark.parametrize(("ranks", "share_memory"), [(1, True), (2, True), (3, True), (2, False), (3, False)])
def test_a_checkpoint_holds_its_own_moment_however_late_it_is_written(
    ranks, share_memory, train, monkeypatch
):
    at_once = arrays(train(1, "at once", checkpoint=EVERY_EPOCH))
    with monkeypatch.context() as patch:
        held = Held(patch, 2)
        assert arrays(train(ranks, "late", share_memory, checkpoint=EVERY_EPOCH)) == at_once
        assert held.overlaps == 2
    assert [*at_once] == [checkpoint.BEST, *(checkpoint.name_of(step) for step in (4, 8, 12))]


def test_without_the_copy_aside_it_would_hold_a_later_one(train, monkeypatch):
    """A negative control."""
    at_once = arrays(train(1, "at once", checkpoint=EVERY_EPOCH))
    stage = Saving._stage

    def live(self, ended, names):
        self._trainer.seat.staging.values = self._trainer.replica.exchange.values
        stage(self, ended, names)

    monkeypatch.setattr(Saving, "_stage", live)
    Held(monkeypatch, 2)
    late = arrays(train(2, "late", checkpoint=EVERY_EPOCH))
    first = checkpoint.name_of(4)
    assert late[first]["slot/m/dense_1.weight"] == at_once[first]["slot/m/dense_1.weight"]
    assert late[first]["value/dense_1.weight"] != at_once[first]["value/dense_1.weight"]


def test_the_next_checkpoint_waits_for_the_one_before_and_the_end_for_the_last(train, monkeypatch):
    write, events = checkpoint.write, []

    def slow(path, found):
        events.append(("begin", path.name))
        threading.Event().wait(0.05)
        write(path, found)
        events.append(("end", path.name))

    monkeypatch.setattr(checkpoint, "write", slow)
    folder = train(
        2, "out", checkpoint={"steps": 1, "keep": 100, "best": False}, train={"steps": 6, "batch_size": 12}
    )
    names = [checkpoint.name_of(step) for step in (1, 2, 3, 4, 5, 6)]
    assert events == [(what, name) for name in names for what in ("begin", "end")]
    assert (folder / "summary.json").exists()


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_disk_that_fills_up_ends_the_run_on_all_ranks_after_the_next_step(
    ranks, train, tmp_path, monkeypatch
):
    write, reached = checkpoint.write, []

    def full(path, found):
        if path.name == checkpoint.name_of(6):
            raise OSError(28, "No space left on device")
        write(path, found)

    one_step = Trainer.one_step

    def noted(trainer, voices, led=None):
        if trainer.step == 6:
            trainer.saving.close()  # by now, the thread has failed
        reached.append(trainer.step)
        return one_step(trainer, voices, led)

    monkeypatch.setattr(checkpoint, "write", full)
    monkeypatch.setattr(Trainer, "one_step", noted)
    with pytest.raises(RunError) as raised:
        train(ranks, "out")
    assert raised.value.everywhere
    path = tmp_path / "out" / "checkpoints" / checkpoint.name_of(6)
    assert str(raised.value) == (
        f"{path}: expected a checkpoint to be written, got: No space left on device; those before it are whole: make "
        "room and go on with --resume"
    )
    assert max(reached) == 6
    assert sorted(arrays(tmp_path / "out")) == [checkpoint.BEST, checkpoint.name_of(3)]
    assert not (tmp_path / "out" / "summary.json").exists()


def test_no_run_reports_success_before_its_last_checkpoint_is_there(train, tmp_path, monkeypatch):
    write = checkpoint.write

    def full(path, found):
        if path.name == checkpoint.name_of(12):
            raise OSError(28, "No space left on device")
        write(path, found)

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.raises(RunError, match="No space left on device"):
        train(2, "out")
    assert not (tmp_path / "out" / "summary.json").exists()


def test_an_error_lets_the_writing_come_to_its_end(train, tmp_path, monkeypatch):
    write, one_step, failed = checkpoint.write, Trainer.one_step, threading.Event()

    def late(path, found):
        assert failed.wait(GATE)
        write(path, found)

    def fails(trainer, voices, led=None):
        if trainer.step == 4:
            failed.set()
            raise ZeroDivisionError
        return one_step(trainer, voices, led)

    monkeypatch.setattr(checkpoint, "write", late)
    monkeypatch.setattr(Trainer, "one_step", fails)
    with pytest.raises(ZeroDivisionError):
        train(1, "out", checkpoint={"steps": 3, "best": False})
    assert [*arrays(tmp_path / "out")] == [checkpoint.name_of(3)]


def test_the_best_and_the_last_of_one_moment_are_copied_aside_once(train, monkeypatch):
    stage, staged = Saving._stage, []

    def noted(self, ended, names):
        staged.append((self._trainer.step, names))
        stage(self, ended, names)

    monkeypatch.setattr(Saving, "_stage", noted)
    folder = train(1, "out", checkpoint=EVERY_EPOCH)
    assert staged[0] == (4, (checkpoint.BEST, checkpoint.name_of(4)))
    assert [step for step, _ in staged] == [4, 8, 12]
    found = arrays(folder)
    assert found[checkpoint.BEST] in [found[checkpoint.name_of(step)] for step in (4, 8, 12)]


@pytest.mark.parametrize("take_over", [True, False])
def test_what_a_rank_died_over_the_next_one_writes(take_over, train, monkeypatch):
    """The best of the first epoch, copied aside by all ranks; rank 0 dies in the next step, with nothing written."""
    note_best, write, one_step = Saving.note_best, Saving._write, Trainer.one_step

    def first_alone(self):
        if self._trainer.epoch == 1:
            note_best(self)

    def slow(self, staged):
        communicator = self._trainer.communicator
        self.late = staged.names == (checkpoint.BEST,) and communicator.size == 3 and communicator.rank == 0
        if not self.late:
            write(self, staged)

    def dies(self, *arguments):
        if getattr(self.saving, "late", False):
            self.communicator.die()
        return one_step(self, *arguments)

    monkeypatch.setattr(Saving, "note_best", first_alone)
    undisturbed = arrays(train(3, "undisturbed"))
    monkeypatch.setattr(Saving, "_write", slow)
    monkeypatch.setattr(Trainer, "one_step", dies)
    if not take_over:
        monkeypatch.setattr(Saving, "take_over", lambda self: None)
    folder = train(3, "killed", deaths={})
    found = arrays(folder)
    best = undisturbed.pop(checkpoint.BEST)
    assert found.pop(checkpoint.BEST, None) == (best if take_over else None)
    assert found == undisturbed
    assert json.loads((folder / "summary.json").read_text())["ranks"] == 2
