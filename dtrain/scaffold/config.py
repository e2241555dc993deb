"""A config that trains with every part of a new plugin."""

from __future__ import annotations

from collections.abc import Sequence

from dtrain.contracts import KINDS

from .naming import Naming

_TABLES = {  # where a part of each kind stands, and what stands there when the plugin has none
    "datasets": ('[data]\nname = "{}"\nvalidation = 0.2', '[data]\nname = "digits"\nvalidation = 0.2'),
    "transforms": ('[[data.transform]]\nname = "{}"', ""),
    "initializers": (
        '[[network]]\nname = "dense"\nunits = 32\ninitializer = "{}"',
        '[[network]]\nname = "dense"\nunits = 32',
    ),
    "activations": ('[[network]]\nname = "{}"', '[[network]]\nname = "relu"'),
    "layers": ('[[network]]\nname = "{}"', ""),
    "losses": ('[loss]\nname = "{}"', '[loss]\nname = "softmax_cross_entropy"'),
    "optimizers": ('[optimizer]\nname = "{}"', '[optimizer]\nname = "adam"'),
    "schedules": ('[[schedule]]\nname = "{}"', ""),
    "regularizers": ('[[regularizer]]\nname = "{}"', ""),
    "procedures": ('[procedure]\nname = "{}"', ""),
    "callbacks": ('[[callback]]\nname = "{}"\nloss = 0.01', ""),
    "metrics": (
        '[train]\nepochs = 5\nbatch_size = 64\nmetrics = ["accuracy", "{}"]',
        '[train]\nepochs = 5\nbatch_size = 64\nmetrics = ["accuracy"]',
    ),
    "exchanges": ('[train.exchange]\nname = "{}"', ""),
}


def config_of(naming: Naming, kinds: Sequence[str]) -> str:
    """Returns a config with a part of each of these kinds; dtrain's own parts do the rest."""
    assert set(KINDS) == set(_TABLES), "each kind has its place in a config"
    tables = [
        mine.format(naming.part(kind)) if kind in kinds else other for kind, (mine, other) in _TABLES.items()
    ]
    classes = 2 if "datasets" in kinds else 10
    tables.insert(5, f'[[network]]\nname = "dense"\nunits = {classes}')
    text = "\n\n".join(table for table in tables if table)
    return f"# Every part of {naming.project} in one run: `dtrain train config.toml`.\nseed = 0\n\n{text}\n"
