"""What a dataset knows about its source beside the numbers: names of columns, names of classes, kind of target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

TargetKind: TypeAlias = Literal["", "number", "class", "distribution", "labels"]
"""What a target is, if its source says so.

"number": a quantity, (…) or (…, n). "class": a class 0 … K−1, (…). "distribution": weights of K classes that add
up to 1, one-hot or soft, (…, K). "labels": several questions of two classes each, (…, K), 0 or 1, −1 or 1, or the
probability of class 1. "": the source does not say; dtype, shape and values decide what it can be (see `Target`).
"""


@dataclass(frozen=True)
class Schema:
    """Names and kinds of what a dataset's arrays hold; a field is empty if the source has no such names.

    features: the names of the columns of x (rows, n), in order. targets: the names of the columns of y.
    classes: the names of the classes 0 … K−1; their target was text, and counts as classes only.
    target_kind: what the target is.
    """

    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    target_kind: TargetKind = ""
