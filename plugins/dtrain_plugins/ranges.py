"""The ranges that options of parts have in common."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from dtrain import Range

Positive: TypeAlias = Annotated[float, Range(gt=0)]
NotNegative: TypeAlias = Annotated[float, Range(ge=0)]
AtLeastOne: TypeAlias = Annotated[float, Range(ge=1)]
Share: TypeAlias = Annotated[float, Range(ge=0, le=1)]
BelowOne: TypeAlias = Annotated[float, Range(ge=0, lt=1)]
AboveZero: TypeAlias = Annotated[float, Range(gt=0, le=1)]
Between: TypeAlias = Annotated[float, Range(gt=0, lt=1)]
Count: TypeAlias = Annotated[int, Range(ge=1)]
Natural: TypeAlias = Annotated[int, Range(ge=0)]
