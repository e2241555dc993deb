"""What a callback is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from .configurable import Configurable

if TYPE_CHECKING:
    from dtrain.types import Array

    from .dataset import Rows


class Run(Protocol):
    """What a callback may read and decide. All figures are totals over all ranks, so that decisions agree."""

    @property
    def epoch(self) -> int:
        """Epochs done."""

    @property
    def step(self) -> int:
        """Updates done."""

    @property
    def steps(self) -> int:
        """Updates that the config asks for."""

    @property
    def train(self) -> Mapping[str, float]:
        """The training figures of the last epoch."""

    @property
    def validation(self) -> Mapping[str, float] | None:
        """The held-out figures of the last epoch; None before the first, and where nothing is held out."""

    @property
    def measures(self) -> tuple[str, ...]:
        """What is measured: "loss" and the names of the metrics."""

    @property
    def higher_is_better(self) -> Mapping[str, bool]:
        """Whether more is better, of each of `measures`: never of "loss", of a metric as its class says."""

    @property
    def held_out(self) -> bool:
        """Whether there are validation samples."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The optimizer's options as of now."""

    @property
    def samples(self) -> Rows:
        """The training samples: all of them, on every rank, without transforms."""

    @property
    def writes_to(self) -> Path | None:
        """The run folder, on the one rank that writes into it; None on all others. It is there after a first step."""

    def predict(self, x: Array) -> Array:
        """Returns what users see of the network's outputs for x, in inference: probabilities, values.

        x: (n, …), n ≥ 1, the same on every rank; the result, (n, …), too, with the same bits on any number of
        ranks. A collective: every rank calls it, so never under a condition that only some of them meet, such as
        `writes_to`. Not in `start` and not in `failure`.
        """

    def stop(self, reason: str) -> None:
        """Ends the run after this moment; the reason is printed and kept in the summary."""

    def snapshot(self) -> object:
        """Returns a copy of all parameters and running statistics."""

    def restore(self, snapshot: object) -> None:
        """Brings back a copy that `snapshot` returned."""


class Callback(Configurable):
    """Something to do at moments of a run. Every rank calls every moment, with the same figures."""

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options. They watch "loss" and "accuracy", training and held-out."""

    def start(self, run: Run) -> None:
        """Before the first step (after a resume, before the first of the rest)."""

    def after_step(self, run: Run) -> None:
        """After each update."""

    def after_epoch(self, run: Run) -> None:
        """After each epoch, with its training figures and, if anything is held out, the validation's."""

    def after_checkpoint(self, run: Run) -> None:
        """After a checkpoint is on the disk. For a callback that has this moment, training waits until it is."""

    def end(self, run: Run) -> None:
        """After the last step, before the final checkpoint."""

    def failure(self, run: Run, error: BaseException) -> None:
        """When the run fails; other ranks may be gone, so nothing collective belongs here."""

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint must keep: JSON values, and snapshots of `run.snapshot()`."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes back what `state` returned."""
