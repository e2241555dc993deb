"""What a rewound run does next has the bits of a run that never took the steps in between, whatever parts it has."""

from __future__ import annotations

import json
import os

import pytest

from dtrain.registry import Registry
from dtrain.trainer import lead

PLUGIN = """
    from dtrain import Callback, Optimizer, Procedure, hookimpl

    class Again(Procedure):
        "Goes back from a step, from several, and from the end of the run: to the beginning, and to a later mark."
        def __init__(self, before: int = 0): self.before = before
        def run(self, course):
            for _ in range(self.before):
                course.take_step()
            beginning = course.mark()
            for count in (1, 6):
                for _ in range(count):
                    course.take_step()
                course.rewind(beginning)
            course.train_on()
            course.rewind(beginning)
            course.train_on()

    class Ahead(Procedure):
        def __init__(self, before: int): self.before = before
        def run(self, course):
            for _ in range(self.before):
                course.take_step()
            course.train_on()

    class Remembers(Optimizer):
        "Its state is a table of lists that grow in place, and it keeps the very lists that it is given."
        slots = ("mean",)
        sums_over = "all"
        def __init__(self, lr: float = 0.05): self.lr, self.memory = lr, {"norms": [], "last": None}
        def sums(self): return 1
        def measure(self, value, gradient, context, mean): return ((gradient, gradient),)
        def decide(self, step, sums):
            self.memory["norms"].append(sums[0])
            self.memory["last"] = {"step": step}
        def update(self, value, gradient, context, mean):
            mean *= 0.5
            mean += gradient
            value -= self.lr / (1 + sum(self.memory["norms"])) * mean
        def state(self): return self.memory
        def load_state(self, state): self.memory = state

    class Decays(Callback):
        "Its decision depends on a list that grows in place."
        def __init__(self, losses: int = 2): self.losses, self.seen = losses, []
        def after_epoch(self, run):
            self.seen.append(run.train["loss"])
            if len(self.seen) == self.losses:
                run.stop("enough")
        def state(self): return {"seen": self.seen}
        def load_state(self, state): self.seen = state["seen"]

    @hookimpl
    def dtrain_procedures(): return {"again": Again, "ahead": Ahead}

    @hookimpl
    def dtrain_optimizers(): return {"remembers": Remembers}

    @hookimpl
    def dtrain_callbacks(): return {"decays": Decays}
"""

NETWORK = [
    {"name": "batch_norm"},
    {"name": "dense", "units": 2, "activation": "tanh"},
    {"name": "dropout", "rate": 0.2},
    {"name": "dense", "units": 3},
]


def examples(kind: str) -> list[dict[str, object]]:
    """Every built-in part of a kind, in every example that it has."""
    registry = Registry.load()
    return [
        {"name": name, **{k: v for k, v in example.items() if k not in ("range", "outputs", "input")}}
        for name in registry.names(kind)
        for example in registry.factory(kind, name).examples
    ]


def title(part: dict[str, object]) -> str:
    return " ".join(f"{value}" for value in part.values())


@pytest.fixture(autouse=True)
def plugin(acme):
    acme(PLUGIN)


@pytest.fixture
def left(on_ranks, config, elsewhere):
    """left(changes, ranks) → what a run has left: weights, figures, lines of metrics.jsonl, the reason to stop."""

    def of(changes, ranks=1):
        out = elsewhere / f"run-{len(os.listdir(elsewhere))}"
        changes = {"network": NETWORK, "train.batch_size": 20, "checkpoint": {"steps": 2}} | changes
        summary = on_ranks(ranks, config(changes), out)[0].summary
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        return {
            **{key: summary[key] for key in ("weights_sha256", "steps", "train", "validation", "stopped")},
            "lines": [{key: value for key, value in line.items() if key != "seconds"} for line in lines],
        }

    return of


def rewound(changes, before=0):
    return changes | {"procedure": {"name": "again", "before": before}}


@pytest.mark.parametrize("optimizer", [*examples("optimizers"), {"name": "remembers"}], ids=title)
def test_with_every_optimizer(optimizer, left):
    changes = {"optimizer": optimizer}
    assert left(rewound(changes)) == left(changes)
    ahead = changes | {"procedure": {"name": "ahead", "before": 2}}
    assert left(rewound(changes, 2)) == left(ahead)


@pytest.mark.parametrize("schedule", examples("schedules"), ids=title)
def test_with_every_schedule(schedule, left):
    changes = {"optimizer": {"name": "momentum", "lr": 0.05}, "schedule": [schedule], "train.epochs": 5}
    assert left(rewound(changes)) == left(changes)


PLATEAU = {"name": "plateau", "patience": 1, "minimum_change": 10.0}
CHANGES = {
    "swats that switches": {"optimizer": {"name": "swats", "tolerance": 10}},
    "a plateau under a warm-up": {"schedule": [{"name": "warmup", "length": 2, "then": PLATEAU}]},
    "early stopping": {"callback": [{"name": "early_stopping", "patience": 1, "minimum_change": 0.05}]},
    "a stranger's callback": {"callback": [{"name": "decays"}]},
    "steps, not epochs": {"train": {"steps": 7, "batch_size": 20}},
    "micro-batches": {"train.accumulate": 2},
}


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_with_decisions_of_earlier_steps(changes, ranks, left):
    assert left(rewound(changes), ranks) == left(changes, ranks)


OF_GRADIENTS = [
    part for part in examples("exchanges") if part["name"] != "local_steps"
]  # refused beside a procedure


@pytest.mark.parametrize("exchange", OF_GRADIENTS, ids=title)
def test_with_every_exchange(exchange, left):
    changes = {"train.exchange": exchange, "train.shards": 2}
    assert left(rewound(changes), 2) == left(changes, 2)


def test_a_mark_without_the_state_of_parts_gives_other_bits(left, monkeypatch):
    """A negative control: what the parts keep is part of the mark, and it is a copy."""
    swats, own = CHANGES["swats that switches"], {"optimizer": {"name": "remembers"}}
    plain = [left(swats), left(own)]
    take = lead.take_point
    with monkeypatch.context() as patch:
        patch.setattr(lead, "go_back", lambda trainer, point: None)
        assert left(rewound(swats))["weights_sha256"] != plain[0]["weights_sha256"]

    def shared(trainer, before, *, acted):
        return take(trainer, before, acted=acted)._replace(optimizer=trainer.job.optimizer.state())

    monkeypatch.setattr(lead, "take_point", shared)
    assert left(rewound(own))["weights_sha256"] != plain[1]["weights_sha256"]


def test_a_time_limit_that_is_over_stays_over(on_ranks, config, elsewhere, acme):
    tables = config({"procedure": {"name": "again"}, "train.time_limit": 1e-9})
    summary = on_ranks(1, tables, elsewhere / "out")[0].summary
    assert summary["stopped"] == "time limit of 1e-09 s"
    assert summary["steps"] == 0
