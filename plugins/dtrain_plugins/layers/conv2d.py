from __future__ import annotations

from typing import Literal

from dtrain import Activation, Initializer

from .convolution import Convolution


class Conv2d(Convolution):
    """A convolution of images: y[i, j, f] = f(Σ x[i·s + p·d, j·s + q·d, c]·W[p, q, c, f] + b[f]).

    x: (rows, H, W, C) → y: (rows, H′, W′, filters), channels last. W: (kh, kw, C/groups, filters). b: (filters,),
    zero at the start. As everywhere in this field the kernel is not mirrored: a cross-correlation.

    filters: channels of the output, ≥ 1. kernel, stride (s), dilation (d): ≥ 1, one number or [down, right].
    padding: "valid": windows lie within the image, H′ = ⌊(H − (kh−1)·d − 1)/s⌋ + 1; "same": zeros around it,
    H′ = ⌈H/s⌉, the odd one below and to the right. groups: output channels see only the input channels of their
    group; C groups are a depthwise convolution. initializer: of W, with fans (kh·kw·C/groups,
    kh·kw·filters/groups). bias: whether there is a b; leave it out in front of a batch norm. activation: f.

    With X what each window sees, y = X·W as for `dense`: dW = Xᵀ·dz, db = Σ dz, and dx adds dz·Wᵀ up where the
    windows overlap. Raises ValueError for options out of range, and for samples that are no images, too small,
    or of channels that the groups do not divide.

    LeCun et al., "Backpropagation applied to handwritten zip code recognition", 1989.
    """

    dimensions, part = 2, "conv2d"
    examples = [
        {"filters": 3, "input": (5, 6, 2)},
        {
            "filters": 4,
            "kernel": [2, 3],
            "stride": [1, 2],
            "padding": "same",
            "groups": 2,
            "input": (4, 5, 4),
        },
        {
            "filters": 2,
            "dilation": 2,
            "initializer": "he_normal",
            "bias": False,
            "activation": "tanh",
            "input": (6, 5, 1),
        },
    ]

    def __init__(
        self,
        filters: int,
        kernel: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: Literal["valid", "same"] = "valid",
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        initializer: Initializer | str = "glorot_uniform",
        bias: bool = True,
        activation: Activation | None = None,
    ) -> None:
        super().__init__(
            filters, kernel, stride, padding, dilation, groups, initializer, bias, activation
        )  # fmt: skip
