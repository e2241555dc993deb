"""Parameters and state of a network, and the flat arrays in which they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dtrain.contracts import Initializer
    from dtrain.types import Array, Shape

ROLES = ("weight", "bias", "scale")
"""What a parameter is for; regularizers and optimizers tell them apart."""

ALIGN = 16
"""Every parameter starts at a multiple of this many elements: a cache line of float32."""


class Parameter:
    """A named array that training changes. The engine points `value` and `grad`; nobody keeps them over a step.

    role: "weight", "bias" or "scale". fans: (n_in, n_out), for initializers. trainable: whether it is updated.
    """

    __slots__ = (
        "_grads", "_stamp", "_value", "fans", "initializer", "name", "offset", "role", "shape", "size",
        "trainable", "uses",
    )  # fmt: skip

    def __init__(
        self, name: str, shape: Shape, role: str, initializer: Initializer, fans: tuple[int, int],
        trainable: bool = True,
    ) -> None:  # fmt: skip
        self.name, self.shape, self.role, self.fans = name, tuple(shape), role, fans
        self.initializer, self.trainable = initializer, trainable
        self.size = prod(self.shape)
        self.offset = 0
        self.uses = 1
        self._stamp = -1
        self._value: Array | None = None
        self._grads: list[Array] = []

    @property
    def value(self) -> Array:
        """The current value, shape `shape`. Read-only by convention: the optimizer writes it."""
        assert self._value is not None, f"parameter {self.name!r} is not placed yet"
        return self._value

    @property
    def grad(self) -> Array:
        """What this rank's first run of shards contributed to the gradient of the summed loss."""
        return self._grads[0]

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, shape={self.shape}, role={self.role!r})"


class State:
    """A named array that forward passes change (running statistics): the same on all ranks, in no gradient."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Array) -> None:
        self.name, self.value = name, value

    def __repr__(self) -> str:
        return f"State({self.name!r}, shape={self.value.shape})"


class FlatLayout:
    """Where each parameter lies in the flat arrays: by role, then in the order of the network.

    size: elements of a flat array, a multiple of `block`. regions: role → (start, stop).
    """

    def __init__(self, parameters: Sequence[Parameter], block: int) -> None:
        self.regions: dict[str, tuple[int, int]] = {}
        self.parameters: list[Parameter] = []
        offset = 0
        for role in ROLES:
            start = offset
            for parameter in parameters:
                if parameter.role == role:
                    parameter.offset = offset
                    offset += -(-parameter.size // ALIGN) * ALIGN
                    self.parameters.append(parameter)
            self.regions[role] = (start, offset)
        self.block = block
        self.blocks = max(1, -(-offset // block))
        self.size = self.blocks * block

    def view(self, flat: Array, parameter: Parameter) -> Array:
        """Returns the parameter's part of a flat array, in its own shape."""
        return flat[parameter.offset : parameter.offset + parameter.size].reshape(parameter.shape)


def digest(parameters: Iterable[Parameter], states: Iterable[State]) -> str:
    """Returns the SHA-256 over the names and bytes of all parameters and running statistics, in fixed order."""
    sha = hashlib.sha256()
    arrays: list[tuple[str, Any]] = [(p.name, p.value) for p in parameters]
    arrays += [(s.name, s.value) for s in states]
    for name, array in sorted(arrays, key=lambda pair: pair[0]):
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
