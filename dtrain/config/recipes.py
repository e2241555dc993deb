"""The configs that ship with dtrain."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

PACKAGE = "dtrain.recipes"


def recipes() -> dict[str, Traversable]:
    """Returns the shipped recipes by name, sorted."""
    try:
        folder = files(PACKAGE)
    except ModuleNotFoundError:
        return {}
    found = (item for item in folder.iterdir() if item.name.endswith(".toml") and item.is_file())
    return {item.name.removesuffix(".toml"): item for item in sorted(found, key=lambda item: item.name)}
