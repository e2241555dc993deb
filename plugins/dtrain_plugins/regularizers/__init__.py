"""Built-in regularizers."""

from dtrain import Regularizer, hookimpl

from .l1 import L1
from .l1_l2 import L1L2
from .l2 import L2
from .weight_decay import WeightDecay


@hookimpl(trylast=True)
def dtrain_regularizers() -> dict[str, type[Regularizer]]:
    return {"l1": L1, "l1_l2": L1L2, "l2": L2, "weight_decay": WeightDecay}
