from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.plugins.support import registry

PROJECT = Path(__file__).parents[1] / "examples" / "acme"


@pytest.fixture(scope="module")
def acme():
    """The registry with the example plugin, from its folder; the plugin's modules are gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(PROJECT), *sys.path])
        found = registry(("acme", import_module("acme")))
    yield found
    for name in [name for name in sys.modules if name.split(".")[0] == "acme"]:
        del sys.modules[name]
