"""The callback `reach`: a run ends once its held-out accuracy is there, and leaves what that took in `reach.json`.

A plugin of the benchmarks alone: `install` puts an entry point for it into a folder for PYTHONPATH.
"""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import dtrain
from dtrain.trainer.evaluate import evaluate


def install(folder: Path) -> None:
    """Makes `reach` known to every Python that has this folder, and the repository's, on its path."""
    info = folder / "dtrain_benchmarks-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dtrain-benchmarks\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[dtrain]\ndtrain-benchmarks = {__name__}\n")


def sent() -> int:
    """Returns how many bytes this host has sent over its cable, all protocols' headers included; 0 without one."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, _, counts = line.strip().partition(":")
        if name == "eth0":
            return int(counts.split()[8])
    return 0


class Reach(dtrain.Callback):
    """Looks at the held-out accuracy every so many steps and after each epoch; stops when it is reached.

    accuracy: that ends the run, in (0, 1]. every: steps between two looks, ≥ 1; a divisor of an epoch's steps, and
    where ranks train by themselves a multiple of the interval after which they meet. first: steps before the first
    look. Seconds begin before the first step and leave out the looks, which are `validation_seconds`.
    """

    def __init__(self, accuracy: float, every: int, first: int = 0) -> None:
        self.accuracy, self.every, self.first = accuracy, every, first
        self.began = self.looked = self.validating = 0.0
        self.sent = 0
        self.found: list[tuple[int, float, float]] = []

    def start(self, run: Any) -> None:
        self.sent, self.began = sent(), perf_counter()

    def after_step(self, run: Any) -> None:
        self.looked = perf_counter()
        look = run.step >= self.first and run.step % self.every == 0
        if look and run.position % run.batches.count:  # the end of an epoch has a look of its own
            self._note(run, evaluate(run.replica, run.figures, run.validation_blocks))

    def after_epoch(self, run: Any) -> None:
        self._note(run, run.validation)

    def _note(self, run: Any, validation: dict[str, float]) -> None:
        now = perf_counter()
        self.validating += now - self.looked
        self.looked = now  # a run that is stopped within an epoch is looked at once more
        self.found.append((run.step, now - self.began - self.validating, validation["accuracy"]))
        if validation["accuracy"] >= self.accuracy:
            run.stop(f"accuracy {self.accuracy:g}")

    def end(self, run: Any) -> None:
        if run.writes_to is None:
            return
        step, seconds, accuracy = self.found[-1]
        taken = {
            "reached": accuracy >= self.accuracy,
            "steps": step,
            "epochs": step / run.batches.count,
            "accuracy": accuracy,
            "seconds": seconds,
            "validation_seconds": self.validating,
            "bytes_a_step": (sent() - self.sent) / step,
            "looks": self.found,
        }
        (run.writes_to / "reach.json").write_text(json.dumps(taken))


@dtrain.hookimpl
def dtrain_callbacks() -> dict[str, type[dtrain.Callback]]:
    return {"reach": Reach}
