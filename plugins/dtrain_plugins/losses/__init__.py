"""Built-in losses."""

from dtrain import Loss, hookimpl

from .mse import Mse
from .softmax_cross_entropy import SoftmaxCrossEntropy


@hookimpl(trylast=True)
def dtrain_losses() -> dict[str, type[Loss]]:
    return {"mse": Mse, "softmax_cross_entropy": SoftmaxCrossEntropy}
