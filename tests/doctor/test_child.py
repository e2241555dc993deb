"""Programs are listened to, and never waited for too long."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from dtrain.doctor.child import Child
from dtrain.doctor.record import heard

TELLS = "from dtrain.doctor.record import tell; tell('found', x=1)"


def python(code: str, **options) -> Child:
    return Child([sys.executable, "-u", "-c", code], **options)


def test_records_are_told_from_other_output():
    child = python(f"print('hello')\n{TELLS}\nprint('bye', end='')")
    assert child.wait_for_end(time.monotonic() + 30) == 0
    assert child.record("found") == {"kind": "found", "x": 1}
    assert child.record("other") is None
    assert child.said == ["hello", "bye"]
    child.end()


def test_it_can_be_spoken_to():
    child = python("print(input())", talks=True)
    child.say("word")
    child.wait_for_end(time.monotonic() + 30)
    assert child.said == ["word"]
    child.end()


def test_one_that_hangs_is_killed_with_its_children(tmp_path):
    left = tmp_path / "pid"
    code = (
        "import subprocess, sys, pathlib, time\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(left)!r}).write_text(str(other.pid))\n{TELLS}\ntime.sleep(600)"
    )
    child = python(code)
    child.wait(lambda child: child.record("found") is not None, time.monotonic() + 30)
    assert child.wait_for_end(time.monotonic() + 0.1) is None
    child.end()
    assert child.code == -9
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(int(left.read_text())):
        time.sleep(0.01)
    assert not _runs(int(left.read_text()))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_program_that_is_not_there():
    child = Child(["/no/such/program"])
    assert (child.error, child.code) == ("/no/such/program: No such file or directory", None)
    child.wait(lambda _: False, time.monotonic() + 30)
    assert child.wait_for_end(time.monotonic() + 30) is None
    child.end()


def test_what_is_no_record():
    assert heard("dtrain-doctor: {broken") is None
    assert heard("dtrain-doctor: [1]") is None
    assert heard("[1,0]<stdout>: dtrain-doctor: {\"kind\": \"x\"}") == {"kind": "x"}  # fmt: skip
