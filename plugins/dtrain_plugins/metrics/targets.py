"""What the metrics of classes make of outputs and targets."""

from __future__ import annotations

from dtrain import Array, Loss, Shape, Target


def classes_of(y: Array, target: Array) -> Array:
    """Return the class of each place, (rows, …): of a distribution (rows, …, K) the first most probable one."""
    if target.shape == y.shape:
        return target.argmax(axis=-1)
    if target.shape != y.shape[:-1]:
        raise ValueError(f"expected targets of shape {y.shape[:-1]} or {y.shape}, got {target.shape}")
    return target


def sides(y: Array, target: Array, threshold: float) -> Array:
    """Return which outputs are on the side of the threshold that the target is on, class 1 above one half."""
    return (y > threshold) == (of_shape(target, y) > 0.5)


def of_shape(target: Array, y: Array) -> Array:
    """Return targets of y's shape; they may be (rows,) for a single output."""
    if target.shape != y.shape and (target.ndim != 1 or target.size != y.size):
        raise ValueError(f"expected targets of shape {y.shape}, got {target.shape}")
    return target.reshape(y.shape)


def is_threshold(loss: Loss, shape: Shape) -> bool:
    """Return whether the last dimension of this shape is one question of two classes, and not one output a class."""
    return (not shape or shape[-1] == 1) and loss.answers != "class"


def check_threshold(target: Target, loss: Loss, threshold: float | None) -> None:
    """Raise ValueError for targets −1 and 1 if the threshold would be that between 0 and 1."""
    if threshold is None and target.low < 0 < loss.threshold:
        raise ValueError(
            f"expected a threshold between the targets -1 and 1, got {loss.threshold:g} from the loss; "
            "set threshold = 0.0"
        )
