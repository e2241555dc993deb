"""Built-in metrics."""

from dtrain import Metric, hookimpl

from .accuracy import Accuracy
from .binary_accuracy import BinaryAccuracy
from .mean_absolute_error import MeanAbsoluteError
from .perplexity import Perplexity
from .r2 import R2
from .root_mean_squared_error import RootMeanSquaredError
from .top_k_accuracy import TopKAccuracy


@hookimpl(trylast=True)
def dtrain_metrics() -> dict[str, type[Metric]]:
    return {
        "accuracy": Accuracy,
        "binary_accuracy": BinaryAccuracy,
        "mean_absolute_error": MeanAbsoluteError,
        "perplexity": Perplexity,
        "r2": R2,
        "root_mean_squared_error": RootMeanSquaredError,
        "top_k_accuracy": TopKAccuracy,
    }
