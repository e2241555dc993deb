"""A folder into which a test installs plugins of its own."""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path


class Site:
    """A folder in place of site-packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, version: str, points: dict[str, str], **modules: str) -> None:
        """Installs a distribution with entry points and modules."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[dtrain]\n{lines}\n")
        for name, source in modules.items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
