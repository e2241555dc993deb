"""Files of dead jobs are told from those of living ones."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from dtrain.doctor.checks.leftovers import look
from tests.doctor.support import bad, healthy, judged


def test_only_what_no_process_holds(tmp_path):
    """A segment that this process maps is not left over; nor is the folder of a process that lives."""
    for name in ("sm_segment.vm.0.1.0", "mpich_shm_dead_0", "something_else"):
        (tmp_path / name).write_bytes(bytes(4096))
    (tmp_path / f"prted.{os.getpid()}").mkdir()
    (tmp_path / "ompi.999999999").mkdir()
    held = Path("/dev/shm", f"sm_segment.dtrain-test-{os.getpid()}")
    held.write_bytes(bytes(4096))
    try:
        with held.open("r+b") as file, mmap.mmap(file.fileno(), 4096):
            found = look({}, shm=tmp_path, temporary=tmp_path)
            assert found["files"] == [
                str(tmp_path / name) for name in ("mpich_shm_dead_0", "sm_segment.vm.0.1.0", "ompi.999999999")
            ]
            assert found["bytes"] >= 8192
            assert found["living"] == 1
            assert str(held) not in look({}, temporary=tmp_path)["files"]
        assert str(held) in look({}, temporary=tmp_path)["files"]
    finally:
        held.unlink()


def test_a_few_are_named_and_many_are_a_pattern():
    world = healthy(2)
    world.hosts[1].facts["leftovers"] = {
        "files": ["/dev/shm/mpich_shm_1", "/tmp/ompi.7"],
        "bytes": 2e6,
        "living": 1,
    }
    assert bad("leftovers", world) == [("warn", "node1: 2 files of jobs that have ended, 2 MB")]
    assert judged("leftovers", world)[0].remedy == ("ssh node1 'rm -rf /dev/shm/mpich_shm_1 /tmp/ompi.7'",)
    files = [f"/dev/shm/sm_segment.a.0.{k}" for k in range(9)]
    world.hosts[1].facts["leftovers"] = {"files": files, "bytes": 0, "living": 1}
    assert judged("leftovers", world)[0].remedy == (
        "ssh node1 'rm -rf /dev/shm/sm_segment.*'   # when no MPI job runs there: one does now",
    )
