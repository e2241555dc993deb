"""The course of a run: epochs, steps, validation, callbacks, the end."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.data import Batches
from dtrain.engine import Replica
from dtrain.registry import blame

from .advice import warnings_of
from .checks import ROLES
from .clock import StepClock
from .epoch import EpochSums
from .evaluate import evaluate
from .figures import Figures
from .logical import Snapshot, take
from .moments import Moments
from .not_finite import epoch_not_finite, step_not_finite
from .report import epoch_line, summary, title
from .result import Result
from .saving import Saving
from .schedules import Driver
from .signals import Signals
from .solving import make_step
from .update import Penalty, Update
from .voices import Heard, Voices

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .job import Job
    from .progress import Progress
    from .run_folder import RunFolder


class Trainer:
    """Runs a job on one rank; also what callbacks see as `Run`.

    folder: where rank 0 writes. resume: go on from the newest good checkpoint in it.

    position: global batches met; step: updates done; skipped: batches that were not finite.
    """

    def __init__(
        self,
        job: Job,
        communicator: Communicator,
        folder: RunFolder,
        progress: Progress,
        resume: bool = False,
    ) -> None:
        self.job, self.communicator, self.folder, self.progress = job, communicator, folder, progress
        self.replica = Replica(job.network, communicator, job.shards, job.config.seed)
        self.figures = Figures(job.loss, job.metrics)
        config = job.config.train
        self.update = Update(
            self.replica, job.optimizer, _penalties(job), config.clip_norm, config.clip_value
        )
        self.train_step = make_step(self.replica, self.figures, self.update, job.transforms)
        self.batches, self.validation_batches = self._batches()
        per_epoch = self.batches.count
        self.steps = config.steps if config.steps is not None else per_epoch * (config.epochs or 0)
        self.driver = Driver(job.optimizer, job.schedules, job.config.schedules, self.steps, per_epoch)
        self.saving = Saving(self)
        self.moments = Moments(job, self)
        self.measures = ("loss", *job.metrics)
        self.held_out = job.validation is not None
        self.resume = resume
        self.position, self.step, self.skipped = 0, 0, 0
        self.so_far, self.clock = EpochSums(), StepClock()
        self.train: dict[str, float] = {}
        self.validation: dict[str, float] | None = None
        self.stop_reason: str | None = None
        self.limited = False
        self._opened = False
        self._restored = False
        self._began = perf_counter()
        self._order: tuple[int, Array] | None = None

    def _batches(self) -> tuple[Batches, Batches | None]:
        job, config = self.job, self.job.config.train
        cut = partial(
            Batches,
            batch_size=config.batch_size,
            shards=job.shards,
            first=self.replica.first,
            last=self.replica.last,
            dtype=job.network.dtype,
            check=lambda y: job.loss.check(y, job.network.shape),
        )
        validation = None if job.validation is None else cut(job.validation)
        return cut(job.train, parts=config.accumulate), validation

    # ------------------------------------------------------------------ what callbacks may read and do

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.position // self.batches.count

    @property
    def options(self) -> dict[str, Any]:
        """The optimizer's options as of now."""
        return {name: value for name, value in vars(self.job.optimizer).items() if not name.startswith("_")}

    @property
    def size(self) -> int:
        """How many numbers the parameters hold."""
        return sum(p.size for p in self.replica.network.parameters)

    @property
    def rows(self) -> float:
        """The mean size of a global batch."""
        return self.batches.samples / self.batches.count

    def stop(self, reason: str) -> None:
        """Ends the run after this moment."""
        self.stop_reason = self.stop_reason or reason

    def snapshot(self) -> Snapshot:
        """Returns a copy of all parameters and running statistics."""
        return take(self.replica)

    def restore(self, snapshot: object) -> None:
        """Brings back a copy that `snapshot` returned."""
        assert isinstance(snapshot, Snapshot)
        self.replica.restore((snapshot.values, snapshot.states))
        self._restored = True

    # ------------------------------------------------------------------ the course

    def run(self) -> Result:
        """Trains to the end, to a signal, or to a callback's stop. A collective."""
        with Signals() as signals, np.errstate(all="ignore"):  # the engine looks for non-finite values itself
            try:
                self._begin()
                code = self._train(Voices(self.communicator, self.saving, signals))
                return self._interrupted(code) if code else self._finish()
            except BaseException as error:
                blame(error, self.job.registry)
                self.moments.failure(error)
                self.folder.discard()
                raise
            finally:
                self.progress.close()

    def _begin(self) -> None:
        if self.resume:
            self.saving.load()
        else:
            self.replica.initialize()
        self.moments.start(self.communicator)
        self.progress.start(self.step, self.steps, title(self))
        for warning in (*self.replica.warnings, *(() if self.resume else warnings_of(self.job.network))):
            self.progress.line(f"dtrain: warning: {warning}")

    def _train(self, voices: Voices) -> int:
        """Runs steps to the end; returns the exit code that a signal asks for, or 0."""
        while self._goes_on():
            heard = self._one_step(voices)
            if heard.limit and not heard.code and self._goes_on():
                self.stop(f"time limit of {self.job.config.train.time_limit:g} s")
                self.limited = True
            if self._whole() or not self._goes_on():
                self._end_epoch()
            if self._goes_on():  # else the end is near, and saves
                if heard.code:
                    return heard.code
                if heard.save or self.saving.due_by_steps():
                    self._checkpoint()
        return 0

    def _goes_on(self) -> bool:
        if self.stop_reason is not None:
            return False
        if self.job.config.train.steps is not None:
            return self.step < self.steps
        return self.position < self.steps

    def _whole(self) -> bool:
        return self.position % self.batches.count == 0

    def _one_step(self, voices: Voices) -> Heard:
        epoch, index = divmod(self.position, self.batches.count)
        order = self._order_of(epoch)
        self.driver.drive(self.step)
        began = perf_counter()
        updated = self.train_step(self.batches.whole(index, order), epoch, self.step, voices.flag())
        seconds = perf_counter() - began
        sums = self.train_step.sums
        heard = voices.hear(self.train_step)
        if not updated and self.job.config.train.non_finite == "stop":
            raise step_not_finite(self, sums)
        self._open()
        self.clock.note(seconds)
        self.so_far.seconds += seconds
        self.position += 1
        if updated:
            self.step += 1
            self.so_far.add(sums, self.batches.size_of(index))
        else:
            self.skipped += 1
        if self.progress.due():
            self._show(float(sums[0] / sums[1]) if sums[1] else 0.0)
        if updated and self.moments:
            self.moments("after_step")
        return heard

    def _order_of(self, epoch: int) -> Array:
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, self.batches.order(self.job.config.seed, epoch))
        return self._order[1]

    def _open(self) -> None:
        """Makes the run folder, after a first step went well: a run that cannot start leaves nothing behind."""
        if not self._opened:
            self._opened = True
            whole_epochs = self.epoch if self._goes_on() else None
            self.folder.open(self.job, self.communicator, whole_epochs)

    def _checkpoint(self) -> None:
        self.saving.save()
        self.moments("after_checkpoint")

    # ------------------------------------------------------------------ epochs, and the end

    def _end_epoch(self) -> None:
        so_far = self.so_far
        if not so_far.updates:
            raise epoch_not_finite(self.epoch)
        self.train = self.figures.result(so_far.sums, so_far.samples) | self._penalty()
        self.validation = self._evaluate()
        watched = (self.validation or self.train)["loss"]
        self._tell_epoch()
        if self._whole():
            so_far.reset()
        if self._whole() or not self.limited:  # a run resumed after its time limit ends this epoch yet
            self.driver.observe(watched)
            self.moments("after_epoch")
        self.saving.note_best(watched)

    def _tell_epoch(self) -> None:
        line = epoch_line(self)
        self.folder.append_metrics(line)
        rate = self.so_far.samples / self.so_far.seconds
        epochs = -(-self.steps // self.batches.count)
        self.progress.epoch(line["epoch"], epochs, self.train, self.validation, rate, self._seconds_left())

    def _evaluate(self) -> dict[str, float] | None:
        if self.validation_batches is None:
            return None
        return evaluate(self.replica, self.figures, self.validation_batches)

    def _penalty(self) -> dict[str, float]:
        return {"penalty": self.update.penalty()} if self.update.penalties else {}

    def _seconds_left(self) -> float:
        left = self.steps - (self.position if self.job.config.train.steps is None else self.step)
        return left * self.clock.recent()

    def _show(self, loss: float) -> None:
        rate = self.rows / self.clock.recent()
        self.progress.step(self.step, loss, rate, self._seconds_left())

    def _interrupted(self, code: int) -> Result:
        self._checkpoint()
        self.progress.close()
        self.progress.line(
            f"interrupted after step {self.step:,}; go on with: dtrain train --resume --out {self.folder.path}"
        )
        return Result(self.folder.path, None, code)

    def _finish(self) -> Result:
        self._open()  # where no step was left to do
        ended = None if self.limited else self.stop_reason
        if self.moments:
            self.saving.save(ended)  # so that what was trained is safe when a callback fails now
        self.moments("end")
        self.saving.save(ended)
        self.moments("after_checkpoint")
        if self._restored or (self.validation is None and self.held_out):
            self.validation = self._evaluate()
        written = summary(self)
        self.communicator.barrier()
        self.folder.write_json("summary.json", written)
        self.progress.close()
        if self.stop_reason is not None:
            self.progress.line(f"stopped: {self.stop_reason}")
        self.progress.end(self.train, self.validation, perf_counter() - self._began, self.folder.path)
        return Result(self.folder.path, written)


def _penalties(job: Job) -> list[Penalty]:
    """Returns each regularizer with the parameters that its config chooses."""
    penalties = []
    for regularizer, part in zip(job.regularizers, job.config.regularizers, strict=True):
        parameters = [
            p
            for node in job.network.nodes
            if part.layers is None or node.name in part.layers
            for p in node.parameters
            if p.role == ROLES[part.on] and p.trainable
        ]
        penalties.append(Penalty(regularizer, parameters))
    return penalties
