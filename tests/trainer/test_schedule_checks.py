"""Every schedule on every option that it may drive: in range at every step, or one line before the first."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from math import inf, isfinite, nan

import numpy as np
import pytest

from dtrain import Schedule
from dtrain.communicator import SerialCommunicator
from dtrain.config import SchedulePart, load
from dtrain.errors import ConfigError
from dtrain.trainer import job as jobs
from dtrain.trainer import train_session
from dtrain.trainer.job import build_job
from dtrain.trainer.job_advice import advice_on
from dtrain.trainer.schedule_checks import MOST, check_schedules, steps_to_ask
from dtrain.trainer.schedules import driver_of
from dtrain_plugins.schedules.piecewise import Piecewise
from dtrain_plugins.schedules.warmup import Warmup
from tests.plugins.support import message_of, options_of, registry

STEPS, EPOCH = 8, 2
FIRST = {"weight_decay": 0.1, "damping": 0.1, "cg_tolerance": 0.1}
"""First values of options that may start at 0, where a schedule has nothing to multiply."""

POSITIVE, NOT_NEGATIVE = (lambda v: v > 0), (lambda v: v >= 0)
BELOW_ONE = lambda v: 0 <= v < 1  # noqa: E731
RANGES = {
    "lr": POSITIVE, "epsilon": POSITIVE, "trust": POSITIVE, "floor": POSITIVE, "tolerance": POSITIVE,
    "beta_1": BELOW_ONE, "beta_2": BELOW_ONE, "rho": BELOW_ONE, "momentum": BELOW_ONE,
    "weight_decay": NOT_NEGATIVE, "damping": NOT_NEGATIVE, "cg_tolerance": NOT_NEGATIVE,
    "curvature": lambda v: 1e-4 < v < 1,
}  # fmt: skip
"""By hand, from the papers: not what the annotations say."""

HOSTILE = {
    "cosine": [{"cycle": 1}],
    "cyclic": [{"half_cycle": 2, "ratio": 1.2}, {"half_cycle": 1, "ratio": 1e308}],
    "exponential": [{"time": 1e-9}],
    "linear": [{"end": 1.0}],
    "one_cycle": [{"start": 0.0}, {"start": 1.05, "end": 1.0}, {"end": 1e308, "rise": 0.01}],
    "piecewise": [
        {"boundaries": [3], "factors": [1.0, 0.0]},
        {"boundaries": [7], "factors": [1.0, 50.0]},
        {"boundaries": [8], "factors": [1.0, 50.0]},  # never reached
    ],
    "plateau": [{"factor": 1e-300, "patience": 1}],
    "polynomial": [{"power": 1e5}],
    "step": [{"every": 1, "factor": 1e-300}],
    "warmup": [
        {"length": 1000},
        {"length": 7, "then": {"name": "one_cycle", "start": 3.0}},
        {"length": 8, "then": {"name": "one_cycle", "start": 3.0}},
    ],
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.normal(size=(12, 2))
    np.savez("d.npz", x=x, y=x @ [1.0, -1.0])
    monkeypatch.setattr(jobs, "find_parts", lambda *_: registry())  # found once for all


def tables(optimizer, schedules, **train):
    return {
        "data": {"name": "npz", "path": "d.npz"},
        "network": [{"name": "dense", "units": 1}],
        "loss": {"name": "mse"},
        "optimizer": optimizer,
        "schedule": schedules,
        "train": {"steps": STEPS, "batch_size": 6, **train},
    }


def job_of(optimizer, schedules=(), **train):
    return build_job(load(tables(optimizer, list(schedules), **train)), SerialCommunicator())


def variants():
    """Yields (name, options) of every schedule: its own examples, and those that go too far."""
    names = registry().names("schedules")
    assert set(HOSTILE) == set(names)
    for name in sorted(names):
        _, factory = registry().find("schedules", name, "")
        for options in (*map(options_of, factory.examples), *HOSTILE[name]):
            yield name, options


def driven_options(optimizer):
    """Every option of an optimizer that is a real number, with the table that makes it not 0."""
    part = registry().bind("optimizers", optimizer, {}, "").build()
    for of, value in vars(part).items():
        if type(value) is float and not of.startswith("_"):
            yield of, {"name": optimizer} | ({of: FIRST[of]} if of in FIRST else {})


def optimizers():
    return sorted(registry().names("optimizers"))


def factors_of(job, unit):
    """The product of the factors at every step, asked one by one of schedules built anew."""
    for step in range(STEPS):
        at = (step, STEPS) if unit == "step" else (step // EPOCH, STEPS // EPOCH)
        factor = 1.0
        for schedule in job.schedules:
            factor *= schedule(*at, step / EPOCH)
        yield factor


LINE = re.compile(
    r"\[\[schedule\]\] #1: schedule '(\w+)': expected (\w+) of the optimizer to stay (a number .+), got (\S+) in "
    r"step (\d) of 8, (\S+) × (\S+) of '\w+'; change the schedule or the first value"
)


@pytest.mark.parametrize("optimizer", optimizers())
def test_every_schedule_keeps_every_option_in_range_or_is_refused(optimizer):
    outcomes = set()
    for of, table in driven_options(optimizer):
        for (name, options), unit in itertools.product(variants(), ("step", "epoch")):
            job = job_of(table)
            part = SchedulePart(name=name, of=of, unit=unit, options=options, where="[[schedule]] #1")
            schedule = registry().bind("schedules", name, options, "").build()
            job = replace(job, schedules=[schedule], config=replace(job.config, schedules=(part,)))
            first = getattr(job.optimizer, of)
            values = [first * factor for factor in factors_of(job, unit)]
            good = [isfinite(value) and RANGES[of](value) for value in values]
            outcomes.add(all(good))
            if all(good):
                check_schedules(job)
                driver = driver_of(job)
                for step, value in enumerate(values):
                    driver.drive(step)
                    assert getattr(job.optimizer, of) == value
            else:
                found = LINE.fullmatch(message_of(ConfigError, lambda job=job: check_schedules(job)))
                assert found
                bad = good.index(False)
                assert found[1] == name
                assert (found[2], found[5]) == (of, str(bad + 1))
                assert float(found[4]) == pytest.approx(values[bad], rel=1e-9)
                assert getattr(job.optimizer, of) == first
    assert outcomes == {True, False}


@pytest.mark.parametrize("optimizer", optimizers())
def test_a_run_records_the_values_that_were_driven(optimizer, tmp_path):
    """What is trained with, at every step of a run; nothing is written where it would leave its range."""
    for of, table in driven_options(optimizer):
        seen = []

        def look(trainer, of=of, seen=seen):
            def after_step():
                if trainer.step:
                    seen.append(getattr(trainer.job.optimizer, of))

            trainer.looks.append(after_step)

        out = tmp_path / of
        config = load(tables(table, [{"name": "exponential", "of": of, "time": 4.0}]))
        first = registry().bind("optimizers", optimizer, {k: v for k, v in table.items() if k != "name"}, "")
        first = getattr(first.build(), of)
        train_session(lambda config=config: config, SerialCommunicator(), out, prepared=look)
        expected = [first * np.exp(-step / 4) for step in range(STEPS)]
        if of != "damping":  # newton_cg changes it within a step, and that stays in range too
            assert seen == pytest.approx(expected, rel=1e-12)
        assert len(seen) == STEPS
        assert all(map(RANGES[of], seen))
        assert json.loads((out / "summary.json").read_text())["steps"] == STEPS
        bad = load(
            tables(table, [{"name": "piecewise", "of": of, "boundaries": [4], "factors": [1.0, 1e308 * 10]}])
        )
        with pytest.raises(ConfigError):
            train_session(lambda bad=bad: bad, SerialCommunicator(), tmp_path / "bad")
        assert not (tmp_path / "bad").exists()


def test_products_are_taken_of_all_schedules_of_an_option():
    rise = {"name": "one_cycle", "of": "beta_1", "start": 1.2, "end": 1.1}
    half = {"name": "piecewise", "of": "beta_1", "boundaries": [], "factors": [0.5]}
    job_of({"name": "adam"}, [rise, half])  # 0.9 × 1.2 is outside, 0.9 × 1.2 × 0.5 is not
    more = {"name": "piecewise", "of": "beta_1", "boundaries": [2], "factors": [1.0, 1.06]}
    job_of({"name": "adam"}, [more])
    assert message_of(ConfigError, lambda: job_of({"name": "adam"}, [more, more])) == (
        "[[schedule]] #1: schedule 'piecewise': expected beta_1 of the optimizer to stay a number ≥ 0 and < 1, got "
        "1.01124 in step 3 of 8, 0.9 × 1.06 of 'piecewise' × 1.06 of 'piecewise'; change the schedule or the first "
        "value"
    )


REFUSED = {
    "no such option": (
        {"name": "adam"}, "beta_3",
        "[[schedule]] #1 of: expected a number among the options of the optimizer 'adam', got 'beta_3'; did you mean "
        "'beta_2'?; it has 'beta_1', 'beta_2', 'epsilon', 'lr'",
    ),
    "no number": (
        {"name": "newton_cg"}, "curvature",
        "[[schedule]] #1 of: expected a number among the options of the optimizer 'newton_cg', got 'curvature'; it has "
        "'cg_tolerance', 'damping', 'lr'",
    ),
    "whole numbers": (
        {"name": "lbfgs"}, "history",
        "[[schedule]] #1 of: expected an option that takes any number in a range, got 'history' of the optimizer "
        "'lbfgs', which takes whole numbers; it has 'curvature', 'lr'",
    ),
    "nothing to multiply": (
        {"name": "lion"}, "weight_decay",
        "[[schedule]] #1 of: expected an option that is not 0 at the start, got weight_decay = 0 of the optimizer "
        "'lion', which every factor leaves at 0; set it in [optimizer], or leave the schedule out",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("optimizer", "of", "message"), REFUSED.values(), ids=REFUSED)
def test_an_option_that_cannot_be_driven_is_one_line(optimizer, of, message):
    assert message_of(ConfigError, lambda: job_of(optimizer, [{"name": "linear", "of": of}])) == message


class Given(Schedule):
    """Gives what it was given, or raises it."""

    def __init__(self, factor) -> None:
        self.given, self.asked = factor, 0

    def __call__(self, step, steps, epoch):
        self.asked += 1
        if isinstance(self.given, Exception):
            raise self.given
        return self.given if step == 4 else 1.0

    def state(self):
        return {"asked": self.asked}

    def load_state(self, state):
        self.asked = state["asked"]


def job_with(schedule, of="lr", optimizer="sgd", **train):
    job = job_of({"name": optimizer}, **train)
    part = SchedulePart(name="given", of=of, where="[[schedule]] #1")
    return replace(job, schedules=[schedule], config=replace(job.config, schedules=(part,)))


def checked(schedule, *options, **train):
    check_schedules(job_with(schedule, *options, **train))
    return schedule


HEAD = "[[schedule]] #1: schedule 'given': expected"
RANGE = f"{HEAD} lr of the optimizer to stay a number > 0, got"
CHANGE = "of 'given'; change the schedule or the first value"
FACTORS = [
    (True, f"{HEAD} a factor that is a number, got true in step 5 of 8"),
    ("1", f'{HEAD} a factor that is a number, got "1" in step 5 of 8'),
    (None, f"{HEAD} a factor that is a number, got nothing in step 5 of 8"),
    (nan, f"{RANGE} nan in step 5 of 8, 0.01 × nan {CHANGE}"),
    (inf, f"{RANGE} inf in step 5 of 8, 0.01 × inf {CHANGE}"),
    (-1, f"{RANGE} -0.01 in step 5 of 8, 0.01 × -1 {CHANGE}"),
    (ValueError("math domain error"), f"{HEAD} a factor for step 1 of 8, got ValueError: math domain error"),
    (ZeroDivisionError("no"), f"{HEAD} a factor for step 1 of 8, got ZeroDivisionError: no"),
]


@pytest.mark.parametrize(("factor", "message"), FACTORS, ids=str)
def test_a_factor_that_is_none_is_one_line(factor, message):
    assert message_of(ConfigError, lambda: checked(Given(factor))) == message


@pytest.mark.parametrize("factor", [2, 0.5, np.float32(0.5), np.float64(3), np.int64(2)])
def test_numbers_of_any_kind_are_factors(factor):
    job = job_with(Given(factor))
    driver_of(job).drive(4)
    assert type(job.optimizer.lr) is float
    assert job.optimizer.lr == pytest.approx(0.01 * float(factor))


def test_asking_leaves_no_trace_in_a_schedule():
    schedule = Given(1.0)
    job = job_with(schedule)
    check_schedules(job)
    assert schedule.asked == 0
    assert advice_on(job) == ["schedule 'given' of lr: the factor is 1 all along, in this run of 8 updates"]
    assert schedule.asked == 0


def test_what_only_the_optimizers_init_refuses_is_one_line(monkeypatch):
    """An optimizer of a plugin that has no ranges in its annotations."""
    registry()
    from dtrain_plugins.optimizers.sgd import Sgd

    def init(self, lr: float = 0.01) -> None:
        if not lr < 0.1:
            raise ValueError(f"lr must be below 0.1, got {lr}")
        vars(self)["lr"] = lr

    monkeypatch.setattr(Sgd, "__init__", init)
    monkeypatch.setattr(Sgd, "_numbers", {})
    checked(Given(9.0))
    assert message_of(ConfigError, lambda: checked(Given(20.0))) == (
        f"{HEAD} lr of the optimizer to stay what it can be built with, got 0.2 in step 5 of 8, 0.01 × 20 of 'given' "
        "(lr must be below 0.1, got 0.2); change the schedule or the first value"
    )


# ---------------------------------------------------------------------- long runs

LONG = 1_000_000


@pytest.mark.parametrize("unit", [1, 7])
def test_of_a_long_run_the_ends_a_grid_and_all_turns_are_asked(unit):
    turn = 77_777
    for schedule in (
        Piecewise([turn, turn + 1], [1.0, 0.5, 1.0]),
        Warmup(turn, then=Piecewise([1], [0.5, 1.0])),
        Warmup(1000, then=Piecewise([turn - 1000], [0.5, 1.0])),
    ):
        asked = steps_to_ask(LONG, [(schedule, unit)])
        assert asked == sorted(set(asked))
        assert {0, LONG - 1, turn * unit - 1, turn * unit, turn * unit + 1} <= set(asked)
        assert MOST <= len(asked) <= MOST + 40
        assert max(np.diff(asked)) <= LONG / MOST + 1


def test_every_step_of_a_short_run_is_asked():
    assert steps_to_ask(MOST, []) == list(range(MOST))


@pytest.mark.parametrize("at", [1, 77_777, 999_999])
def test_one_step_of_a_million_outside_is_found(at):
    schedule = {"name": "piecewise", "of": "momentum", "boundaries": [at, at + 1], "factors": [1.0, 1.2, 1.0]}
    assert message_of(ConfigError, lambda: job_of({"name": "momentum"}, [schedule], steps=LONG)) == (
        "[[schedule]] #1: schedule 'piecewise': expected momentum of the optimizer to stay a number ≥ 0 and < 1, got "
        f"1.08 in step {at + 1:,} of 1,000,000, 0.9 × 1.2 of 'piecewise'; change the schedule or the first value"
    )


def test_after_the_last_step_options_stay_as_they_were():
    """A procedure may take more steps than the run has; the line would go on below 0."""
    job = job_of({"name": "momentum"}, [{"name": "linear", "of": "momentum"}])
    driver = driver_of(job)
    driver.drive(STEPS - 1)
    last = job.optimizer.momentum
    assert last > 0
    driver.drive(STEPS + 5)
    assert job.optimizer.momentum == last
