"""Built-in metrics."""

from dtrain import Metric, hookimpl

from .accuracy import Accuracy


@hookimpl(trylast=True)
def dtrain_metrics() -> dict[str, type[Metric]]:
    return {"accuracy": Accuracy}
