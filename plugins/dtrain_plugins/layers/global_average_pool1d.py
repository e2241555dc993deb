from __future__ import annotations

from .pooling import GlobalAveragePool


class GlobalAveragePool1d(GlobalAveragePool):
    """The mean over all places of a sequence, channel by channel.

    x: (rows, n, C) → y: (rows, C). dx = dy/n at each place. Raises ValueError for samples that are no sequences.
    """

    dimensions, part = 1, "global_average_pool1d"
    examples = [{"input": (5, 3)}, {"input": (9, 1)}]
