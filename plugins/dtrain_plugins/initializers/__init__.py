"""Built-in initializers."""

from dtrain import Initializer, hookimpl

from .glorot_uniform import GlorotUniform
from .he_normal import HeNormal
from .normal import Normal
from .ones import Ones
from .zeros import Zeros


@hookimpl(trylast=True)
def dtrain_initializers() -> dict[str, type[Initializer]]:
    return {
        "glorot_uniform": GlorotUniform,
        "he_normal": HeNormal,
        "normal": Normal,
        "ones": Ones,
        "zeros": Zeros,
    }
