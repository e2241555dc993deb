"""When a run is saved, what goes into its checkpoints, and how it comes back.

Training waits while the ranks copy their arrays aside, and no longer: rank 0 hashes and writes the copy in a thread.
The next checkpoint waits for the one before, the end of a run for the last. A checkpoint that could not be written
fails the run on all ranks after the next step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from dtrain import __version__
from dtrain.data import DataRecord, changed
from dtrain.errors import CheckpointError, DataError, PluginError, RunError
from dtrain.wording import shown

from . import checkpoint as files
from .agreement import agree
from .cursor import DATA_SEED, load_state, read_run
from .logical import (
    Snapshot,
    slot_arrays,
    snapshot_arrays,
    snapshot_of,
    unfitted,
    unfitted_arrays,
)
from .point import take_point
from .ranks_own import load_own, own_arrays, own_state
from .writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from dtrain.types import Array

    from .trainer import Trainer


BEFORE_EXCHANGES = {"name": "exact", "ranks": 0, "arrays": []}
"""What the cursor of a checkpoint says of ranks' own arrays that was written when there were none."""


@dataclass(frozen=True)
class Staged:
    """A checkpoint whose arrays are copied aside, and the names under which it is to be written.

    number: of the copies of this run.
    """

    number: int
    checkpoint: files.Checkpoint
    names: tuple[str, ...]


