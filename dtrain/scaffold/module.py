"""The module of a new plugin: one class and one hook a kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from .naming import Naming


def module_of(naming: Naming, kinds: Sequence[str]) -> str:
    """Returns the source of a plugin with a part of each kind."""
    templates = [(files(__package__) / "parts" / f"{kind}.py.txt").read_text("utf-8") for kind in kinds]
    heads, bodies = zip(*(_cut(template) for template in templates), strict=True)
    hooks = [_hook(naming, kind) for kind in kinds]
    code = "\n\n\n".join([_imports(heads), *(body.strip() for body in bodies)])
    return f'"""Parts for dtrain."""\n\n{naming.put(code)}\n\n\n' + "\n\n\n".join(hooks) + "\n"


def _cut(template: str) -> tuple[str, str]:
    at = template.index("\nclass ")
    return template[:at], template[at:]


def _imports(heads: Sequence[str]) -> str:
    """Returns the imports of several modules as those of one: the standard library, NumPy, dtrain."""
    lines = {line for head in heads for line in head.splitlines() if line}
    names = {name for line in lines for name in re.findall(r"^from dtrain import (.*)", line)}
    ordered = sorted({word for line in names for word in line.split(", ")} | {"hookimpl"}, key=_as_ruff)
    others = lines - {f"from dtrain import {line}" for line in names}
    numpy = {line for line in others if line.startswith("import numpy")}
    blocks = [sorted(others - numpy), [*sorted(numpy), _from_dtrain(ordered)]]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _as_ruff(name: str) -> tuple[bool, str]:
    return name.islower(), name


def _from_dtrain(names: Sequence[str]) -> str:
    line = f"from dtrain import {', '.join(names)}"
    if len(line) <= 88:
        return line
    return "\n".join(["from dtrain import (", *(f"    {name}," for name in names), ")"])


def _hook(naming: Naming, kind: str) -> str:
    return f'@hookimpl\ndef dtrain_{kind}():\n    return {{"{naming.part(kind)}": {naming.class_of(kind)}}}'
