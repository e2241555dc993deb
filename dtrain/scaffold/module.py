"""The modules of a new plugin: one class, one hook and one test a kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from dtrain.registry.kinds import noun

from .naming import Naming


def module_of(naming: Naming, kinds: Sequence[str]) -> str:
    """Returns the source of a plugin with a part of each kind."""
    templates = [(files(__package__) / "parts" / f"{kind}.py.txt").read_text("utf-8") for kind in kinds]
    heads, bodies = zip(*(_cut(template) for template in templates), strict=True)
    hooks = [_hook(naming, kind) for kind in kinds]
    code = "\n\n\n".join([_imports(heads), *(body.strip() for body in bodies)])
    return f'"""Parts for dtrain."""\n\n{naming.put(code)}\n\n\n' + "\n\n\n".join(hooks) + "\n"


def tests_of(naming: Naming, kinds: Sequence[str]) -> str:
    """Returns the source of tests that run dtrain's checks on each part."""
    head = '"""The checks that dtrain\'s own parts pass, too; add what only you know of your parts."""'
    classes = _imported(naming.module, sorted(naming.class_of(kind) for kind in kinds))
    imports = f"import pytest\nfrom dtrain.testing import parametrize\n\n{classes}"
    tests = [
        f'@pytest.mark.parametrize(**parametrize("{kind}", {naming.class_of(kind)}))\n'
        f"def test_{noun(kind)}(check):\n    check()"
        for kind in kinds
    ]
    return f"{head}\n\n{imports}\n\n\n" + "\n\n\n".join(tests) + "\n"


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
    blocks = [sorted(others - numpy), [*sorted(numpy), _imported("dtrain", ordered)]]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _as_ruff(name: str) -> tuple[bool, str]:
    return name.islower(), name


def _imported(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= 88:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _hook(naming: Naming, kind: str) -> str:
    return f'@hookimpl\ndef dtrain_{kind}():\n    return {{"{naming.part(kind)}": {naming.class_of(kind)}}}'
