"""Loads a config from a file, a recipe or a dict."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from dtrain.errors import ConfigError, did_you_mean, listed
from dtrain.wording import shown

from .overrides import Overrides, override
from .plain import copied
from .read import read
from .recipes import recipes
from .schema import Config


def load(source: str | os.PathLike[str] | Mapping[str, Any], overrides: Overrides = ()) -> Config:
    """Returns a config, checked.

    source: the path of a TOML file, the name of a shipped recipe (a file of that name wins), or tables.
    overrides: `["optimizer.lr=0.01"]`, as on the command line, or `{"optimizer.lr": 0.01}`.
    Raises ConfigError, one line, for whatever is wrong with it.
    """
    if isinstance(source, Mapping):
        tables, name, label = copied(source, ""), "run", ""
    elif isinstance(source, (str, os.PathLike)):
        tables, name, label = _found(os.fspath(source))
    else:
        raise ConfigError(f"expected a path, the name of a recipe or tables as a config, got {shown(source)}")
    override(tables, overrides)
    return read(tables, name, label)


def _found(source: str) -> tuple[dict[str, Any], str, str]:
    """Returns tables, name, and what messages call the source."""
    path, known = Path(source), recipes()
    if _is_there(path) and not (path.is_dir() and source in known):
        return _parsed(path, source), path.stem, source
    if source in known:
        label = f"recipe {source!r}"
        return _parsed(known[source], label), source, label
    raise ConfigError(
        f"no config {source!r}: expected a TOML file or the name of a recipe"
        f"{did_you_mean(source, known)}; recipes: {listed(known)}"
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or one with a zero byte
        return False


def _parsed(path: Path | Traversable, label: str) -> dict[str, Any]:
    if path.is_dir():
        raise ConfigError(f"{label}: expected a TOML file, got a folder")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{label}: expected a file that can be read, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: expected UTF-8 text, got other bytes at {error.start}") from error
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError names line and column
        raise ConfigError(f"{label}: expected TOML, got: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{label}: expected TOML, got tables nested too deeply") from error
