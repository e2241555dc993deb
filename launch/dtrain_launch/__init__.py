"""dtrain_launch starts an N-rank job with the `mpirun` that belongs to this Python environment.

| module       | holds                                                                          |
|--------------|--------------------------------------------------------------------------------|
| `main`       | the command: reads its arguments, plans, prints, runs, returns a code          |
| `parser`     | the options and the help                                                       |
| `arguments`  | what is asked, checked, and what is said about mistakes                        |
| `hosts`      | hosts and slots: read in any dialect, dealt out                                |
| `probe`      | whether hosts answer, and have what a rank needs                               |
| `inside`     | whether this process is a rank itself                                          |
| `allocation` | the hosts that a scheduler has given                                           |
| `job`        | `Job`: what is to be started, whatever the MPI                                 |
| `find`       | where the `mpirun` is                                                          |
| `flavour`    | whose `mpirun` it is, and which version                                        |
| `dialects`   | the table of what each MPI has to be told                                      |
| `command`    | (job, flavour) → argument list and environment, a pure function                |
| `run`        | the run of a train command: its folder, whether it has ended                   |
| `attempts`   | starts the job, and again when it broke off                                    |
| `supervise`  | runs it: signals, the end of every process, how it ended                       |
| `stopping`   | from asking the ranks to leave to killing them                                 |
| `processes`  | which processes descend from this one                                          |
| `logged`     | what a rank runs under `--logs`; `logs`: its file, and who failed first        |
| `submit`     | `--to`: a job for a scheduler, from the same options                           |
| `batch`      | its script for Slurm, PBS and LSF; `kubernetes`: its manifest                  |
| `wording`    | what is said on stderr                                                         |

Standard library only; nothing here imports dtrain, NumPy or mpi4py.
"""

from dtrain_launch.main import main

__all__ = ["main"]
