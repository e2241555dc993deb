"""Built-in schedules."""

from dtrain import Schedule, hookimpl

from .cosine import Cosine
from .cyclic import Cyclic
from .exponential import Exponential
from .linear import Linear
from .one_cycle import OneCycle
from .piecewise import Piecewise
from .plateau import Plateau
from .polynomial import Polynomial
from .step import Step
from .warmup import Warmup


@hookimpl(trylast=True)
def dtrain_schedules() -> dict[str, type[Schedule]]:
    return {
        "cosine": Cosine,
        "cyclic": Cyclic,
        "exponential": Exponential,
        "linear": Linear,
        "one_cycle": OneCycle,
        "piecewise": Piecewise,
        "plateau": Plateau,
        "polynomial": Polynomial,
        "step": Step,
        "warmup": Warmup,
    }
