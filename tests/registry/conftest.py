"""Plugins made up for a test: as objects, or installed into a folder on sys.path."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dtrain.registry import hookimpl


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in place of site-packages: nothing is installed but what a test installs."""
    before = set(sys.modules)
    others = [folder for folder in sys.path if "site-packages" not in folder]
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder), *others])
    importlib.invalidate_caches()
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def install(
    site: Path, distribution: str, version: str, points: dict[str, str], **modules: str
) -> None:
    """Installs a distribution with entry points and modules."""
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[dtrain]\n{lines}\n")
    for name, source in modules.items():
        (site / f"{name}.py").write_text(textwrap.dedent(source))
    importlib.invalidate_caches()


def offering(_marks: dict[str, Any] | None = None, /, **parts: dict[str, Any]) -> ModuleType:
    """Returns a plugin that offers these parts: `offering(optimizers={"adam": Adam})`."""
    plugin = ModuleType("offering")
    for kind, mapping in parts.items():
        name = f"dtrain_{kind}"
        setattr(plugin, name, hookimpl(**(_marks or {}))(_hook(name, mapping)))
    return plugin


def _hook(name: str, mapping: object) -> Callable[[], object]:
    def hook() -> object:
        return mapping

    hook.__name__ = name
    return hook
