"""`checks`, `parametrize`, `run`: what people outside call, and what they are told."""

from __future__ import annotations

import doctest
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import dtrain.testing
from dtrain import Activation, Layer
from dtrain.errors import ConfigError, PluginError
from dtrain.registry import Registry
from dtrain.testing import ADVICE, IDS, KEYS, Check, Failure, Outcome, checks, parametrize, run
from tests.testing.broken.dtype import Float64
from tests.testing.broken.gradient_of_input import FactorLost
from tests.testing.broken.right_layers import Double, Shift
from tests.testing.broken.scratch import Allocates
from tests.testing.broken.split import BareMean, SumOfAllRowsForEachShard

HALVES = (
    "backward must return the derivative of forward times dy: derive it again, or look for a factor left out; "
    "where something else is meant to go back, say why in `surrogate`"
)

NO_EXAMPLES = "no examples: declare `examples`, or name a config whose tables give the options, --config FILE"


class Announced(FactorLost):
    expected_failed_checks = {"gradient_of_input": "a straight-through estimator"}


class AnnouncedInVain(Double):
    expected_failed_checks = {"gradient_of_input": "a straight-through estimator"}


class Wide(Layer):
    examples = [{"units": 3}, {"units": 4, "input": (2,)}]

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, shape, make):
        return (self.units,)

    def forward(self, x, context):
        y = np.repeat(x[:, :1], self.units, axis=1)

        def backward(dy):
            dx = np.zeros_like(x)
            dx[:, 0] = dy.sum(axis=1)
            return dx

        return y, backward


@pytest.mark.parametrize(**parametrize("activations", Double))
def test_parametrize_gives_pytest_a_test_for_each_check(check):
    check()


@pytest.mark.parametrize(**parametrize("layers", Wide))
def test_each_example_is_checked(check):
    check()


def test_ids_name_the_check_and_its_example():
    names = [name for name, _ in checks("layers", Wide)]
    assert len(set(names)) == len(names)
    assert {name.split("[")[0] for name in names} == set(IDS) - {
        "gradient_of_penalty",
        "driven",
        "moves",
        "decreases",
        "same_content",
        "writer",
        "exact",
        "conserved",
        "in_flight",
        *ADVICE,
    }
    assert "split[units=3]" in names
    assert "split[units=4, input=(2,)]" in names
    assert "split" in dict(checks("layers", Wide, units=5))
    assert parametrize("layers", Wide, units=5)["ids"] == [
        name for name, _ in checks("layers", Wide, units=5)
    ]


def test_a_failure_says_who_what_and_what_to_do():
    check = dict(checks("layers", BareMean))["split"]
    with pytest.raises(Failure) as caught:
        check()
    place = str(caught.value).split(" at ")[1].split(":")[0]
    assert str(caught.value) == (
        "layer 'bare_mean' from plugin 'given' (given explicitly): split: y, in shards of [4, 4, 4] rows on rank 0 "
        f"of 3 (shared memory) at {place}: expected {caught.value.expected}, got {caught.value.got}; what crosses rows "
        "goes through the context: context.sum(x) instead of x.sum(axis=0), context.moments for a mean and a variance, "
        "and context.gradient sums x[rows] and dy[rows] only"
    )


def test_a_failure_has_both_sides():
    failure = dict(checks("activations", Float64))["dtype"].failure()
    assert (failure.expected, failure.got) == (np.float32, np.float64)
    assert str(failure) == (
        "activation 'float64' from plugin 'given' (given explicitly): dtype: dtype of y, for float32 input: "
        "expected float32, got float64; a float64 array or NumPy scalar among float32 makes float64: use Python "
        "numbers, x.dtype.type(…), or astype(x.dtype)"
    )


