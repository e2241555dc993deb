"""`dtrain plugins new`."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from dtrain.contracts import KINDS
from dtrain.errors import ConfigError, did_you_mean
from dtrain.registry.kinds import noun
from dtrain.scaffold import project_files

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def print_new(name: str, kinds: str, out: str) -> int:
    """Writes a new plugin project into the folder `out`/`name`; returns the exit code."""
    _check_name(name)
    files = project_files(name, _parsed(kinds))
    folder = Path(out) / name
    _write(folder, files)
    print(f"{folder}: {', '.join(files)}\n")
    print(f"cd {folder} && pip install -e '.[test]' && dtrain plugins check {name}")
    return 0


def _parsed(text: str) -> list[str]:
    """Returns kinds, given in the singular or in the plural, spelled as in the hooks."""
    known = {noun(kind): kind for kind in KINDS} | {kind: kind for kind in KINDS}
    words = [word.strip().lower() for word in text.split(",")]
    for word in words:
        if word not in known:
            raise ConfigError(
                f"plugins new --kind: expected kinds of parts, separated by commas, got {word!r}"
                f"{did_you_mean(word, known)}; kinds: {', '.join(map(noun, KINDS))}"
            )
    return [known[word] for word in words]


def _check_name(name: str) -> None:
    expected = "expected a name in lower case, such as 'acme' or 'my-parts'"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"plugins new: {expected}, of letters, digits, - and _, got {name!r}")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        raise ConfigError(f"plugins new: {expected}, got {name!r}, a word of the language Python")
    if module in sys.stdlib_module_names or _installed(module):
        raise ConfigError(
            f"plugins new: {expected}, got {name!r}: a module {module!r} is installed already; take another name"
        )
    for point in entry_points(group="dtrain"):
        if point.name == name:
            who = point.dist.name if point.dist else "an unknown distribution"
            raise ConfigError(
                f"plugins new: {expected}, got {name!r}, the name of a plugin of {who}; take another name"
            )


def _installed(module: str) -> bool:
    """Tells whether a module can be imported; a mere folder of that name does not count."""
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:  # __main__ and its like
        return True
    return spec is not None and spec.origin is not None


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise ConfigError(
            f"plugins new: {folder} exists already; choose another name, or another folder by --out"
        ) from None
    except OSError as error:
        raise ConfigError(f"plugins new: cannot write {folder}: {error.strerror}") from error
