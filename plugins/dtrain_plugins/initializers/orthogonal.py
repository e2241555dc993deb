from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Initializer, Shape, Stream


class Orthogonal(Initializer):
    """A random orthogonal matrix, all equally likely (Haar's measure), times `gain`.

    A parameter of several dimensions is taken as a matrix of (all but the last, the last): a conv kernel as
    (height·width·channels in, channels out). Its columns are orthonormal, or its rows where it is wider than
    high. A vector comes out with length `gain`.

    gain: ≠ 0, otherwise a ValueError; √2 suits relu.

    The QR decomposition of a normal matrix, with the signs that make R's diagonal positive (Mezzadri 2007).
    It is LAPACK's: as for matrix products, the bits hold for one build of it and one number of BLAS threads.

    Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2014; Mezzadri, "How to generate random matrices from the classical compact groups", 2007.
    """

    examples = [{}, {"gain": 1.5}]

    def __init__(self, gain: float = 1.0) -> None:
        if gain == 0:
            raise ValueError(f"gain must not be 0, got {gain}")
        self.gain = gain

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        height, width = prod(shape[:-1]), shape[-1] if shape else 1
        normal = random.normal((max(height, width), min(height, width)))
        q, r = np.linalg.qr(normal)
        q *= np.copysign(self.gain, self.gain * np.diagonal(r))
        return np.ascontiguousarray(q if height >= width else q.T).reshape(shape)
