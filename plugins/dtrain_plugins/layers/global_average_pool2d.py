from __future__ import annotations

from .pooling import GlobalAveragePool


class GlobalAveragePool2d(GlobalAveragePool):
    """The mean over all places of an image, channel by channel.

    x: (rows, H, W, C) → y: (rows, C). dx = dy/(H·W) at each place. Raises ValueError for samples that are no
    images.

    Lin, Chen & Yan, "Network in network", 2014.
    """

    dimensions, part = 2, "global_average_pool2d"
    examples = [{"input": (3, 4, 2)}, {"input": (5, 5, 1)}]
