"""Everything that must hold before a change is taken: style, types, directions of imports, tests.

    python tests/run.py            all of it
    python tests/run.py style      only the steps that are named

Two steps install dtrain into environments of their own: `mpich` starts the same `dtrain launch` lines, right ones and
wrong ones, with another MPI than the one beside this Python, and `torch` compares its parts with PyTorch's. PyTorch's
CPU build is enough: where the package index has CUDA's alone, name another index by PIP_EXTRA_INDEX_URL.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
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


def apart(packages: list[str], *tests: str) -> int:
    """Runs tests in an environment of its own with dtrain, pytest and these packages."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        install = [python, "-m", "pip", "install", "--quiet", "pytest>=9", *packages]
        if subprocess.run(install).returncode:
            return 1
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(ROOT / test for test in tests)]
        return subprocess.run(command, cwd=folder).returncode


def mpich() -> int:
    return apart(
        [f"{ROOT}[mpich]", "scikit-learn>=1.5"],
        "tests/test_same_bits.py",
        "tests/launch/test_wrong_starts.py",
    )


def torch() -> int:
    # pip takes the CPU build, 2.13.0+cpu, wherever an index has one: 190 MB, against gigabytes with CUDA.
    return apart([str(ROOT), "torch==2.13.0"], "tests/pytorch")


def tests() -> int:
    return subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=ROOT).returncode


STEPS = {
    "style": style,
    "types": types,
    "imports": imports,
    "mpich": mpich,
    "torch": torch,
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
