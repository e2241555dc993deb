"""Built-in activations."""

from dtrain import Activation, hookimpl

from .elu import Elu
from .exp import Exp
from .gelu import Gelu
from .hard_sigmoid import HardSigmoid
from .hard_tanh import HardTanh
from .identity import Identity
from .leaky_relu import LeakyRelu
from .mish import Mish
from .relu import Relu
from .selu import Selu
from .sigmoid import Sigmoid
from .sign import Sign
from .silu import Silu
from .softmax import Softmax
from .softplus import Softplus
from .step import Step
from .tanh import Tanh
from .tanh_probability import TanhProbability


@hookimpl(trylast=True)
def dtrain_activations() -> dict[str, type[Activation]]:
    return {
        "elu": Elu,
        "exp": Exp,
        "gelu": Gelu,
        "hard_sigmoid": HardSigmoid,
        "hard_tanh": HardTanh,
        "identity": Identity,
        "leaky_relu": LeakyRelu,
        "mish": Mish,
        "relu": Relu,
        "selu": Selu,
        "sigmoid": Sigmoid,
        "sign": Sign,
        "silu": Silu,
        "softmax": Softmax,
        "softplus": Softplus,
        "step": Step,
        "tanh": Tanh,
        "tanh_probability": TanhProbability,
    }
