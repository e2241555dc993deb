"""Totals of groups of consecutive shards: ghost statistics, and what else is to see a part of the global batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array

    from .totals import Totals


def slots(partials: Array, totals: Totals, group: int) -> Array:
    """Returns a slot a group for each local shard, the shard's row in its own and zeros elsewhere.

    partials: (local shards, width) → (local shards, groups, width). Their total in the fixed tree holds the sum
    of each group, whose bits do not depend on which ranks the group lies on: adding zeros changes nothing.
    """
    if group < 1:
        raise ValueError(f"a group is at least 1 shard, got {group}")
    shards = np.arange(len(partials))
    out = np.zeros((len(partials), -(-totals.leaves // group), partials.shape[1]), partials.dtype)
    out[shards, (totals.first + shards) // group] = partials
    return out
