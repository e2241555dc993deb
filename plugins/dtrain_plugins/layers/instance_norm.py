from __future__ import annotations

from dtrain import Maker, Shape

from .sample_norm import SampleNorm


class InstanceNorm(SampleNorm):
    """Instance normalization: y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε), over the places of each channel of a sample.

    x: (rows, …, d), channels last → y: the same shape; μ and σ² (biased) are over all places. Training and
    inference are alike, and no sample depends on another. Of one place y is β whatever x is, which a line before
    the first step says.

    epsilon: ε > 0. scale, offset: whether γ (d,) (1 at the start, role "scale") and β (d,) (0, role "bias")
    are learned; without, they are 1 and 0. Raises ValueError for another epsilon, and for samples without
    places.

    Ulyanov, Vedaldi & Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.
    """

    part = "instance_norm"
    examples = [{"input": (3, 2, 4)}, {"epsilon": 0.1, "scale": False, "offset": False, "input": (5, 2)}]
    over_places = True

    def build(self, shape: Shape, make: Maker) -> Shape:
        if len(shape) < 2:
            raise ValueError(f"instance_norm takes samples of places and channels, got {shape}")
        self.groups = shape[-1]
        return super().build(shape, make)
