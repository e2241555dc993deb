"""The learning rate scaled with the global batch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dtrain.config import ScaleConfig, load
from dtrain.errors import ConfigError
from dtrain.trainer.scaling import scale_lr
from dtrain_plugins.optimizers.adadelta import Adadelta
from dtrain_plugins.optimizers.momentum import Momentum


def config(batch_size, rule, reference):
    recipe = load("digits", {"train.batch_size": batch_size})
    return replace(
        recipe, train=replace(recipe.train, scale_lr=rule and ScaleConfig(rule=rule, reference=reference))
    )


@pytest.mark.parametrize(
    ("batch_size", "rule", "reference", "lr", "line"),
    [
        (1024, "linear", 256, 0.04, "lr 0.01 → 0.04 (linear, batch 1024 against 256)"),
        (1024, "sqrt", 256, 0.02, "lr 0.01 → 0.02 (sqrt, batch 1024 against 256)"),
        (64, "linear", 256, 0.0025, "lr 0.01 → 0.0025 (linear, batch 64 against 256)"),
        (64, "sqrt", 64, 0.01, "lr 0.01 → 0.01 (sqrt, batch 64 against 64)"),
        (1024, None, 256, 0.01, None),
    ],
)
def test_the_rate_grows_with_the_batch_by_its_rule(batch_size, rule, reference, lr, line):
    optimizer = Momentum(lr=0.01)
    assert scale_lr(config(batch_size, rule, reference), optimizer, 2000) == line
    assert optimizer.lr == pytest.approx(lr)
    assert optimizer.momentum == 0.9


def test_an_optimizer_without_a_rate_is_refused():
    optimizer = Adadelta()
    vars(optimizer).pop("lr", None)
    with pytest.raises(ConfigError) as caught:
        scale_lr(config(64, "linear", 256), optimizer, 2000)
    assert str(caught.value) == (
        "[train] scale_lr: expected an optimizer with an option lr, got 'adam' without; leave scale_lr out"
    )
