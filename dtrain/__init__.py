"""dtrain: distributed data-parallel training of neural networks on CPUs.

Names are loaded when they are first used, so that `import dtrain` costs nothing on a login node.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    # contracts: what a plugin writes
    "Activation": "dtrain.contracts",
    "ArrayRows": "dtrain.contracts",
    "Callback": "dtrain.contracts",
    "Course": "dtrain.contracts",
    "Dataset": "dtrain.contracts",
    "Exchange": "dtrain.contracts",
    "GradientExchange": "dtrain.contracts",
    "GradientPart": "dtrain.contracts",
    "Initializer": "dtrain.contracts",
    "Layer": "dtrain.contracts",
    "Loss": "dtrain.contracts",
    "Metric": "dtrain.contracts",
    "Moves": "dtrain.contracts",
    "Optimizer": "dtrain.contracts",
    "Output": "dtrain.contracts",
    "Problem": "dtrain.contracts",
    "Procedure": "dtrain.contracts",
    "Regularizer": "dtrain.contracts",
    "Rows": "dtrain.contracts",
    "Run": "dtrain.contracts",
    "Schedule": "dtrain.contracts",
    "Schema": "dtrain.contracts",
    "Solver": "dtrain.contracts",
    "Span": "dtrain.contracts",
    "StatisticsOver": "dtrain.contracts",
    "Subset": "dtrain.contracts",
    "Taken": "dtrain.contracts",
    "Target": "dtrain.contracts",
    "TargetKind": "dtrain.contracts",
    "Transform": "dtrain.contracts",
    "UpdateContext": "dtrain.contracts",
    "ValueExchange": "dtrain.contracts",
    "ValuePart": "dtrain.contracts",
    "Range": "dtrain.options",
    # what a part meets
    "Context": "dtrain.engine",
    "Maker": "dtrain.engine",
    "Parameter": "dtrain.parameter",
    "State": "dtrain.parameter",
    "Stream": "dtrain.random",
    "hookimpl": "dtrain.registry",
    "Array": "dtrain.types",
    "Backward": "dtrain.types",
    "Shape": "dtrain.types",
    # pictures
    "can_plot": "dtrain.plotting",
    "check_plotting": "dtrain.plotting",
    "drawing": "dtrain.plotting",
    # errors
    "ConfigError": "dtrain.errors",
    "DataError": "dtrain.errors",
    "PluginError": "dtrain.errors",
    "UserError": "dtrain.errors",
    "did_you_mean": "dtrain.errors",
    "shortlist": "dtrain.errors",
    # running
    "train": "dtrain.api",
    "verify": "dtrain.api",
    # what was trained
    "Model": "dtrain.inference",
    "load": "dtrain.api",
}

__all__ = ["__version__", *sorted(_HOME)]

if TYPE_CHECKING:
    from dtrain.api import load as load
    from dtrain.api import train as train
    from dtrain.api import verify as verify
    from dtrain.contracts import Activation as Activation
    from dtrain.contracts import ArrayRows as ArrayRows
    from dtrain.contracts import Callback as Callback
    from dtrain.contracts import Course as Course
    from dtrain.contracts import Dataset as Dataset
    from dtrain.contracts import Exchange as Exchange
    from dtrain.contracts import GradientExchange as GradientExchange
    from dtrain.contracts import GradientPart as GradientPart
    from dtrain.contracts import Initializer as Initializer
    from dtrain.contracts import Layer as Layer
    from dtrain.contracts import Loss as Loss
    from dtrain.contracts import Metric as Metric
    from dtrain.contracts import Moves as Moves
    from dtrain.contracts import Optimizer as Optimizer
    from dtrain.contracts import Output as Output
    from dtrain.contracts import Problem as Problem
    from dtrain.contracts import Procedure as Procedure
    from dtrain.contracts import Regularizer as Regularizer
    from dtrain.contracts import Rows as Rows
    from dtrain.contracts import Run as Run
    from dtrain.contracts import Schedule as Schedule
    from dtrain.contracts import Schema as Schema
    from dtrain.contracts import Solver as Solver
    from dtrain.contracts import Span as Span
    from dtrain.contracts import StatisticsOver as StatisticsOver
    from dtrain.contracts import Subset as Subset
    from dtrain.contracts import Taken as Taken
    from dtrain.contracts import Target as Target
    from dtrain.contracts import TargetKind as TargetKind
    from dtrain.contracts import Transform as Transform
    from dtrain.contracts import UpdateContext as UpdateContext
    from dtrain.contracts import ValueExchange as ValueExchange
    from dtrain.contracts import ValuePart as ValuePart
    from dtrain.engine import Context as Context
    from dtrain.engine import Maker as Maker
    from dtrain.errors import ConfigError as ConfigError
    from dtrain.errors import DataError as DataError
    from dtrain.errors import PluginError as PluginError
    from dtrain.errors import UserError as UserError
    from dtrain.errors import did_you_mean as did_you_mean
    from dtrain.errors import shortlist as shortlist
    from dtrain.inference import Model as Model
    from dtrain.options import Range as Range
    from dtrain.parameter import Parameter as Parameter
    from dtrain.parameter import State as State
    from dtrain.plotting import can_plot as can_plot
    from dtrain.plotting import check_plotting as check_plotting
    from dtrain.plotting import drawing as drawing
    from dtrain.random import Stream as Stream
    from dtrain.registry import hookimpl as hookimpl
    from dtrain.types import Array as Array
    from dtrain.types import Backward as Backward
    from dtrain.types import Shape as Shape


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dtrain' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
