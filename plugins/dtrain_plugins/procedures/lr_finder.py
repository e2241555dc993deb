from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, NamedTuple

import numpy as np

from dtrain import Array, ConfigError, Course, Procedure, Range, can_plot, drawing

from ..ranges import BelowOne, Positive


class LrFinder(Procedure):
    """The learning-rate range test: a short run with a rising η, whose losses tell which η to train with.

    Step i = 0 … n−1 takes η = lowest·(highest/lowest)^(i/(n−1)) and meets the loss L of its global batch. Smoothed:
    S ← β·S + (1−β)·L, s = S/(1 − β^(i+1)). It ends early where s > divergence · the least s so far, and where a step
    is not finite. Then the parameters, running statistics and the optimizer are put back as they were at the start.

    Two suggestions. `steepest`: η where s falls fastest, the least ds/d log η, up to the least s. `tenth`: a tenth of
    the η of the least s. Both are printed and stand in summary.json, under "procedure".

    lr_finder.csv in the run folder holds step, lr, loss, smoothed; lr_finder.png draws them, where matplotlib is
    installed: pip install "dtrain[plot]". The figures are totals over all ranks, the same on any number of them.

    lowest, highest: of η, 0 < lowest < highest. steps: n ≥ 10. divergence: > 1. smoothing: β in [0, 1).

    Raises ValueError for an option out of range, ConfigError for an optimizer without `lr`.
    Smith, "Cyclical learning rates for training neural networks", 2017 (in preprint 2015), where η rises linearly;
    here by equal factors, so that a test can span decades. `tenth` and the smoothing are later practice.
    """

    examples = [
        {"steps": 20},
        {"lowest": 1e-4, "highest": 1.0, "steps": 10, "smoothing": 0.5, "divergence": 2.0},
    ]

    def __init__(
        self,
        lowest: Positive = 1e-6,
        highest: Positive = 10.0,
        steps: Annotated[int, Range(ge=10)] = 100,
        divergence: Annotated[float, Range(gt=1)] = 4.0,
        smoothing: BelowOne = 0.9,
    ) -> None:
        if not lowest < highest:
            raise ValueError(f"lowest must be below highest, got {lowest} and {highest}")
        self.lowest, self.highest, self.steps = lowest, highest, steps
        self.rates: list[float] = np.geomspace(lowest, highest, steps).tolist()
        self.divergence, self.smoothing = divergence, smoothing

    def start(self, course: Course) -> None:
        if "lr" not in course.options:
            raise ConfigError(
                "lr_finder needs an optimizer with an option lr, got one without; choose another"
            )

    def run(self, course: Course) -> None:
        beginning = course.mark()
        points = self._test(course)
        course.rewind(beginning)
        found = suggestions(points)
        course.note(**found, steps=len(points))
        course.say(_words(found, points, self.lowest))
        if course.writes_to is not None:
            lines = [f"{p.step},{p.lr!r},{p.loss!r},{p.smoothed!r}\n" for p in points]
            (course.writes_to / "lr_finder.csv").write_text(
                "step,lr,loss,smoothed\n" + "".join(lines), "utf-8"
            )
            if points and can_plot():
                with drawing(
                    course.writes_to / "lr_finder.png", "Range test of the learning rate", "lr", "loss"
                ) as axes:
                    _draw(axes, points, found)

    def _test(self, course: Course) -> list[Point]:
        """Takes the steps; returns those whose loss was finite."""
        points: list[Point] = []
        total, least = 0.0, float("inf")
        for i, lr in enumerate(self.rates):
            taken = course.take_step({"lr": lr})
            if not isfinite(taken.loss):
                break
            total = self.smoothing * total + (1 - self.smoothing) * taken.loss
            smoothed = total / (1 - self.smoothing ** (i + 1))
            points.append(Point(i + 1, lr, taken.loss, smoothed))
            least = min(least, smoothed)
            if not taken.updated or course.stopped or smoothed - least > (self.divergence - 1) * abs(least):
                break
        return points


class Point(NamedTuple):
    """One step of the test."""

    step: int
    lr: float
    loss: float
    smoothed: float


def suggestions(points: list[Point]) -> dict[str, float | None]:
    """Returns what the smoothed losses suggest; None where they never fall."""
    smoothed = np.array([point.smoothed for point in points])
    lowest = int(smoothed.argmin()) if len(points) else 0
    if lowest == 0:
        return {"steepest": None, "tenth": None}
    rates = np.log([point.lr for point in points])
    slopes: Array = np.gradient(smoothed, rates)[: lowest + 1]
    return {"steepest": points[int(slopes.argmin())].lr, "tenth": points[lowest].lr / 10}


def _words(found: dict[str, float | None], points: list[Point], lowest: float) -> str:
    if found["steepest"] is None:
        what = "was never finite" if not points else "did not fall"
        return f"lr_finder: no suggestion: the loss {what} from lr {lowest:g} on; test a lower range"
    return (
        f"lr_finder: suggests lr {found['steepest']:.2g} (where the loss falls fastest) "
        f"or {found['tenth']:.2g} (a tenth of the rate of the least loss), after {len(points)} steps"
    )


def _draw(axes: Any, points: list[Point], found: dict[str, float | None]) -> None:
    rates, losses, smoothed = (
        [getattr(point, name) for point in points] for name in ("lr", "loss", "smoothed")
    )
    axes.set_xscale("log")
    axes.plot(rates, losses, color="0.75", linewidth=1, label="loss of a batch")
    axes.plot(rates, smoothed, linewidth=2, label="smoothed")
    for (name, lr), style in zip(found.items(), ("--", ":"), strict=True):
        if lr is not None:
            axes.axvline(lr, color="0.3", linestyle=style, label=f"{name}: {lr:.2g}")
    # A loss that diverges would press all others flat.
    low, high = min(losses), max(smoothed[0], losses[0])
    top = high + 0.5 * (high - low)
    if max(losses) > top > low:
        axes.set_ylim(top=top)
