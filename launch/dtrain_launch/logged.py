"""What each rank runs under `--logs`: dtrain, with its output in `rank-3.log`; rank 0 is seen on the screen, too.

python -m dtrain_launch.logged FOLDER train digits
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")


def rank_in(environment: Mapping[str, str]) -> int:
    """This process's rank as its launcher says; 0 without one."""
    return next((int(environment[name]) for name in _RANKS if environment.get(name, "").isdecimal()), 0)


def write_to(path: Path, *, screen: bool) -> None:
    """From now on all that this process and its children write goes to the end of a file.

    screen: and to where it went before, by a `tee` that outlives this process until all is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    if screen:
        tee = subprocess.Popen(
            ["tee", "-i", "-a", str(path)], stdin=subprocess.PIPE, stdout=2, start_new_session=True
        )
        assert tee.stdin is not None
        target = tee.stdin.fileno()
    else:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(target, stream)
    os.close(target)


def main() -> None:
    """Run dtrain with the arguments behind the folder."""
    rank = rank_in(os.environ)
    write_to(Path(sys.argv[1], f"rank-{rank}.log"), screen=rank == 0)
    sys.argv = ["dtrain", *sys.argv[2:]]
    runpy.run_module("dtrain", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
