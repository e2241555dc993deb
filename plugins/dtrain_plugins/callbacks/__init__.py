"""Built-in callbacks."""

from dtrain import Callback, hookimpl

from .early_stopping import EarlyStopping
from .plot_fit import PlotFit


@hookimpl(trylast=True)
def dtrain_callbacks() -> dict[str, type[Callback]]:
    return {"early_stopping": EarlyStopping, "plot_fit": PlotFit}
