"""/dev/shm and memfd."""

from __future__ import annotations

from dtrain.doctor.checks.shared_memory import needed
from tests.doctor.support import MPICH, bad, healthy, judged


def test_a_small_one():
    world = healthy(2)
    world.hosts[1].facts["/dev/shm"] |= {"size": 2 << 20, "free": 1 << 20}
    assert bad("/dev/shm", world) == [
        ("fail", "node1: 1.05 MB of 2.1 MB free, MPI wants 17.8 MB for 2 ranks")
    ]
    assert (
        judged("/dev/shm", world)[1].remedy[0] == "ssh node1 'mount -o remount,size=1g /dev/shm'   # as root"
    )


def test_what_is_enough_depends_on_the_mpi():
    assert needed("open_mpi", 64) == needed("open_mpi", 2) == 17 << 20
    assert [needed("mpich", ranks) >> 20 for ranks in (2, 4, 8, 32)] == [24, 32, 48, 192]
    world = healthy()
    world.here.ranks = 8
    world.here.facts["/dev/shm"]["free"] = 20 << 20
    assert bad("/dev/shm", world) == []
    world.mpirun = MPICH
    assert [status for status, _ in bad("/dev/shm", world)] == ["fail"]


def test_none():
    world = healthy()
    world.here.facts["/dev/shm"] |= {"size": 0, "writable": False, "why": "No such file or directory"}
    assert bad("/dev/shm", world) == [
        ("fail", "node0: there is none that can be written: No such file or directory")
    ]


def test_no_memory_without_a_name():
    world = healthy()
    world.here.facts["/dev/shm"]["memfd"] = "[Errno 38] Function not implemented"
    assert bad("/dev/shm", world) == [
        (
            "warn",
            "node0: ranks cannot share memory by memfd ([Errno 38] Function not implemented): each step copies all "
            "gradients",
        )
    ]
