from __future__ import annotations

from .sample_norm import SampleNorm


class RmsNorm(SampleNorm):
    """Root mean square normalization: y = γ·x/√(mean(x²) + ε), over the features of one sample.

    x: (rows, …, d) → y: the same shape; the mean of x² is over the last dimension, at each place of a sample by
    itself. Nothing is subtracted. Training and inference are alike, and no sample depends on another. Of one
    feature y is γ or −γ, the sign of x, which a line before the first step says.

    epsilon: ε > 0. scale: whether γ (d,) (1 at the start, role "scale") is learned; without, it is 1. Raises
    ValueError for another epsilon, and for samples without a dimension.

    Zhang & Sennrich, "Root mean square layer normalization", 2019 (there without ε).
    """

    part = "rms_norm"
    examples = [{}, {"epsilon": 0.1, "scale": False}, {"input": (3, 2, 4)}]
    centred = False

    def __init__(self, epsilon: float = 1e-5, scale: bool = True) -> None:
        super().__init__(epsilon, scale, offset=False)
