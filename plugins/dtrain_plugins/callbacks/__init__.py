"""Built-in callbacks."""

from dtrain import Callback, hookimpl

from .early_stopping import EarlyStopping


@hookimpl(trylast=True)
def dtrain_callbacks() -> dict[str, type[Callback]]:
    return {"early_stopping": EarlyStopping}
