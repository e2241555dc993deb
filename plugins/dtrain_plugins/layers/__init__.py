"""Built-in layers."""

from dtrain import Layer, hookimpl

from .activity_regularizer import ActivityRegularizer
from .average_pool1d import AveragePool1d
from .average_pool2d import AveragePool2d
from .batch_norm import BatchNorm
from .conv1d import Conv1d
from .conv2d import Conv2d
from .conv2d_transpose import Conv2dTranspose
from .dense import Dense
from .drop_connect import DropConnect
from .dropout import Dropout
from .flatten import Flatten
from .gaussian_noise import GaussianNoise
from .global_average_pool1d import GlobalAveragePool1d
from .global_average_pool2d import GlobalAveragePool2d
from .group_norm import GroupNorm
from .instance_norm import InstanceNorm
from .layer_norm import LayerNorm
from .max_pool1d import MaxPool1d
from .max_pool2d import MaxPool2d
from .parallel import Parallel
from .prelu import Prelu
from .reshape import Reshape
from .residual import Residual
from .rms_norm import RmsNorm
from .scalar_norm import ScalarNorm
from .standardize import Standardize
from .transpose import Transpose
from .upsample2d import Upsample2d
from .whiten import Whiten
from .whiten_batch import WhitenBatch


@hookimpl(trylast=True)
def dtrain_layers() -> dict[str, type[Layer]]:
    return {
        "activity_regularizer": ActivityRegularizer,
        "average_pool1d": AveragePool1d,
        "average_pool2d": AveragePool2d,
        "batch_norm": BatchNorm,
        "conv1d": Conv1d,
        "conv2d": Conv2d,
        "conv2d_transpose": Conv2dTranspose,
        "dense": Dense,
        "drop_connect": DropConnect,
        "dropout": Dropout,
        "flatten": Flatten,
        "gaussian_noise": GaussianNoise,
        "global_average_pool1d": GlobalAveragePool1d,
        "global_average_pool2d": GlobalAveragePool2d,
        "group_norm": GroupNorm,
        "instance_norm": InstanceNorm,
        "layer_norm": LayerNorm,
        "max_pool1d": MaxPool1d,
        "max_pool2d": MaxPool2d,
        "parallel": Parallel,
        "prelu": Prelu,
        "reshape": Reshape,
        "residual": Residual,
        "rms_norm": RmsNorm,
        "scalar_norm": ScalarNorm,
        "standardize": Standardize,
        "transpose": Transpose,
        "upsample2d": Upsample2d,
        "whiten": Whiten,
        "whiten_batch": WhitenBatch,
    }
