"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """folder: of the run. summary: what summary.json holds; None when the run was interrupted.

    code: the exit code of a command that ran it: 0 done, 130 or 143 interrupted after a checkpoint.
    """

    folder: Path
    summary: dict[str, Any] | None
    code: int = 0

    @property
    def validation(self) -> dict[str, float] | None:
        """The held-out figures at the end; None when there are none."""
        figures: dict[str, float] | None = (self.summary or {}).get("validation")
        return figures

    @property
    def train(self) -> dict[str, float]:
        """The training figures of the last epoch."""
        figures: dict[str, float] = (self.summary or {}).get("train", {})
        return figures
