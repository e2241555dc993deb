"""A command in this process, in a folder of its own."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from dtrain.cli.main import main
from dtrain.threads import VARIABLES


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def dtrain(tmp_path, monkeypatch, capfd):
    """dtrain("train", …) → exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.setenv(name, "1")

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return run
