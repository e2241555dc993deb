"""Built-in optimizers."""

from dtrain import Optimizer, hookimpl

from .adam import Adam
from .momentum import Momentum
from .sgd import Sgd


@hookimpl(trylast=True)
def dtrain_optimizers() -> dict[str, type[Optimizer]]:
    return {"adam": Adam, "momentum": Momentum, "sgd": Sgd}
