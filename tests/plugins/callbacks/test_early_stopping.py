"""Early stopping, against a run that only counts."""

from __future__ import annotations

import json
from math import inf, nan

import pytest

from dtrain import ConfigError
from dtrain_plugins.callbacks.early_stopping import EarlyStopping
from tests.plugins.support import message_of, registry


class Course:
    """A `Run` whose validation figures are given; its snapshots are the numbers of epochs."""

    def __init__(self, values, metric="loss", measures=("loss", "accuracy"), held_out=True):
        self.values, self.metric, self.measures, self.held_out = values, metric, measures, held_out
        self.higher_is_better = {"loss": False, "accuracy": True}
        self.epoch = 0
        self.validation = None
        self.reasons = []
        self.restored = []
        self.snapshots = 0

    def stop(self, reason):
        self.reasons.append(reason)

    def snapshot(self):
        self.snapshots += 1
        return self.epoch

    def restore(self, snapshot):
        self.restored.append(snapshot)

    def run(self, callback):
        """Returns the epochs that were trained."""
        callback.start(self)
        while self.epoch < len(self.values) and not self.reasons:
            self.epoch += 1
            self.validation = {"loss": 1.0, self.metric: self.values[self.epoch - 1]}
            callback.after_epoch(self)
        callback.end(self)
        return self.epoch


@pytest.mark.parametrize(
    ("options", "values", "epochs", "best"),
    [
        # better, better, worse, worse: two epochs are waited for
        ({"patience": 2}, [5, 4, 4.5, 4.2, 1], 4, 2),
        ({"patience": 1}, [5, 4, 4.5, 4.2, 1], 3, 2),
        ({"patience": 3}, [5, 4, 4.5, 4.2, 1], 5, 5),
        ({"patience": 2}, [5, 6, 4, 6, 3, 6, 6, 1], 7, 5),  # each improvement starts the wait anew
        ({"patience": 2}, [3, 3, 3, 1], 3, 1),  # equal is no improvement
        ({"patience": 2, "minimum_change": 0.5}, [5, 4.6, 4.4, 4, 3], 5, 5),  # 4.4 < 5 − 0.5
        ({"patience": 2, "minimum_change": 0.5}, [5, 4.6, 4.5, 1], 3, 1),
        ({"patience": 2}, [5, nan, nan, 1], 3, 1),
        ({"patience": 2}, [nan, 5, nan, 4], 4, 4),
        ({"patience": 2}, [inf, 5, inf, 4], 4, 4),
        ({"patience": 2}, [5, -inf, 4, 3], 4, 2),
    ],
)  # fmt: skip
def test_stops_after_its_patience_and_brings_back_the_best_epoch(options, values, epochs, best):
    course = Course(values)
    callback = EarlyStopping(**options)
    assert course.run(callback) == epochs
    assert course.restored == [best]
    patience = options["patience"]
    stopped = epochs < len(values) or len(values) - best >= patience
    waited = "1 epoch" if patience == 1 else f"{patience} epochs"
    assert course.reasons == [f"validation loss has not improved for {waited}"] * stopped


@pytest.mark.parametrize("value", [nan, inf])
def test_stops_a_run_that_never_has_a_finite_loss(value):
    course = Course([value] * 10)
    assert course.run(EarlyStopping(patience=3)) == 3
    assert course.restored == []


@pytest.mark.parametrize(
    ("metric", "mode", "epochs"),
    [
        ("loss", "auto", 5), ("loss", "min", 5), ("loss", "max", 3),
        ("accuracy", "auto", 3), ("accuracy", "min", 5), ("accuracy", "max", 3),
    ],
)  # fmt: skip
def test_less_is_better_for_the_loss_and_more_for_a_metric(metric, mode, epochs):
    course = Course([5, 4, 3, 2, 1], metric)
    assert course.run(EarlyStopping(patience=2, metric=metric, mode=mode)) == epochs


