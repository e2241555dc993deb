"""A collective that one rank alone calls."""

from __future__ import annotations

import numpy as np

from dtrain import Callback

from .table import broken


@broken("callbacks", "writer")
class PredictsAlone(Callback):
    def after_epoch(self, run):
        if run.writes_to is not None:
            np.save(run.writes_to / "y.npy", run.predict(run.samples.rows(np.arange(3))[0]))


@broken("callbacks", "writer")
class StopsAlone(Callback):
    def after_epoch(self, run):
        if run.writes_to is not None and run.epoch == 3:
            run.stop("enough")
