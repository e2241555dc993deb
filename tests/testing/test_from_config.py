"""A config's tables are examples: options, shapes and targets as in the run."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.errors import ConfigError, DataError
from dtrain.testing import checks, examples_of, run
from tests.plugins.support import registry

REGISTRY = registry()
CONFIG = {
    "data": {"name": "npz", "path": "x.npz", "transform": [{"name": "noise", "std": 0.5}]},
    "network": [
        {
            "name": "dense",
            "units": 5,
            "activation": {"name": "elu", "alpha": 0.5},
            "initializer": "he_normal",
        },
        {"name": "residual", "layers": [{"name": "dense", "units": 5}]},
        {"name": "dense", "units": 3},
    ],
    "loss": {"name": "softmax_cross_entropy", "label_smoothing": 0.1},
    "optimizer": {"name": "sgd", "lr": 0.3},
    "train": {"epochs": 1, "metrics": ["accuracy"], "exchange": {"name": "bf16", "bucket": 0.5}},
    "schedule": [{"name": "exponential", "time": 50.0}],
    "regularizer": [{"name": "l2", "weight": 0.01}],
    "callback": [{"name": "early_stopping", "patience": 3}],
}


@pytest.fixture
def config(tmp_path):
    x = np.random.default_rng(0).standard_normal((40, 4))
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(40) % 3)
    return CONFIG | {"data": CONFIG["data"] | {"path": str(tmp_path / "x.npz")}}


def test_every_part_of_a_config_is_an_example(config):
    found = examples_of(config, REGISTRY)
    assert found["datasets", "npz"] == [{"path": config["data"]["path"]}]
    assert found["layers", "dense"] == [
        {
            "units": 5,
            "activation": {"name": "elu", "alpha": 0.5},
            "initializer": {"name": "he_normal"},
            "input": (4,),
        },
        {"units": 3, "input": (5,)},
    ]
    assert found["activations", "elu"] == [{"alpha": 0.5}]
    assert found["initializers", "he_normal"] == [{}]
    assert found["optimizers", "sgd"] == [{"lr": 0.3}]
    assert found["regularizers", "l2"] == [{"weight": 0.01}]
    assert found["callbacks", "early_stopping"] == [{"patience": 3}]
    assert found["exchanges", "bf16"] == [{"bucket": 0.5}]


def test_losses_metrics_and_transforms_get_the_targets_of_the_data(config):
    found = examples_of(config, REGISTRY)
    for part, shape in (
        (("losses", "softmax_cross_entropy"), (3,)),
        (("metrics", "accuracy"), (3,)),
        (("transforms", "noise"), (4,)),
    ):
        (example,) = found[part]
        assert example["input"] == shape
        target = example["target"](np.random.default_rng(0), 7, shape)
        assert target.shape == (7,)
        assert set(target) <= {0, 1, 2}


def test_all_parts_pass_with_the_examples_of_a_config(config):
    found = examples_of(config, REGISTRY)
    parts = [part for part in found if part != ("layers", "residual")]
    outcomes = list(
        run([("datasets", "npz"), ("losses", "softmax_cross_entropy")], registry=REGISTRY, examples=found)
    )
    assert {o.status for o in outcomes if o.kind == "losses"} <= {"passed", "advice"}
    assert {o.status for o in outcomes if o.kind == "datasets"} == {"passed"}
    for kind, name in parts:
        for _, check in checks(kind, name, registry=REGISTRY, examples=found[kind, name]):
            check()


def test_what_is_wrong_with_a_config_or_its_file_is_said(config):
    with pytest.raises(DataError, match=r"nowhere\.npz"):
        examples_of(config | {"data": {"name": "npz", "path": "nowhere.npz"}}, REGISTRY)
    with pytest.raises(ConfigError, match="has no option 'rate'"):
        examples_of(config | {"optimizer": {"name": "sgd", "rate": 1}}, REGISTRY)
