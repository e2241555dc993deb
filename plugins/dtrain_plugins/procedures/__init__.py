"""Built-in procedures."""

from dtrain import Procedure, hookimpl

from .lr_finder import LrFinder


@hookimpl(trylast=True)
def dtrain_procedures() -> dict[str, type[Procedure]]:
    return {"lr_finder": LrFinder}
