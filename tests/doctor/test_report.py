"""How findings are shown."""

from __future__ import annotations

import json

from dtrain.doctor.finding import fail, ok, warn
from dtrain.doctor.report import Said, as_dict, healthy, judged, lines
from tests.doctor.support import healthy as healthy_world


def test_a_line_a_finding_and_its_remedy_beneath():
    said = [
        Said("mpi", ok("fine")),
        Said("/dev/shm", fail("full", "empty it", "or not")),
        Said("cores", warn("few")),
    ]
    assert list(lines(said, 1.24)) == [
        "ok    mpi       fine",
        "fail  /dev/shm  full",
        "                → empty it",
        "                → or not",
        "warn  cores     few",
        "1 failed, 1 warning (1.2 s)",
    ]
    assert not healthy(said)


def test_what_is_well_on_many_hosts_is_shown_once_more_or_less():
    said = [Said("cores", ok(f"host {k}")) for k in range(9)]
    said.insert(5, Said("cores", warn("slow")))
    assert list(lines(said, 1)) == [
        "ok    cores  host 0",
        "ok    cores  host 1",
        "ok    cores  host 2",
        "warn  cores  slow",
        "ok    cores  and 6 more like these",
        "nothing failed, 1 warning (1.0 s)",
    ]


def test_all_well():
    world = healthy_world()
    said = judged(world)
    assert list(lines(said, 2))[-1] == "all well (2.0 s)"
    told = json.loads(json.dumps(as_dict(world, said, 2.0)))
    assert told["ok"] is True
    assert {one["check"] for one in told["findings"]} >= {"mpi", "ranks", "cores", "exchange"}
    assert told["hosts"][0]["facts"]["software"]["numpy"] == "2.4.6"
