"""The course of a run: epochs, steps, validation, callbacks, the end."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator.place import Place
from dtrain.engine import fits_at, learn
from dtrain.errors import OptionError, RankLost
from dtrain.registry import blame

from .advice import warnings_of
from .clock import StepClock
from .drift import Drift
from .epoch import EpochSums
from .evaluate import evaluate, look_at_outputs
from .figures import Figures
from .job_advice import advice_on
from .lead import Lead, follow, start
from .logical import Snapshot, take
from .meetings import Meetings
from .moments import Moments
from .not_finite import epoch_not_finite, step_not_finite
from .one_value import statistics_warnings
from .outputs import look_of
from .point import LAST_POINTS, Point, take_point
from .predict import predict
from .report import epoch_line, loss_line, summary, title
from .result import Result
from .run_folder import whoami
from .saving import Saving
from .schedules import driver_of
from .seat import Seat, make_seat
from .signals import Signals
from .voices import NOTHING, Heard, Voices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dtrain.communicator.protocol import Communicator
    from dtrain.contracts import Rows
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
        look = look_of(job.loss, job.network.output, job.config.loss.place)
        self.figures = Figures(job.loss, job.metrics, look)
        self.take(self.make_seat(0))
        self.points: deque[Point] = deque(maxlen=LAST_POINTS)
        self.ranks: list[dict[str, Any]] = []
        self.lost: list[dict[str, Any]] = []
        self._place = communicator.rank
        self.steps = self.total = job.steps
        self.driver = driver_of(job)
        self.saving = Saving(self)
        self.meetings = Meetings(self)
        self.drift = Drift(self)
        self.looks: list[Callable[[], None]] = [self.drift.after_step]
        """Called at the start and after every step, on every rank."""
        self.moments = Moments(job, self)
        self.measures = ("loss", *job.metrics)
        self.higher_is_better = {"loss": False} | {
            name: metric.higher_is_better for name, metric in job.metrics.items()
        }
        self.held_out = job.validation is not None
        self.resume = resume
        self.position, self.step, self.skipped = 0, 0, 0
        self.so_far, self.clock = EpochSums(), StepClock()
        self.train: dict[str, float] = {}
        self.validation: dict[str, float] | None = None
        self.stop_reason: str | None = None
        self.limited = False
        self.noted: dict[str, Any] = {}
        self.opened = False
        self.busy = "starting"
        self._acted = True
        self._heard = NOTHING
        self._updated = False
        self._changed = False
        self._began = perf_counter()
        self._order: tuple[int, Array] | None = None

    # ------------------------------------------------------------------ its place in the job

    def make_seat(self, generation: int) -> Seat:
        """Returns a seat among the ranks that there are now. A collective."""
        return make_seat(self.job, self.communicator, self.figures, generation)

    def take(self, seat: Seat, spare: Seat | None = None) -> None:
        """Goes on from this seat. spare: one to go back to, or on to, should more ranks die now."""
        self.seat, self.spare = seat, spare
        self.replica, self.update, self.train_step = seat.replica, seat.update, seat.step
        self.batches, self.validation_blocks = seat.batches, seat.validation
        self.figures.refer(self.batches.reference)

    def speak(self, speaks: bool) -> None:
        """Makes this rank the one that writes and speaks, or not."""
        self.folder.writes = speaks
        self.progress.speaks = speaks

    def point_of(self, number: int) -> Point:
        """Returns the point of this number, one of the last."""
        return next(point for point in self.points if point.number == number)

    def set_out(self, acted: bool, folder: str | None) -> None:
        """Sets how far the run had come at a point. folder: where it is written, if it is."""
        self._acted, self._heard = acted, NOTHING
        self.opened = folder is not None
        if folder is not None:
            self.folder.path = Path(folder)

    def tell_loss(self, seconds: float) -> None:
        """Says which ranks were lost, in the run folder and on the screen. A collective."""
        alive = self.communicator.share(self._place)
        lost = [one for place, one in enumerate(self.ranks) if place not in alive]
        self.lost += [one | {"step": self.step} for one in lost]
        self.ranks = [self.ranks[place] | {"rank": rank} for rank, place in enumerate(alive)]
        self._place = self.communicator.rank
        if self.opened:
            self.folder.go_on(self.ranks, (self.position - (not self._acted)) // self.batches.count)
        self.progress.take_over(self.step)
        self.progress.line(loss_line(self, lost, seconds))

    def place(self) -> Place:
        """Returns where this rank is in the run; from any thread, at any time."""
        return Place(self.epoch + 1, self.step + 1, self.replica.context.layer, self.busy)

    @contextmanager
    def at_length(self, what: str) -> Iterator[None]:
        """Within it, this rank may take long on its own while the others wait: no watchdog need bark."""
        before, self.busy = self.busy, what
        try:
            yield
        finally:
            self.busy = before

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

    @property
    def samples(self) -> Rows:
        """The training samples."""
        return self.job.train

    @property
    def writes_to(self) -> Path | None:
        """The run folder, on the rank that writes."""
        return self.folder.path if self.folder.writes else None

    def predict(self, x: Array) -> Array:
        """Returns what users see of the network's outputs for x, on every rank. A collective."""
        return predict(self.replica, self.job.loss, x, self.seat.samples.size)

    def stop(self, reason: str) -> None:
        """Ends the run after this moment."""
        self.stop_reason = self.stop_reason or reason

    def snapshot(self) -> Snapshot:
        """Returns a copy of all parameters and running statistics."""
        return take(self.replica)

    def restore(self, snapshot: object) -> None:
        """Brings back a copy that `snapshot` returned."""
        assert isinstance(snapshot, Snapshot)
        self.update.keep_all()
        self.replica.restore((snapshot.values, snapshot.states))
        self._changed = True

    # ------------------------------------------------------------------ the course

    def run(self) -> Result:
        """Trains to the end, to a signal, or to a callback's stop. A collective."""
        with Signals() as signals, np.errstate(all="ignore"):  # the engine looks for non-finite values itself
            try:
                voices = Voices(self.communicator, self.saving, signals)
                lead = Lead(self, voices)
                if not self.points:
                    self._begin(lead)
                procedure = self.job.procedure
                code = self.plain(voices) if procedure is None else follow(procedure, lead)
                return self._interrupted(code) if code else self._finish()
            except BaseException as error:
                if isinstance(error, RankLost) and self.communicator.recovers:
                    raise
                blame(error, self.job.registry)
                if isinstance(error, OptionError) and not error.everywhere:
                    error.add_note(f"in step {self.step + 1:,}")
                self.moments.failure(error)
                self.saving.close()
                self.folder.discard()
                raise
            finally:
                self.progress.close()

    def _begin(self, lead: Lead) -> None:
        if self.resume and not self.saving.load():
            self.resume = False
            self.progress.line(f"{self.folder.path} holds no checkpoint yet: starting from the beginning")
        if not self.resume:
            self.replica.initialize()
            learn(self.replica, self.batches, "start")
        look_at_outputs(self.replica, self.figures, self.seat.samples)
        self.moments.start(self.communicator)
        if self.job.procedure is not None:
            start(self, lead)
            self.total = self.job.procedure.steps or self.steps
        self.progress.start(self.step, self.total, title(self))
        if self.job.scaled is not None:
            self.progress.line(self.job.scaled)
        self.ranks = self.communicator.share(whoami(self.communicator.rank))
        for warning in (*self.job.warnings, *self.replica.warnings, *self._advice()):
            self.progress.line(f"dtrain: warning: {warning}")
        self.look()
        self.communicator.barrier()  # every rank can go on from here when others die
        self._note(acted=True)

    def _advice(self) -> list[str]:
        if self.resume:
            return []
        statistics = statistics_warnings(self.job, self.communicator.size)
        return [*warnings_of(self.job.network), *statistics, *advice_on(self.job)]

    def plain(self, voices: Voices) -> int:
        """Runs steps and epochs to the end; returns the exit code that a signal asks for, or 0.

        Called again after ranks were lost, it begins with what their loss has left undone.
        """
        while True:
            if not self._acted:
                code = self._act(self._heard)
                self._note(acted=True)
                if code:
                    return code
            elif self._goes_on():
                self._heard, self._updated = self.one_step(voices)
                self._note(acted=self._nothing_follows())
            else:
                return 0

    def _note(self, *, acted: bool) -> None:
        """Notes how far the run has come, so that it can go back to here; not into the middle of a procedure."""
        self._acted = acted
        if self.communicator.recovers and self.job.procedure is None:
            self.spare = None
            self.points.append(take_point(self, self.points[-1] if self.points else None, acted))
            if self.update.journal is not None:
                self.update.journal.pass_by(self.points[-1].number)

    def _nothing_follows(self) -> bool:
        """Tells whether there is nothing to do after this step but the next."""
        heard = self._heard
        return (
            heard is NOTHING
            and not self.moments
            and not self._whole()
            and self._goes_on()
            and not self.saving.due_by_steps()
        )

    def _act(self, heard: Heard) -> int:
        """Does what follows a step; returns the exit code that a signal asks for, or 0."""
        if self._updated and self.moments:
            self.moments("after_step")
            self.meetings.after_step(updated=False, due=not self._goes_on())
        if self.meetings.apart:
            return 0
        if heard.limit and not heard.code and self._goes_on():
            self.end_of_time()
        if self._whole() or not self._goes_on():
            self._end_epoch()
        if self._goes_on():  # else the end is near, and saves
            if heard.code:
                return heard.code
            if heard.save or self.saving.due_by_steps():
                self._checkpoint()
            else:
                with self.at_length("writing the best checkpoint"):
                    self.saving.save_best()
        return 0

    def _goes_on(self) -> bool:
        if self.stop_reason is not None:
            return False
        if self.job.config.train.steps is not None:
            return self.step < self.steps
        return self.position < self.steps

    def _whole(self) -> bool:
        return self.position % self.batches.count == 0

    def end_of_time(self) -> None:
        """Ends the run, whose time limit is over."""
        self.stop(f"time limit of {self.job.config.train.time_limit:g} s")
        self.limited = True

    def one_step(self, voices: Voices, led: Mapping[str, float] | None = None) -> tuple[Heard, bool]:
        """Trains on the next global batch; returns what was heard, and whether the parameters were updated.

        led: by a procedure, with these options for this step alone; then a step that is not finite is no error.
        """
        epoch, index = divmod(self.position, self.batches.count)
        order = self._order_of(epoch)
        self.driver.drive(self.step)
        before = {name: getattr(self.job.optimizer, name) for name in led or {}}
        vars(self.job.optimizer).update(led or {})
        began = perf_counter()
        updated = self.train_step(self.batches.whole(index, order), epoch, self.step, voices.flag())
        seconds = perf_counter() - began
        vars(self.job.optimizer).update(before)
        sums = self.train_step.sums
        heard = voices.hear(self.train_step)
        if not updated and led is None and self.job.config.train.non_finite == "stop":
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
        self.meetings.after_step(updated=updated, due=self._whole() or not self._goes_on())
        self.look()
        if self.progress.due():
            self._show(float(sums[0] / sums[1]) if sums[1] else 0.0)
        return NOTHING if self.meetings.apart else heard, updated

    def look(self) -> None:
        """Calls everything that looks at the run after a step."""
        for look in self.looks:
            look()

    def _order_of(self, epoch: int) -> Array:
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, self.batches.order(self.job.config.seed, epoch))
        return self._order[1]

    def _open(self) -> None:
        """Makes the run folder, after a first step went well: a run that cannot start leaves nothing behind."""
        if not self.opened:
            whole_epochs = self.epoch if self._goes_on() else None
            self.folder.open(self.job, self.ranks, self.communicator, whole_epochs)
            self.opened = True
        self.busy = ""

    def _checkpoint(self, ended: str | None = None, wait: bool = False) -> None:
        """Saves. wait: until the checkpoint is on the disk, which a callback that asks for that moment wants, too."""
        with self.at_length("writing a checkpoint"):
            self.saving.save(ended)
            if wait or self.moments.needs("after_checkpoint"):
                self.saving.settle()
            self.moments("after_checkpoint")

    # ------------------------------------------------------------------ epochs, and the end

    def _end_epoch(self) -> None:
        so_far = self.so_far
        if not so_far.updates:
            raise epoch_not_finite(self.epoch)
        self.train = self.figures.result(so_far.sums, so_far.samples) | self._penalty()
        self.validation = self._evaluate()
        self._tell_epoch()
        if self._whole():
            so_far.reset()
        if self._whole() or not self.limited:  # a run resumed after its time limit ends this epoch yet
            self.driver.observe(self.watched)
            with self.at_length("in callbacks after an epoch"):
                self.moments("after_epoch")
            self.drift.check(decisions_only=True)  # before ranks go different ways
        self.saving.note_best()

    def watched(self, name: str) -> float:
        """Return a figure of the last epoch, held-out if there is one, as a number of which less is better."""
        value = (self.validation or self.train)[name]
        return -value if self.higher_is_better[name] else value

    def _tell_epoch(self) -> None:
        line = epoch_line(self)
        self.folder.append_metrics(line)
        rate = self.so_far.samples / self.so_far.seconds
        epochs = -(-self.steps // self.batches.count)
        self.progress.epoch(line["epoch"], epochs, self.train, self.validation, rate, self._seconds_left())

    def _evaluate(self) -> dict[str, float] | None:
        if self.validation_blocks is None:
            look_at_outputs(self.replica, self.figures, self.seat.samples)
            return None
        return evaluate(self.replica, self.figures, self.validation_blocks)

    def _penalty(self) -> dict[str, float]:
        return {"penalty": self.update.penalty()} if self.update.penalties else {}

    def _seconds_left(self) -> float:
        left = self.total - (self.position if self.job.config.train.steps is None else self.step)
        return left * self.clock.recent()

    def _show(self, loss: float) -> None:
        rate = self.rows / self.clock.recent()
        self.progress.step(self.step, loss, rate, self._seconds_left())

    def _interrupted(self, code: int) -> Result:
        self._checkpoint(wait=True)
        self.progress.close()
        again = "" if self.job.procedure else f"; go on with: dtrain train --resume --out {self.folder.path}"
        self.progress.line(f"interrupted after step {self.step:,}{again}")
        return Result(self.folder.path, None, code)

    def _finish(self) -> Result:
        self._open()  # where no step was left to do
        self.busy = "finishing the run"
        ended = None if self.limited else self.stop_reason
        fits = fits_at(self.replica.network, "end")
        if self.moments or fits:  # what was trained is safe when a callback or a fit fails now
            self.saving.save(ended)
            self.saving.settle()
        self.moments("end")
        if fits:
            self._fit()
        self._checkpoint(ended, wait=True)
        if self._changed or (self.validation is None and self.held_out):
            self.validation = self._evaluate()
        if not self.train:  # a procedure has left no epoch of training
            self.train = evaluate(self.replica, self.figures, self.seat.samples, "training") | self._penalty()
            self.folder.append_metrics(epoch_line(self))
        written = summary(self)
        self.communicator.barrier()
        self.folder.write_json("summary.json", written)
        self.progress.close()
        if self.stop_reason is not None:
            self.progress.line(f"stopped: {self.stop_reason}")
        self.progress.end(self.train, self.validation, perf_counter() - self._began, self.folder.path)
        return Result(self.folder.path, written)

    def _fit(self) -> None:
        """Lets layers learn after the last step; a run that goes on from here goes on without it."""
        self.saving.before_fit = self.snapshot()
        self.update.keep_all()
        self.communicator.barrier()
        learn(self.replica, self.batches, "end")
        self._changed = True
