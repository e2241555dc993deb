"""What a schedule is."""

from __future__ import annotations

from typing import Any, ClassVar

from .configurable import Configurable


class Schedule(Configurable):
    """A factor on an optimizer's option over the course of a run.

    In the config, `of` names the option (default "lr") and `unit` is "step" (default) or "epoch"; both
    belong to the engine, not to the part. Several schedules of one option multiply.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options."""

    metric: str = "loss"
    """The figure that `observe` gets: "loss", or one of the run's metrics."""

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        """Returns the factor for the update `step` of `steps` (0 ≤ step < steps), counted in the asked unit.

        epoch: epochs done so far, with their fraction.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def remark(self, steps: int) -> str:
        """Returns what a user should know of a run of so many steps, in the asked unit, before it begins; or ""."""
        return ""

    def observe(self, value: float) -> None:
        """Take in the figure `metric` after each epoch: of the held-out samples, of the training if there are none.

        Less is better: a metric of which more is better (`Metric.higher_is_better`) comes with its sign changed.
        """

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint must keep, as JSON values."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes back what `state` returned."""
