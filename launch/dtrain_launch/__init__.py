"""dtrain_launch starts an N-rank job with the `mpirun` that belongs to this Python environment.

| module      | holds                                                                  |
|-------------|------------------------------------------------------------------------|
| `main`      | the command: reads its arguments, plans, prints, runs, returns a code  |
| `arguments` | the options and what is said about wrong ones                          |
| `job`       | `Job`: what is to be started, whatever the MPI                         |
| `find`      | where the `mpirun` is                                                  |
| `flavour`   | whose `mpirun` it is, and which version                                |
| `dialects`  | the table of what each MPI has to be told                              |
| `command`   | (job, flavour) → argument list and environment, a pure function        |
| `supervise` | runs it: signals, the end of every process, one exit code              |
| `stopping`  | from asking the ranks to leave to killing them                         |
| `processes` | which processes descend from this one                                  |

Standard library only; nothing here imports dtrain, NumPy or mpi4py.
"""

from dtrain_launch.main import main

__all__ = ["main"]
