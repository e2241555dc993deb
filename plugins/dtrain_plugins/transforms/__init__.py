"""Built-in transforms of the training samples."""

from dtrain import Transform, hookimpl

from .cutout import Cutout
from .mixup import Mixup
from .noise import Noise
from .random_crop import RandomCrop
from .random_flip import RandomFlip
from .random_rotation import RandomRotation
from .random_scale import RandomScale
from .random_shift import RandomShift


@hookimpl(trylast=True)
def dtrain_transforms() -> dict[str, type[Transform]]:
    return {
        "cutout": Cutout,
        "mixup": Mixup,
        "noise": Noise,
        "random_crop": RandomCrop,
        "random_flip": RandomFlip,
        "random_rotation": RandomRotation,
        "random_scale": RandomScale,
        "random_shift": RandomShift,
    }
