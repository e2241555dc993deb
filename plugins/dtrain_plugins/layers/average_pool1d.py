from __future__ import annotations

from .pooling import AveragePool, Pool1d


class AveragePool1d(AveragePool, Pool1d):
    """The mean of each window of a sequence, channel by channel.

    x: (rows, n, C) → y: (rows, n′, C). dx adds dy/count up where windows overlap.

    size: of the window, ≥ 1; default 2. stride: ≥ 1; by default the size. padding: "valid": windows lie within the
    sequence, n′ = ⌊(n − size)/stride⌋ + 1; "same": n′ = ⌈n/stride⌉; what lies beyond is not counted. Raises
    ValueError for options out of range, and for samples that are no sequences or too short.
    """

    part = "average_pool1d"