def test_a_failure_names_the_example():
    class Wrong(Wide):
        def forward(self, x, context):
            return super().forward(x, context)[0], lambda dy: np.zeros_like(x)

    failure = dict(checks("layers", Wrong))["gradient_of_input[units=4, input=(2,)]"].failure()
    assert str(failure).startswith(
        "layer 'wrong' from plugin 'given' (given explicitly) with units=4, input=(2,): "
        "gradient_of_input: dx at [3, 0], for a value of -0.891: expected 1.66072527, got 0 (off by 1.7); "
    )
    assert str(failure).endswith(HALVES)


def test_an_error_of_the_part_is_a_failure_with_its_cause():
    class Raises(Layer):
        def forward(self, x, context):
            raise KeyError("weight")

    found = dict(checks("layers", Raises))
    with pytest.raises(Failure, match=r"contract: expected no error, got KeyError: 'weight'$") as caught:
        found["contract"]()
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(
        Failure, match=r"shape: not tried before contract holds: expected no error, got KeyError: "
    ):
        found["shape"]()


def test_an_expected_failure_passes():
    dict(checks("layers", Announced))["gradient_of_input"]()
    given = {"gradient_of_input": "by an argument"}
    dict(checks("layers", FactorLost, expected_failed_checks=given))["gradient_of_input"]()


def test_an_expected_failure_may_be_of_one_example():
    class Wrong(Wide):
        def forward(self, x, context):
            y, backward = super().forward(x, context)
            return y, (lambda dy: 2 * backward(dy)) if self.units == 4 else backward

    expected = {"gradient_of_input[units=4, input=(2,)]": "known"}
    for _, check in checks("layers", Wrong, expected_failed_checks=expected):
        check()


def test_an_expected_failure_that_passes_fails():
    with pytest.raises(Failure) as caught:
        dict(checks("activations", AnnouncedInVain))["gradient_of_input"]()
    assert str(caught.value) == (
        "activation 'announced_in_vain' from plugin 'given' (given explicitly): gradient_of_input: "
        "expected to fail (a straight-through estimator), but passes; take it out of expected_failed_checks"
    )


def test_expected_failures_name_checks_that_there_are():
    with pytest.raises(ValueError, match="names 'gradiant_of_input', which is no check; did you mean"):
        list(checks("activations", Double, expected_failed_checks={"gradiant_of_input": "?"}))


def test_what_can_be_checked():
    def made(units: int = 3) -> Layer:
        return Wide(units)

    class Plugin:
        @staticmethod
        @dtrain.hookimpl
        def dtrain_layers():
            return {"wide": Wide}

    registry = Registry.load(extra=[("mine", Plugin)])
    assert list(checks("activations", "tanh"))
    for factory in (
        made,
        partial(Wide, 3),
        lambda: Wide(3),
        registry.bind("layers", "wide", {"units": 2}, "here"),
    ):
        for _, check in checks("layers", factory):
            check()
    for _, check in checks("layers", "wide", registry=registry, units=2):
        check()


def test_options_name_other_parts():
    for _, check in checks(
        "layers", "dense", units=3, activation="tanh", initializer={"name": "normal", "std": 0.5}
    ):
        check()


def test_wrong_options_and_kinds_are_errors():
    with pytest.raises(ConfigError, match="has no option 'unit'; did you mean 'units'"):
        list(checks("layers", Wide, unit=3))
    with pytest.raises(PluginError, match="no kind of part is called 'layer'"):
        list(checks("layer", Wide))
    with pytest.raises(ValueError, match=r"target must be one of 'binary', .*, or a function, got 'klass'"):
        list(checks("losses", "mse", target="klass"))
    assert set(KEYS["losses"]) == {"input", "range", "complex", "target"}


def test_advice_is_asked_for():
    assert "scratch" not in dict(checks("activations", Allocates))
    assert "y = " not in str(dict(checks("activations", Allocates, advice=True))["scratch"].failure())
    assert "return x * 2, Double()" in str(
        dict(checks("activations", Allocates, advice=True))["scratch"].failure()
    )


