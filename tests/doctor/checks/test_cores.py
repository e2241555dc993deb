"""Ranks times threads against cores."""

from __future__ import annotations

import pytest

from dtrain.doctor.checks.cores import threads_of
from tests.doctor.support import bad, healthy, judged


def test_what_fits():
    assert judged("cores", healthy())[0].text == "2 ranks × 1 thread on 4 cores of node0"


def test_more_ranks_than_cores():
    world = healthy()
    world.here.ranks = 5
    assert bad("cores", world) == [
        (
            "warn",
            "5 ranks × 1 thread on 4 cores of node0: the ranks take turns, and more of them are not faster",
        )
    ]
    assert judged("cores", world)[0].remedy == ("dtrain launch -n 4 …",)


def test_threads_set_by_the_user():
    world = healthy()
    world.environment = {"OMP_NUM_THREADS": "8"}
    assert bad("cores", world) == [
        (
            "warn",
            "2 ranks × 8 threads on 4 cores of node0: OMP_NUM_THREADS=8 is set; more threads than cores make each "
            "step several times slower",
        )
    ]
    assert judged("cores", world)[0].remedy == ("export OMP_NUM_THREADS=2",)
    world.environment = {"OMP_NUM_THREADS": "8", "DTRAIN_THREADS": "2"}
    assert bad("cores", world) == []


def test_a_quota_below_the_cores():
    world = healthy()
    world.here.facts["cores"]["quota"] = 1.5
    assert bad("cores", world)[0][1].startswith(
        "2 ranks × 1 thread on 4 cores, 1.5 of them allowed of node0: "
    )
    world.shards, world.here.ranks = "ranks", 1
    assert bad("cores", world)[0][1].startswith(
        "1 rank × 4 threads on 4 cores, 1.5 of them allowed of node0: "
    )
    world.here.facts["cores"]["quota"] = 4.0
    assert bad("cores", world) == []


def test_ranks_bound_to_one_core():
    world = healthy()
    for rank in world.job.worlds[0]["ranks"]:
        rank["mask"] = [0]
    assert bad("cores", world) == [("warn", "the 2 ranks of node0 are all bound to core 0, of 4 that it has")]
    world.job.worlds[0]["ranks"][1]["mask"] = [1]
    assert bad("cores", world) == []


def test_a_busy_host():
    world = healthy()
    world.here.facts["cores"]["load"] = 12.0
    assert [status for status, _ in bad("cores", world)] == ["warn"]
    assert "about 12 processes want its 4 cores" in bad("cores", world)[0][1]


@pytest.mark.parametrize(
    ("environment", "shards", "threads"),
    [
        ({}, "auto", (1, "")),
        ({}, 8, (1, "")),
        ({}, "ranks", (4, "")),
        ({"OMP_NUM_THREADS": "3,2"}, "auto", (3, "OMP_NUM_THREADS")),
        ({"OMP_NUM_THREADS": "many", "MKL_NUM_THREADS": ""}, "auto", (1, "")),
        ({"DTRAIN_THREADS": "2", "OMP_NUM_THREADS": "9"}, "ranks", (2, "DTRAIN_THREADS")),
    ],
)
def test_threads_of_a_rank(environment, shards, threads):
    assert threads_of(environment, shards, cores=8, ranks=2) == threads
