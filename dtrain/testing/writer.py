"""What is a collective, every rank calls: the one that writes into the run folder, and the others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .failure import check_equal
from .script import Script

if TYPE_CHECKING:
    from dtrain.types import Array

    from .subject import Subject

EPOCHS = 12
_ADVICE = (
    "every rank has to call predict, snapshot, restore and stop alike, or those that do wait for the others for "
    "ever: call them first, then write where run.writes_to is not None"
)


class _Noting(Script):
    """Notes what crosses ranks, beside the decisions."""

    def predict(self, x: Array) -> Array:
        self.decisions.append(f"epoch {self.epoch}, step {self.step}: predict {np.shape(x)}")
        return super().predict(x)

    def snapshot(self) -> object:
        self.decisions.append(f"epoch {self.epoch}, step {self.step}: snapshot")
        return super().snapshot()


def check_writer(subject: Subject) -> None:
    """A callback calls and decides the same on the rank that writes into the run folder and on all others."""
    other, writer = _Noting(), _Noting()
    other.play(subject.make(), EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        writer.writes_to = Path(folder)
        writer.play(subject.make(), EPOCHS)
    for number, (a, b) in enumerate(zip(_padded(other, writer), _padded(writer, other), strict=True), 1):
        check_equal(f"call {number} on the rank that writes, beside the others'", a, b, _ADVICE)


def _padded(one: _Noting, other: _Noting) -> list[str]:
    return one.decisions + ["none"] * max(0, len(other.decisions) - len(one.decisions))
