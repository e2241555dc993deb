"""Built-in activations."""

from dtrain import Activation, hookimpl

from .relu import Relu
from .sigmoid import Sigmoid
from .tanh import Tanh


@hookimpl(trylast=True)
def dtrain_activations() -> dict[str, type[Activation]]:
    return {"relu": Relu, "sigmoid": Sigmoid, "tanh": Tanh}
