"""Built-in layers."""

from dtrain import Layer, hookimpl

from .average_pool1d import AveragePool1d
from .average_pool2d import AveragePool2d
from .batch_norm import BatchNorm
from .conv1d import Conv1d
from .conv2d import Conv2d
from .conv2d_transpose import Conv2dTranspose
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten
from .global_average_pool1d import GlobalAveragePool1d
from .global_average_pool2d import GlobalAveragePool2d
from .max_pool1d import MaxPool1d
from .max_pool2d import MaxPool2d
from .upsample2d import Upsample2d


@hookimpl(trylast=True)
def dtrain_layers() -> dict[str, type[Layer]]:
    return {
        "average_pool1d": AveragePool1d,
        "average_pool2d": AveragePool2d,
        "batch_norm": BatchNorm,
        "conv1d": Conv1d,
        "conv2d": Conv2d,
        "conv2d_transpose": Conv2dTranspose,
        "dense": Dense,
        "dropout": Dropout,
        "flatten": Flatten,
        "global_average_pool1d": GlobalAveragePool1d,
        "global_average_pool2d": GlobalAveragePool2d,
        "max_pool1d": MaxPool1d,
        "max_pool2d": MaxPool2d,
        "upsample2d": Upsample2d,
    }
