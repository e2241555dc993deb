"""Changes single keys of a config: `--set optimizer.lr=0.01`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from dtrain.errors import ConfigError
from dtrain.wording import shown

from .plain import copied

Overrides: TypeAlias = Sequence[str] | Mapping[str, Any]

_BARE_WORD = re.compile(r"[A-Za-z_.~/][\w.~/+:@-]*")
_RIVALS: dict[tuple[str, ...], str] = {("train", "steps"): "epochs", ("train", "epochs"): "steps"}


def override(tables: dict[str, Any], overrides: Overrides) -> None:
    """Sets keys of `tables` in place; lists are entered by number, from 0: `network.0.units=32`.

    Raises ConfigError for what is no assignment, no TOML value, or leads nowhere. Unknown keys are left to
    the reader of the whole config.
    """
    changes = [(_path(key, text), key, value) for key, text, value in _assignments(overrides)]
    asked = {path for path, _, _ in changes}
    for path, key, value in changes:
        _set(tables, path, key, value)
        rival = _RIVALS.get(path)
        # `--set train.steps=100` says how long to train in place of the file's epochs.
        if rival and (path[0], rival) not in asked:
            tables[path[0]].pop(rival, None)


def _assignments(overrides: Overrides) -> Iterable[tuple[str, str, Any]]:
    if isinstance(overrides, Mapping):
        return [(str(key), str(key), copied(value, "")) for key, value in overrides.items()]
    return [_assignment(text) for text in ([overrides] if isinstance(overrides, str) else overrides)]


def _assignment(text: str) -> tuple[str, str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise _error(f"--set {text}: expected KEY=VALUE, such as optimizer.lr=0.01")
    return key.strip(), text, _value(value.strip(), text)


def _value(text: str, whole: str) -> Any:
    parsed = _parsed(f"x = {text}")
    if parsed is not None and list(parsed) == ["x"]:
        return parsed["x"]
    if _BARE_WORD.fullmatch(text):
        return text
    raise _error(f"--set {whole}: expected a TOML value (strings in quotes), got {text or 'nothing'}")


def _path(key: str, text: str) -> tuple[str, ...]:
    """Returns the steps of a dotted key; those in quotes may hold dots themselves."""
    table: Any = _parsed(f"{key} = 0") if "\n" not in key else None
    steps: list[str] = []
    while isinstance(table, dict) and len(table) == 1:
        ((step, table),) = table.items()
        steps.append(step)
    if table != 0:
        raise _error(f"--set {text}: expected a key such as optimizer.lr, got {key}")
    return tuple(steps)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):  # a TOMLDecodeError is a ValueError; so is a number of 5,000 digits
        return None


def _set(tables: dict[str, Any], path: tuple[str, ...], key: str, value: Any) -> None:
    inner: Any = tables
    for place, step in enumerate(path[:-1]):
        inner = _entered(inner, step, key, path[:place])
    *before, last = path
    if isinstance(inner, list):
        inner[_index(inner, last, key, before)] = value
    elif isinstance(inner, dict):
        inner[last] = value
    else:
        raise _no_table(inner, key, before)


def _entered(inner: Any, step: str, key: str, before: Sequence[str]) -> Any:
    if isinstance(inner, list):
        return inner[_index(inner, step, key, before)]
    if isinstance(inner, dict):
        return inner.setdefault(step, {})
    raise _no_table(inner, key, before)


def _no_table(inner: Any, key: str, before: Sequence[str]) -> ConfigError:
    return _error(f"--set {key}: expected a table at {'.'.join(before)}, got {shown(inner)}")


def _index(inner: list[Any], step: str, key: str, before: Sequence[str]) -> int:
    if not step.isdecimal() or int(step) >= len(inner):
        raise _error(
            f"--set {key}: expected the number of an entry of {'.'.join(before)}, "
            f"from 0 to {len(inner) - 1}, got {step}"
        )
    return int(step)


def _error(message: str) -> ConfigError:
    return ConfigError(" ".join(message.split()))  # a text from the command line may hold line breaks
