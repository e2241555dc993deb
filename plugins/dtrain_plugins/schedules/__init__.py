"""Built-in schedules."""

from dtrain import Schedule, hookimpl

from .cosine import Cosine


@hookimpl(trylast=True)
def dtrain_schedules() -> dict[str, type[Schedule]]:
    return {"cosine": Cosine}
