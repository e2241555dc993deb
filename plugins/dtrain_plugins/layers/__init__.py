"""Built-in layers."""

from dtrain import Layer, hookimpl

from .activity_regularizer import ActivityRegularizer
from .batch_norm import BatchNorm
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten
from .gaussian_noise import GaussianNoise
from .group_norm import GroupNorm
from .instance_norm import InstanceNorm
from .layer_norm import LayerNorm
from .parallel import Parallel
from .prelu import Prelu
from .reshape import Reshape
from .residual import Residual
from .rms_norm import RmsNorm


@hookimpl(trylast=True)
def dtrain_layers() -> dict[str, type[Layer]]:
    return {
        "activity_regularizer": ActivityRegularizer,
        "batch_norm": BatchNorm,
        "dense": Dense,
        "dropout": Dropout,
        "flatten": Flatten,
        "gaussian_noise": GaussianNoise,
        "group_norm": GroupNorm,
        "instance_norm": InstanceNorm,
        "layer_norm": LayerNorm,
        "parallel": Parallel,
        "prelu": Prelu,
        "reshape": Reshape,
        "residual": Residual,
        "rms_norm": RmsNorm,
    }
