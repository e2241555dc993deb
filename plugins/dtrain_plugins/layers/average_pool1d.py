from __future__ import annotations

from typing import Literal

from .pooling import AveragePool


class AveragePool1d(AveragePool):
    """The mean of each window of a sequence, channel by channel.

    x: (rows, n, C) → y: (rows, n′, C). dx adds dy/count up where windows overlap.

    size: of the window, ≥ 1. stride: ≥ 1; by default the size. padding: "valid": windows lie within the
    sequence, n′ = ⌊(n − size)/stride⌋ + 1; "same": n′ = ⌈n/stride⌉; what lies beyond is not counted. Raises
    ValueError for options out of range, and for samples that are no sequences or too short.
    """

    dimensions, part = 1, "average_pool1d"
    examples = [{"input": (6, 3)}, {"size": 3, "stride": 2, "padding": "same", "input": (6, 2)}]

    def __init__(
        self,
        size: int = 2,
        stride: int | None = None,
        padding: Literal["valid", "same"] = "valid",
    ) -> None:
        super().__init__(size, stride, padding)
