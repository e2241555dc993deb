from __future__ import annotations

from .sample_norm import SampleNorm


class LayerNorm(SampleNorm):
    """Layer normalization: y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε), over the features of one sample.

    x: (rows, …, d) → y: the same shape; μ and σ² (biased) are over the last dimension, at each place of a
    sample by itself (over all places together: `group_norm` with one group). Training and inference are alike,
    and no sample depends on another. Of one feature y is β whatever x is, which a line before the first step says.

    epsilon: ε > 0. scale, offset: whether γ (d,) (1 at the start, role "scale") and β (d,) (0, role "bias")
    are learned; without, they are 1 and 0. Raises ValueError for another epsilon, and for samples without a
    dimension.

    Ba, Kiros & Hinton, "Layer normalization", 2016; ε inside the root.
    """

    part = "layer_norm"
    examples = [{}, {"epsilon": 0.1, "scale": False, "offset": False}, {"input": (3, 2, 4)}]
