"""What a part of each kind promises: one file a kind."""

from .activation import Activation
from .callback import Callback, Run
from .configurable import number_options
from .dataset import ArrayRows, Dataset, Rows, Subset, columns_of, numbers_of_classes, own_numbers
from .exchange import Exchange, GradientExchange, GradientPart, Messages, Moves, ValueExchange, ValuePart
from .initializer import Initializer
from .layer import Layer, StatisticsOver
from .loss import Loss
from .metric import Metric
from .optimizer import Optimizer, UpdateContext
from .output import Output, Span
from .procedure import Course, Procedure, Taken
from .regularizer import Regularizer
from .schedule import Schedule
from .schema import Schema, TargetKind
from .solver import Problem, Solver
from .target import Target
from .transform import Transform

KINDS: dict[str, type] = {
    "layers": Layer,
    "activations": Activation,
    "initializers": Initializer,
    "optimizers": Optimizer,
    "losses": Loss,
    "schedules": Schedule,
    "regularizers": Regularizer,
    "metrics": Metric,
    "datasets": Dataset,
    "transforms": Transform,
    "callbacks": Callback,
    "exchanges": Exchange,
    "procedures": Procedure,
}
"""Every kind of part, spelled as in its hook `dtrain_<kind>`, with its contract."""

__all__ = [
    "KINDS",
    "Activation",
    "ArrayRows",
    "Callback",
    "Course",
    "Dataset",
    "Exchange",
    "GradientExchange",
    "GradientPart",
    "Initializer",
    "Layer",
    "Loss",
    "Messages",
    "Metric",
    "Moves",
    "Optimizer",
    "Output",
    "Problem",
    "Procedure",
    "Regularizer",
    "Rows",
    "Run",
    "Schedule",
    "Schema",
    "Solver",
    "Span",
    "StatisticsOver",
    "Subset",
    "Taken",
    "Target",
    "TargetKind",
    "Transform",
    "UpdateContext",
    "ValueExchange",
    "ValuePart",
    "columns_of",
    "number_options",
    "numbers_of_classes",
    "own_numbers",
]
