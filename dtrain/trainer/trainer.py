"""The course of a run: epochs, steps, validation, callbacks, the end."""

from __future__ import annotations

from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain import __version__
from dtrain.config import dump
from dtrain.data import Batches
from dtrain.engine import Replica
from dtrain.errors import DataError, NonFiniteError, on_all_ranks

from .evaluate import evaluate
from .figures import Figures
from .logical import Snapshot, take
from .progress import Progress
from .result import Result
from .run_folder import environment, whoami
from .saving import Saving
from .schedules import Driver
from .signals import Signals
from .step import Step
from .update import Penalty, Update

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .job import Job
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
        self.train_step = Step(self.replica, self.figures, self.update, job.transforms)
        self.batches, self.validation_batches = self._batches()
        per_epoch = self.batches.count
        self.steps = config.steps if config.steps is not None else per_epoch * (config.epochs or 0)
        self.driver = Driver(job.optimizer, job.schedules, job.config.schedules, self.steps, per_epoch)
        self.saving = Saving(self)
        self.measures = ("loss", *job.metrics)
        self.held_out = job.validation is not None
        self.resume = resume
        self.position, self.step, self.skipped, self.updates_this_epoch = 0, 0, 0, 0
        self.train: dict[str, float] = {}
        self.validation: dict[str, float] | None = None
        self.stop_reason: str | None = None
        self.sums: Array = np.zeros(0)
        self.samples_this_epoch = 0
        self._restored = False
        self._epoch_seconds = 0.0
        self._times: list[float] = []
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
            self._begin()
            try:
                self._call("start")
                code = self._train(signals)
                if not code:
                    self._call("end")
                self.saving.save(ended=None if code else self.stop_reason)
                self._call("after_checkpoint")
            except Exception as error:
                self._tell_failure(error)
                raise
            finally:
                self.progress.close()
            return self._interrupted(code) if code else self._finish()

    def _begin(self) -> None:
        if self.resume:
            self.saving.load()
        else:
            self.replica.initialize()
        folder = self.folder
        folder.unfinish()
        folder.cut_metrics(self.epoch)
        folder.write_text("config.toml", dump(self.job.config))
        folder.write_json("plugins.json", [entry.as_dict() for entry in self.job.registry.table()])
        folder.write_json("ranks.json", self.communicator.share(whoami(self.communicator.rank)))
        if folder.writes:
            folder.write_json("environment.json", environment())
        for warning in self.replica.warnings:
            self.progress.line(f"dtrain: warning: {warning}")
        self.progress.start(self.step, self.steps)

    def _train(self, signals: Signals) -> int:
        """Runs steps to the end; returns the exit code that a signal asks for, or 0."""
        while self._goes_on():
            self._one_step(self._flag(signals))
            if self.position % self.batches.count == 0 or not self._goes_on():
                self._end_epoch()
            if self.train_step.flags:
                code = self._hear(signals)
                if code:
                    return code
            elif self.saving.due_by_steps():
                self._checkpoint()
        return 0

    def _goes_on(self) -> bool:
        if self.stop_reason is not None:
            return False
        if self.job.config.train.steps is not None:
            return self.step < self.steps
        return self.position < self.steps

    def _one_step(self, flag: float) -> None:
        epoch, index = divmod(self.position, self.batches.count)
        order = self._order_of(epoch)
        self.driver.drive(self.step)
        began = perf_counter()
        updated = self.train_step(self.batches.cut(index, order), epoch, self.step, flag)
        seconds = perf_counter() - began
        self._times.append(seconds)
        self._epoch_seconds += seconds
        sums = self.train_step.sums
        self.position += 1
        if updated:
            self.step += 1
            self.updates_this_epoch += 1
            self.samples_this_epoch += self.batches.size_of(index)
            self.sums = self.sums + sums if len(self.sums) else sums
        else:
            self._not_finite(sums)
        if self.progress.due():
            self._show(float(sums[0] / sums[1]) if sums[1] else 0.0, self.batches.size_of(index) / seconds)
        if updated and self.job.callbacks:
            self._call("after_step")

    def _not_finite(self, sums: Array) -> None:
        if self.job.config.train.non_finite == "skip":
            self.skipped += 1
            return
        raise on_all_ranks(
            NonFiniteError(
                f"step {self.step + 1} (epoch {self.epoch + 1}): the loss or a gradient is not finite "
                f"(loss {sums[0] / sums[1]:.4g}); lower the learning rate, clip (train.clip_norm), or skip such "
                'steps (train.non_finite = "skip"); dtrain debug names the layer'
            )
        )

    def _order_of(self, epoch: int) -> Array:
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, self.batches.order(self.job.config.seed, epoch))
        return self._order[1]

    # ------------------------------------------------------------------ what ranks tell each other

    def _flag(self, signals: Signals) -> float:
        """Returns 1 when this rank has something to say after the next step."""
        return float(bool(signals.code) or (self.communicator.rank == 0 and self.saving.due_by_time()))

    def _hear(self, signals: Signals) -> int:
        """Lets every rank say what it has to say, and does it; returns the exit code of a signal, or 0."""
        mine = {"problem": self.train_step.problem, "code": signals.code}
        if self.communicator.rank == 0:
            mine |= {"save": self.saving.due_by_time(), "limit": self.saving.past_limit()}
        said = self.communicator.share(mine)
        for problem in (words["problem"] for words in said):
            if problem is not None:
                raise on_all_ranks(DataError(problem))
        code = max(words["code"] for words in said)
        if not code and said[0]["limit"]:
            self.stop(f"time limit of {self.job.config.train.time_limit:g} s")
        elif not code and said[0]["save"]:
            self._checkpoint()
        return int(code)

    def _checkpoint(self) -> None:
        self.saving.save()
        self._call("after_checkpoint")

    # ------------------------------------------------------------------ epochs, and the end

    def _end_epoch(self) -> None:
        if not self.updates_this_epoch:
            raise on_all_ranks(
                NonFiniteError(f"epoch {self.epoch}: no step was finite, so nothing was trained")
            )
        self.train = self.figures.result(self.sums, self.samples_this_epoch) | self._penalty()
        self.validation = self._evaluate()
        watched = (self.validation or self.train)["loss"]
        self.driver.observe(watched)
        done = self.position / self.batches.count
        epoch = int(done) if done.is_integer() else round(done, 4)
        line = {
            "epoch": epoch,
            "step": self.step,
            "lr": self.options.get("lr"),
            "train": self.train,
            "validation": self.validation,
            "seconds": self._epoch_seconds,
        }
        self.folder.append_metrics(line)
        rate = self.samples_this_epoch / self._epoch_seconds
        epochs = -(-self.steps // self.batches.count)
        left = self._seconds_left()
        self.sums, self.samples_this_epoch, self.updates_this_epoch = np.zeros(0), 0, 0
        self._epoch_seconds = 0.0
        self.progress.epoch(epoch, epochs, self.train, self.validation, rate, left)
        self._call("after_epoch")
        self.saving.note_best(watched)

    def _evaluate(self) -> dict[str, float] | None:
        if self.validation_batches is None:
            return None
        return evaluate(self.replica, self.figures, self.validation_batches)

    def _penalty(self) -> dict[str, float]:
        return {"penalty": self.update.penalty()} if self.update.penalties else {}

    def _seconds_left(self) -> float:
        recent = self._times[-100:]
        left = self.steps - (self.position if self.job.config.train.steps is None else self.step)
        return left * sum(recent) / len(recent)

    def _show(self, loss: float, rate: float) -> None:
        self.progress.step(self.step, loss, rate, self._seconds_left())

    def _interrupted(self, code: int) -> Result:
        self.progress.line(
            f"interrupted after step {self.step}; go on with: dtrain train --resume --out {self.folder.path}"
        )
        return Result(self.folder.path, None, code)

    def _finish(self) -> Result:
        if self._restored or (self.validation is None and self.held_out):
            self.validation = self._evaluate()
        step_seconds = median(self._times) if self._times else None
        rows = self.batches.samples / self.batches.count
        summary = {
            "dtrain": __version__,
            "ranks": self.communicator.size,
            "shards": self.job.shards,
            "epochs": self.epoch,
            "steps": self.step,
            "skipped": self.skipped,
            "stopped": self.stop_reason,
            "samples_per_second": rows / step_seconds if step_seconds else None,
            "step_seconds": step_seconds,
            "train": self.train,
            "validation": self.validation,
            "parameters": sum(p.size for p in self.replica.network.parameters),
            "weights_sha256": self.replica.digest(),
        }
        self.communicator.barrier()
        self.folder.write_json("summary.json", summary)
        if self.stop_reason is not None:
            self.progress.line(f"stopped: {self.stop_reason}")
        self.progress.line(f"run in {self.folder.path}")
        return Result(self.folder.path, summary)

    # ------------------------------------------------------------------ callbacks

    def _call(self, moment: str) -> None:
        for callback in self.job.callbacks:
            try:
                getattr(callback, moment)(self)
            except Exception as error:
                error.add_note(f"in {moment} of callback {self._origin(callback)}")
                raise

    def _origin(self, part: object) -> str:
        entry = self.job.registry.owner(part)
        return type(part).__name__ if entry is None else f"{entry.name!r} from {entry.origin}"

    def _tell_failure(self, error: Exception) -> None:
        for callback in self.job.callbacks:
            try:
                callback.failure(self, error)
            except Exception as second:
                error.add_note(f"and failure of callback {self._origin(callback)} raised {second!r}")


def _penalties(job: Job) -> list[Penalty]:
    """Returns each regularizer with the parameters that its config chooses."""
    penalties = []
    names = {node.name for node in job.network.nodes}
    for regularizer, part in zip(job.regularizers, job.config.regularizers, strict=True):
        chosen = names if part.layers is None else set(part.layers)
        role = {"weights": "weight", "biases": "bias"}[part.on]
        parameters = [
            p
            for node in job.network.nodes
            if node.name in chosen
            for p in node.parameters
            if p.role == role and p.trainable
        ]
        penalties.append(Penalty(regularizer, parameters))
    return penalties