def test_run_tells_what_came_of_each_check():
    class Plugin:
        @staticmethod
        @dtrain.hookimpl
        def dtrain_activations() -> dict[str, type[Activation]]:
            return {"announced": Announced, "in_vain": AnnouncedInVain, "slow": Allocates}

        @staticmethod
        @dtrain.hookimpl
        def dtrain_layers():
            return {"bare_mean": BareMean, "needs_options": NeedsOptions}

    class NeedsOptions(Layer):
        def __init__(self, units: int) -> None: ...

    registry = Registry.load(extra=[("mine", Plugin)])
    mine = [(e.kind, e.name) for e in registry.table() if e.plugin == "mine"]
    outcomes = {(o.name, o.check): o for o in run([*mine, ("datasets", "npz")], registry=registry)}
    assert outcomes["announced", "gradient_of_input"] == Outcome(
        "activations", "announced", "gradient_of_input", "expected", "a straight-through estimator"
    )
    assert outcomes["in_vain", "gradient_of_input"].status == "failed"
    assert outcomes["in_vain", "split"] == Outcome("activations", "in_vain", "split", "passed")
    assert outcomes["slow", "scratch"].status == "advice"
    assert outcomes["bare_mean", "split"].message.startswith("layer 'bare_mean' from plugin 'mine'")
    assert outcomes["npz", "examples"] == Outcome("datasets", "npz", "examples", "skipped", NO_EXAMPLES)
    needs = outcomes["needs_options", "examples"]
    assert needs.status == "failed"
    assert "needs the option 'units'" in needs.message
    assert {o.status for o in outcomes.values()} == {"passed", "failed", "expected", "advice", "skipped"}


def test_an_example_that_does_not_fit_is_told_once():
    class Images(Layer):
        examples = [{"input": (2, 2)}, {}]

        def build(self, shape, make):
            if len(shape) != 2:
                raise ValueError(f"images takes samples of two dimensions, got {shape}")
            return shape

        def forward(self, x, context):
            return x, lambda dy: dy

    class Plugin:
        @staticmethod
        @dtrain.hookimpl
        def dtrain_layers():
            return {"images": Images}

    outcomes = list(run([("layers", "images")], registry=Registry.load(extra=[("mine", Plugin)])))
    assert [o.status for o in outcomes if o.check.endswith("[input=(2, 2)]")] == ["passed"] * (
        len(outcomes) - 1
    )
    assert (outcomes[-1].check, outcomes[-1].status) == ("examples", "failed")
    assert outcomes[-1].message == (
        "layer 'images' from plugin 'mine' (given explicitly): examples: expected no error, got ValueError: images "
        "takes samples of two dimensions, got (8,); say in its examples what the part takes: `input` and the other "
        "keys of its contract"
    )


def test_checks_leave_numpy_and_warnings_as_they_were():
    before = np.geterr(), np.random.rand, sys.gettrace()
    for factory in (Shift, SumOfAllRowsForEachShard):
        for _, check in checks("layers", factory, advice=True):
            check.failure()
    assert (np.geterr(), np.random.rand, sys.gettrace()) == before


def test_needs_no_pytest_and_no_mpi():
    code = "import sys, dtrain.testing; print([n for n in ('pytest', 'hypothesis', 'mpi4py') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_exports():
    assert sorted(dtrain.testing.__all__) == [
        "ADVICE", "Check", "Failure", "IDS", "KEYS", "Outcome", "checks", "examples_of", "parametrize", "run",
    ]  # fmt: skip
    assert issubclass(Failure, AssertionError)
    assert isinstance(next(checks("activations", Double))[1], Check)


@pytest.mark.parametrize("module", ["dtrain.testing", "dtrain.testing.public", "dtrain.testing.outcomes"])
def test_the_examples_in_the_docstrings_run(module):
    result = doctest.testmod(sys.modules[module])
    assert result.attempted
    assert not result.failed
