"""Built-in layers."""

from dtrain import Layer, hookimpl

from .batch_norm import BatchNorm
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten


@hookimpl(trylast=True)
def dtrain_layers() -> dict[str, type[Layer]]:
    return {"batch_norm": BatchNorm, "dense": Dense, "dropout": Dropout, "flatten": Flatten}
