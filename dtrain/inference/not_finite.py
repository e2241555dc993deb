"""Samples that hold NaN or infinity: which, and what is done about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from dtrain.contracts import own_numbers
from dtrain.errors import ConfigError, DataError, did_you_mean, listed

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.data import Block

NonFinite: TypeAlias = Literal["warn", "refuse", "allow"]
CHOICES = get_args(NonFinite)


@dataclass
class NotFinite:
    """How many rows hold values that are not finite in the run's dtype, and the first of them; −1: none."""

    count: int = 0
    first: int = -1

    def look_at(self, rows: Rows, block: Block) -> None:
        """Count those of a block of these samples, and call the first as the dataset does. Blocks come in order."""
        x = block.batch.x[: block.rows]
        if np.isfinite(x).all():
            return
        places = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))
        if not self.count:
            self.first = int(own_numbers(rows, block.where.start + places[:1])[0])
        self.count += len(places)


def check_choice(non_finite: object) -> None:
    """Raises ConfigError for what is none of the choices."""
    if non_finite not in CHOICES:
        raise ConfigError(
            f"non_finite: expected one of {listed(CHOICES)}, got {non_finite!r}"
            f"{did_you_mean(str(non_finite), CHOICES)}"
        )


def checked(found: Sequence[NotFinite], where: str, non_finite: NonFinite) -> list[str]:
    """Returns warnings of such rows. found: each rank's. Raises DataError where they are refused."""
    counted = [one for one in found if one.count]
    if not counted or non_finite == "allow":
        return []
    count, first = sum(one.count for one in counted), min(one.first for one in counted)
    if non_finite == "refuse":
        raise DataError(
            f"{where}: expected finite numbers, got {count:,} row{'s' * (count > 1)} with NaN, infinity or a number "
            f"beyond the run's dtype; the first is row {first}; clean the data"
        )
    return [
        f"{count:,} of the samples hold values that are not finite, and so may their predictions; "
        f"the first is row {first}"
    ]
