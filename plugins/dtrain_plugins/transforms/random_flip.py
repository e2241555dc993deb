from __future__ import annotations

from dtrain import Array, Context, Transform

from .images import by_rows, check


class RandomFlip(Transform):
    """Mirrors each image left to right, and upside down, each with a probability of its own.

    x: (rows, H, W) or (rows, H, W, C). Which are mirrored is a function of the seed, the epoch and the sample's
    place in it: the same on any number of ranks.

    horizontal: probability of left to right, [0, 1]. vertical: probability of upside down, [0, 1]. Raises
    ValueError for an option out of range, and ConfigError for samples that are no images.
    """

    examples = [
        {"input": (5, 6)},
        {"horizontal": 0.0, "vertical": 1.0, "input": (5, 6, 3)},
        {"horizontal": 0.25, "vertical": 0.5, "input": (5, 6, 3)},
    ]

    def __init__(self, horizontal: float = 0.5, vertical: float = 0.0) -> None:
        if not (0 <= horizontal <= 1 and 0 <= vertical <= 1):
            raise ValueError(
                f"horizontal and vertical are probabilities, in [0, 1], got {horizontal} and {vertical}"
            )
        self.horizontal, self.vertical = horizontal, vertical

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        check(x, "random_flip")
        sides = ((self.horizontal, 2), (self.vertical, 1))
        flips = [(context.bernoulli((len(x),), probability), axis) for probability, axis in sides]

        def flipped(images: Array, rows: slice) -> Array:
            out = images.copy()
            for chosen, axis in flips:
                mirrored = (slice(None),) * axis + (slice(None, None, -1),)
                out[chosen[rows]] = out[chosen[rows]][mirrored]
            return out

        return by_rows(x, context, flipped), y
