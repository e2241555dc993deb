"""The hosts that a scheduler has given this job, read from its variables.

| scheduler  | known by                  | hosts and slots                                        | mpirun   |
|------------|---------------------------|--------------------------------------------------------|----------|
| Slurm      | `SLURM_JOB_ID`            | `SLURM_JOB_NODELIST` × `SLURM_TASKS_PER_NODE`          | reads it |
| PBS        | `PBS_JOBID`               | the file `PBS_NODEFILE`, a line a slot                 | is told  |
| LSF        | `LSB_JOBID`               | the file `LSB_DJOB_HOSTFILE`, or `LSB_MCPU_HOSTS`      | is told  |
| Kubernetes | `K_MPI_JOB_ROLE=launcher` | `/etc/mpi/hostfile` of the MPI Operator                | is told  |

Under Slurm mpirun starts the ranks by `srun`, so it is left to read the same variables. The MPIs of the package
index know neither LSF nor all of PBS, and Open MPI 5 not the operator's variables: they are given the hosts.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host, merged, read_hostfile

OPERATORS_HOSTS = Path("/etc/mpi/hostfile")


@dataclass(frozen=True)
class Allocation:
    """hosts: with as many slots as the scheduler wants ranks. told: whether mpirun has to be told of them."""

    scheduler: str
    hosts: tuple[Host, ...]
    told: bool = True


def read_allocation(environment: Mapping[str, str], operators: Path = OPERATORS_HOSTS) -> Allocation | None:
    """The allocation that this process is in; None outside of one.

    Raises LaunchError for variables that do not say which hosts they are.
    """
    if "SLURM_JOB_ID" in environment and "SLURM_JOB_NODELIST" in environment:
        return Allocation("Slurm", _slurm(environment), told=False)
    if "PBS_JOBID" in environment and "PBS_NODEFILE" in environment:
        return Allocation("PBS", read_hostfile(Path(environment["PBS_NODEFILE"]), "PBS_NODEFILE"))
    if "LSB_JOBID" in environment:
        return _lsf(environment)
    if environment.get("K_MPI_JOB_ROLE") == "launcher" and operators.exists():
        return Allocation("Kubernetes", read_hostfile(operators, "hosts"))
    return None


def slurm_names(text: str) -> list[str]:
    """The names in a compressed list: `n[01-03,7],gpu1` is n01, n02, n03, n7, gpu1."""
    if not re.fullmatch(r"(?:[^\[\],]|\[[0-9,-]+\])+(?:,(?:[^\[\],]|\[[0-9,-]+\])+)*", text):
        raise LaunchError(
            f"launch: SLURM_JOB_NODELIST: expected a list of hosts such as n[01-03,7],gpu1, got {text!r}; "
            "name them with --hosts"
        )
    names = []
    for word in re.findall(r"(?:\[[^\]]*\]|[^,\[])+", text):
        pieces = [
            _numbers(piece) if piece[0] == "[" else [piece]
            for piece in re.findall(r"\[[^\]]*\]|[^\[]+", word)
        ]
        names += ["".join(parts) for parts in itertools.product(*pieces)]
    return names


def slurm_counts(text: str) -> list[int]:
    """The counts in a compressed list: `4(x2),3` is 4, 4, 3."""
    counts: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(count)] * int(times or 1)
    return counts


def _numbers(bracket: str) -> list[str]:
    return [number for part in bracket[1:-1].split(",") for number in _range(part)]


def _range(part: str) -> Iterator[str]:
    """`01-03` is 01, 02, 03: as wide as the first."""
    first, _, last = part.partition("-")
    for number in range(int(first), int(last or first) + 1):
        yield str(number).zfill(len(first))


def _slurm(environment: Mapping[str, str]) -> tuple[Host, ...]:
    names = slurm_names(environment["SLURM_JOB_NODELIST"])
    text = environment.get("SLURM_TASKS_PER_NODE") or environment.get("SLURM_JOB_CPUS_PER_NODE") or ""
    counts = slurm_counts(text) or [1] * len(names)
    if len(counts) != len(names):
        raise LaunchError(
            f"launch: SLURM_TASKS_PER_NODE: expected a count for each of {len(names)} hosts, got {text!r}; "
            "name hosts and ranks with --hosts"
        )
    return merged(map(Host, names, counts))


def _lsf(environment: Mapping[str, str]) -> Allocation | None:
    if "LSB_DJOB_HOSTFILE" in environment:
        path = Path(environment["LSB_DJOB_HOSTFILE"])
        return Allocation("LSF", read_hostfile(path, "LSB_DJOB_HOSTFILE"))
    words = environment.get("LSB_MCPU_HOSTS", "").split()
    if not words:
        return None
    if len(words) % 2 or not all(word.isdecimal() and int(word) for word in words[1::2]):
        raise LaunchError(
            f"launch: LSB_MCPU_HOSTS: expected a count behind each host, got {' '.join(words)!r}; "
            "name hosts and ranks with --hosts"
        )
    return Allocation("LSF", merged(map(Host, words[::2], map(int, words[1::2]))))
