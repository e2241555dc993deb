"""Values as messages spell them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

_LONGEST = 60  # characters of a value in a message
_TOO_LARGE = 2**63


def shown(value: object) -> str:
    """Returns a value as a config would spell it, cut short."""
    text = " ".join(_spelled(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _spelled(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, PurePath)):
        return f'"{value}"'
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {_spelled(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_spelled, value))}]"
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return "a number beyond 2⁶³"  # Python refuses to spell the largest ones
    return repr(value)


def ranks_in_words(ranks: list[int]) -> str:
    """Returns ranks in words, runs of them as ranges: `ranks 0, 2-5`."""
    runs: list[tuple[int, int]] = []
    for rank in ranks:
        if runs and runs[-1][1] == rank - 1:
            runs[-1] = (runs[-1][0], rank)
        else:
            runs.append((rank, rank))
    words = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return f"rank {words}" if len(ranks) == 1 else f"ranks {words}"
