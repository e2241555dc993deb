from __future__ import annotations

from dtrain import Maker, Shape

from ..ranges import Count, Positive
from .sample_norm import SampleNorm


class GroupNorm(SampleNorm):
    """Group normalization: y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε), over groups of neighbouring channels of a sample.

    x: (rows, …, d), channels last → y: the same shape; μ and σ² (biased) are over the d/groups channels of a
    group and all places of the sample. Training and inference are alike, and no sample depends on another. Of one
    channel at one place y is β whatever x is, which a line before the first step says.

    groups: ≥ 1, a divisor of d; 1 is the whole sample. epsilon: ε > 0. scale, offset: whether γ (d,) (1 at the
    start, role "scale") and β (d,) (0, role "bias") are learned; without, they are 1 and 0. Raises ValueError
    for options out of range, and for samples without a dimension.

    Wu & He, "Group normalization", 2018.
    """

    part = "group_norm"
    examples = [
        {"groups": 2},
        {"groups": 1, "epsilon": 0.1, "scale": False, "offset": False},
        {"groups": 2, "input": (3, 2, 4)},
    ]
    over_places = True

    def __init__(
        self, groups: Count, epsilon: Positive = 1e-5, scale: bool = True, offset: bool = True
    ) -> None:
        super().__init__(epsilon, scale, offset)
        self.groups = groups

    def build(self, shape: Shape, make: Maker) -> Shape:
        if shape and shape[-1] % self.groups:
            raise ValueError(
                f"groups must divide the {shape[-1]} channels of a sample {shape}, got {self.groups}"
            )
        return super().build(shape, make)
