from __future__ import annotations

from .pooling import AveragePool, Pool2d


class AveragePool2d(AveragePool, Pool2d):
    """The mean of each window, channel by channel.

    x: (rows, H, W, C) → y: (rows, H′, W′, C). dx adds dy/count up where windows overlap.

    size: of the window, ≥ 1, one number or [down, right]; default 2. stride: ≥ 1; by default the size, so that
    windows do not overlap. padding: "valid": windows lie within the image, H′ = ⌊(H − size)/stride⌋ + 1; "same":
    H′ = ⌈H/stride⌉; what lies beyond the image is not counted (as in Keras; PyTorch counts it by default). Raises
    ValueError for options out of range, and for samples that are no images or too small.

    LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", 1998: without
    their gain and bias.
    """

    part = "average_pool2d"