LESS = {"mean_absolute_error", "perplexity", "root_mean_squared_error"}
"""The built-in metrics of which less is better, by hand."""


@pytest.mark.parametrize("mode", ["auto", "min", "max"])
@pytest.mark.parametrize("metric", sorted(registry().names("metrics")))
def test_every_metric_says_itself_which_way_is_better(metric, mode):
    part = registry().find("metrics", metric, "")[1]
    less = metric in LESS if mode == "auto" else mode == "min"
    for values, epochs, best in [
        ([3, 2, 1, 2, 3, 0], 5, 3) if less else ([1, 2, 3, 2, 1, 4], 5, 3),
        ([1, 2, 3, 4, 5, 6], 3, 1) if less else ([6, 5, 4, 3, 2, 1], 3, 1),
    ]:
        course = Course(values, metric, ("loss", metric))
        course.higher_is_better = {"loss": False, metric: part.higher_is_better}
        assert course.run(EarlyStopping(patience=2, metric=metric, mode=mode)) == epochs
        assert course.restored == [best]


def test_waits_five_epochs_by_default():
    course = Course([1, 2, 3, 4, 5, 6, 7])
    assert course.run(EarlyStopping()) == 6
    assert course.reasons == ["validation loss has not improved for 5 epochs"]
    assert course.restored == [1]


def test_says_one_epoch_in_the_singular():
    course = Course([1, 2])
    course.run(EarlyStopping(patience=1))
    assert course.reasons == ["validation loss has not improved for 1 epoch"]


def test_a_better_end_is_kept_without_a_stop():
    course = Course([3, 2, 1])
    assert course.run(EarlyStopping(patience=2)) == 3
    assert (course.reasons, course.restored) == ([], [3])


def test_leaves_the_weights_alone_when_asked_to():
    course = Course([1, 2, 3, 4])
    course.run(EarlyStopping(patience=2, restore_best=False))
    assert (course.restored, course.snapshots, course.epoch) == ([], 0, 3)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_resumed_run_stops_where_the_whole_one_does(cut):
    values = [5, 4, 4.5, 4.2, 4.1, 0]
    whole = Course(values).run(EarlyStopping(patience=3))
    assert whole == 5
    before, after = EarlyStopping(patience=3), EarlyStopping(patience=3)
    first = Course(values[:cut])
    first.run(before)
    after.load_state(json.loads(json.dumps(before.state(), allow_nan=False)))
    assert not first.reasons
    second = Course(values[cut:])
    assert cut + second.run(after) == whole
    assert second.restored == [1 if cut == 1 else 2]  # the resumed run counts its own epochs from 1


def test_a_state_from_before_the_first_epoch_is_json():
    before = EarlyStopping()
    text = json.dumps(before.state(), allow_nan=False)
    after = EarlyStopping()
    after.load_state(json.loads(text))
    assert (after.best, after.waited) == (inf, 0)


def test_refuses_a_run_that_holds_nothing_out():
    assert (
        message_of(ConfigError, lambda: EarlyStopping().start(Course([], held_out=False)))
        == "early_stopping needs held-out samples: set [data] validation, for example 0.2"
    )


def test_refuses_a_metric_that_the_run_does_not_measure():
    assert message_of(ConfigError, lambda: EarlyStopping(metric="f1").start(Course([]))) == (
        "early_stopping watches 'f1', which the run does not measure; it measures 'loss', 'accuracy'; "
        "add it to [train] metrics"
    )
    assert message_of(ConfigError, lambda: EarlyStopping(metric="acuracy").start(Course([]))) == (
        "early_stopping watches 'acuracy', which the run does not measure; it measures 'loss', 'accuracy'; "
        "did you mean 'accuracy'?; add it to [train] metrics"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"minimum_change": -0.1}, "minimum_change must be at least 0, got -0.1"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: EarlyStopping(**options)) == message
