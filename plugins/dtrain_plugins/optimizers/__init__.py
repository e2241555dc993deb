"""Built-in optimizers."""

from dtrain import Optimizer, hookimpl

from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamw import Adamw
from .amsgrad import Amsgrad
from .lamb import Lamb
from .lars import Lars
from .lion import Lion
from .momentum import Momentum
from .nadam import Nadam
from .nesterov import Nesterov
from .rmsprop import Rmsprop
from .sgd import Sgd
from .swats import Swats


@hookimpl(trylast=True)
def dtrain_optimizers() -> dict[str, type[Optimizer]]:
    return {
        "adadelta": Adadelta,
        "adagrad": Adagrad,
        "adam": Adam,
        "adamw": Adamw,
        "amsgrad": Amsgrad,
        "lamb": Lamb,
        "lars": Lars,
        "lion": Lion,
        "momentum": Momentum,
        "nadam": Nadam,
        "nesterov": Nesterov,
        "rmsprop": Rmsprop,
        "sgd": Sgd,
        "swats": Swats,
    }
