"""Names and ports: each fault has its own words."""

from __future__ import annotations

from tests.doctor.support import bad, healthy, judged


def test_a_name_that_is_not_known():
    world = healthy(2)
    world.here.links["node1"] = {"error": "name", "why": "Name or service not known"}
    assert bad("names", world) == [("fail", "node0 does not know the name node1: Name or service not known")]
    assert bad("ports", world) == []


def test_a_host_without_ranks_may_have_a_name_of_its_own():
    world = healthy(2)
    world.hosts[0].ranks = 0
    world.hosts[1].links["node0"] = {"error": "name", "why": "Name or service not known"}
    assert [status for status, _ in bad("names", world)] == ["warn"]


def test_a_name_that_leads_back():
    world = healthy(2)
    world.here.links["node1"]["address"] = "127.0.1.1"
    assert bad("names", world) == [("fail", "node0 takes node1 for itself: the name resolves to 127.0.1.1")]


def test_a_host_that_takes_its_own_name_for_loopback():
    world = healthy(2)
    world.hosts[1].facts["names"]["addresses"] = ["127.0.1.1"]
    assert bad("names", world) == [
        ("warn", "node1 takes its own name for 127.0.1.1, where no other host reaches it")
    ]
    world.hosts[1].facts["names"]["addresses"] = []
    assert bad("names", world) == [("warn", "node1 does not know its own name, node1; some MPIs want to")]


def test_a_firewall_is_suspected():
    for error, why in (("timeout", "no answer within 1.5 s"), ("refused", "connection refused")):
        world = healthy(2)
        world.here.links["node1"] |= {"error": error, "why": why}
        del world.here.links["node1"]["microseconds"]
        assert bad("ports", world) == [
            (
                "fail",
                f"node0 does not reach node1 (10.0.0.1) on TCP port 40001: {why}; a firewall there, or between them, "
                "seems to keep the ports closed",
            )
        ]


def test_no_way_to_a_host_is_no_firewall():
    world = healthy(2)
    world.here.links["node1"] |= {"error": "system", "why": "No route to host"}
    ((status, text),) = bad("ports", world)
    assert (status, text) == (
        "fail",
        "node0 does not reach node1 (10.0.0.1) on TCP port 40001: No route to host",
    )


def test_a_faster_interface_that_is_not_used():
    world = healthy(2)
    world.here.links["node1"]["speed"] = 1000
    world.here.facts["names"]["interfaces"]["ib0"] = {"address": "10.1.0.0", "speed": 100000}
    assert bad("ports", world) == [
        ("warn", "node0 reaches node1 over eth0 (1000 Mbit/s), and has ib0 (10.1.0.0, 100000 Mbit/s) as well")
    ]


def test_a_host_that_did_not_come_to_it():
    world = healthy(2)
    world.hosts[1].links = {}
    assert bad("ports", world) == [("fail", "node1 did not say in time whom it reaches")]


def test_hosts_that_only_a_scheduler_reaches():
    world = healthy(2)
    world.through_ranks = True
    for host in world.hosts:
        host.links = {}
    assert bad("ports", world) == [("skip", "not tried: the scheduler alone reaches the other hosts")]


def test_the_way_is_told():
    assert judged("ports", healthy(2))[0].text == (
        "node0 → node1 (10.0.0.1) over eth0 in 90 µs; node1 → node0 (10.0.0.0) over eth0 in 90 µs"
    )
