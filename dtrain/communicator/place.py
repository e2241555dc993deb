"""Where in its work a rank is, in the words of a report."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """epoch, step: counted from 1. layer: that was called last. busy: what may take long on one rank alone."""

    epoch: int
    step: int
    layer: str
    busy: str = ""

    def __str__(self) -> str:
        layer = f", layer {self.layer!r}" if self.layer else ""
        return f"epoch {self.epoch}, step {self.step}{layer}{self.busy and ', '}{self.busy}"
