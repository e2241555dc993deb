"""A plugin of dtrain: one part of every kind, and an `adam` in place of dtrain's own."""

from dtrain import hookimpl

from .activations import Swish
from .callbacks import Goal
from .datasets import Waves
from .exchanges import Ternary
from .initializers import Triangular
from .layers import Centre, ScaleShift
from .losses import LogCosh
from .metrics import Within
from .optimizers import Adam, Signum
from .procedures import GentleStart
from .regularizers import LogSquare
from .schedules import InverseTime
from .transforms import Jitter


@hookimpl
def dtrain_layers():
    return {"centre": Centre, "scale_shift": ScaleShift}


@hookimpl
def dtrain_activations():
    return {"swish": Swish}


@hookimpl
def dtrain_initializers():
    return {"triangular": Triangular}


@hookimpl
def dtrain_optimizers():
    return {"adam": Adam, "signum": Signum}


@hookimpl
def dtrain_losses():
    return {"log_cosh": LogCosh}


@hookimpl
def dtrain_schedules():
    return {"inverse_time": InverseTime}


@hookimpl
def dtrain_regularizers():
    return {"log_square": LogSquare}


@hookimpl
def dtrain_metrics():
    return {"within": Within}


@hookimpl
def dtrain_datasets():
    return {"waves": Waves}


@hookimpl
def dtrain_transforms():
    return {"jitter": Jitter}


@hookimpl
def dtrain_callbacks():
    return {"goal": Goal}


@hookimpl
def dtrain_exchanges():
    return {"ternary": Ternary}


@hookimpl
def dtrain_procedures():
    return {"gentle_start": GentleStart}
