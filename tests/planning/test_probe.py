"""What is made of the steps that several ranks took."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.errors import ConfigError
from dtrain.planning import probe
from dtrain.planning.measure import measure_link, measure_shared_byte
from dtrain.planning.probe import Kind, merged, probe_steps, sample
from tests.planning.test_counts import config_of


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 0.01)
    for name in ("SECONDS", "LONG", "PAUSE"):
        monkeypatch.setattr(f"dtrain.planning.measure.{name}", 0.001)


def test_everybody_waits_for_the_slowest_at_every_collective():
    every = np.array([[[1.0, 5.0]], [[4.0, 2.0]]])  # two ranks, one step, two pieces
    assert merged(every) == [4.0, 5.0]


def test_the_pieces_add_up_to_the_typical_step():
    every = np.array([[[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]])
    pieces = merged(every)
    assert sum(pieces) == pytest.approx(1.0)


def test_the_ranks_that_are_run_have_the_first_and_the_last_among_them():
    assert sample(1024, 1) == [0]
    assert sample(1024, 2) == [0, 1023]
    assert sample(5, 5) == [0, 1, 2, 3, 4]
    assert sample(9, 3) == [0, 4, 8]


def test_two_processes_stand_for_a_thousand_ranks(tmp_path):
    config = config_of(tmp_path, 40, 12)
    found = run_ranks(2, lambda communicator: probe_steps(config, communicator, 1000, False))
    assert found[0]["kinds"] == found[1]["kinds"]
    (kind,) = map(Kind.from_dict, found[0]["kinds"])
    assert [rank for rank, _ in kind.traces] == [0, 999]
    assert len(kind.work) == len(kind.traces[0][1]) + 1
    assert kind.share == 1
    assert kind.as_dict() == found[0]["kinds"][0] | {"traces": kind.as_dict()["traces"]}
    assert found[0]["shards"] == 1024
    assert found[0]["rows"] == 40


def test_steps_of_several_kinds_have_their_share(tmp_path):
    config = config_of(tmp_path, 40, 12, exchange={"name": "local_steps", "interval": 4})
    found = probe_steps(config, SerialCommunicator(), 8, False)
    kinds = list(map(Kind.from_dict, found["kinds"]))
    assert sorted(kind.share for kind in kinds) == [0.25, 0.75]
    meeting, apart = sorted(kinds, key=lambda kind: kind.share)
    assert len(meeting.traces[0][1]) > len(apart.traces[0][1])


def test_an_optimizer_that_decides_by_the_loss_is_refused(tmp_path):
    config = config_of(tmp_path, 40, 12)
    object.__setattr__(config.optimizer, "name", "lbfgs")
    object.__setattr__(config.optimizer, "options", {})
    with pytest.raises(ConfigError) as raised:
        probe_steps(config, SerialCommunicator(), 2, True)
    assert str(raised.value) == (
        "plan: expected an optimizer whose steps are all alike, got 'lbfgs', which looks at the loss before it knows "
        "how much there is to do"
    )


def test_links_are_measured_alike_on_all_ranks():
    found = run_ranks(3, lambda c: (measure_link(c), measure_shared_byte(c, 1000)))
    assert found[0] == found[1] == found[2]
    link, shared = found[0]
    assert link.exchange > 0
    assert link.gather > 0
    assert link.barrier > 0
    assert link.byte >= 0
    assert shared >= 0
