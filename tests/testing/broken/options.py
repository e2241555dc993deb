"""Options that a config file cannot hold."""

from __future__ import annotations

from dtrain import Callback, Procedure

from .right_exchanges import InRankOrder
from .right_layers import Double
from .table import broken


@broken("layers", "options")
class TupleWithoutAnnotation(Double):
    examples = [{"scales": (1, 2)}]

    def __init__(self, scales) -> None:
        self.scales = scales


@broken("layers", "options")
class NoneIsNotTheDefault(Double):
    """TOML has no None: left out, it comes back as 0.5."""

    examples = [{"rate": None}]

    def __init__(self, rate: float | None = 0.5) -> None:
        self.rate = rate


@broken("callbacks", "options")
class NeedsAFunction(Callback):
    examples = [{"when": abs}]

    def __init__(self, when) -> None:
        self.when = when


@broken("procedures", "options")
class NeedsALeader(Procedure):
    examples = [{"by": abs}]

    def __init__(self, by) -> None:
        self.by = by

    def run(self, course):
        course.train_on()


@broken("exchanges", "options")
class ExchangesByAFunction(InRankOrder):
    examples = [{"of": abs}]

    def __init__(self, of) -> None:
        super().__init__()
        self.of = of
