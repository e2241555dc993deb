"""`dtrain evaluate`: the loss and the metrics of a run's checkpoint on a set of samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtrain.errors import DataError
from dtrain.registry import blaming
from dtrain.trainer import agree
from dtrain.trainer.checks import check_targets
from dtrain.trainer.evaluate import evaluate
from dtrain.trainer.figures import Figures, names_of
from dtrain.trainer.fit import Fit
from dtrain.trainer.outputs import check_output, look_of

from .run_data import rows_of_run, rows_on_all_ranks
from .trained import LAST, Trained, load_trained

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config.overrides import Overrides
    from dtrain.contracts import Rows, Schema

    from .not_finite import NotFinite


@dataclass(frozen=True)
class Evaluation:
    """figures: `loss` and the metrics, over `samples` samples of a split. checkpoint, step: whose they are."""

    figures: dict[str, float]
    split: str
    samples: int
    checkpoint: Path
    step: int
    warnings: list[str]


def evaluate_run(
    communicator: Communicator, folder: Path, *,
    split: str | None = None, checkpoint: str = LAST, overrides: Overrides = (),
) -> Evaluation:  # fmt: skip
    """Returns the figures of a run, every sample counted once. A collective; errors are raised on all ranks.

    split: "validation", "train" or "all" of the config's data; None: all samples of data that `overrides` name, else
    "validation". checkpoint: "last", "best", a name or a step.
    overrides: changes of the config, such as another data.path.
    """
    trained = load_trained(communicator, folder, checkpoint, overrides)
    with blaming(trained.registry):
        found = rows_on_all_ranks(trained, lambda: rows_of_run(trained, split))
        figures = figures_of(trained, found.rows, found.split)
    warnings = trained.warnings + found.warnings
    return Evaluation(figures, found.split, len(found.rows), trained.path, trained.cursor["step"], warnings)


def figures_of(
    trained: Trained, rows: Rows, name: str, not_finite: NotFinite | None = None, schema: Schema | None = None
) -> dict[str, float]:
    """Returns the loss and the metrics of the config on these samples. A collective.

    not_finite: counts the rows that are not finite; None: they are not counted. schema: of these targets; None: that of
    the run.
    """
    config, loss, output = trained.config, trained.loss, trained.network.output
    names = names_of([part.name for part in config.train.metrics])

    def checked() -> tuple[Figures, Fit]:
        if not len(rows):
            raise DataError(f"{name} samples: expected at least one, got none")
        check_output(loss, output, config.loss.place)
        metrics = [trained.part("metrics", part) for part in config.train.metrics]
        fit = Fit(
            trained.registry, output, loss, metrics, schema=trained.schema if schema is None else schema
        )
        check_targets(rows, fit, f"{name} samples")
        look = look_of(loss, output, config.loss.place)
        return Figures(loss, dict(zip(names, metrics, strict=True)), look), fit

    figures, fit = agree(trained.replica.communicator, checked)
    look_at = None if not_finite is None else partial(not_finite.look_at, rows)
    with np.errstate(all="ignore"), blaming(trained.registry):
        return evaluate(trained.replica, figures, trained.blocks(rows, fit), name, look_at)
