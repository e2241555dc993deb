"""Every built-in layer that normalizes, found by what it declares, and the shapes of samples that it takes."""

from __future__ import annotations

from dtrain.engine import Network
from dtrain.errors import ConfigError
from dtrain_plugins.activations import dtrain_activations
from tests.plugins.support import built, examples_of, initializer, layers_and_activations

SHAPES = [(1,), (4,), (1, 1), (1, 4), (3, 1), (2, 2, 4)]
RANKS = (1, 2, 3)


def made(name, options):
    kind = "activations" if name in dtrain_activations() else "layers"
    return built(kind, name, options)


def network_of(layer, shape):
    return Network([("norm", layer)], shape, "float64", initializer)


def every_example():
    """Yields (name, options, input shape, range) of each example of each built-in layer of one input."""
    for name, _, options, extra in examples_of(layers_and_activations()):
        if not isinstance(extra["input"], list):
            low, high = extra.get("range", (-3, 3))
            yield name, options, tuple(extra["input"]), (low, high, extra.get("whole", False))


def normalizations():
    """Every built-in layer that declares what its variance is over: (name, options)."""
    found = []
    for name, options, shape, _ in every_example():
        layer = made(name, options)
        network_of(layer, shape)
        if layer.statistics_over is not None and (name, options) not in found:
            found.append((name, options))
    return found


def fits(name, options, shape):
    """Whether the part takes samples of this shape."""
    try:
        network_of(made(name, options), shape)
    except ConfigError:
        return False
    return True


NORMS = normalizations()
CASES = [(*norm, shape) for norm in NORMS for shape in SHAPES if fits(*norm, shape)]


def ids(cases):
    return ["-".join(str(value) for value in case if value != {}) for case in cases]
