"""How long training stands still for a checkpoint: 25 million parameters under Adam, three float32 arrays, 300 MB.

    python tests/benchmarks/checkpoint_stall.py                 on 1 and 2 ranks
    mpirun -n 2 python -m mpi4py tests/benchmarks/checkpoint_stall.py --rank
    DTRAIN_SHARED_MEMORY=0 python tests/benchmarks/checkpoint_stall.py      ranks as on different hosts

A run as `dtrain train` has it. "stall": how long the step loop stands still between two steps, from before the
checkpoint until the next step may begin; "copy": one np.copyto of as many bytes, warm, in one thread, right before
it; "computed": the ratio of what rank 0's thread computed in both, which other work on the same cores does not change;
"writing": how long the thread is at it meanwhile. Medians; the first checkpoint is told apart.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dtrain.communicator import launched, open_communicator
from dtrain.config import load
from dtrain.trainer import train_session
from dtrain.trainer.saving import Saving

WIDTH, ROWS, EVERY, CHECKPOINTS = 5000, 32, 25, 7
CONFIG = {
    "data": {"name": "npz", "path": "points.npz"},
    "network": [{"name": "dense", "units": WIDTH}, {"name": "dense", "units": 2}],
    "loss": "softmax_cross_entropy",
    "optimizer": "adam",
    "train": {"steps": EVERY * CHECKPOINTS, "batch_size": ROWS, "shards": "ranks"},
    "checkpoint": {"steps": EVERY, "keep": 1, "best": False},
}


def now() -> np.ndarray:
    """The time, and what this thread has computed, in seconds."""
    return np.array([perf_counter(), thread_time()])


class Clock:
    """Watches one rank's steps, and the checkpoints between them."""

    def __init__(self, communicator, trainer) -> None:
        self.barrier, self.steps, self.writing = communicator.barrier, [], []
        self.stalls: list[np.ndarray] = []
        self.copies: list[np.ndarray] = []
        self.a = np.ones(3 * trainer.size, np.float32)
        self.b = np.zeros_like(self.a)
        self.time_steps(trainer)
        self.time_saves(trainer)
        self.time_writes(trainer)

    def time_steps(self, trainer) -> None:
        """Notes each step's time, by whether a checkpoint is being written."""
        one_step = trainer.one_step

        def step(voices):
            began = perf_counter()
            done = one_step(voices)
            now = trainer.communicator.share(self.is_writing(trainer.saving))[0]
            (self.writing if now else self.steps).append(perf_counter() - began)
            return done

        trainer.one_step = step

    def is_writing(self, saving: Saving) -> bool:
        thread = saving._writer._thread
        return thread is not None and thread.is_alive()

    def time_saves(self, trainer) -> None:
        """Notes how long the step loop stands still, and a copy in memory right before."""
        checkpoint = trainer._checkpoint

        def save(*arguments, **options) -> None:
            trainer.saving.settle()
            if trainer.communicator.rank == 0:
                for _ in range(2):
                    began = now()
                    np.copyto(self.b, self.a)
                    copied = now() - began
                self.copies.append(copied)
            self.barrier()
            began = now()
            checkpoint(*arguments, **options)
            if not options:
                self.stalls.append(now() - began)

        trainer._checkpoint = save

    def time_writes(self, trainer) -> None:
        """Notes how long the thread is at it."""
        self.writes: list[float] = []
        start = trainer.saving._writer.start

        def timed(work) -> None:
            def write() -> None:
                began = perf_counter()
                work()
                self.writes.append(perf_counter() - began)

            start(write)

        trainer.saving._writer.start = timed


def rank() -> None:
    """One rank of a run; rank 0 prints."""
    communicator = open_communicator(launched())
    clocks: list[Clock] = []
    with tempfile.TemporaryDirectory() as folder:
        x = np.random.default_rng(0).standard_normal((4 * ROWS, WIDTH)).astype(np.float32)
        path = Path(folder) / "points.npz"
        np.savez(path, x=x, y=(x[:, 0] > 0).astype(np.int64))
        config = {**CONFIG, "data": {**CONFIG["data"], "path": str(path)}}
        train_session(
            lambda: load(config),
            communicator,
            Path(folder) / "run",
            prepared=lambda trainer: clocks.append(Clock(communicator, trainer)),
        )
    clock = clocks[0]
    if communicator.rank == 0:
        (stall, busy), (copy, copying) = np.median(clock.stalls[1:], axis=0), np.median(clock.copies, axis=0)
        memory = "shared memory" if communicator.shares_memory else "messages"
        print(
            f"{communicator.size} ranks, {memory}: stall {1e3 * stall:.0f} ms (first {1e3 * clock.stalls[0][0]:.0f}), "
            f"copy {1e3 * copy:.0f} ms, stall / copy {stall / copy:.2f}, computed {busy / copying:.2f}; "
            f"writing {median(clock.writes):.2f} s; a step {1e3 * median(clock.steps):.0f} ms, "
            f"{1e3 * median(clock.writing):.0f} ms while writing",
            flush=True,
        )
    communicator.close()


def main() -> int:
    """Prints the figures of one rank and of two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rank", action="store_true", help="be one rank of a job")
    if parser.parse_args().rank:
        rank()
        return 0
    beside = shutil.which("mpirun", path=Path(sys.executable).parent) or "mpirun"
    script = [str(Path(__file__).resolve()), "--rank"]
    alone = [sys.executable, *script]
    together = [beside, "--bind-to", "none", "-n", "2", sys.executable, "-m", "mpi4py", *script]
    return max(subprocess.run(command).returncode for command in (alone, together))


if __name__ == "__main__":
    sys.exit(main())
