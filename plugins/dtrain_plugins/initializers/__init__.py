"""Built-in initializers."""

from dtrain import Initializer, hookimpl

from .constant import Constant
from .fan_in_uniform import FanInUniform
from .glorot_normal import GlorotNormal
from .glorot_uniform import GlorotUniform
from .he_normal import HeNormal
from .he_uniform import HeUniform
from .lecun_normal import LecunNormal
from .lecun_uniform import LecunUniform
from .lsuv import Lsuv
from .normal import Normal
from .ones import Ones
from .orthogonal import Orthogonal
from .truncated_normal import TruncatedNormal
from .uniform import Uniform
from .zeros import Zeros


@hookimpl(trylast=True)
def dtrain_initializers() -> dict[str, type[Initializer]]:
    return {
        "constant": Constant,
        "fan_in_uniform": FanInUniform,
        "glorot_normal": GlorotNormal,
        "glorot_uniform": GlorotUniform,
        "he_normal": HeNormal,
        "he_uniform": HeUniform,
        "lecun_normal": LecunNormal,
        "lecun_uniform": LecunUniform,
        "lsuv": Lsuv,
        "normal": Normal,
        "ones": Ones,
        "orthogonal": Orthogonal,
        "truncated_normal": TruncatedNormal,
        "uniform": Uniform,
        "zeros": Zeros,
    }
