from __future__ import annotations

from .pooling import MaxPool, Pool1d


class MaxPool1d(MaxPool, Pool1d):
    """The greatest number of each window of a sequence, channel by channel.

    x: (rows, n, C) → y: (rows, n′, C). dx = dy at the first greatest place of the window.

    size: of the window, ≥ 1; default 2. stride: ≥ 1; by default the size. padding: "valid": windows lie within the
    sequence, n′ = ⌊(n − size)/stride⌋ + 1; "same": n′ = ⌈n/stride⌉, with −∞ around it. Raises ValueError for
    options out of range, and for samples that are no sequences or too short.
    """

    part = "max_pool1d"
