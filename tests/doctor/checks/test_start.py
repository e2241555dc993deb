"""Hosts that are silent, schedulers, root, slots."""

from __future__ import annotations

from dtrain.doctor.world import Start
from tests.doctor.support import MPICH, bad, healthy, judged


def test_a_silent_host_is_named():
    world = healthy(2)
    world.hosts[1].facts, world.hosts[1].problem = None, "did not answer within 4 s"
    (found,) = judged("hosts", world)
    assert (found.status, found.text) == (
        "fail",
        "node1 did not answer within 4 s; the rest is tried without it",
    )
    assert found.remedy == ("this has to work, without a password: ssh node1 true",)


def test_a_host_without_the_environment():
    world = healthy(2)
    world.hosts[1].facts = None
    world.hosts[1].problem = "did not answer: env: /env/bin/python: No such file or directory"
    assert judged("hosts", world)[0].remedy == (
        "install the same environment at the same path on node1, or mount it there",
    )


def test_a_host_that_only_starts_the_ranks_needs_no_room_for_them():
    world = healthy(2)
    world.here.ranks = 0
    world.here.facts["/dev/shm"]["free"] = world.here.facts["memory"]["free"] = 0
    for check in ("cores", "/dev/shm", "memory"):
        assert [one.status for one in judged(check, world)] == ["ok"]
        assert "node0" not in judged(check, world)[0].text


def test_looking_that_did_not_end():
    world = healthy()
    world.held_up = True
    assert [status for status, _ in bad("hosts", world)] == ["fail"]


def test_slurms_variables_without_slurm():
    world = healthy()
    world.scheduler = "Slurm"
    assert [status for status, _ in bad("scheduler", world)] == ["fail"]
    world.srun = True
    assert judged("scheduler", world)[0].text == "in an allocation of Slurm: 1 host"


def test_a_schedulers_variables_that_lead_nowhere():
    world = healthy()
    world.misallocated = "PBS_NODEFILE /x: expected a file of hosts, got: No such file or directory"
    text = f"the variables of a scheduler's job do not tell its hosts: {world.misallocated}"
    assert bad("scheduler", world) == [("fail", text)]


def test_root_is_told_what_a_bare_mpirun_needs():
    world = healthy()
    world.here.facts["root"] = {"user": 0, "container": True}
    assert judged("root", world)[0].text == (
        "you are root in a container, whom Open MPI refuses; `dtrain launch` sees to it, a bare mpirun needs "
        "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
    )
    world.mpirun = MPICH
    assert judged("root", world)[0].text == "you are root in a container"


def test_slots():
    world = healthy()
    room = "`dtrain launch` starts 5 ranks, too, one more than there are cores"
    assert judged("slots", world)[0].text == room
    world.trials["bare"] = Start(2, 1, ("There are not enough slots available in the system",))
    assert judged("slots", world)[0].text == f"{room}; a bare `mpirun -n 2` does not (not enough slots)"
    world.trials["more"] = Start(5, None)
    assert bad("slots", world) == [("fail", "mpirun does not start 5 processes: it did not end in time")]
