"""An exchange."""

import numpy as np

from dtrain import GradientExchange


class Ternary(GradientExchange):
    """Two bits for each element of the gradient: its sign where it is large, 0 where it is not.

    h = g + e; t = threshold·max |h|; an element travels as s·sign(h) where |h| > t, as 0 elsewhere, s the mean of the
    |h| above t. What that leaves out, e ← h − what was sent, is added to the next gradient. Four elements travel in a
    byte. threshold: in [0, 1). bucket: MiB of gradient in a bucket, > 0.
    """

    slots = ("residual",)
    examples = [{}, {"threshold": 0.5, "bucket": 0.01}]

    def __init__(self, threshold: float = 0.2, bucket: float = 1.0):
        super().__init__(bucket)
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold must be in [0, 1), got {threshold}")
        self.threshold = threshold

    def total(self, part):
        h = part.gradient + part.slots["residual"]
        size = np.abs(h)
        large = size > self.threshold * size.max()
        scale = np.zeros(1, h.dtype)
        scale[0] = size[large].mean() if large.any() else 0
        part.slots["residual"][:] = h - np.where(large, np.sign(h) * scale, 0)
        scales = yield from part.gather(scale)
        codes = yield from part.gather(packed(np.where(large, np.sign(h), 0).astype(np.int8)))
        part.gradient[:] = 0
        for one, signs in zip(scales, codes, strict=True):
            part.gradient[:] += one * unpacked(signs).astype(h.dtype)


def packed(signs):
    """Returns −1, 0 and 1 as two bits each; their number is a multiple of 4."""
    codes = (signs + 1).astype(np.uint8).reshape(-1, 4)
    return codes[:, 0] | codes[:, 1] << 2 | codes[:, 2] << 4 | codes[:, 3] << 6


def unpacked(codes):
    """Returns what `packed` was given."""
    signs = (codes[:, None] >> np.arange(0, 8, 2, dtype=np.uint8)) & 3
    return signs.astype(np.int8).reshape(-1) - 1
