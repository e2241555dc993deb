from __future__ import annotations

from .pooling import MaxPool, Pool2d


class MaxPool2d(MaxPool, Pool2d):
    """The greatest number of each window, channel by channel.

    x: (rows, H, W, C) → y: (rows, H′, W′, C). dx = dy at the first place of the window that is greatest, in the
    order of reading; 0 elsewhere. NaN is greater than all.

    size: of the window, ≥ 1, one number or [down, right]; default 2. stride: ≥ 1; by default the size, so that
    windows do not overlap. padding: "valid": windows lie within the image, H′ = ⌊(H − size)/stride⌋ + 1; "same":
    H′ = ⌈H/stride⌉, with −∞ around it. Raises ValueError for options out of range, and for samples that are no
    images or too small.

    Ranzato, Huang, Boureau & LeCun, "Unsupervised learning of invariant feature hierarchies with applications
    to object recognition", 2007.
    """

    part = "max_pool2d"
