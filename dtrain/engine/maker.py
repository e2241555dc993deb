"""What a layer's `build` asks for: parameters, state, layers within it."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import ConfigError
from dtrain.parameter import ROLES, Parameter, State

if TYPE_CHECKING:
    from dtrain.contracts import Initializer, Layer
    from dtrain.types import Shape


class Inventory:
    """All parameters and states of a network, by full name, in the order in which they were made."""

    def __init__(self, dtype: Any, initializer: Callable[[str], Initializer]) -> None:
        self.dtype = np.dtype(dtype)
        self.initializer = initializer
        self.parameters: dict[str, Parameter] = {}
        self.states: dict[str, State] = {}
        self.built: dict[int, str] = {}
        self.layers: dict[str, Layer] = {}
        """Every layer, also those within others, by full name."""


class Maker:
    """Makes what belongs to one layer; names start with the layer's."""

    def __init__(self, inventory: Inventory, name: str) -> None:
        self._inventory = inventory
        self.name = name
        self.dtype = inventory.dtype

    def parameter(
        self,
        name: str,
        shape: Shape,
        initializer: Initializer | str,
        *,
        role: str = "weight",
        fans: tuple[int, int] | None = None,
        trainable: bool = True,
    ) -> Parameter:
        """Makes a parameter, to be read as `parameter.value` in every forward.

        initializer: a part or its name. role: "weight", "bias" or "scale". fans: (n_in, n_out) for the
        initializer; by default the product of all dimensions but the last, and the last.
        """
        if role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(map(repr, ROLES))}, got {role!r}")
        if isinstance(initializer, str):
            initializer = self._inventory.initializer(initializer)
        if fans is None:
            fans = (prod(shape[:-1]), shape[-1]) if shape else (1, 1)
        full = self._unused(name)
        parameter = Parameter(full, shape, role, initializer, fans, trainable)
        self._inventory.parameters[full] = parameter
        return parameter

    def tied(self, name: str) -> Parameter:
        """Returns another layer's parameter, by its full name ("encoder.weight"), to be used here as well."""
        parameter = self._inventory.parameters.get(name)
        if parameter is None:
            raise ValueError(f"no parameter {name!r} above layer {self.name!r} to tie to")
        return parameter

    def state(self, name: str, shape: Shape, fill: float = 0.0, dtype: Any = np.float64) -> State:
        """Makes an array that forward passes change, such as running statistics; the same on all ranks."""
        full = self._unused(name)
        state = State(full, np.full(shape, fill, dtype))
        self._inventory.states[full] = state
        return state

    def layer(self, layer: Layer, shape: Shape, name: str) -> Shape:
        """Builds a layer within this one; returns the shape of its output sample."""
        return build_layer(self._inventory, layer, shape, f"{self.name}.{name}")

    def _unused(self, name: str) -> str:
        full = f"{self.name}.{name}"
        if full in self._inventory.parameters or full in self._inventory.states:
            raise ValueError(f"layer {self.name!r} already has a {name!r}")
        return full


def build_layer(inventory: Inventory, layer: Layer, shape: Any, name: str) -> Shape:
    """Builds a layer under this name; a layer object that was built before shares what it made then."""
    again = inventory.built.get(id(layer))
    if again is not None:
        return _check_shape(layer.build(shape, _Reuse(inventory, again)), name)
    out = _check_shape(layer.build(shape, Maker(inventory, name)), name)
    inventory.built[id(layer)] = name
    inventory.layers[name] = layer
    return out


class _Reuse(Maker):
    """Gives a layer that is built a second time what it made the first time."""

    def parameter(self, name: str, shape: Shape, *args: Any, **options: Any) -> Parameter:
        found = self._inventory.parameters[f"{self.name}.{name}"]
        if found.shape != tuple(shape):
            raise ConfigError(
                f"layer {self.name!r} is used twice, with inputs of different shapes: its {name!r} would be "
                f"{found.shape} and {tuple(shape)}; use it on inputs of one shape"
            )
        return found

    def state(self, name: str, shape: Shape, fill: float = 0.0, dtype: Any = np.float64) -> State:
        return self._inventory.states[f"{self.name}.{name}"]


def _check_shape(shape: Any, name: str) -> Shape:
    if not isinstance(shape, tuple) or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise TypeError(f"build of layer {name!r} must return a tuple of positive ints, got {shape!r}")
    return tuple(int(n) for n in shape)
