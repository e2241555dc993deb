from __future__ import annotations

import subprocess
import sys


def test_the_config_needs_neither_numpy_nor_the_registry():
    code = "import sys, dtrain.config; print(*sorted({name.split('.')[0] for name in sys.modules}))"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"numpy", "pluggy", "mpi4py"}.isdisjoint(run.stdout.split())
