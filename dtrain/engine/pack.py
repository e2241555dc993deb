"""Several totals in one exchange."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array


class Pack:
    """How the sums of several arrays lie in one row a shard, sent as one."""

    def __init__(self, arrays: tuple[Array, ...], shards: int) -> None:
        self._shapes = [array.shape[1:] for array in arrays]
        self._dtypes = [array.dtype for array in arrays]
        cuts = np.cumsum([0, *map(prod, self._shapes)]).tolist()
        self.spans = [slice(a, b) for a, b in pairwise(cuts)]
        self.shape, self.dtype = (shards, cuts[-1]), np.result_type(*self._dtypes)
        self._plain = all(len(shape) == 1 for shape in self._shapes) and len(set(self._dtypes)) == 1

    def unpack(self, total: Array) -> Any:
        """Returns the totals in the arrays' shapes and dtypes: one, or a tuple."""
        parts = [total[span] for span in self.spans]
        if not self._plain:
            parts = [
                part.reshape(shape).astype(dtype, copy=False)
                for part, shape, dtype in zip(parts, self._shapes, self._dtypes, strict=True)
            ]
        return parts[0] if len(parts) == 1 else tuple(parts)

    def unpack_groups(self, totals: Array) -> Any:
        """Returns the totals of groups, (groups, width), in the arrays' shapes and dtypes behind the groups."""
        parts = [
            totals[:, span].reshape(len(totals), *shape).astype(dtype, copy=False)
            for span, shape, dtype in zip(self.spans, self._shapes, self._dtypes, strict=True)
        ]
        return parts[0] if len(parts) == 1 else tuple(parts)
