"""What holds for every check."""

from __future__ import annotations

import json

import pytest

from dtrain.doctor.checks import CHECKS
from dtrain.doctor.world import HostReport, World
from tests.doctor.support import healthy

SILENT_ALONE = {"scheduler", "root", "hosts", "names", "ports"}


@pytest.mark.parametrize("hosts", [1, 3])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"check {check.name}")
def test_a_healthy_world_is_well(check, hosts):
    found = list(check.judge(healthy(hosts)))
    assert {one.status for one in found} <= ({"ok"} if check.name != "slots" or hosts == 1 else {"skip"})
    assert found or check.name in SILENT_ALONE
    assert not any(one.remedy for one in found)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"check {check.name}")
def test_where_nothing_could_be_found_out_nothing_is_raised(check):
    for reports in ([HostReport("a")], [HostReport("a", facts={}), HostReport("b", problem="is silent")]):
        for one in check.judge(World(2, reports)):
            assert one.status in ("skip", "fail"), one


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"check {check.name}")
def test_a_look_that_failed_is_no_good_news(check):
    world = healthy(2)
    broken = world.hosts[1].facts
    assert broken is not None
    for name in broken:
        broken[name] = {"error": "OSError: gone"}
    for one in check.judge(world):
        assert (
            "node1" not in one.text
            or one.status != "ok"
            or check.name in ("hosts", "ranks", "names", "ports")
        )


@pytest.mark.parametrize(
    "check", [one for one in CHECKS if one.look], ids=lambda check: f"check {check.name}"
)
def test_each_look_returns_json(check, tmp_path):
    found = check.look({"directory": str(tmp_path), "own": "own"})
    assert "error" not in found
    assert json.loads(json.dumps(found)) == found
