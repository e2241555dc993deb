"""The files of a new plugin project, as text."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from textwrap import dedent

from dtrain.contracts import KINDS
from dtrain.registry.kinds import noun

from .config import config_of
from .module import module_of, tests_of
from .naming import Naming


def project_files(name: str, kinds: Collection[str]) -> Mapping[str, str]:
    """Returns path → text of a project that offers a part of each of these kinds (`layers`, `optimizers`, …)."""
    naming, ordered = Naming(name), [kind for kind in KINDS if kind in kinds]
    return {
        "pyproject.toml": naming.put(_PYPROJECT),
        f"{naming.module}.py": module_of(naming, ordered),
        f"test_{naming.module}.py": tests_of(naming, ordered),
        "config.toml": config_of(naming, ordered),
        "README.md": _readme(naming, ordered),
    }


def _readme(naming: Naming, kinds: list[str]) -> str:
    rows = [f"| {noun(kind)} | `{naming.part(kind)}` | `{naming.class_of(kind)}` |" for kind in kinds]
    return naming.put(_README).replace("| rows |", "\n".join(rows))


_PYPROJECT = dedent("""\
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "acme-project"
    version = "0.1"
    description = "Parts for dtrain"
    readme = "README.md"
    requires-python = ">=3.11"
    dependencies = ["dtrain", "numpy"]

    [project.optional-dependencies]
    test = ["pytest"]

    [project.entry-points.dtrain]
    acme-project = "acme"

    [tool.hatch.build.targets.wheel]
    include = ["acme.py"]
""")

_README = dedent("""\
    # acme-project: a plugin of dtrain

    | kind | name in a config | class in `acme.py` |
    |---|---|---|
    | rows |

    Install it (`-e`: changes count at once), look at it, check it, train with it:

        pip install -e '.[test]'
        dtrain plugins list
        dtrain plugins check acme-project
        pytest
        dtrain train config.toml
        mpirun -n 2 dtrain train config.toml

    The names are yours to choose: a hook in `acme.py` maps each to its class. Two ranks must end with the same weights
    as one; `dtrain plugins check` says where they would not.
""")
