"""The working directory, for real on one host, and as several tell of it."""

from __future__ import annotations

from dtrain.doctor.checks.directory import look
from tests.doctor.support import bad, healthy


def test_a_host_sees_the_token_and_leaves_its_own(tmp_path):
    (tmp_path / "token").touch()
    found = look({"directory": str(tmp_path), "token": "token", "own": "own"})
    assert (found["there"], found["sees"], found["why"]) == (True, True, "")
    assert (tmp_path / "own").exists()
    other = tmp_path / "other"
    other.mkdir()
    assert look({"directory": str(other), "token": "token", "own": "own"})["sees"] is False
    assert look({"directory": str(tmp_path / "none"), "token": "token", "own": "own"})["there"] is False


def test_what_cannot_be_written(tmp_path):
    found = look({"directory": str(tmp_path), "own": "no/such/folder"})
    assert found["why"] == "No such file or directory"


def test_a_host_without_it():
    world = healthy(2)
    world.hosts[1].facts["directory"]["there"] = False
    assert bad("directory", world) == [("fail", "node1 has no /home/me, from where the ranks are started")]


def test_a_host_with_another_of_the_same_name():
    for fault in ("sees", "seen"):
        world = healthy(2)
        world.hosts[1].facts["directory"][fault] = False
        assert bad("directory", world) == [
            ("fail", "/home/me on node1 is another directory of that name, not this one")
        ]


def test_a_host_that_cannot_write():
    world = healthy(2)
    world.hosts[1].facts["directory"]["why"] = "Read-only file system"
    assert bad("directory", world) == [("fail", "node1 cannot write in /home/me: Read-only file system")]


def test_a_disk_that_is_nearly_full():
    world = healthy()
    world.here.facts["directory"]["free"] = 10_000_000
    text = "node0: 10 MB free in /home/me, little for checkpoints of a run"
    assert bad("directory", world) == [("warn", text)]
    world.model = {"bytes": 1_000_000}
    assert bad("directory", world) == []
