"""What draws in training draws where predictions are drawn: else Monte-Carlo dropout would leave it out in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data import sample
from .exercise import exercise
from .failure import Failure
from .passes import Options

if TYPE_CHECKING:
    from dtrain.engine import Context

    from .subject import Subject


def check_sampling(subject: Subject) -> None:
    """A layer that draws random numbers in training draws them in a sampled inference as well."""
    if _draws(subject, Options()) and not _draws(subject, Options(training=False, sampling=True)):
        raise Failure(
            "the part draws random numbers in training, and none where predictions are drawn; "
            "ask context.sampling, not context.training"
        )


def _draws(subject: Subject, options: Options) -> bool:
    contexts: list[Context] = []
    exercise(subject, options._replace(prepare=contexts.append), sample(subject, 6))
    return any(context.drew for context in contexts)