class Saving:
    """The checkpoints of one trainer.

    before_fit: what training left, once layers have learned after the last step.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._config = trainer.job.config.checkpoint
        self._limit = trainer.job.config.train.time_limit or inf
        self.before_fit: Snapshot | None = None
        self._best: float | None = None
        self._started = self._last = monotonic()
        self._saved_step = -1
        self._best_due = False
        self._copies = 0
        self._staged: Staged | None = None
        self._begun: Staged | None = None
        self._writer = Writer()

    # ------------------------------------------------------------------ when

    def due_by_time(self) -> bool:
        """Tells whether the clock of this rank asks for a checkpoint, or for the end."""
        return monotonic() - self._last >= 60 * self._config.minutes or self.past_limit()

    def past_limit(self) -> bool:
        """Tells whether the run's time is up by this rank's clock."""
        return monotonic() - self._started >= self._limit

    def due_by_steps(self) -> bool:
        """Tells whether the number of updates asks for a checkpoint."""
        every, step = self._config.steps, self._trainer.step
        return every is not None and step - step % every > max(self._saved_step, 0)

    def state(self) -> list[Any]:
        """Returns what a point must keep."""
        return [self._best, self._saved_step, self._best_due, self._copies]

    def load_state(self, state: list[Any]) -> None:
        """Takes back what `state` returned."""
        self._best, self._saved_step, self._best_due, self._copies = state

    # ------------------------------------------------------------------ out

    def save(self, ended: str | None = None) -> None:
        """Begins a checkpoint of this moment, also as the best where that is due. A collective."""
        step = self._trainer.step
        names = (files.BEST, files.name_of(step)) if self._best_due else (files.name_of(step),)
        self._stage(ended, names)
        self._last = monotonic()
        self._saved_step = step

    @property
    def _best_of(self) -> str:
        """The figure by which the best checkpoint is chosen; empty: none is kept."""
        best = self._config.best
        return best if isinstance(best, str) else "loss" if best else ""

    def note_best(self) -> None:
        """After an epoch: note that the run as it is has to be kept if the figure was never better."""
        if not self._best_of:
            return
        watched = self._trainer.watched(self._best_of)
        if watched < (inf if self._best is None else self._best):
            self._best, self._best_due = watched, True

    def save_best(self) -> None:
        """Begins to keep this moment as the best, where that is due. A collective."""
        if self._best_due:
            self._stage(None, (files.BEST,))

    def _stage(self, ended: str | None, names: tuple[str, ...]) -> None:
        """Copies this moment aside and lets it be written."""
        checkpoint = self._checkpoint(ended)
        self.settle()
        self._trainer.seat.staging.fill()
        self._staged = Staged(self._copies + 1, checkpoint, names)
        self._trainer.communicator.barrier()
        self._copies += 1
        self._best_due = False
        self._write(self._staged)

    def take_over(self) -> None:
        """Writes what was last copied aside where the rank that was to write it has died, maybe before it had.

        Not where the run has gone back to before the copy: that may be torn.
        """
        staged = self._staged
        if staged is not None and staged is not self._begun and staged.number == self._copies:
            self._write(staged)

    def _write(self, staged: Staged) -> None:
        if self._trainer.folder.writes:
            self._begun = staged
            self._writer.start(partial(_write, self._trainer.folder.checkpoints, self._config.keep, staged))

    @property
    def failed(self) -> bool:
        """Whether this rank could not write a checkpoint, as of now."""
        return self._writer.failed

    def settle(self) -> None:
        """Returns when the last checkpoint is on the disk. A collective.

        Raises RunError on all ranks where it could not be written.
        """
        agree(self._trainer.communicator, self._writer.wait)

    def close(self) -> None:
        """Lets what this rank is writing come to its end, well or not."""
        self._writer.join()

    def _checkpoint(self, ended: str | None) -> files.Checkpoint:
        """Returns a checkpoint of this moment, whose flat arrays are those aside: to be filled yet."""
        trainer = self._trainer
        trainer.drift.check()
        staging, states = trainer.seat.staging, trainer.replica.network.states
        present = Snapshot(staging.values, [state.value.copy() for state in states])
        arrays = snapshot_arrays(trainer.replica, present) | slot_arrays(trainer.replica, staging.slots)
        arrays |= own_arrays(trainer.replica, staging.own)
        if self.before_fit is not None:
            arrays |= unfitted_arrays(trainer.replica, self.before_fit)
        point, callbacks = take_point(trainer, None, acted=True), []
        for i, (callback, state) in enumerate(zip(trainer.job.callbacks, point.callbacks, strict=True)):
            for key, value in state.items():
                if isinstance(value, Snapshot):
                    arrays |= snapshot_arrays(trainer.replica, value, f"callback/{i}/{key}/")
                    state[key] = {"snapshot": True}
            callbacks.append(self._plain(callback, state))
        cursor = {
            "dtrain": __version__,
            "position": trainer.position,
            "step": trainer.step,
            "epoch": trainer.epoch,
            "skipped": trainer.skipped,
            "so_far": point.sums,
            "train": trainer.train,
            "validation": trainer.validation,
            "best": self._best,
            "best_of": self._best_of,
            "ended": ended,
            "shards": trainer.job.shards,
            "input": list(trainer.job.network.input_shape),
            "data": trainer.job.record.as_dict(),
            "kept": self._kept(),
            "schedules": [
                self._plain(*pair) for pair in zip(trainer.job.schedules, point.schedules, strict=True)
            ],
            "callbacks": callbacks,
            "optimizer": {
                "name": trainer.job.config.optimizer.name,
                "state": self._plain(trainer.job.optimizer, point.optimizer),
            },
            "exchange": own_state(trainer.replica, trainer.update, trainer.job.config.train.exchange.name),
            "plugins": trainer.job.registry.rows,
        }
        return files.Checkpoint(arrays, cursor)

    def _plain(self, part: object, state: dict[str, Any]) -> dict[str, Any]:
        """Returns a copy of a part's state. Raises PluginError for what a checkpoint cannot hold."""
        try:
            copy: dict[str, Any] = json.loads(json.dumps(state))
        except (TypeError, ValueError) as error:
            entry = self._trainer.job.registry.owner(part)
            who = type(part).__name__ if entry is None else entry.title
            raise PluginError(
                f"state of {who}: expected JSON values (and snapshots, of a callback), got one that is not: {error}"
            ) from error
        return copy

    def _kept(self) -> dict[str, Any]:
        """Returns what a cursor and the states of parts belong to: a resumed run must have the same."""
        config = self._trainer.job.config
        return {
            "[data] (training samples)": self._trainer.batches.samples,
            DATA_SEED: config.data.seed,
            "[train] metrics": [part.name for part in config.train.metrics],
            "[[schedule]]": [part.name for part in config.schedules],
            "[[callback]]": [part.name for part in config.callbacks],
        }

    # ------------------------------------------------------------------ in

    def load(self) -> bool:
        """Brings back the newest good checkpoint of the run's folder, the one that rank 0 names. A collective.

        Returns False when there is nothing to bring back: the run was killed before its first checkpoint.
        """
        trainer = self._trainer
        folder = trainer.folder.checkpoints
        found = agree(trainer.communicator, self._newest)
        named = trainer.communicator.share(None if found is None else [found[0].name, found[1]])[0]
        if named is None:
            return False
        for message in named[1]:
            trainer.progress.line(f"dtrain: warning: {message}")
        path = folder / named[0]
        checkpoint = agree(trainer.communicator, lambda: read_run(path))
        snapshot = agree(trainer.communicator, lambda: self._take_in(path, checkpoint))
        trainer.replica.restore((snapshot.values, snapshot.states))
        trainer.progress.line(f"resumed after step {trainer.step} from {path}")
        return True

    def _newest(self) -> tuple[Path, list[str]] | None:
        """On the rank that writes: the newest good checkpoint, or None for a run that never saved one."""
        folder = self._trainer.folder
        if not folder.writes or not (folder.has_ended() or files.are_in(folder.checkpoints)):
            return None
        return files.newest(folder.checkpoints, read=read_run)

    def _take_in(self, path: Path, checkpoint: files.Checkpoint) -> Snapshot:
        trainer, arrays, cursor = self._trainer, checkpoint.arrays, checkpoint.cursor
        config = trainer.job.config
        before = {DATA_SEED: config.seed if config.data.validation else config.data.seed}
        _check_kept(before | cursor["kept"], cursor, self._kept(), path)
        self._check_data(cursor, path)
        snapshot = snapshot_of(trainer.replica, unfitted(arrays), path)
        own = cursor.get("exchange", BEFORE_EXCHANGES)
        load_own(trainer.replica, trainer.update, arrays, own, trainer.job.config.train.exchange.name, path)
        trainer.position, trainer.step, trainer.skipped = (cursor[k] for k in ("position", "step", "skipped"))
        trainer.so_far.load_state(cursor["so_far"])
        trainer.train, trainer.validation = cursor["train"], cursor["validation"]
        same = cursor.get("best_of", self._best_of) == self._best_of  # before there were others: the loss
        self._best, self._saved_step = cursor["best"] if same else None, trainer.step
        trainer.stop_reason = cursor["ended"]
        for i, schedule in enumerate(trainer.job.schedules):
            load_state(schedule, cursor["schedules"][i], f"{path}: schedules[{i}]")
        if cursor["optimizer"]["name"] == trainer.job.config.optimizer.name:  # another one starts afresh
            load_state(trainer.job.optimizer, cursor["optimizer"]["state"], f"{path}: optimizer.state")
        for i, callback in enumerate(trainer.job.callbacks):
            state = self._callback_state(i, cursor["callbacks"][i], arrays, path)
            load_state(callback, state, f"{path}: callbacks[{i}]")
        return snapshot

    def _check_data(self, cursor: Mapping[str, Any], path: Path) -> None:
        """Raise DataError where the data are not those of the checkpoint; one of an older version has no record."""
        recorded = cursor.get("data")
        if recorded is None:
            return
        now, where = self._trainer.job.record, self._trainer.job.config.data.where
        change = changed(DataRecord.from_dict(recorded, path), now)
        if change is not None:
            raise DataError(
                f"{where}: expected the data that the run was trained on, {change}; bring them back, or start a new run"
            )

    def _callback_state(
        self, i: int, state: Mapping[str, Any], arrays: Mapping[str, Array], path: Path
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in state.items():
            prefix, stands_for_one = f"callback/{i}/{key}/", value == {"snapshot": True}
            if stands_for_one != any(name.startswith(prefix) for name in arrays):
                raise CheckpointError(
                    f"{path}: callbacks[{i}].{key}: expected the mark of a snapshot where its arrays are, and there "
                    f"alone, got {shown(value)}"
                )
            found[key] = snapshot_of(self._trainer.replica, arrays, path, prefix) if stands_for_one else value
        return found


def _write(folder: Path, keep: int, staged: Staged) -> None:
    """Writes a checkpoint and removes what it replaces. Raises RunError where the folder does not take it."""
    step = staged.checkpoint.cursor["step"]
    for name in staged.names:
        try:
            files.write(folder / name, staged.checkpoint)
            if name == files.name_of(step):
                files.prune(folder, keep, step)
        except OSError as error:
            raise RunError(
                f"{folder / name}: expected a checkpoint to be written, got: {error.strerror or error}; "
                "those before it are whole: make room and go on with --resume"
            ) from error


def _check_kept(
    recorded: Mapping[str, Any], cursor: Mapping[str, Any], now: Mapping[str, Any], path: Path
) -> None:
    for key, value in now.items():
        if recorded.get(key) != value:
            raise CheckpointError(
                f"{path}: {key}: expected {recorded.get(key)}, as when the run was saved, got {value}; "
                "start a new run for other ones"
            )
    for key, kept in (("schedules", "[[schedule]]"), ("callbacks", "[[callback]]")):
        if len(cursor[key]) != len(now[kept]):
            raise CheckpointError(
                f"{path}: {key}: expected as many states as there are of {kept}, {len(now[kept])}, "
                f"got {len(cursor[key])}"
            )
