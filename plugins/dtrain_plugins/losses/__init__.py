"""Built-in losses."""

from dtrain import Loss, hookimpl

from .binary_cross_entropy import BinaryCrossEntropy
from .cross_entropy import CrossEntropy
from .hinge import Hinge
from .huber import Huber
from .kl_divergence import KlDivergence
from .lp import Lp
from .mae import Mae
from .mse import Mse
from .perceptron import Perceptron
from .poisson import Poisson
from .softmax_cross_entropy import SoftmaxCrossEntropy


@hookimpl(trylast=True)
def dtrain_losses() -> dict[str, type[Loss]]:
    return {
        "binary_cross_entropy": BinaryCrossEntropy,
        "cross_entropy": CrossEntropy,
        "hinge": Hinge,
        "huber": Huber,
        "kl_divergence": KlDivergence,
        "lp": Lp,
        "mae": Mae,
        "mse": Mse,
        "perceptron": Perceptron,
        "poisson": Poisson,
        "softmax_cross_entropy": SoftmaxCrossEntropy,
    }
