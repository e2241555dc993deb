"""Built-in exchanges."""

from dtrain import Exchange, hookimpl

from .bf16 import Bf16
from .exact import Exact
from .local_steps import LocalSteps
from .overlap import Overlap
from .top_k import TopK


@hookimpl(trylast=True)
def dtrain_exchanges() -> dict[str, type[Exchange]]:
    return {
        "exact": Exact,
        "overlap": Overlap,
        "bf16": Bf16,
        "top_k": TopK,
        "local_steps": LocalSteps,
    }
