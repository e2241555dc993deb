"""`dtrain evaluate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .guard import Scope
from .inference import prepare, warn

if TYPE_CHECKING:
    from dtrain.inference import Evaluation


def evaluate(options: argparse.Namespace, scope: Scope) -> int:
    """Prints the figures of a run; under a launcher, this rank's part of the job. Returns the exit code."""
    prepare(scope, "evaluating")
    from dtrain.inference import evaluate_run  # NumPy: after the threads are set

    communicator = scope.open()
    found = evaluate_run(
        communicator, Path(options.run), split=options.split, checkpoint=options.checkpoint, overrides=options.set
    )  # fmt: skip
    if communicator.rank == 0:
        warn(found.warnings)
        print(_json(found) if options.json else _table(found))
    return 0


def _json(found: Evaluation) -> str:
    from dtrain.trainer.run_folder import strict

    told = {
        "split": found.split,
        "samples": found.samples,
        "checkpoint": str(found.checkpoint),
        "step": found.step,
        found.split: found.figures,
    }
    return json.dumps(strict(told), allow_nan=False)


def _table(found: Evaluation) -> str:
    from dtrain.trainer.progress import figure

    width = max(map(len, found.figures))
    rows = [f"{name:<{width}}  {figure(value)}" for name, value in found.figures.items()]
    samples = f"{found.samples:,} sample{'s' * (found.samples != 1)} ({found.split})"
    return "\n".join([*rows, f"{samples}, step {found.step:,} ({found.checkpoint.name})"])
