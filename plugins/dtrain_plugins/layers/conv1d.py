from __future__ import annotations

from typing import Literal

from dtrain import Activation, Initializer

from .convolution import Convolution


class Conv1d(Convolution):
    """A convolution of sequences: y[i, f] = f(Σ x[i·s + p·d, c]·W[p, c, f] + b[f]).

    x: (rows, n, C) → y: (rows, n′, filters), channels last. W: (k, C/groups, filters). b: (filters,), zero at
    the start.

    filters: channels of the output, ≥ 1. kernel (k), stride (s), dilation (d): ≥ 1. padding: "valid": windows
    lie within the sequence, n′ = ⌊(n − (k−1)·d − 1)/s⌋ + 1; "same": zeros around it, n′ = ⌈n/s⌉, the odd one
    behind. groups: output channels see only the input channels of their group. initializer: of W, with fans
    (k·C/groups, k·filters/groups). bias: whether there is a b. activation: f. As `conv2d` in all else.

    Raises ValueError for options out of range, and for samples that are no sequences, too short, or of channels
    that the groups do not divide.
    """

    dimensions, part = 1, "conv1d"
    examples = [
        {"filters": 3, "input": (7, 2)},
        {"filters": 4, "kernel": 4, "stride": 2, "padding": "same", "groups": 2, "input": (7, 4)},
        {
            "filters": 2,
            "dilation": 2,
            "initializer": "he_normal",
            "bias": False,
            "activation": "tanh",
            "input": (6, 1),
        },
    ]

    def __init__(
        self,
        filters: int,
        kernel: int = 3,
        stride: int = 1,
        padding: Literal["valid", "same"] = "valid",
        dilation: int = 1,
        groups: int = 1,
        initializer: Initializer | str = "glorot_uniform",
        bias: bool = True,
        activation: Activation | None = None,
    ) -> None:
        super().__init__(
            filters, kernel, stride, padding, dilation, groups, initializer, bias, activation
        )  # fmt: skip
