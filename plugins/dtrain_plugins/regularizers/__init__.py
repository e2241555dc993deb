"""Built-in regularizers."""

from dtrain import Regularizer, hookimpl

from .l2 import L2


@hookimpl(trylast=True)
def dtrain_regularizers() -> dict[str, type[Regularizer]]:
    return {"l2": L2}
