"""Plugins made up for a test: as objects, or installed into a folder on sys.path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dtrain.registry import Registry, hookimpl
from tests.registry.support import Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Nothing is installed but what a test installs."""
    before = set(sys.modules)
    others = [folder for folder in sys.path if "-packages" not in folder]
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *others])
    importlib.invalidate_caches()
    yield Site(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def offering() -> Callable[..., ModuleType]:
    """Makes a plugin of parts: `offering(optimizers={"adam": Adam})`, `offering({"trylast": True}, …)`."""

    def make(marks: dict[str, Any] | None = None, /, **parts: Any) -> ModuleType:
        plugin = ModuleType("made_up")
        for kind, mapping in parts.items():
            name = f"dtrain_{kind}"
            setattr(plugin, name, hookimpl(**(marks or {}))(_hook(name, mapping)))
        return plugin

    return make


def _hook(name: str, result: object) -> Callable[[], object]:
    def hook() -> object:
        return result

    hook.__name__ = name
    return hook


@pytest.fixture
def registry_of(site: Site, offering: Callable[..., ModuleType]) -> Callable[..., Registry]:
    """Makes a registry of these parts alone, all from a plugin called `acme`."""

    def make(**parts: Any) -> Registry:
        return Registry.load(extra=[("acme", offering(**parts))])

    return make
